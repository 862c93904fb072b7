"""Let tests and program use each other's temporary files, although they run as different users.

`tempfile` creates files that only their owner can use. Here that would break tests, and protects nobody: the two sides
are alone in the box.
"""

import os
import tempfile
import types
from typing import Any


class _OpenOs(types.ModuleType):
    """The module `os` for `tempfile`: it creates everything with permissions for all users."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def mkdir(self, path: Any, mode: int = 0o777, **more: Any) -> None:
        """Create a folder, ignoring the requested mode."""
        os.mkdir(path, 0o777, **more)

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        """Open or create a file, ignoring the requested mode."""
        return os.open(path, flags, 0o666, **more)


def make_all_open() -> None:
    """Make `tempfile` create files and folders that all users in the box can use. (The umask is 0 as well.)"""
    setattr(tempfile, "_os", _OpenOs("os"))  # noqa: B010 -- a private name that no type stub knows
