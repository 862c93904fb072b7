"""The candidate's side of the wall between tests and submission: answers what tests ask of the submission's objects.

`serve(sock, module, load)` runs in the process of the submission and never returns before the tests have hung up. The
other end of `sock` is `proxy.Link` in the tester process. Each message is a length (4 bytes, big endian) and one value
of `protocol.plain`; the tester asks, this side answers, and while it works it may ask the tester to run a callback:

    tester -> candidate   [number, operation, ...]            see `_OPERATIONS`; or an answer to a callback, see `ask`
    candidate -> tester   [number, "ok" | "raised" | "stop", value, extra]
                          [0, "ask", object, operation, ...]  a callback; answered by ["ok", value] or ["raised", ...]

Plain data crosses as copies. Everything else stays here and crosses as a handle; `Server.token` lists their forms. A
mutable argument that was changed is sent back in `extra`, with what was printed and warned. Nothing that is decided
here can be trusted, for the submission shares this process and may rewrite all of it: it can only answer.
"""

import asyncio
import builtins
import contextlib
import dataclasses
import functools
import inspect
import io
import operator
import os
import socket
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from sandboxes.harness.extras import MUTABLE as MUTABLE_EXTRAS
from sandboxes.harness.extras import from_extra, to_extra
from sandboxes.protocol import plain
from sandboxes.protocol.child import LENGTH

# A submission that patches `len` patches its own, not the one of this module: else it would wait for itself forever.
__builtins__ = dict(vars(builtins))

_INPUT = builtins.input
MAX_TEXT = 64 * 1024
MAX_PRINTED_CHARS = 256 * 1024
MAX_WARNINGS = 100
MAX_CAUSES = 5
FRAMES_OF_A_CALLBACK = 20
MAX_WHERE = 2000
_OWN_FOLDER = os.path.dirname(os.path.dirname(__file__))  # with what it imports
POLL_S = 0.003

DATA_TYPES = [
    "int",
    "float",
    "str",
    "bool",
    "complex",
    "bytes",
    "bytearray",
    "list",
    "tuple",
    "dict",
    "set",
    "frozenset",
    "object",
    "type",
    "range",
]
EXCEPTIONS = tuple(sorted(n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)))
_BUILTINS = {getattr(builtins, name): name for name in (*DATA_TYPES, *EXCEPTIONS)}

STDLIB: dict[str, tuple[str, ...]] = {
    "asyncio": ("QueueEmpty", "QueueFull", "InvalidStateError", "TimeoutError"),
    "binascii": ("Error",),
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"),
    "concurrent.futures": ("TimeoutError", "BrokenExecutor"),
    "configparser": ("Error", "NoOptionError", "NoSectionError"),
    "csv": ("Error",),
    "dataclasses": ("FrozenInstanceError",),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "decimal": ("Decimal", "DecimalException", "DivisionByZero", "InvalidOperation", "Overflow"),
    "fractions": ("Fraction",),
    "functools": ("cmp_to_key", "reduce"),
    "graphlib": ("CycleError",),
    "ipaddress": ("AddressValueError", "NetmaskValueError"),
    "itertools": ("accumulate", "chain", "combinations", "count", "islice", "permutations", "product", "repeat"),
    "json": ("JSONDecodeError",),
    "math": ("ceil", "comb", "factorial", "floor", "gcd", "inf", "isclose", "log", "pi", "prod", "sqrt"),
    "pickle": ("PicklingError", "UnpicklingError"),
    "queue": ("Empty", "Full"),
    "re": ("error",),
    "statistics": ("StatisticsError", "mean", "median"),
    "struct": ("error",),
    "subprocess": ("CalledProcessError", "TimeoutExpired"),
    "tomllib": ("TOMLDecodeError",),
    "typing": ("Any", "Callable", "Dict", "Iterable", "Iterator", "List", "Optional", "Set", "Tuple", "Union"),
    "uuid": ("UUID",),
    "zlib": ("error",),
}
"""Names of the standard library that cross by name: pure, and no harm in the tester whatever they are called with."""

SPECIALS = frozenset(
    f"__{name}__"
    for name in [
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "contains",
        "hash",
        "bool",
        "len",
        "length_hint",
        "getitem",
        "setitem",
        "delitem",
        "iter",
        "next",
        "reversed",
        "call",
        "add",
        "radd",
        "iadd",
        "sub",
        "rsub",
        "isub",
        "mul",
        "rmul",
        "imul",
        "matmul",
        "rmatmul",
        "imatmul",
        "truediv",
        "rtruediv",
        "itruediv",
        "floordiv",
        "rfloordiv",
        "ifloordiv",
        "mod",
        "rmod",
        "imod",
        "divmod",
        "rdivmod",
        "pow",
        "rpow",
        "ipow",
        "lshift",
        "rlshift",
        "ilshift",
        "rshift",
        "rrshift",
        "irshift",
        "and",
        "rand",
        "iand",
        "or",
        "ror",
        "ior",
        "xor",
        "rxor",
        "ixor",
        "neg",
        "pos",
        "abs",
        "invert",
        "int",
        "float",
        "index",
        "complex",
        "round",
        "trunc",
        "floor",
        "ceil",
        "str",
        "repr",
        "format",
        "bytes",
        "fspath",
        "enter",
        "exit",
        "await",
        "aiter",
        "anext",
        "aenter",
        "aexit",
        "missing",
        "init",
        "post_init",
    ]
)
_MUTABLE = (list, dict, set, bytearray)
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_METHODS = (types.FunctionType, classmethod, staticmethod, types.BuiltinFunctionType, types.MethodDescriptorType)
_METHODS = (*_METHODS, types.ClassMethodDescriptorType, functools.partialmethod)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


class _Gone(Exception):
    """The tester has hung up."""


class Printed(io.RawIOBase):
    """What the submission prints during one operation; beyond a cap it goes to the real descriptor, where it counts."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()

    def writable(self) -> bool:
        """Say that this stream takes output."""
        return True

    def fileno(self) -> int:
        """Return the real descriptor, for programs that start others."""
        return self._descriptor

    def write(self, data: Any, /) -> int:
        """Keep `data`, or pass it on when enough is kept."""
        data = bytes(data)
        if len(self._kept) < MAX_PRINTED_CHARS:
            self._kept += data
        else:
            os.write(self._descriptor, data)
        return len(data)

    def take(self) -> str:
        """Return and forget what was printed."""
        text = self._kept.decode("utf-8", "replace")
        self._kept.clear()
        return text


class Server:
    """Holds the submission's objects that the tests know, and runs what is asked of them."""

    def __init__(self, sock: socket.socket, module: types.ModuleType) -> None:
        self.module = module
        self._socket = sock
        self._lock = threading.RLock()
        self._objects: list[Any] = [module]
        self._numbers: dict[int, int] = {id(module): 0}
        self._outside: dict[int, Any] = {}
        self._raised_early: dict[int, BaseException] = {}
        self._replaced: dict[tuple[int, str], Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._warned: list[tuple[str, str]] = []
        self._load: Callable[[], object] = lambda: None
        self._load_error: BaseException | None = None
        self._stdout, self._stderr = Printed(1), Printed(2)

    # Conversation

    def load(self, load: Callable[[], object]) -> None:
        """Run the submission's top level; a failure is told when the tests say hello."""
        stdout: Any = self._stdout
        stderr: Any = self._stderr
        sys.stdout = io.TextIOWrapper(stdout, encoding="utf-8", errors="replace", write_through=True)
        sys.stderr = io.TextIOWrapper(stderr, encoding="utf-8", errors="replace", write_through=True)
        warnings.showwarning = self._note_warning
        warnings.simplefilter("always")
        self._load = load
        try:
            load()
        except BaseException as error:
            self._load_error = error

    def serve(self) -> None:
        """Answer until the tester hangs up."""
        with contextlib.suppress(_Gone):
            while True:
                self._answer(self._receive())

    def ask(self, number: int, operation: str, *arguments: Any) -> Any:
        """Ask the tester about one of its own objects: call it, or read it."""
        with self._lock:
            sys.setrecursionlimit(sys.getrecursionlimit() + FRAMES_OF_A_CALLBACK)
            try:
                return self._ask(number, operation, arguments)
            finally:
                sys.setrecursionlimit(max(sys.getrecursionlimit() - FRAMES_OF_A_CALLBACK, 100))

    def _ask(self, number: int, operation: str, arguments: tuple[Any, ...]) -> Any:
        self._send([0, "ask", number, operation, *arguments])
        while True:
            message = self._receive()
            if message[0] == "ok":
                return message[1]
            if message[0] == "raised":
                raise self._outside_exception(*message[1:])
            self._answer(message)

    def _receive(self) -> Any:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        return plain.decode(self._exactly(length), resolve=self._resolve)

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            chunk = self._socket.recv(min(size - len(parts), 1 << 20))
            if not chunk:
                raise _Gone
            parts += chunk
        return bytes(parts)

    def _send(self, message: Any) -> None:
        data = plain.encode(message, handle=self.token)
        self._socket.sendall(LENGTH.pack(len(data)) + data)

    def _answer(self, message: Any) -> None:
        number, operation, *arguments = message
        extra: dict[str, Any] = {}
        try:
            status, value = "ok", _OPERATIONS[operation](self, extra, *arguments)
        except StopIteration as stop:
            status, value = "stop", stop.value
        except _Gone:
            raise
        except BaseException as error:
            status, value = "raised", error
        if os.getpid() != self._pid:
            os._exit(0)  # a child that the submission forked and forgot
        self._add_noise(extra)
        try:
            self._send([number, status, value, extra])
        except Exception as problem:  # also what properties of the submission's objects raise
            self._send([number, "raised", TypeError(f"the value cannot be handed to the tests: {problem}"), {}])

    def _add_noise(self, extra: dict[str, Any]) -> None:
        for name, stream in (("out", self._stdout), ("err", self._stderr)):
            text = stream.take()
            if text:
                extra[name] = text
        if self._warned:
            extra["warned"], self._warned = self._warned[:MAX_WARNINGS], []

    def _note_warning(self, message: Any, category: type, *_: Any, **__: Any) -> None:
        known = next((_BUILTINS[kind] for kind in category.__mro__ if kind in _BUILTINS), "UserWarning")
        self._warned.append((known, str(message)[:MAX_TEXT]))

    # Handles

    def number_of(self, value: Any) -> int:
        """Return the number under which the tester knows `value`, which is kept alive from now on."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return number

    def token(self, value: Any) -> Any:
        """Return what stands for `value` in a message; None for a subclass that crosses as its builtin base.

        ["o", number, class]           an instance of any class
        ["p", number, class, data]     an instance of a class of the submission that extends a builtin type
        ["f", number, name, qualified name, doc, kind]   a function
        ["c", number]                  a class, described by the operation `describe`
        ["b", name]                    a builtin type      ["s", module, name]  a name of `STDLIB`
        ["e", number, class, arguments, text, cause, where]   an exception
        ["x", ...]                     see `extras`
        ["w", number]                  a coroutine
        ["t", number]                  an object of the tester comes home
        """
        kind = type(value)
        if kind is Outside or issubclass(kind, Outside):
            return ["t", object.__getattribute__(value, "_number")]
        if issubclass(kind, type):
            return self._class_token(value)
        if kind is types.CoroutineType:
            return ["w", self.number_of(value)]
        if issubclass(kind, BaseException):
            return self._exception_token(value)
        extra = to_extra(value)
        if extra is not None:
            return extra
        if issubclass(kind, _FUNCTIONS) or type.__getattribute__(kind, "__module__") == "typing":
            known = self._stdlib_token(value)
            if known is not None:
                return known
        if issubclass(kind, _FUNCTIONS):
            names = (getattr(value, name, None) for name in ("__name__", "__qualname__", "__doc__"))
            texts = [text[:MAX_TEXT] if isinstance(text, str) else None for text in names]
            return ["f", self.number_of(value), *texts, _function_kind(value)]
        if _is_numpy(kind):
            return None
        for base in plain.BASES:
            if issubclass(kind, base):
                data = plain.as_base(value, kind)
                return ["p", self.number_of(value), kind, data]
        return ["o", self.number_of(value), kind]

    def _class_token(self, kind: type) -> Any:
        name = _BUILTINS.get(kind)
        if name is not None:
            return ["b", name]
        return self._stdlib_token(kind) or ["c", self.number_of(kind)]

    def _stdlib_token(self, value: Any) -> Any:
        for name in (getattr(value, "__name__", None), getattr(value, "_name", None)):
            if not isinstance(name, str):
                continue
            for module_name in _STDLIB_BY_NAME.get(name, ()):
                if getattr(sys.modules.get(module_name), name, None) is value:
                    return ["s", module_name, name]
        return None

    def _exception_token(self, error: BaseException) -> Any:
        home = error.__dict__.get("_outside_number")
        if home is not None:
            return ["t", home]
        arguments = error.args
        if isinstance(error, OSError) and error.filename is not None and len(arguments) == 2:
            arguments = (*arguments, error.filename)
        try:
            text = str(error)[:MAX_TEXT]
        except BaseException:
            text = ""
        cause, links = error.__cause__, 0
        while cause is not None and links < MAX_CAUSES:
            cause, links = cause.__cause__, links + 1
        cause = error.__cause__ if cause is None else None  # a long chain, or a loop, is not sent
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_OWN_FOLDER)]
        where = "".join(traceback.format_list(frames[-3:]))[-MAX_WHERE:]
        return ["e", self.number_of(error), type(error), arguments, text, cause, where]

    def _resolve(self, token: Any) -> Any:
        if type(token) is int:
            return self._objects[token]
        kind, *rest = token
        return _TOKENS[kind](self, *rest)

    def _outside_object(self, number: int, name: str, doc: str | None, specials: list[str]) -> Any:
        if number not in self._outside:
            self._outside[number] = _outside_class(frozenset(specials))(self, number, name, doc)
        return self._outside[number]

    def _outside_exception(self, number: int, name: str, bases: list[str], arguments: tuple[Any, ...]) -> BaseException:
        """Make an exception that stands for one that a callback raised in the tester."""
        base = next((getattr(builtins, base) for base in bases if base in EXCEPTIONS), Exception)
        kind = base if name == base.__name__ else type(name, (base,), {})
        try:
            error = kind(*arguments)
        except Exception:
            error = kind.__new__(kind)
        error.__dict__["_outside_number"] = number
        return error

    # Operations: each gets `extra`, to which it may add what has changed

    def feed(self, extra: dict[str, Any], fed: dict[str, Any]) -> None:
        """Read from now on what the tests have put in the place of `input`, stdin, the environment, the folder."""
        if "input" in fed:
            builtins.input = fed["input"] or _INPUT
        if "stdin" in fed:
            sys.stdin = io.StringIO(fed["stdin"])
        os.environ.update(fed.get("environment", {}))
        for name in fed.get("removed", ()):
            os.environ.pop(name, None)
        if "folder" in fed:
            os.chdir(fed["folder"])

    def hello(self, extra: dict[str, Any], wanted: list[str]) -> Any:
        """Return the values of those of the wanted names that the module has; raise if it could not be loaded."""
        if self._load_error is not None:
            raise self._load_error
        names = vars(self.module)
        return {name: names[name] for name in wanted if name in names}

    def reload(self, extra: dict[str, Any]) -> None:
        """Run the submission's top level again."""
        self._load()

    def public_names(self, extra: dict[str, Any]) -> list[str]:
        """Return what `from solution import *` brings."""
        names = vars(self.module)
        listed = names.get("__all__")
        return [str(n) for n in listed] if listed is not None else [n for n in names if not n.startswith("_")]

    def get(self, extra: dict[str, Any], target: Any, name: str) -> Any:
        """Return an attribute."""
        return self._with_fresh(extra, target, lambda: getattr(target, name))

    def set(self, extra: dict[str, Any], target: Any, name: str, value: Any) -> None:
        """Set an attribute; of modules and classes, what was there is kept."""
        if isinstance(target, (types.ModuleType, type)) and name in vars(target):
            self._replaced.setdefault((id(target), name), vars(target)[name])
        self._with_fresh(extra, target, lambda: setattr(target, name, value))

    def delete(self, extra: dict[str, Any], target: Any, name: str) -> None:
        """Delete an attribute, or undo its replacement: to the tests it looks as if it had not been there before."""
        if (id(target), name) in self._replaced:
            setattr(target, name, self._replaced.pop((id(target), name)))
            return
        self._with_fresh(extra, target, lambda: delattr(target, name))

    def call(self, extra: dict[str, Any], target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an object."""
        return self._run(extra, target, target, args, kwargs)

    def call_method(
        self, extra: dict[str, Any], target: Any, name: str, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Call a method by its name."""
        return self._run(extra, target, getattr(target, name), args, kwargs)

    def call_super(
        self, extra: dict[str, Any], kind: type, name: str, target: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Call the method of a base class, for a class of the tests that extends it."""
        method = getattr(super(kind, target), name) if name not in vars(kind) else vars(kind)[name].__get__(target)
        return self._run(extra, target, method, args, kwargs)

    def special(self, extra: dict[str, Any], target: Any, name: str, args: list[Any]) -> Any:
        """Apply an operator as Python does: the method is looked up on the class."""
        if id(target) in self._raised_early and name == "__next__":
            raise self._raised_early.pop(id(target))
        if isinstance(target, type) and name == "__getitem__":
            return operator.getitem(target, *args)  # type: ignore[call-overload]
        method = getattr(type(target), name)
        return self._run(extra, target, lambda *rest: method(target, *rest), args, {})

    def pull(self, extra: dict[str, Any], target: Any, count: int) -> list[Any]:
        """Return the next items of an iterator; what it raises is kept for the next question."""
        items: list[Any] = []
        if id(target) in self._raised_early:
            raise self._raised_early.pop(id(target))
        try:
            for _ in range(count):
                items.append(type(target).__next__(target))
        except StopIteration:
            pass  # asked once more, it says so again
        except BaseException as error:
            self._raised_early[id(target)] = error
            if not items:
                raise self._raised_early.pop(id(target)) from None
        return items

    def describe(self, extra: dict[str, Any], kind: type) -> dict[str, Any]:
        """Return what the tester needs to make a class that looks like `kind`."""
        own = vars(kind)
        fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else None
        pattern = own.get("__match_args__")
        return {
            "name": str(kind.__name__),
            "qualname": str(kind.__qualname__),
            "module": str(getattr(kind, "__module__", "")),
            "doc": own["__doc__"][:MAX_TEXT] if isinstance(own.get("__doc__"), str) else None,
            "bases": list(kind.__bases__),
            "specials": [n for n in own if n in SPECIALS and own[n] is not None],
            "none": [n for n in own if n in SPECIALS and own[n] is None],
            "methods": [n for n, v in own.items() if isinstance(v, _METHODS) and n not in SPECIALS],
            "fields": fields if fields is not None and "__dataclass_fields__" in own else None,
            "match_args": list(pattern) if isinstance(pattern, tuple) else None,
        }

    def signature(self, extra: dict[str, Any], target: Any) -> list[Any]:
        """Return [name, kind, has default, default, annotation as text] of each parameter."""
        found = inspect.signature(target)
        empty = inspect.Parameter.empty
        parameters = [
            [
                p.name,
                int(p.kind),
                p.default is not empty,
                None if p.default is empty else p.default,
                _note(p.annotation),
            ]
            for p in found.parameters.values()
        ]
        return [parameters, _note(found.return_annotation)]

    def names_of(self, extra: dict[str, Any], target: Any) -> list[str]:
        """Return `dir(target)`."""
        return [str(name) for name in dir(target)]

    def copied(self, extra: dict[str, Any], target: Any, deep: bool) -> Any:
        """Return a copy, as the module `copy` makes it."""
        import copy

        return copy.deepcopy(target) if deep else copy.copy(target)

    def subclass(self, extra: dict[str, Any], name: str, bases: list[type], members: dict[str, Any]) -> type:
        """Make the class that a class of the tests stands for: its methods call back."""
        made: dict[str, Any] = {"__module__": "tests"}
        for member, (kind, *values) in members.items():
            made[member] = _MEMBERS[kind](*values)
        return types.new_class(name, tuple(bases), {}, lambda namespace: namespace.update(made))

    def await_(self, extra: dict[str, Any], target: Any, started: bool) -> Any:
        """Start an awaitable as a task, or go on with one: return [True, result], or [False, task] if it waits."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        task = target if started else asyncio.ensure_future(_await(target), loop=self._loop)
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.wait([task], timeout=POLL_S))
        if not task.done():
            return [False, task]
        error = task.exception() if not task.cancelled() else TimeoutError("cancelled")
        if error is not None:
            if isinstance(error, _StoppedAsync):
                return [None, None]
            raise error
        return [True, task.result()]

    def cancel(self, extra: dict[str, Any], task: Any) -> None:
        """Cancel a task and let it clean up."""
        assert self._loop is not None
        task.cancel()
        self._loop.run_until_complete(asyncio.wait([task], timeout=1))

    def _run(self, extra: dict[str, Any], target: Any, action: Callable[..., Any], args: list[Any], kwargs: Any) -> Any:
        """Call `action`, and note which mutable arguments it changed."""
        if not any(_may_change(value) for value in (*args, *kwargs.values())):
            return self._with_fresh(extra, target, lambda: action(*args, **kwargs))
        arguments = [list(args), dict(kwargs)]
        before = plain.encode(arguments, handle=self.token)
        try:
            return self._with_fresh(extra, target, lambda: action(*args, **kwargs))
        finally:
            try:
                changed = plain.encode(arguments, handle=self.token) != before
            except plain.NotPlain as problem:
                raise TypeError(f"an argument was changed to what cannot be handed back: {problem}") from None
            if changed:
                extra["changed"] = arguments

    def _with_fresh(self, extra: dict[str, Any], target: Any, action: Callable[[], Any]) -> Any:
        """Run `action`, and send the data of `target` again if it extends a mutable builtin type."""
        try:
            return action()
        finally:
            owner = getattr(target, "__self__", target) if isinstance(target, types.MethodType) else target
            if issubclass(type(owner), _MUTABLE):
                extra["fresh"] = owner


async def _await(target: Any) -> Any:
    try:
        return await target
    except (StopAsyncIteration, StopIteration) as stop:
        raise _StoppedAsync from stop


class _StoppedAsync(Exception):
    """An async iterator has come to its end; no task may raise StopAsyncIteration itself."""


def _may_change(value: Any) -> bool:
    kind = type(value)
    if kind in (list, dict, set, bytearray):
        return True
    if kind is tuple:
        return any(_may_change(item) for item in value)
    return issubclass(kind, (*_MUTABLE, *MUTABLE_EXTRAS))


def _function_kind(value: Any) -> int:
    """1 for a coroutine function, 2 for an async generator function, 0 for the rest."""
    return 1 if inspect.iscoroutinefunction(value) else 2 if inspect.isasyncgenfunction(value) else 0


def _is_numpy(kind: type) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(kind, (numpy.generic, numpy.ndarray))


def _note(annotation: Any) -> str | None:
    if annotation is inspect.Signature.empty:
        return None
    return inspect.formatannotation(annotation)


# Objects of the tests, as the submission sees them


class Outside:
    """An object that lives in the tester: a callback, or an instance of a class of the tests."""

    def __init__(self, server: Server, number: int, name: str, doc: str | None) -> None:
        put = object.__setattr__
        put(self, "_server", server)
        put(self, "_number", number)
        put(self, "__name__", name)
        put(self, "__qualname__", name)
        put(self, "__doc__", doc)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._ask("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            object.__setattr__(self, name, value)
        else:
            self._ask("set", name, value)

    def _ask(self, operation: str, *arguments: Any) -> Any:
        return self._server.ask(self._number, operation, *arguments)

    def __repr__(self) -> str:
        return f"<{self.__name__} of the tests>"


def _outside_special(name: str) -> Callable[..., Any]:
    def method(self: Outside, *args: Any) -> Any:
        return self._ask("special", name, list(args))

    method.__name__ = name
    return method


def _outside_call(self: Outside, *args: Any, **kwargs: Any) -> Any:
    return self._ask("call", list(args), kwargs)


def _outside_next(self: Outside) -> Any:
    ended, value = self._ask("next")
    if ended:
        raise StopIteration(value)
    return value


def _outside_await(self: Outside) -> Iterator[Any]:
    yield from ()  # it never waits: the tester runs the coroutine to its end
    return self._ask("run")


@functools.cache
def _outside_class(specials: frozenset[str]) -> type[Outside]:
    special = {"__call__": _outside_call, "__next__": _outside_next, "__await__": _outside_await}
    return type("Outside", (Outside,), {name: special.get(name) or _outside_special(name) for name in specials})


def _exception_of_tests(name: str, bases: list[str], arguments: tuple[Any, ...]) -> BaseException:
    base = next((getattr(builtins, base) for base in bases if base in EXCEPTIONS), Exception)
    return (base if name == base.__name__ else type(name, (base,), {}))(*arguments)


_TOKENS: dict[str, Callable[..., Any]] = {
    "t": Server._outside_object,
    "a": lambda server, owner, name: getattr(owner, name),
    "b": lambda server, name: getattr(builtins, name),
    "s": lambda server, module, name: getattr(__import__(module, fromlist=[name]), name),
    "e": lambda server, name, bases, arguments: _exception_of_tests(name, bases, arguments),
    "ec": lambda server, name, bases: type(_exception_of_tests(name, bases, ())),
    "x": lambda server, *parts: from_extra(*parts),
}


def _method_of_tests(callback: Any) -> Any:
    def method(*args: Any, **kwargs: Any) -> Any:  # a function, so that it is bound to its instance
        return callback(*args, **kwargs)

    return method


def _property_of_tests(getter: Any, setter: Any) -> Any:
    return property(getter and _method_of_tests(getter), setter and _method_of_tests(setter))


_MEMBERS: dict[str, Callable[..., Any]] = {
    "method": _method_of_tests,
    "class": lambda callback: classmethod(_method_of_tests(callback)),
    "static": lambda callback: staticmethod(_method_of_tests(callback)),
    "property": _property_of_tests,
    "value": lambda value: value,
}
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "hello": Server.hello,
    "feed": Server.feed,
    "reload": Server.reload,
    "public": Server.public_names,
    "get": Server.get,
    "set": Server.set,
    "delete": Server.delete,
    "call": Server.call,
    "method": Server.call_method,
    "super": Server.call_super,
    "special": Server.special,
    "pull": Server.pull,
    "describe": Server.describe,
    "signature": Server.signature,
    "dir": Server.names_of,
    "copy": Server.copied,
    "subclass": Server.subclass,
    "await": Server.await_,
    "cancel": Server.cancel,
}
_STDLIB_BY_NAME: dict[str, list[str]] = {}
for _module, _names in STDLIB.items():
    for _name in _names:
        _STDLIB_BY_NAME.setdefault(_name, []).append(_module)


def serve(sock: socket.socket, module: types.ModuleType, load: Callable[[], object] | None = None) -> None:
    """Run the submission's top level with `load()`, then answer the tests over `sock` until they hang up.

    What `load` raises is told to the tests as the error of importing the submission.
    """
    server = Server(sock, module)
    server.load(load or (lambda: None))
    server.serve()
