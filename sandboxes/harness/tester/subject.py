"""The submission that the tests run against: across the wall, or in the same process."""

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
    """A tester's view of the submission."""

    name: str
    """The name of its module."""

    @property
    def lost(self) -> str:
        """Why its process is gone; empty if it is not."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Notes, for messages, about objects of the submission that did not equal something."""
        ...

    def install(self) -> None:
        """Let the tests import it."""
        ...

    def hello(self, wanted: Iterable[str]) -> Mapping[str, Any]:
        """Load it, and return its values for those wanted names that it has.

        Raises:
            SubmissionLost: Its process ended while its top level ran.
            BaseException: Its top level raised it.
        """
        ...

    def is_own(self, value: object) -> bool:
        """Return whether `value` is a function or a class that the submission itself defines."""
        ...

    def owns(self, value: object) -> bool:
        """Return whether `value` belongs to the submission, and so cannot be a test."""
        ...

    @property
    def lied(self) -> str:
        """A description of an impossible claim of the submission about one of its objects, if there was one."""
        ...

    def begin_test(self) -> None:
        """Begin a test."""
        ...

    def end_test(self) -> Twin:
        """End a test. Return whether it counts only if a changed copy fails."""
        ...


class AcrossTheWall:
    """A submission in another process, represented by stand-ins in this one."""

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
        """See `Subject`."""
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
    """A submission that is a module of this process, as in plain Python. Once it runs, nothing here can be trusted."""

    lost = ""
    lied = ""
    notes: Sequence[str] = ()

    def __init__(self, name: str, path: str, prelude: bytes = b"") -> None:
        """Prepare the module `name` from the file `path`; `prelude` runs in its namespace before it."""
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
    """No submission, for listing the tests only."""

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
        """Run the prelude and then the program in the module's namespace."""
        if self._prelude:
            exec(compile(self._prelude, "<prelude>", "exec", dont_inherit=True), module.__dict__)
        super().exec_module(module)


def file_of(module: str) -> str:
    """Return the path of a module's source file: `a/b.py` for `a.b`."""
    return module.replace(".", os.sep) + ".py"
