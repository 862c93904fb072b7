"""What the submission may do with an object of the tests: call it, use operators, and access public attributes."""

import copy
import threading
import types
from collections.abc import Callable
from typing import Any

from sandboxes.harness.wall.vocabulary import SPECIALS, bound

SIMPLE = frozenset({type(None), bool, int, float, str, bytes})
_NOT_OUTSIDE = frozenset(["__init__", "__post_init__", "__missing__"])
_OF_EVERY_OBJECT = frozenset(["__eq__", "__ne__", "__hash__", "__str__", "__repr__", "__format__"])
_HIDDEN = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_", "mro")
_NOT_OF_MOCKS = ("assert_", "attach_", "call", "configure_", "method_calls", "mock_", "reset_", "side_effect")
"""Attributes of a mock that the submission must not set: its counts, and what would change its behavior."""
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.GeneratorType, types.CoroutineType)


def _is_mock(target: Any) -> bool:
    return type(target).__module__.startswith("unittest") or any(
        base.__module__ == "unittest.mock" for base in type(target).__mro__
    )


def _readable(target: Any, name: Any) -> str:
    """Return `name` if the submission may read this attribute: only public ones of instances, never of functions."""
    if type(name) is not str or name.startswith(_HIDDEN) or not name.isidentifier():
        raise AttributeError(str(name))
    if isinstance(target, (*_FUNCTIONS, BaseException)) or (_is_mock(target) and name.startswith(_NOT_OF_MOCKS)):
        raise AttributeError(name)
    return name


def operators_of(kind: type) -> list[str]:
    """Return the operators of a class of the tests that the submission can use.

    Operators that every object has count only if the class defines them itself.
    """
    found = (name for name in SPECIALS - _NOT_OUTSIDE if getattr(kind, name, None) is not None)
    return sorted(
        name for name in found if name not in _OF_EVERY_OBJECT or getattr(kind, name) is not getattr(object, name)
    )


def _set(target: Any, name: Any, value: Any) -> None:
    """Set an attribute of an instance, but none that its class has, such as a method, and none of a mock's own."""
    name = _readable(target, name)
    had = getattr(type(target), name, None)
    settable = had is None or (isinstance(had, property) and not _is_mock(target))
    if isinstance(target, type) or not (settable or type(had) in SIMPLE or type(had).__name__ == "member_descriptor"):
        raise AttributeError(f"{name} cannot be set by the submission")
    setattr(target, name, value)


def _next(target: Any) -> list[Any]:
    try:
        return [False, next(target)]
    except StopIteration as stop:
        return [True, stop.value]


def _special(target: Any, name: str, args: list[Any]) -> Any:
    if name not in operators_of(type(target)):
        raise AttributeError(name)
    return bound(target, name)(*args)


def _copy(target: Any, deep: bool) -> Any:
    if isinstance(target, (types.ModuleType, types.FrameType)) or _is_mock(target):
        raise TypeError("this cannot be copied by the submission")
    return copy.deepcopy(target) if deep else copy.copy(target)


def _run(target: Any) -> Any:
    """Run a coroutine of the tests to its end, in another thread: this one can be inside an event loop."""
    import asyncio

    async def run() -> Any:
        return await target

    result: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            result.append(asyncio.run(run()))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result[0]


CALLBACKS: dict[str, Callable[..., Any]] = {
    "call": lambda target, args, kwargs: target(*args, **kwargs),
    "get": lambda target, name: getattr(target, _readable(target, name)),
    "set": _set,
    "special": _special,
    "next": _next,
    "copy": _copy,
    "run": _run,
}
