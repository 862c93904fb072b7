"""Stand-ins in the tests' process for the submission's functions, classes and instances.

To ordinary test code they look like the originals. Each use of one becomes a question over the link.
"""

import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn, Protocol

from sandboxes.harness.wall.extras import TYPES as EXTRA_TYPES
from sandboxes.harness.wall.vocabulary import SPECIALS
from sandboxes.protocol import plain
from sandboxes.protocol.plain import Fields, Row

NEEDS_ONE_PROCESS = "is not seen from another process: tests that inspect it need `process: shared`"


class SubmissionExit(RuntimeError):
    """The submission raised an exception that would have ended the tests, such as SystemExit."""


class Asks(Protocol):
    """What stand-ins need from the link."""

    lost: str

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask for one operation; see `link.Link.request`."""
        ...

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an object of the submission."""
        ...

    def call_method(self, method: "BoundMethod", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a method of one."""
        ...

    def call_super(self, method: "BoundMethod", kind: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the method as `kind` defines it, for a class of the tests that extends it."""
        ...

    def get(self, target: Any, name: str) -> Any:
        """Read an attribute."""
        ...

    def special(self, target: Any, name: str, args: tuple[Any, ...]) -> Any:
        """Apply an operator, as far as the submission may decide."""
        ...

    def adopt(self, number: int, stand_in: Any) -> None:
        """Let `stand_in` stand for the object with this number."""
        ...


class Number:
    """A number that crosses as the handle of an object without a stand-in."""

    def __init__(self, number: int) -> None:
        self.number = number


class RemoteFunction:
    """A function of the submission."""

    __test__ = False

    def __init__(self, link: Asks, number: int, name: str, qualname: str | None, doc: str | None) -> None:
        put = object.__setattr__
        put(self, "_remote_link_", link)
        put(self, "_remote_id_", number)
        put(self, "__name__", name)
        put(self, "__qualname__", qualname or name)
        put(self, "__doc__", doc)
        put(self, "__module__", "solution")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._remote_link_.call(self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__":
            return _signature(self._remote_link_, self)
        refuse_private(name, ("__wrapped__", "__defaults__", "__kwdefaults__", "__annotations__", "__self__"))
        return _attribute(self._remote_link_, self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._remote_link_.request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._remote_link_.request("delete", self, name)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<function {self.__qualname__}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"cannot pickle the submission's function {self.__qualname__}")

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


class RemoteCoroutineFunction(RemoteFunction):
    """A coroutine function of the submission; `inspect.iscoroutinefunction` knows it by its mark."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        import asyncio.coroutines
        import inspect

        put = object.__setattr__
        put(self, "_is_coroutine", asyncio.coroutines._is_coroutine)  # type: ignore[attr-defined]
        put(self, "_is_coroutine_marker", getattr(inspect, "_is_coroutine_mark", None))  # of Python 3.12 and later


FUNCTION_KINDS: dict[int, type[RemoteFunction]] = {0: RemoteFunction, 1: RemoteCoroutineFunction, 2: RemoteFunction}


class RemoteCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine of the submission: awaiting it runs it in the candidate, on an event loop there."""

    def __init__(self, link: Asks, number: int, ends: bool = False) -> None:
        self.number = number
        self._run = drive(link, self, ends)

    def send(self, value: Any, /) -> Any:
        """Continue, as an event loop does."""
        return self._run.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise in the coroutine, which cancels it."""
        return self._run.throw(*error)

    def close(self) -> None:
        """Forget it."""
        self._run.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._run


def drive(link: Asks, target: Any, ends: bool = False) -> Generator[Any, Any, Any]:
    """Run an awaitable of the submission. `ends` says that it is the next item of an async iterator."""
    task, started = target, False
    try:
        while True:
            done, value = link.request("await", task, started)
            if done is True:
                return value
            if done is None:
                raise StopAsyncIteration if ends else SubmissionExit("the submission raised StopAsyncIteration")
            task, started = value, True
            yield
    except BaseException as error:
        if started and type(error).__name__ in ("CancelledError", "GeneratorExit") and not link.lost:
            link.request("cancel", task)
        raise


class Guarded:
    """Awaits the result of `__aexit__`, and swallows an exception only if that is harmless."""

    def __init__(self, awaitable: Any, quiet: bool) -> None:
        self._awaitable = awaitable
        self._quiet = quiet

    def __await__(self) -> Generator[Any, Any, Any]:
        swallowed = yield from self._awaitable.__await__()
        return bool(swallowed) and self._quiet


class RemoteMethod:
    """A method in the namespace of a stand-in for a class: calling it is one request."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner = owner

    def __get__(self, instance: Any, owner: type) -> Any:
        return BoundMethod(owner if instance is None else instance, self.name, self.owner)


class BoundMethod:
    """A method of an instance or a class of the submission, not yet called."""

    __test__ = False

    def __init__(self, owner: Any, name: str, defined_in: type) -> None:
        self.owner = owner
        self.name = name
        self.__name__ = name
        self.__self__ = owner
        self._defined_in = defined_in

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        link: Asks = self._defined_in._remote_link_  # type: ignore[attr-defined]
        kind = self.owner if isinstance(self.owner, type) else type(self.owner)
        if self.owner is not kind and ("_of_tests_" in vars(kind) or self.name.startswith("__")):
            return link.call_super(self, self._defined_in, args, kwargs)
        return link.call_method(self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        link: Asks = self._defined_in._remote_link_  # type: ignore[attr-defined]
        if name == "__signature__":
            return _signature(link, self)
        refuse_private(name, ("__wrapped__", "__doc__", "__annotations__", "__qualname__", "__func__"))
        return _attribute(link, self, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundMethod) and (self.owner is other.owner) and self.name == other.name

    def __hash__(self) -> int:
        return hash((id(self.owner), self.name))

    def __repr__(self) -> str:
        return f"<method {self.name} of {self.owner!r}>"


class RemoteClass(type):
    """The class of stand-ins for the submission's classes, and of the tests' classes that extend them."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        made = super().__new__(mcs, name, bases, namespace)
        if "_remote_class_" not in namespace and bases:
            _extend(made, name, bases, namespace)
        return made

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(name, bases, namespace)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _link(cls).call(cls, args, kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name == "__signature__":
            return _signature(_link(cls), cls)
        refuse_private(name, ("__annotations__", "__members__"))
        return _attribute(_link(cls), cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        if name.startswith("__") or "_remote_class_" not in vars(cls):
            super().__setattr__(name, value)
        elif isinstance(value, RemoteMethod):  # a patch is undone with what was in the dictionary of the stand-in
            _link(cls).request("delete", cls, name)
        else:
            _link(cls).request("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        _link(cls).request("delete", cls, name)

    def __iter__(cls) -> Iterator[Any]:
        return iter(_link(cls).request("special", cls, "__iter__", Row()))

    def __len__(cls) -> int:
        return _link(cls).request("special", cls, "__len__", Row())

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: Any) -> Any:
        return _link(cls).request("special", cls, "__getitem__", Row([key]))

    def __contains__(cls, item: Any) -> bool:
        return any(member is item or member == item for member in cls)

    def __dir__(cls) -> list[str]:
        return _link(cls).request("dir", cls)


class _HasDict:
    """Gives stand-ins their own dictionary, in addition to the `__dict__` that they show."""


_REAL_DICT: Any = _HasDict.__dict__["__dict__"]


class RemoteObject(_HasDict, metaclass=RemoteClass):
    """The base of all stand-ins for classes of the submission. A class's own members are in its stand-in."""

    _remote_class_ = -1
    __test__ = False

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return _link(type(self)).request("get", self, "__dict__")

    def __getattr__(self, name: str) -> Any:
        refuse_private(name, ())
        return _attribute(_link(type(self)), self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(self, BaseException) and (name.startswith("__") or name == "args"):
            super().__setattr__(name, value)
        else:
            _link(type(self)).request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        _link(type(self)).request("delete", self, name)

    def __dir__(self) -> list[str]:
        return _link(type(self)).request("dir", self)

    def __copy__(self) -> Any:
        return _link(type(self)).request("copy", self, False)

    def __deepcopy__(self, memo: Any) -> Any:
        return _link(type(self)).request("copy", self, True)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"cannot pickle an object of the submission's class {type(self).__name__}")


def vars_of(stand_in: Any) -> dict[str, Any]:
    """Return the real dictionary of a stand-in; its `__dict__` shows the one of the submission's object."""
    return _REAL_DICT.__get__(stand_in)


# Making stand-ins


def _special_method(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return type(self)._remote_link_.special(self, name, args)

    method.__name__ = method.__qualname__ = name
    return method


def _call_instance(self: Any, *args: Any, **kwargs: Any) -> Any:
    return type(self)._remote_link_.call(self, args, kwargs)


SPECIAL_METHODS: dict[str, Callable[..., Any]] = {
    name: _special_method(name) for name in SPECIALS - {"__init__", "__post_init__", "__call__"}
} | {"__call__": _call_instance}


_MUTATORS: dict[type, str] = {
    list: "append clear extend insert pop remove reverse sort __setitem__ __delitem__ __iadd__ __imul__",
    bytearray: "append clear extend insert pop remove reverse __setitem__ __delitem__ __iadd__ __imul__",
    dict: "clear move_to_end pop popitem setdefault update __setitem__ __delitem__ __ior__",
    set: "add clear difference_update discard intersection_update pop remove symmetric_difference_update update "
    "__iand__ __ior__ __isub__ __ixor__",
}


def add_mutators(bases: list[type], namespace: dict[str, Any]) -> None:
    """For a class that extends a builtin type: make mutating methods change the submission's object, not the copy."""
    for builtin, names in _MUTATORS.items():
        if any(issubclass(base, builtin) for base in bases):
            for name in names.split():
                inherited = any(name in vars(c) for b in bases for c in b.__mro__ if isinstance(c, RemoteClass))
                if name not in namespace and not inherited:
                    namespace[name] = SPECIAL_METHODS.get(name) or RemoteMethod(name)


def _extend(made: type, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    """Create the counterpart of a class of the tests in the submission's process. Its methods call back here."""
    link = _link(made)
    remote = [base for base in bases if isinstance(base, RemoteClass)]
    members = Fields()
    for space in (*(vars(base) for base in bases if not isinstance(base, RemoteClass)), namespace):
        for member, value in space.items():
            exported = _member(member, value)
            if exported is not None:
                members[member] = exported
    kind = link.request("subclass", name, Row(remote), members)
    number = number_in(kind)
    link.adopt(number, made)
    type.__setattr__(made, "_remote_class_", number)
    type.__setattr__(made, "_of_tests_", True)


def _member(name: str, value: Any) -> list[Any] | None:
    if isinstance(value, types.FunctionType):
        return Row(["method", value])
    if isinstance(value, (classmethod, staticmethod)):
        return Row(["class" if isinstance(value, classmethod) else "static", value.__func__])
    if isinstance(value, property):
        return Row(["property", value.fget, value.fset])
    if name.startswith("__") or not is_plain(value):
        return None
    return Row(["value", value])


MAKE: dict[type, Callable[[Any, Any], Any]] = {
    **{kind: kind.__new__ for kind in (str, int, float, complex, tuple, frozenset, bytes, Decimal, Fraction)},
    **{kind: (lambda cls, data, kind=kind: kind.__new__(cls)) for kind in (list, dict, set, bytearray)},
    **{kind: (lambda cls, data, kind=kind: kind.__new__(cls)) for kind in (OrderedDict, defaultdict, Counter)},
}


def _refresh_list(known: Any, data: Any) -> None:
    kind: Any = bytearray if isinstance(known, bytearray) else list
    kind.__setitem__(known, slice(None), data)


def _refresh_dict(known: Any, data: Any) -> None:
    kind = OrderedDict if isinstance(known, OrderedDict) else dict
    kind.clear(known)
    for key, value in data.items():
        kind.__setitem__(known, key, value)


def _refresh_set(known: Any, data: Any) -> None:
    set.clear(known)
    set.update(known, data)


REFRESH: dict[type, Callable[[Any, Any], None]] = {
    list: _refresh_list, bytearray: _refresh_list, dict: _refresh_dict, set: _refresh_set,
}  # fmt: skip
REMOTE = (RemoteObject, RemoteFunction, RemoteClass, BoundMethod)
_PLAIN = (type(None), bool, range, type(Ellipsis), *plain.BASES, *EXTRA_TYPES)


def _link(kind: type) -> "Asks":
    return kind._remote_link_  # type: ignore[attr-defined]


def number_in(value: Any) -> int:
    if isinstance(value, RemoteClass):
        return vars(value)["_remote_class_"]
    if isinstance(value, RemoteObject):
        return vars_of(value)["_remote_id_"]
    return value.number if isinstance(value, RemoteCoroutine) else value._remote_id_


def is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN)


def payload_base(kind: type) -> type | None:
    return next((found for found in kind.__mro__ if found in MAKE), None)


def refuse_private(name: str, but: tuple[str, ...]) -> None:
    """Raise AttributeError for private names, which stand-ins do not have."""
    if name.startswith(("_remote_", "_pytest", "_mock_", "_is_coroutine", "_submission_", "pytest")):
        raise AttributeError(name)
    if name.startswith("__") and name.endswith("__") and name not in but:
        raise AttributeError(f"{name} of the submission {NEEDS_ONE_PROCESS}")


def _attribute(link: "Asks", target: Any, name: str) -> Any:
    return link.get(target, name)


def new_exception(kind: Any, args: tuple[Any, ...]) -> BaseException:
    """Create an exception without calling `__init__` of the submission's class: it ran where it was raised."""
    if isinstance(kind, RemoteClass):
        return kind.__new__(kind, *args)
    try:
        return kind(*args)
    except Exception:
        return kind.__new__(kind)


def dataclass_fields(names: list[Any]) -> Any:
    import dataclasses

    made = dataclasses.make_dataclass("Fields", [str(name) for name in names])
    return made.__dataclass_fields__


class _Annotation:
    """An annotation of the submission, of which only the text is known here."""

    def __init__(self, text: str) -> None:
        self._text = str(text)

    def __repr__(self) -> str:
        return self._text


def _signature(link: "Asks", target: Any) -> Any:
    import inspect

    parameters, returned = link.request("signature", target)
    empty = inspect.Parameter.empty
    made = [
        inspect.Parameter(
            name,
            inspect._ParameterKind(kind),
            default=default if has_default else empty,
            annotation=empty if note is None else _Annotation(note),
        )
        for name, kind, has_default, default, note in parameters
    ]
    return inspect.Signature(made, return_annotation=empty if returned is None else _Annotation(returned))
