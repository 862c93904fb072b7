"""Lets tests and program use each other's temporary files, though each is another user.

`tempfile` closes what it makes to all others, which is right among strangers; here the two sides are alone in the box.
"""

import os
import tempfile
import types
from typing import Any


class _OpenOs(types.ModuleType):
    """The module `os` as `tempfile` sees it: what it makes is open to all."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def mkdir(self, path: Any, mode: int = 0o777, **more: Any) -> None:
        """Make a folder, whatever mode was asked for."""
        os.mkdir(path, 0o777, **more)

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        """Open or make a file, whatever mode was asked for."""
        return os.open(path, flags, 0o666, **more)


def make_all_open() -> None:
    """Let `tempfile` make files and folders that everybody in the box can use; the umask is 0 as well."""
    setattr(tempfile, "_os", _OpenOs("os"))  # noqa: B010 -- a private name that no type stub knows
