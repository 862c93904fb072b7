"""Objects of the tests that were passed to the submission: each use of one is a question to the tests.

Each class of the tests has a corresponding class here, so that `type(node)(value)`, `isinstance(x, Node)`,
`copy.copy(node)` and `dataclasses.replace(p, x=1)` work. Calling it creates an object in the tests' process. A named
tuple of the tests is a named tuple here.
"""

import builtins
import functools
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from sandboxes.harness.wall.vocabulary import SPECIALS

# This module's own copy of the builtins: a submission that patches `len` must not patch it here (see `protocol.plain`).
__builtins__ = dict(vars(builtins))


class Asks(Protocol):
    """The end of the conversation with the tests."""

    def ask(self, number: int, operation: str, *arguments: Any) -> Any:
        """Ask the tests to do something with the object that has this number there."""
        ...


class OutsideClass(type):
    """The metaclass of classes that represent the tests' classes."""

    _asks: Asks
    _class_number: int | None = None

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._of_class("call", list(args), kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return cls._of_class("get", name)

    def _of_class(cls, operation: str, *arguments: Any) -> Any:
        if cls._class_number is None:
            raise TypeError("this class of the tests cannot be used by the submission")
        return cls._asks.ask(cls._class_number, operation, *arguments)

    def __iter__(cls) -> Iterator[Any]:
        return iter(cls._of_class("special", "__iter__", []))

    def __len__(cls) -> int:
        return cls._of_class("special", "__len__", [])

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: Any) -> Any:
        return cls._of_class("special", "__getitem__", [key])

    def __contains__(cls, item: Any) -> bool:
        return any(member is item or member == item for member in cls)


class Outside(metaclass=OutsideClass):
    """An object that lives in the tester: a callback, or an instance of a class of the tests."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            object.__setattr__(self, name, value)
        else:
            _ask(self, "set", name, value)

    def __repr__(self) -> str:
        return f"<{self.__name__} of the tests>"

    def __copy__(self) -> Any:
        return _ask(self, "copy", False)

    def __deepcopy__(self, memo: Any) -> Any:
        return _ask(self, "copy", True)


def _ask(target: Outside, operation: str, *arguments: Any) -> Any:
    asks: Asks = object.__getattribute__(target, "_asks")
    return asks.ask(object.__getattribute__(target, "_number"), operation, *arguments)


def instance(kind: type[Outside], asks: Asks, number: int, name: str, doc: str | None) -> Outside:
    """Return the counterpart of an object of the tests."""
    made = object.__new__(kind)
    put = object.__setattr__
    put(made, "_asks", asks)
    put(made, "_number", number)
    put(made, "__name__", name)
    put(made, "__qualname__", name)
    put(made, "__doc__", doc)
    return made


def number_of(value: Any, kind: type) -> list[Any] | None:
    """Return the handle that returns an object of the tests to them; None if `value` is not one."""
    if issubclass(kind, Outside):
        return ["t", object.__getattribute__(value, "_number")]
    if issubclass(kind, tuple) and (number := vars(kind).get("_number_of_tests")) is not None:
        return ["n", number, tuple(tuple.__iter__(value))]
    return None


def number_of_class(kind: type) -> list[Any] | None:
    """Return the handle that returns a class of the tests to them; None if `kind` is not one."""
    if isinstance(kind, OutsideClass) and kind._class_number is not None:
        return ["t", kind._class_number]
    number = vars(kind).get("_number_of_tests") if issubclass(kind, tuple) else None
    return None if number is None else ["t", number]


# Classes


def _special(name: str) -> Callable[..., Any]:
    def method(self: Outside, *args: Any) -> Any:
        return _ask(self, "special", name, list(args))

    method.__name__ = name
    return method


def _call(self: Outside, *args: Any, **kwargs: Any) -> Any:
    return _ask(self, "call", list(args), kwargs)


def _next(self: Outside) -> Any:
    ended, value = _ask(self, "next")
    if ended:
        raise StopIteration(value)
    return value


def _await(self: Outside) -> Iterator[Any]:
    yield from ()  # never suspends: the tester runs the coroutine to its end
    return _ask(self, "run")


_METHODS: dict[str, Callable[..., Any]] = {name: _special(name) for name in SPECIALS} | {
    "__call__": _call,
    "__next__": _next,
    "__await__": _await,
}


def _namespace(specials: frozenset[str]) -> dict[str, Any]:
    return {name: _METHODS[name] for name in specials if name in _METHODS}


@functools.cache
def class_of(specials: frozenset[str]) -> type[Outside]:
    """Return a class for objects of the tests whose own class cannot cross."""
    made: Any = OutsideClass("Outside", (Outside,), _namespace(specials))
    return made


def class_of_tests(
    asks: Asks,
    number: int,
    name: str,
    doc: str | None,
    specials: frozenset[str],
    bases: tuple[type[Outside], ...],
    fields: list[str] | None,
) -> type[Outside]:
    """Return the counterpart of a class of the tests."""
    namespace = _namespace(specials) | {"_asks": asks, "_class_number": number, "__doc__": doc, "__module__": "tests"}
    if fields is not None:
        import dataclasses

        namespace["__dataclass_fields__"] = dataclasses.make_dataclass("Fields", fields).__dataclass_fields__
    made: Any = OutsideClass(name, bases or (Outside,), namespace)
    return made


def named_tuple(number: int, name: str, fields: list[str]) -> Any:
    """Return the counterpart of a named tuple of the tests."""
    made: Any = namedtuple(name, fields)  # type: ignore[misc]
    made._number_of_tests = number
    return made
