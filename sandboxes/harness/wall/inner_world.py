"""The submission's world as the tests have changed it: `input`, stdin, environment, arguments, seeds, patches, logging.

`world` is the other end of this: what it tells is taken over here, before the submission's code runs, and what the
submission does with it (numbers drawn, records logged) is told with the answer.
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

# A submission that patches `len` patches its own, not the one of this module: else it would wait for itself forever.
__builtins__ = dict(vars(builtins))

MAX_RECORDS = 1_000
MAX_RECORD_CHARS = 10_000
_INPUT = builtins.input


class InnerWorld:
    """Takes over what the tests have changed, and tells what has become of it."""

    def __init__(self) -> None:
        self._originals: dict[tuple[str, str], Any] = {}
        self._stubs: set[str] = set()
        self._environment: dict[str, str | None] = {}
        self._random: Any = None
        self._numpy: Any = None
        self._records: list[Row] | None = None

    def take(self, fed: dict[str, Any]) -> None:
        """Take over everything that is told; each name has a method here."""
        for name, value in fed.items():
            _TAKE[name](self, value)

    def tell(self, extra: Fields) -> None:
        """Add what the submission has drawn and logged."""
        if self._random is not None and (state := random.getstate()) != self._random:
            extra["random"] = self._random = state
        if self._numpy is not None and _numpy_moved(state := _numpy_state(), self._numpy):
            extra["numpy"] = self._numpy = state
        if self._records:
            extra["logged"], self._records = Row(self._records), []

    def take_input(self, value: Any) -> None:
        """Let `input` be a function of the tests, or itself again."""
        builtins.input = value or _INPUT

    def take_stdin(self, text: str) -> None:
        """Let stdin hold this text."""
        sys.stdin = io.StringIO(text)

    def take_environment(self, changed: dict[str, Any]) -> None:
        """Set these variables, and remove those that are None; or make them again what they were at first here."""
        for name, (told, as_at_first) in changed.items():
            self._environment.setdefault(name, os.environ.get(name))
            value = self._environment[name] if as_at_first else told
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def take_folder(self, path: str) -> None:
        """Be in this folder."""
        os.chdir(path)

    def take_argv(self, arguments: list[str]) -> None:
        """Have these arguments."""
        sys.argv[:] = arguments

    def take_random(self, state: Any) -> None:
        """Go on drawing from this state."""
        random.setstate(state)
        self._random = state

    def take_numpy(self, state: Any) -> None:
        """Go on drawing from this state of numpy."""
        import numpy

        numpy.random.set_state(state)
        self._numpy = state

    def take_patches(self, changed: list[Any]) -> None:
        """Put objects of the tests in the place of names of the standard library, or the originals back."""
        for module_name, name, is_patched, value in changed:
            module = importlib.import_module(module_name)
            key = (module_name, name)
            if is_patched:
                self._originals.setdefault(key, getattr(module, name))
                setattr(module, name, value)
            elif key in self._originals:
                setattr(module, name, self._originals.pop(key))

    def take_modules(self, changed: list[Any]) -> None:
        """Let imports of these names find objects of the tests."""
        for name, is_there, value in changed:
            if is_there:
                sys.modules[name] = value
                self._stubs.add(name)
            elif name in self._stubs:
                sys.modules.pop(name, None)

    def take_logging(self, levels: dict[str, int]) -> None:
        """Log at these levels, and tell the tests what is logged."""
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
