"""Apply the tests' changes to the submission's world: `input`, stdin, environment, arguments, seeds, patches, logging.

`world` is the other end. The changes that it sends are applied here before the submission's code runs. What the
submission does with them (numbers drawn, records logged) is returned with the answer.
"""

import builtins
import importlib
import io
import logging
import os
import random
import sys
from collections.abc import Callable
from typing import Any

from sandboxes.protocol.plain import Fields, Row

# This module's own copy of the builtins: a submission that patches `len` must not patch it here (see `protocol.plain`).
__builtins__ = dict(vars(builtins))

MAX_RECORDS = 1_000
MAX_RECORD_CHARS = 10_000
_INPUT = builtins.input


class InnerWorld:
    """Applies the tests' changes, and returns what the submission has done with them."""

    def __init__(self) -> None:
        self._originals: dict[tuple[str, str], Any] = {}
        self._stubs: set[str] = set()
        self._environment: dict[str, str | None] = {}
        self._random: Any = None
        self._numpy: Any = None
        self._records: list[Row] | None = None

    def take(self, fed: dict[str, Any]) -> None:
        """Apply all changes; each kind has a method here."""
        for name, value in fed.items():
            _TAKE[name](self, value)

    def tell(self, extra: Fields) -> None:
        """Add the submission's random draws and log records."""
        if self._random is not None and (state := random.getstate()) != self._random:
            extra["random"] = self._random = state
        if self._numpy is not None and _numpy_moved(state := _numpy_state(), self._numpy):
            extra["numpy"] = self._numpy = state
        if self._records:
            extra["logged"], self._records = Row(self._records), []

    def take_input(self, value: Any) -> None:
        """Replace `input` by a function of the tests, or restore it."""
        builtins.input = value or _INPUT

    def take_stdin(self, text: str) -> None:
        """Replace the text of stdin."""
        sys.stdin = io.StringIO(text)

    def take_environment(self, changed: dict[str, Any]) -> None:
        """Set these variables, remove those that are None, or restore their original values."""
        for name, (told, as_at_first) in changed.items():
            self._environment.setdefault(name, os.environ.get(name))
            value = self._environment[name] if as_at_first else told
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def take_folder(self, path: str) -> None:
        """Change the working folder."""
        os.chdir(path)

    def take_argv(self, arguments: list[str]) -> None:
        """Replace the command-line arguments."""
        sys.argv[:] = arguments

    def take_random(self, state: Any) -> None:
        """Set the state of `random`."""
        random.setstate(state)
        self._random = state

    def take_numpy(self, state: Any) -> None:
        """Set the state of numpy's global generator."""
        import numpy

        numpy.random.set_state(state)
        self._numpy = state

    def take_patches(self, changed: list[Any]) -> None:
        """Replace names of the standard library by objects of the tests, or restore them."""
        for module_name, name, is_patched, value in changed:
            module = importlib.import_module(module_name)
            key = (module_name, name)
            if is_patched:
                self._originals.setdefault(key, getattr(module, name))
                setattr(module, name, value)
            elif key in self._originals:
                setattr(module, name, self._originals.pop(key))

    def take_modules(self, changed: list[Any]) -> None:
        """Make imports of these names return objects of the tests."""
        for name, is_there, value in changed:
            if is_there:
                sys.modules[name] = value
                self._stubs.add(name)
            elif name in self._stubs:
                sys.modules.pop(name, None)

    def take_logging(self, levels: dict[str, int]) -> None:
        """Set log levels, and record log entries for the tests."""
        if self._records is None:
            self._records = []
            logging.lastResort = None
            call_handlers = logging.Logger.callHandlers

            def note_and_call(logger: logging.Logger, record: logging.LogRecord) -> None:
                self._note(record)
                call_handlers(logger, record)

            logging.Logger.callHandlers = note_and_call  # type: ignore[method-assign]
        for name, level in levels.items():
            logging.getLogger(name or None).setLevel(level)

    def _note(self, record: logging.LogRecord) -> None:
        if self._records is not None and len(self._records) < MAX_RECORDS:
            text = record.getMessage()[:MAX_RECORD_CHARS]
            where = (record.pathname, record.lineno, record.funcName)
            self._records.append(Row([record.name, record.levelno, text, *where]))


def _numpy_state() -> Any:
    return sys.modules["numpy"].random.get_state()


def _numpy_moved(now: Any, before: Any) -> bool:
    return now[2:] != before[2:] or (now[1] != before[1]).any()


_TAKE: dict[str, Callable[[InnerWorld, Any], None]] = {
    "input": InnerWorld.take_input,
    "stdin": InnerWorld.take_stdin,
    "environment": InnerWorld.take_environment,
    "folder": InnerWorld.take_folder,
    "argv": InnerWorld.take_argv,
    "random": InnerWorld.take_random,
    "numpy": InnerWorld.take_numpy,
    "patches": InnerWorld.take_patches,
    "modules": InnerWorld.take_modules,
    "logging": InnerWorld.take_logging,
}
