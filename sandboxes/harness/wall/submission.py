"""The stand-in for the submission's module, which the tests import."""

import builtins
import sys
import types
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from sandboxes.harness.wall.link import Link
from sandboxes.harness.wall.stand_ins import RemoteClass, RemoteFunction, refuse_private
from sandboxes.protocol.plain import Malformed

_MEANT_FOR_PYTEST = ("test", "Test", "pytest", "collect_ignore", "setup_", "teardown_", "load_tests", "_remote_")


class Submission(types.ModuleType):
    """The stand-in for the submission's module."""

    def __init__(self, name: str, link: Link) -> None:
        super().__init__(name)
        vars(self).update(_remote_link_=link, _remote_id_=0, _remote_kept_={}, __test__=False)
        link.module = self

    def __getattr__(self, name: str) -> Any:
        kept = vars(self)["_remote_kept_"]
        if name in kept:
            return kept[name]
        if name == "__all__":
            return self._star()
        refuse_private(name, ("__version__", "__author__", "__doc__", "__annotations__"))
        try:
            value = vars(self)["_remote_link_"].request("get", self, name)
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None
        if isinstance(value, (RemoteFunction, RemoteClass)):
            kept[name] = value
        return value

    def _star(self) -> list[str]:
        """Return the names for `from solution import *`, without those that would replace what the tests rely on."""
        link: Link = vars(self)["_remote_link_"]
        taken = link.evidence.bound | sys.stdlib_module_names | sys.modules.keys() | vars(builtins).keys()
        names = [name for name in _names(link.request("public")) if name not in taken]
        return [name for name in names if not name.startswith(_MEANT_FOR_PYTEST)]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
            return
        vars(self)["_remote_kept_"].pop(name, None)
        vars(self)["_remote_link_"].request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        vars(self)["_remote_kept_"].pop(name, None)
        vars(self)["_remote_link_"].request("delete", self, name)

    def __dir__(self) -> list[str]:
        return vars(self)["_remote_link_"].request("dir", self)

    def reload(self) -> None:
        """Run the submission's top level again, as `importlib.reload` does."""
        vars(self)["_remote_kept_"].clear()
        vars(self)["_remote_link_"].request("reload")


class Importer(MetaPathFinder, Loader):
    """Lets the tests import the submission again after removing it from `sys.modules`, and reload it."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find the submission, and nothing else."""
        return ModuleSpec(fullname, self) if fullname == self._submission.__name__ else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Return the only stand-in."""
        return self._submission

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the submission again."""
        self._submission.reload()


def _names(found: object) -> list[str]:
    if type(found) is not list or not all(type(name) is str for name in found):
        raise Malformed("a list of names expected")
    return found
