"""Restrict the tester's imports: nothing from folders that the submission can write to, or it could run code here.

Tests that put their working folder or a temporary folder on the path, and import from it, need `process: shared`.
"""

import importlib._bootstrap_external as external
import importlib.machinery
import os
import sys
import types
from collections.abc import Collection, Sequence
from importlib.abc import MetaPathFinder

from sandboxes.protocol.constants import TESTER_FOLDER, WRITABLE_FOLDERS

_NOT_HERE = "lies where the submission can write, and is not run beside the tests: they need `process: shared`"
_INTERPRETERS = ("python", "pypy", "bash", "dash", "sh", "node", "perl", "ruby", "lua", "make", "gcc", "g++", "cc")
_FOLDERS = tuple(f"{folder}/" for folder in WRITABLE_FOLDERS if folder != TESTER_FOLDER)


class ForeignCode(ImportError):
    """The tests would have run code that the submission could have written."""


class ImportGuard(MetaPathFinder):
    """Refuses code from folders that both sides can write to, except `own`, the tests' own folder."""

    def __init__(self, own: str | None, names: Collection[str] = ()) -> None:
        """Prepare a guard; `names` are the file names of compiled test code that does not come from a file."""
        self._names = frozenset(names)
        self._own = f"{os.path.realpath(own)}/" if own else None

    def install(self) -> None:
        """Check every import and every execution of a file from now on."""
        self.come_first()
        sys.addaudithook(self._audit)
        read = external.FileLoader.get_data

        def get_data(loader: external.FileLoader, path: str) -> bytes:
            self._require_own(path)
            return read(loader, path)

        external.FileLoader.get_data = get_data  # type: ignore[method-assign]

    def come_first(self) -> None:
        """Move to the front of all finders: pytest inserts its own there."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None) -> None:
        """Raise for modules in such a folder, and leave all others to the other finders."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.has_location and spec.origin:
            self._require_own(spec.origin)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "exec" and isinstance(arguments[0], types.CodeType):
            self._require_own(arguments[0].co_filename)
        elif event == "import" and isinstance(arguments[1], str):
            self._require_own(arguments[1])
        elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
            self._require_own_command(arguments[1])
        elif event == "os.system":
            self._require_own_command(arguments[0])

    def _require_own_command(self, command: object) -> None:
        """Raise if a command is a file in such a folder, or an interpreter with one as its argument."""
        words = command if isinstance(command, (list, tuple)) else [command]
        parts = [part for word in words for part in os.fsdecode(word if isinstance(word, bytes) else str(word)).split()]
        runs_files = any(os.path.basename(part).startswith(_INTERPRETERS) for part in parts)
        for part in parts if runs_files else parts[:1]:
            if os.path.isfile(part):
                self._require_own(os.path.abspath(part))

    def _require_own(self, path: str) -> None:
        if not path.startswith("/") and (path in self._names or not os.path.exists(path)):
            return  # `<string>`, or some other name that is not a file
        real = os.path.realpath(path)
        if real.startswith(_FOLDERS) and not (self._own and real.startswith(self._own)):
            raise ForeignCode(f"{os.path.basename(path)} {_NOT_HERE}")
