"""Where the submission is that the tests are run against: across the wall, or in this very process."""

import contextlib
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from typing import Any, Protocol

from sandboxes.harness.wall.link import Link, SubmissionLost
from sandboxes.harness.wall.stand_ins import RemoteClass, RemoteFunction, RemoteObject
from sandboxes.harness.wall.submission import Importer, Submission
from sandboxes.protocol.facts import Twin


class Subject(Protocol):
    """The submission as a tester sees it."""

    name: str
    """The name of its module."""

    @property
    def lost(self) -> str:
        """Why its process is gone, if it is."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What was noted, for messages, of objects of the submission that did not equal something."""
        ...

    def install(self) -> None:
        """Let the tests import it."""
        ...

    def hello(self, wanted: Iterable[str]) -> Mapping[str, Any]:
        """Load it, and return its values of those of the wanted names that it has.

        Raises:
            SubmissionLost: it did not live to the end of its top level.
            BaseException: what its top level raised.
        """
        ...

    def is_own(self, value: object) -> bool:
        """Whether `value` is a function or a class that the submission itself defines."""
        ...

    def owns(self, value: object) -> bool:
        """Whether `value` is something of the submission, and so no test."""
        ...

    @property
    def lied(self) -> str:
        """What shows that an object of it affirms what it should not, if anything does."""
        ...

    def begin_test(self) -> None:
        """Begin a test."""
        ...

    def end_test(self) -> Twin:
        """End a test: return whether it counts only if it fails with its literal changed."""
        ...


class AcrossTheWall:
    """A submission in another process, of which this one has stand-ins."""

    def __init__(self, name: str, link: Link) -> None:
        self.name = name
        self.link = link
        self.module = Submission(name, link)

    @property
    def lost(self) -> str:
        """See `Subject`."""
        return self.link.lost

    @property
    def lied(self) -> str:
        """What the submission said of its own objects that cannot be, if it did."""
        return self.link.lied

    @property
    def notes(self) -> Sequence[str]:
        """See `Subject`."""
        return self.link.notes

    def install(self) -> None:
        """See `Subject`."""
        sys.modules[self.name] = self.module
        sys.meta_path.insert(0, Importer(self.module))

    def hello(self, wanted: Iterable[str]) -> Mapping[str, Any]:
        """See `Subject`."""
        return self.link.hello(sorted(wanted))

    def is_own(self, value: object) -> bool:
        """See `Subject`."""
        return isinstance(value, (RemoteFunction, RemoteClass))

    def owns(self, value: object) -> bool:
        """See `Subject`."""
        return isinstance(value, (RemoteFunction, RemoteObject, RemoteClass))

    def begin_test(self) -> None:
        """See `Subject`."""
        self.link.begin_test()

    def end_test(self) -> Twin:
        """See `Subject`."""
        return self.link.end_test()


class InThisProcess(MetaPathFinder):
    """A submission that is a module of this process, as in plain Python; nothing here can be trusted once it runs."""

    lost = ""
    lied = ""
    notes: Sequence[str] = ()

    def __init__(self, name: str, path: str, prelude: bytes = b"") -> None:
        """`path` is the file of the source; `prelude` is run in its namespace before it."""
        self.name = name
        self._loader = _ProgramLoader(name, path, prelude)

    def install(self) -> None:
        """See `Subject`."""
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find the submission's module, and no other."""
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._loader.path, loader=self._loader)

    def hello(self, wanted: Iterable[str]) -> Mapping[str, Any]:
        """See `Subject`."""
        names = vars(importlib.import_module(self.name))
        return {name: names[name] for name in wanted if name in names}

    def is_own(self, value: object) -> bool:
        """See `Subject`."""
        return isinstance(value, (types.FunctionType, type)) and self.owns(value)

    def owns(self, value: object) -> bool:
        """See `Subject`."""
        with contextlib.suppress(Exception):
            return getattr(value, "__module__", None) == self.name
        return True

    def begin_test(self) -> None:
        """See `Subject`."""

    def end_test(self) -> Twin:
        """See `Subject`."""
        return Twin.NO


class Nobody:
    """No submission at all: for who only wants to know which tests there are."""

    lost = ""
    lied = ""
    notes: Sequence[str] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def install(self) -> None:
        """See `Subject`."""

    def hello(self, wanted: Iterable[str]) -> Mapping[str, Any]:
        """See `Subject`."""
        raise SubmissionLost("there is no submission")

    def is_own(self, value: object) -> bool:
        """See `Subject`."""
        return False

    def owns(self, value: object) -> bool:
        """See `Subject`."""
        return False

    def begin_test(self) -> None:
        """See `Subject`."""

    def end_test(self) -> Twin:
        """See `Subject`."""
        return Twin.NO


class _ProgramLoader(SourceFileLoader):
    def __init__(self, name: str, path: str, prelude: bytes) -> None:
        super().__init__(name, path)
        self._prelude = prelude

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the program, after what the tests place before it in its namespace."""
        if self._prelude:
            exec(compile(self._prelude, "<prelude>", "exec", dont_inherit=True), module.__dict__)
        super().exec_module(module)


def file_of(module: str) -> str:
    """Return the file in which the source of a module lies: `a.b` is `a/b.py`."""
    return module.replace(".", os.sep) + ".py"
