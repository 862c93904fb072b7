"""Transfer the tests' changes to their own world to the submission: `input`, stdin, seeds, patches and so on.

Each kind of change has a watch, which returns what has changed since the last time. `inner_world` applies it at the
other end. A watch is active only if the text of the tests mentions what it watches, so tests that change nothing pay
nothing. This does not let the submission decide anything: a patched-in function of the tests is called here.
"""

import builtins
import contextlib
import importlib
import io
import logging
import os
import random
import sys
import types
from collections.abc import Callable
from typing import Any

from sandboxes.harness.wall.evidence import Evidence
from sandboxes.protocol.plain import Fields, Malformed, Row

MAX_PATCHES = 2_000
MAX_BLOCKS = 1_000
"""How far ahead the submission can have drawn from a generator, in blocks of 624 words."""
_INPUT = builtins.input
_NOT_PATCHED = frozenset({"sys", "typing", "types", "gc", "importlib", "unittest", "pytest", "_pytest", "__main__"})
"""Modules whose names are not watched, because they have their own watch or are tools of the tests."""
_WATCHED_APART = frozenset({("builtins", "input"), ("os", "environ")})
_UNCHANGED = object()


class World:
    """Returns what the tests have changed, and applies what the submission has done with it."""

    def __init__(self, evidence: Evidence) -> None:
        self._watches: list[tuple[str, Callable[[], Any]]] = [("input", _watch_input()), ("stdin", _watch_stdin())]
        for name, words, make in _WATCHES:
            if evidence.mentions(frozenset(words)):
                self._watches.append((name, make(evidence)))

    def changed(self) -> Fields:
        """Return what has changed since the last time."""
        found = Fields()
        for name, look in self._watches:
            value = look()
            if value is not _UNCHANGED:
                found[name] = value
        return found

    def hear(self, extra: dict[str, Any]) -> None:
        """Apply the submission's random draws and log records.

        Raises:
            Malformed: The data is not valid.
        """
        if "random" in extra and self._has("random"):
            self._go_on(random.getstate()[1], _words(extra["random"], 1), lambda s: random.setstate((3, s, None)))
            self._begin_anew("random")
        if "numpy" in extra and self._has("numpy"):
            numpy = importlib.import_module("numpy")
            name, words, position, *_ = numpy.random.get_state()
            ahead = extra["numpy"]
            there = (*map(int, ahead[1]), ahead[2]) if type(ahead) is tuple and len(ahead) == 5 else ()
            set_state = lambda s: numpy.random.set_state((name, s[:-1], s[-1], 0, 0.0))  # noqa: E731
            self._go_on((*map(int, words), position), there, set_state)
            self._begin_anew("numpy")
        if "logged" in extra and self._has("logging"):
            for record in extra["logged"]:
                _log(record)

    @staticmethod
    def _go_on(now: tuple[int, ...], ahead: tuple[Any, ...], set_state: Callable[[Any], None]) -> None:
        """Continue drawing where the submission has stopped.

        Only a state ahead of the current one is accepted. Otherwise the submission could choose what the tests draw.
        """
        if _is_ahead(now, ahead):
            set_state(ahead)

    def _begin_anew(self, name: str) -> None:
        """Send the state of this generator the next time, even if it was sent before."""
        self._watches = [(known, _GENERATORS[name]() if known == name else look) for known, look in self._watches]

    def _has(self, name: str) -> bool:
        return any(name == known for known, _ in self._watches)


def _words(state: Any, place: int) -> tuple[Any, ...]:
    return state[place] if type(state) is tuple and len(state) > place and type(state[place]) is tuple else ()


def _is_ahead(now: tuple[int, ...], later: tuple[Any, ...]) -> bool:
    """Return whether a generator in the state `now` can reach the state `later`.

    A state is the 624 words of a Mersenne twister, and how many of them have been used.
    """
    if len(later) != len(now) or not all(type(word) is int for word in later) or not 0 <= later[-1] < len(now):
        return False
    if later[:-1] == now[:-1]:
        return later[-1] >= now[-1]
    generator, words = random.Random(), now[:-1]
    for _ in range(MAX_BLOCKS):
        generator.setstate((3, (*words, len(words)), None))
        generator.getrandbits(32)
        words = generator.getstate()[1][:-1]
        if words == later[:-1]:
            return True
    return False


def _log(record: Any) -> None:
    """Handle a log record of the submission here."""
    try:
        name, level, text, path, line, function = record
        if not (type(level) is int and type(line) is int and all(type(t) is str for t in (name, text, path, function))):
            raise ValueError
    except (TypeError, ValueError):
        raise Malformed("not a record of a log") from None
    logger = logging.getLogger(name)
    if logger.isEnabledFor(level):
        logger.handle(logger.makeRecord(name, level, path, line, text, (), None, function))


def _watch(read: Callable[[], Any], before: Any) -> Callable[[], Any]:
    """Return a watch that returns a value whenever it differs from the previous one."""

    def look() -> Any:
        nonlocal before
        now = read()
        if now == before:
            return _UNCHANGED
        before = now
        return now

    return look


def _watch_input() -> Callable[[], Any]:
    before = builtins.input

    def look() -> Any:
        nonlocal before
        if builtins.input is before:
            return _UNCHANGED
        before = builtins.input
        return None if before is _INPUT else before

    return look


def _watch_stdin() -> Callable[[], Any]:
    before: Any = sys.stdin

    def look() -> Any:
        nonlocal before
        if sys.stdin is before:
            return _UNCHANGED
        before = sys.stdin
        return before.read() if isinstance(before, io.StringIO) else ""

    return look


def _watch_environment(evidence: Evidence) -> Callable[[], Any]:
    """Watch [value, whether it is the original one] of each variable: the originals of both sides can differ."""
    first = before = dict(os.environ)

    def look() -> Any:
        nonlocal before
        now = dict(os.environ)
        if now == before:
            return _UNCHANGED
        names = [name for name in now.keys() | before.keys() if now.get(name) != before.get(name)]
        before = now
        return Fields({name: Row([now.get(name), now.get(name) == first.get(name)]) for name in names})

    return look


def _watch_argv(evidence: Evidence) -> Callable[[], Any]:
    look = _watch(lambda: list(sys.argv), list(sys.argv))

    def as_row() -> Any:
        found = look()
        return found if found is _UNCHANGED else Row(map(str, found))

    return as_row


def _watch_random() -> Callable[[], Any]:
    return _watch(random.getstate, None)


def _watch_numpy() -> Callable[[], Any]:
    before: Any = None

    def look() -> Any:
        nonlocal before
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return _UNCHANGED
        now = numpy.random.get_state()
        if before is not None and now[2:] == before[2:] and (now[1] == before[1]).all():
            return _UNCHANGED
        before = now
        return now

    return look


def _watch_logging(evidence: Evidence) -> Callable[[], Any]:
    before: dict[str, int] = {}

    def look() -> Any:
        nonlocal before
        now = {"": logging.root.level}
        for name, logger in logging.root.manager.loggerDict.items():
            if isinstance(logger, logging.Logger) and (logger.level or name in before):
                now[name] = logger.level
        if now == before:
            return _UNCHANGED
        changed = {name: level for name, level in now.items() if before.get(name) != level}
        before = now
        return Fields(changed)

    return look


def _watch_modules(evidence: Evidence) -> Callable[[], Any]:
    known = dict(sys.modules)
    before: dict[str, Any] = {}

    def look() -> Any:
        nonlocal before
        now = {name: value for name, value in sys.modules.items() if known.get(name) is not value and _is_stub(value)}
        if now.keys() == before.keys() and all(now[name] is before[name] for name in now):
            return _UNCHANGED
        changed = Row(Row([name, True, value]) for name, value in now.items() if before.get(name) is not value)
        changed += [Row([name, False, None]) for name in before.keys() - now.keys()]
        before = now
        return changed

    return look


def _is_stub(value: Any) -> bool:
    """Return whether an entry of `sys.modules` was put there by hand."""
    return value is None or not isinstance(value, types.ModuleType) or getattr(value, "__spec__", None) is None


def _watch_patches(evidence: Evidence) -> Callable[[], Any]:
    originals: dict[tuple[str, str], Any] = {}
    for module_name in _modules_named(evidence):
        module = sys.modules[module_name]
        for name in vars(module):
            if len(originals) >= MAX_PATCHES or name.startswith("__") or (module_name, name) in _WATCHED_APART:
                continue
            if name in evidence.last_words:
                originals[module_name, name] = getattr(module, name)
    before = dict(originals)

    def look() -> Any:
        changed = Row()
        for (module_name, name), old in before.items():
            now = getattr(sys.modules[module_name], name, None)
            if now is not old:
                original = originals[module_name, name]
                changed.append(Row([module_name, name, now is not original, None if now is original else now]))
                before[module_name, name] = now
        return changed or _UNCHANGED

    return look


def _modules_named(evidence: Evidence) -> list[str]:
    """Return the modules of the standard library that the tests name, also as the first part of `"os.path.exists"`."""
    named = {"builtins"}
    for text in evidence.dotted_texts:
        module, _, _ = text.rpartition(".")
        while module:
            named.add(module)
            module, _, _ = module.rpartition(".")
    named |= evidence.names & sys.stdlib_module_names
    found = []
    for name in sorted(named):
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names and root not in _NOT_PATCHED:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
                found.append(name)
    return found


_WATCHES: tuple[tuple[str, tuple[str, ...], Callable[[Evidence], Callable[[], Any]]], ...] = (
    ("environment", ("environ", "setenv", "putenv", "delenv", "unsetenv"), _watch_environment),
    ("folder", ("chdir",), lambda evidence: _watch(os.getcwd, os.getcwd())),
    ("argv", ("argv",), _watch_argv),
    ("random", ("seed", "setstate", "getstate"), lambda evidence: _watch_random()),
    ("numpy", ("seed", "set_state", "get_state", "default_rng"), lambda evidence: _watch_numpy()),
    ("logging", ("logging", "caplog", "assertLogs", "assertNoLogs"), _watch_logging),
    ("modules", ("modules",), _watch_modules),
    ("patches", ("patch", "setattr", "mock", "Mock", "MagicMock"), _watch_patches),
)
"""Each is needed only if the tests contain one of its words."""
_GENERATORS = {"random": _watch_random, "numpy": _watch_numpy}
