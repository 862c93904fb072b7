"""The tests' side of the wall: stand-ins for the submission's module, functions, classes, instances and exceptions.

They look like the originals to ordinary test code, and ask the candidate process (`objects.serve`) for everything that
only it knows. Nothing that it sends can run code here or decide for the tests:

- Plain data arrives as copies of exact builtin types, so `f(3) == 14` compares two integers of this process.
- A handle never equals plain data, and no operator asks it about plain data of the tests, for the answer could be made
  to please: `f(3) == 14` is false when `f` returned an object whose `__eq__` is always true, and `abs(f(3) - 14) < 1`
  is an error when its `__sub__` returns 0. The exception are classes that the test code itself treats as classes (see
  `evidence`), whose operators are what is tested: `Vector(1, 2) * 3`; and `Money(5) == 5`, where the test made the
  instance by calling such a class.
- Two handles are compared by the candidate if their class says how, for nobody else can.
- An exception arrives as the builtin exception of the same name, or as a stand-in for the submission's own class. None
  ever is a Skip, a GeneratorExit or a StopIteration out of place; SystemExit and KeyboardInterrupt arrive as
  `SubmissionExit`, or as themselves where the test code names them.
- A context manager of the submission cannot swallow a failed assertion.
- When the candidate is gone, or does not keep to the protocol, the test fails with `SubmissionLost`, which no
  `except Exception` catches, and so does every later one that asks for something.
"""

import builtins
import contextlib
import io
import os
import socket
import sys
import threading
import types
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from decimal import Decimal
from fractions import Fraction
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, NoReturn

from sandboxes.harness.evidence import Evidence
from sandboxes.harness.extras import TYPES as EXTRA_TYPES
from sandboxes.harness.extras import from_extra, to_extra
from sandboxes.harness.objects import DATA_TYPES, EXCEPTIONS, SPECIALS, STDLIB
from sandboxes.protocol import plain
from sandboxes.protocol.child import LENGTH

MAX_CLASS_DEPTH = 50
PULLED_SINGLY = 64
RECURSION_LIMIT = 5_000
"""Calls that go back and forth between submission and tests take more frames here than they would without a wall."""
_INPUT = builtins.input
_STDLIB_NAMES = frozenset(name for names in STDLIB.values() for name in names)
_RUNS = frozenset({"call", "method", "super"})
_MAY_STOP = frozenset({("special", "__next__"), ("method", "send"), ("method", "throw"), ("method", "__next__")})
_ENVIRONMENT = frozenset({"environ", "setenv", "putenv", "delenv"})

_NEVER_HERE = frozenset(
    {
        "BaseException",
        "BaseExceptionGroup",
        "GeneratorExit",
        "KeyboardInterrupt",
        "StopAsyncIteration",
        "StopIteration",
        "SystemExit",
    }
)
_MEANT_FOR_PYTEST = ("test", "Test", "pytest", "collect_ignore", "setup_", "teardown_", "load_tests", "_remote_")
_IF_NAMED = frozenset({"KeyboardInterrupt", "SystemExit"})
_COMPARE = frozenset(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])
_ARITHMETIC = frozenset(
    f"__{side}{name}__"
    for name in [
        "add",
        "sub",
        "mul",
        "matmul",
        "truediv",
        "floordiv",
        "mod",
        "divmod",
        "pow",
        "lshift",
        "rshift",
        "and",
        "or",
        "xor",
    ]
    for side in ("", "r", "i")
)
_TEXTS = frozenset({"__str__", "__repr__", "__format__"})
_PAYLOADS = plain.BASES
_CANDIDATE_TYPES = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


class SubmissionLost(BaseException):
    """The submission's process is gone, or broke the protocol; the test that asked cannot pass."""


class SubmissionExit(RuntimeError):
    """The submission raised what would have ended the tests, for instance SystemExit."""


class Refused(AssertionError, TypeError):
    """The submission's object would have had to decide about plain data of the tests."""


class Link:
    """The connection to the candidate, with every stand-in that was made for its objects."""

    def __init__(self, sock: socket.socket, evidence: Evidence, max_bytes: int = plain.MAX_BYTES) -> None:
        self.evidence = evidence
        self.lost = ""
        self.requests = 0
        self.notes: list[str] = []  # why an object of the submission did not equal something; for messages
        self._socket = sock
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._known: dict[int, Any] = {}
        self._exported: list[Any] = []
        self._exported_numbers: dict[int, int] = {}
        self._class_depth = 0
        self._stdin = sys.stdin
        self._input = builtins.input
        self._uses_environment = evidence.mentions(_ENVIRONMENT)
        self._environment = dict(os.environ) if self._uses_environment else {}
        self._talks_to_generators = evidence.mentions(frozenset({"send", "throw", "close"}))
        self._uses_folder = evidence.mentions(frozenset({"chdir"}))
        self._evident: dict[str, Any] = {}

    # Conversation

    def hello(self, wanted: list[str]) -> dict[str, Any]:
        """Return the submission's values of those of the wanted names that it has.

        Raises:
            SubmissionLost: it did not live to the end of its top level.
            Exception: what its top level raised.
        """
        found = self.request("hello", wanted)
        if type(found) is not dict or not found.keys() <= set(wanted):
            self._lose("it answered what it was not asked")
        return found

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask the candidate for one operation and return its value.

        Raises:
            SubmissionLost: it is gone or broke the protocol.
            Exception: what the submission raised, in the form it may take here.
        """
        with self._lock:
            self._check_alive()
            if operation in _RUNS:
                self._feed()
            self.requests += 1
            number = self.requests
            self._send([number, operation, *arguments])
            while True:
                message = self._receive()
                if type(message) is not list or len(message) < 3:
                    self._lose("it sent what is no message")
                if message[0] == 0 and message[1] == "ask":
                    self._answer_callback(message[2:])
                    continue
                if message[0] != number or len(message) != 4 or type(message[3]) is not dict:
                    self._lose("it answered what it was not asked")
                return self._conclude(message, operation, arguments)

    def _feed(self) -> None:
        """Let the submission see what the tests have put in the place of `input`, stdin, environment or folder."""
        fed: dict[str, Any] = {}
        if builtins.input is not self._input:
            self._input = builtins.input
            fed["input"] = None if builtins.input is _INPUT else builtins.input
        if sys.stdin is not self._stdin:
            self._stdin = sys.stdin
            fed["stdin"] = sys.stdin.read() if isinstance(sys.stdin, io.StringIO) else ""
        if self._uses_environment:
            fed["environment"] = {k: v for k, v in os.environ.items() if self._environment.get(k) != v}
            fed["removed"] = [name for name in self._environment if name not in os.environ]
        if self._uses_folder:
            fed["folder"] = os.getcwd()
        if fed:
            self.request("feed", fed)

    def _conclude(self, message: list[Any], operation: str, arguments: tuple[Any, ...]) -> Any:
        _, status, value, extra = message
        self._replay(extra)
        changed = extra.get("changed")
        if type(changed) is list and len(changed) == 2:
            given = [argument for argument in arguments if type(argument) in (list, dict)]
            for old, new in zip(given, changed, strict=False):
                _copy_back(old, new)
        if status == "ok":
            return value
        if status == "stop":
            if len(arguments) > 1 and (operation, arguments[1]) in _MAY_STOP:
                raise StopIteration(value)
            raise SubmissionExit("the submission raised StopIteration out of place")
        if status == "raised" and isinstance(value, Exception | SystemExit | KeyboardInterrupt):
            raise value
        return self._lose("it sent what is no answer")

    def _replay(self, extra: dict[str, Any]) -> None:
        """Print here what the submission printed, and warn, so that capsys and pytest.warns see it."""
        for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
            text = extra.get(name)
            if type(text) is str and text:
                with contextlib.suppress(OSError, ValueError, UnicodeError):
                    stream.write(text)
        for pair in extra.get("warned", ()):
            kind = getattr(builtins, pair[0], None) if pair[0] in EXCEPTIONS else None
            if isinstance(kind, type) and issubclass(kind, Warning):
                warnings.warn(str(pair[1]), kind, stacklevel=4)

    def _check_alive(self) -> None:
        if self.lost:
            raise SubmissionLost(self.lost)

    def _lose(self, reason: str) -> NoReturn:
        self.lost = self.lost or f"the submission's process is lost: {reason}"
        raise SubmissionLost(self.lost)

    def _send(self, message: list[Any]) -> None:
        data = plain.encode(message, handle=self._export)
        try:
            self._socket.sendall(LENGTH.pack(len(data)) + data)
        except OSError:
            self._lose("it ended before it had answered")

    def _receive(self) -> Any:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > self._max_bytes:
            self._lose(f"it answered with {length} bytes, more than {self._max_bytes}")
        try:
            return plain.decode(self._exactly(length), resolve=self._resolve, max_bytes=self._max_bytes)
        except plain.Malformed as problem:
            self._lose(f"its answer cannot be read: {problem}")

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                chunk = self._socket.recv(min(size - len(parts), 1 << 20))
            except OSError:
                chunk = b""
            if not chunk:
                self._lose("it ended before it had answered")
            parts += chunk
        return bytes(parts)

    def adopt(self, number: int, stand_in: Any) -> None:
        """Let `stand_in` stand for the object with this number."""
        self._known[number] = stand_in

    # What goes out

    def _export(self, value: Any) -> Any:
        """Return what stands for a value of the tests; None for a subclass that crosses as its builtin base."""
        kind = type(value)
        if issubclass(kind, (RemoteObject, RemoteFunction, RemoteClass)):
            return _number(value)
        if kind in (_Number, RemoteCoroutine):
            return value.number
        if kind is Submission:
            return 0
        if kind is BoundMethod:
            return ["a", value.owner, value.name]
        extra = to_extra(value)
        if extra is not None:
            return extra
        if issubclass(kind, BaseException):
            names = [base.__name__ for base in kind.__mro__]
            return ["e", kind.__name__, names, tuple(value.args)]
        if issubclass(kind, type):
            if issubclass(value, BaseException):
                return self._builtin(value) or ["ec", value.__name__, [base.__name__ for base in value.__mro__]]
            return self._builtin(value) or self._stdlib(value) or self._export_object(value)
        if kind is types.BuiltinFunctionType and getattr(builtins, value.__name__, None) is value:
            return ["b", value.__name__]
        if issubclass(kind, _PAYLOADS):
            return None
        return self._export_object(value)

    def _builtin(self, kind: type) -> Any:
        return ["b", kind.__name__] if getattr(builtins, kind.__name__, None) is kind else None

    def _stdlib(self, value: type) -> Any:
        found = value.__name__ in STDLIB.get(value.__module__, ())
        return ["s", value.__module__, value.__name__] if found else None

    def _export_object(self, value: Any) -> Any:
        if isinstance(value, (types.ModuleType, types.FrameType, types.CodeType, types.TracebackType)):
            raise plain.NotPlain(f"a {type(value).__name__} of the tests cannot be handed to the submission")
        number = self._exported_numbers.get(id(value))
        if number is None:
            number = self._exported_numbers[id(value)] = len(self._exported)
            self._exported.append(value)
        specials = sorted(
            name for name in SPECIALS if name not in _NOT_OUTSIDE and getattr(type(value), name, None) is not None
        )
        name, doc = getattr(value, "__name__", None), getattr(value, "__doc__", None)
        return [
            "t",
            number,
            name if type(name) is str else type(value).__name__,
            doc if type(doc) is str else None,
            specials,
        ]

    # Callbacks

    def _answer_callback(self, message: list[Any]) -> None:
        try:
            number, operation, *rest = message
            target = self._exported[_index(number)]
            value: list[Any] = ["ok", _CALLBACKS[operation](target, *rest)]
        except SubmissionLost:
            raise
        except BaseException as error:
            kind = type(error)
            self._exported.append(error)
            bases = [base.__name__ for base in kind.__mro__]
            arguments = [a if type(a) in _SIMPLE else repr(a)[:1000] for a in error.args]
            value = ["raised", len(self._exported) - 1, kind.__name__, bases, tuple(arguments)]
        try:
            self._send(value)
        except plain.NotPlain as problem:
            self._send(["raised", 0, "TypeError", ["TypeError"], (str(problem),)])

    # What comes in

    def _resolve(self, token: Any) -> Any:
        if type(token) is not list or not token or type(token[0]) is not str or token[0] not in _RESOLVE:
            raise plain.Malformed("a handle of no known form")
        try:
            return _RESOLVE[token[0]](self, *token[1:])
        except (TypeError, ValueError, LookupError, AttributeError, ImportError, RecursionError) as problem:
            raise plain.Malformed(f"a handle that cannot be: {problem}") from None

    def _outside(self, number: Any) -> Any:
        return self._exported[_index(number)]

    def _function(self, number: Any, name: Any, qualname: Any, doc: Any, kind: Any) -> Any:
        number = _index(number)
        if number not in self._known:
            make = _FUNCTION_KINDS[kind] if type(kind) is int else RemoteFunction
            self._known[number] = make(self, number, _text(name) or "function", _text(qualname), _text(doc))
        return _instance(self._known[number], RemoteFunction)

    def _class(self, number: Any) -> Any:
        number = _index(number)
        if number not in self._known:
            if self._class_depth >= MAX_CLASS_DEPTH:
                raise plain.Malformed("classes are nested too deep")
            self._class_depth += 1
            try:
                self._known[number] = self._make_class(number)
            finally:
                self._class_depth -= 1
        return _instance(self._known[number], RemoteClass)

    def _make_class(self, number: int) -> type:  # noqa: C901 -- to be cut with the wall
        described = self.request("describe", _Number(number))
        bases = [base for base in _list(described["bases"]) if base is not object]
        for place, base in enumerate(bases):
            ours = isinstance(base, type) and (base.__module__ == "builtins" or base.__name__ in _STDLIB_NAMES)
            if not ours and not isinstance(base, RemoteClass):
                raise plain.Malformed("a base that is no class of the submission")
            if issubclass(base, BaseException) and base.__name__ in _NEVER_HERE and not isinstance(base, RemoteClass):
                bases[place] = Exception
        if not any(issubclass(base, RemoteObject) for base in bases):
            bases.append(RemoteObject)
        namespace: dict[str, Any] = {
            "__module__": _text(described["module"]) or "solution",
            "__qualname__": _text(described["qualname"]) or "Class",
            "__doc__": _text(described["doc"]),
            "__test__": False,
            "_remote_link_": self,
            "_remote_class_": number,
        }
        for name in _list(described["methods"]):
            if _text(name) and name.isidentifier() and not name.startswith(("__", "_remote_")):
                namespace[name] = RemoteMethod(name)
        for name in _list(described["specials"]):
            if name in _SPECIAL_METHODS:
                namespace[name] = _SPECIAL_METHODS[name]
            elif name in ("__init__", "__post_init__"):
                namespace[name] = RemoteMethod(name)
        for name in _list(described["none"]):
            if name in SPECIALS:
                namespace[name] = None
        if "__eq__" in namespace and "__hash__" not in namespace:
            namespace["__hash__"] = None
        _add_mutators(bases, namespace)
        if described["match_args"] is not None:
            namespace["__match_args__"] = tuple(str(name) for name in _list(described["match_args"]))
        if described["fields"] is not None:
            namespace["__dataclass_fields__"] = _dataclass_fields(_list(described["fields"]))
        return RemoteClass(_text(described["name"]) or "Class", tuple(bases), namespace)

    def _object(self, number: Any, kind: Any) -> Any:
        number = _index(number)
        if number not in self._known:
            if issubclass(_instance(kind, RemoteClass), (BaseException, *_PAYLOADS)):
                raise plain.Malformed("an instance that is not what its class says")
            self._known[number] = made = object.__new__(kind)
            object.__setattr__(made, "_remote_id_", number)
        return _instance(self._known[number], RemoteObject)

    def _payload(self, number: Any, kind: Any, data: Any) -> Any:
        number = _index(number)
        base = type(data)
        if base not in _PAYLOADS or not issubclass(_instance(kind, RemoteClass), base):
            raise plain.Malformed("data that is not what its class says")
        known = self._known.get(number)
        if known is None:
            real = next(found for found in kind.__mro__ if not isinstance(found, RemoteClass))
            if not issubclass(real, base) or real not in _MAKE:
                return data
            self._known[number] = known = _MAKE[real](kind, data)
            object.__setattr__(known, "_remote_id_", number)
        if base in _REFRESH:
            _REFRESH[base](_instance(known, base), data)
        return known

    def _exception(self, number: Any, kind: Any, args: Any, text: Any, cause: Any, where: Any) -> Any:
        number = _index(number)
        if number in self._known:
            return _instance(self._known[number], BaseException)
        if not isinstance(kind, type) or not issubclass(kind, BaseException) or type(args) is not tuple:
            raise plain.Malformed("an exception that is none")
        if self._is_dangerous(kind):
            args = (f"the submission raised {kind.__name__}{args!r}"[:500],)
            kind = SubmissionExit
        error: Any = _new_exception(kind, args)
        error.args = args
        if isinstance(kind, RemoteClass):
            put = object.__setattr__
            put(error, "_remote_id_", number)
            put(error, "_remote_text_", _text(text) or "")
        if isinstance(cause, BaseException):
            error.__cause__ = cause
        object.__setattr__(error, "_submission_where_", _text(where) or "")
        self._known[number] = error
        return error

    def _is_dangerous(self, kind: type[BaseException]) -> bool:
        """Whether an exception of this kind would end or mislead the tests."""
        if isinstance(kind, RemoteClass) or kind.__name__ not in _NEVER_HERE:
            return False
        return kind.__name__ not in _IF_NAMED & self.evidence.names

    def _stdlib_name(self, module: Any, name: Any) -> Any:
        if name not in STDLIB[module]:
            raise plain.Malformed("not a name that crosses")
        return getattr(__import__(module, fromlist=[name]), name)

    def _builtin_name(self, name: Any) -> Any:
        if name not in DATA_TYPES and name not in EXCEPTIONS:
            raise plain.Malformed("not a builtin that crosses")
        return getattr(builtins, name)

    # What the stand-ins use

    def special(self, target: Any, name: str, args: tuple[Any, ...]) -> Any:
        """Apply an operator of the submission's class, as far as it may decide; see the head of this module."""
        if name in _COMPARE or name == "__contains__":
            return self._compare(target, name, args[0])
        if name in _ARITHMETIC and not isinstance(args[0], _REMOTE):
            if not _is_plain(args[0]):
                return NotImplemented
            if not self._is_evident(type(target)):
                raise Refused(f"an object of the submission's class {type(target).__name__} met {_short(args[0])}")
        if name in ("__exit__", "__aexit__") and args[0] is not None:
            return self._leave(target, name, args)
        if name == "__await__":
            return _drive(self, target)
        if name == "__next__":
            return self._next(target)
        if name == "__str__" and isinstance(target, BaseException):
            return vars_of(target)["_remote_text_"]
        value = self.request("special", target, name, list(args))
        if name == "__anext__":
            return RemoteCoroutine(self, _number(value), ends=True)
        if name in _TEXTS and isinstance(value, str):
            return str.__str__(value)
        return value

    def _next(self, target: Any) -> Any:
        """Pull one item; after many, pull them in portions, unless the tests talk to generators in between."""
        own = vars_of(target)
        ready = own.get("_remote_ready_")
        if ready:
            return ready.popleft()
        pulled = own["_remote_pulled_"] = own.get("_remote_pulled_", 0) + 1
        if pulled <= PULLED_SINGLY or self._talks_to_generators:
            return self.request("special", target, "__next__", [])
        items = _list(self.request("pull", target, min(pulled - PULLED_SINGLY, 8) * 32))
        if not items:
            return self.request("special", target, "__next__", [])
        own["_remote_ready_"] = deque(items)
        return own["_remote_ready_"].popleft()

    def _compare(self, target: Any, name: str, other: Any) -> Any:
        base = _payload_base(type(target))
        if base is not None and name != "__contains__":
            return getattr(base, name)(target, other)
        if isinstance(other, _REMOTE):
            return self.request("special", target, name, [other])
        made_here = vars_of(target).get("_remote_made_", False) if base is None else False
        trusted = made_here and self._is_evident(type(target))
        if name == "__contains__":
            if trusted:
                return self.request("special", target, name, [other])
            return any(item is other or item == other for item in target)
        if not _is_plain(other):
            return NotImplemented
        if trusted:
            return self._compare_trusted(target, name, other)
        self.notes.append(f"an object of the submission's class {type(target).__name__} met {_short(other)}")
        if name in ("__eq__", "__ne__"):
            return name == "__ne__"
        raise Refused(self.notes[-1])

    def _compare_trusted(self, target: Any, name: str, other: Any) -> Any:
        """Ask, and believe an answer only if it is not also given for a value that nothing can equal."""
        found = self.request("special", target, name, [other])
        if name in ("__eq__", "__ne__") and type(found) is bool and found is (name == "__eq__"):
            decoy = os.urandom(8).hex()
            if self.request("special", target, name, [decoy]) is found:
                return not found
        return found

    def _is_evident(self, kind: type) -> bool:
        """Whether `kind` is what the submission has under a name that the tests take for a class."""
        for name in self.evidence.classes:
            if name not in self._evident:
                try:
                    self._evident[name] = self.request("get", _Number(0), name)
                except Exception:
                    self._evident[name] = None
        return isinstance(kind, RemoteClass) and any(kind is found for found in self._evident.values())

    def _leave(self, target: Any, name: str, args: tuple[Any, ...]) -> Any:
        """Leave a `with` block after an exception: it is swallowed only if no assertion can be swallowed with it."""
        kind, error, _ = args
        quiet = isinstance(error, Exception) and not isinstance(error, AssertionError)
        frame: types.FrameType | None = sys._getframe()
        while frame is not None and frame.f_code.co_filename == __file__:
            frame = frame.f_back
        if frame is None or not self.evidence.is_quiet_with(frame.f_code.co_filename, frame.f_lineno):
            quiet = False
        swallowed = self.request("special", target, name, [kind, error, None])
        if name == "__aexit__":
            return _Guarded(swallowed, quiet)
        return bool(swallowed) and quiet


# Callbacks: what the submission may do with an object of the tests

_SIMPLE = frozenset({type(None), bool, int, float, str, bytes})
_NOT_OUTSIDE = frozenset(
    ["__init__", "__post_init__", "__hash__", "__eq__", "__ne__", "__str__", "__repr__", "__format__", "__missing__"]
)
_HIDDEN = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_", "mro")


def _readable(target: Any, name: Any) -> str:
    """Return `name` if the submission may use this attribute: public ones of instances, nothing of functions."""
    if type(name) is not str or name.startswith(_HIDDEN) or not name.isidentifier():
        raise AttributeError(str(name))
    plain_object = not isinstance(target, (*_CANDIDATE_TYPES, types.GeneratorType, types.CoroutineType))
    if not plain_object or isinstance(target, BaseException):
        raise AttributeError(name)
    return name


def _callback_set(target: Any, name: Any, value: Any) -> None:
    """Set an attribute of an instance: nothing that its class has, so no method, and not what a mock has counted."""
    name = _readable(target, name)
    had = getattr(type(target), name, None)
    settable = had is None or (isinstance(had, property) and not type(target).__module__.startswith("unittest"))
    if isinstance(target, type) or not (settable or type(had) in _SIMPLE or type(had).__name__ == "member_descriptor"):
        raise AttributeError(f"{name} cannot be set by the submission")
    setattr(target, name, value)


def _callback_next(target: Any) -> list[Any]:
    try:
        return [False, next(target)]
    except StopIteration as stop:
        return [True, stop.value]


def _callback_special(target: Any, name: str, args: list[Any]) -> Any:
    if name not in SPECIALS or name in _NOT_OUTSIDE:
        raise AttributeError(name)
    return getattr(type(target), name)(target, *args)


def _callback_run(target: Any) -> Any:
    """Run a coroutine of the tests to its end, in a thread because this one may be inside of an event loop."""
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


_CALLBACKS: dict[str, Callable[..., Any]] = {
    "call": lambda target, args, kwargs: target(*args, **kwargs),
    "get": lambda target, name: getattr(target, _readable(target, name)),
    "set": _callback_set,
    "special": _callback_special,
    "next": _callback_next,
    "run": _callback_run,
}


# Stand-ins


class _Number:
    """A number that crosses as the handle of an object that has no stand-in yet."""

    def __init__(self, number: int) -> None:
        self.number = number


class RemoteFunction:
    """A function of the submission."""

    __test__ = False

    def __init__(self, link: Link, number: int, name: str, qualname: str | None, doc: str | None) -> None:
        put = object.__setattr__
        put(self, "_remote_link_", link)
        put(self, "_remote_id_", number)
        put(self, "__name__", name)
        put(self, "__qualname__", qualname or name)
        put(self, "__doc__", doc)
        put(self, "__module__", "solution")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._remote_link_.request("call", self, list(args), kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__":
            return _signature(self._remote_link_, self)
        _refuse_private(name, ("__wrapped__", "__defaults__", "__kwdefaults__", "__annotations__", "__self__"))
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

        object.__setattr__(self, "_is_coroutine", asyncio.coroutines._is_coroutine)  # type: ignore[attr-defined]


_FUNCTION_KINDS: dict[int, type[RemoteFunction]] = {0: RemoteFunction, 1: RemoteCoroutineFunction, 2: RemoteFunction}


class RemoteCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine of the submission: awaiting it runs it in the candidate, on an event loop there."""

    def __init__(self, link: Link, number: int, ends: bool = False) -> None:
        self.number = number
        self._run = _drive(link, self, ends)

    def send(self, value: Any, /) -> Any:
        """Go on, as an event loop does."""
        return self._run.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise in the coroutine; it is cancelled."""
        return self._run.throw(*error)

    def close(self) -> None:
        """Forget it."""
        self._run.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._run


def _drive(link: Link, target: Any, ends: bool = False) -> Generator[Any, Any, Any]:
    """Run an awaitable of the submission; `ends` if it is the next item of an async iterator."""
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


class _Guarded:
    """Awaits what `__aexit__` returned, and swallows an exception only where that is harmless."""

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
        link: Link = self._defined_in._remote_link_  # type: ignore[attr-defined]
        kind = self.owner if isinstance(self.owner, type) else type(self.owner)
        if self.owner is not kind and ("_of_tests_" in vars(kind) or self.name.startswith("__")):
            return link.request("super", self._defined_in, self.name, self.owner, list(args), kwargs)
        return link.request("method", self.owner, self.name, list(args), kwargs)

    def __getattr__(self, name: str) -> Any:
        link: Link = self._defined_in._remote_link_  # type: ignore[attr-defined]
        if name == "__signature__":
            return _signature(link, self)
        _refuse_private(name, ("__wrapped__", "__doc__", "__annotations__", "__qualname__", "__func__"))
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
        made = _link(cls).request("call", cls, list(args), kwargs)
        if isinstance(made, RemoteObject) and isinstance(made, cls) and not isinstance(made, BaseException):
            vars_of(made)["_remote_made_"] = True
        return made

    def __getattr__(cls, name: str) -> Any:
        if name == "__signature__":
            return _signature(_link(cls), cls)
        _refuse_private(name, ("__annotations__", "__members__"))
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
        return iter(_link(cls).request("special", cls, "__iter__", []))

    def __len__(cls) -> int:
        return _link(cls).request("special", cls, "__len__", [])

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: Any) -> Any:
        return _link(cls).request("special", cls, "__getitem__", [key])

    def __contains__(cls, item: Any) -> bool:
        return any(member is item or member == item for member in cls)

    def __dir__(cls) -> list[str]:
        return _link(cls).request("dir", cls)


class _HasDict:
    """Gives stand-ins a dictionary of their own beside the `__dict__` that they show."""


_REAL_DICT: Any = _HasDict.__dict__["__dict__"]


class RemoteObject(_HasDict, metaclass=RemoteClass):
    """The root of all stand-ins for classes of the submission. What a class defines is in its own stand-in."""

    _remote_class_ = -1
    __test__ = False

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return _link(type(self)).request("get", self, "__dict__")

    def __getattr__(self, name: str) -> Any:
        _refuse_private(name, ())
        return _attribute(_link(type(self)), self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(self, BaseException) and name.startswith("__"):
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


class Submission(types.ModuleType):
    """The stand-in for the submission's module."""

    def __init__(self, name: str, link: Link) -> None:
        super().__init__(name)
        vars(self).update(_remote_link_=link, _remote_id_=0, _remote_kept_={}, __test__=False)

    def __getattr__(self, name: str) -> Any:
        kept = vars(self)["_remote_kept_"]
        if name in kept:
            return kept[name]
        if name == "__all__":
            return self._star()
        _refuse_private(name, ("__version__", "__author__", "__doc__", "__annotations__"))
        try:
            value = vars(self)["_remote_link_"].request("get", self, name)
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None
        if isinstance(value, (RemoteFunction, RemoteClass)):
            kept[name] = value
        return value

    def _star(self) -> list[str]:
        """Return what `from solution import *` brings: nothing that would replace what the tests rely on."""
        link: Link = vars(self)["_remote_link_"]
        taken = link.evidence.bound | sys.stdlib_module_names | sys.modules.keys() | vars(builtins).keys()
        names = [name for name in _list(link.request("public")) if _text(name) and name not in taken]
        return [name for name in names if not name.startswith(_MEANT_FOR_PYTEST)]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
            return
        vars(self)["_remote_kept_"].pop(name, None)
        vars(self)["_remote_link_"].request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        vars(self)["_remote_kept_"].pop(name, None)
        vars(self)["_remote_link_"].request("delete", self, name)

    def __dir__(self) -> list[str]:
        return vars(self)["_remote_link_"].request("dir", self)

    def reload(self) -> None:
        """Run the submission's top level again, as `importlib.reload` does."""
        vars(self)["_remote_kept_"].clear()
        vars(self)["_remote_link_"].request("reload")


class Importer(MetaPathFinder, Loader):
    """Lets the tests import the submission anew after they have taken it out of `sys.modules`, and reload it."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find the submission, and nothing else."""
        return ModuleSpec(fullname, self) if fullname == self._submission.__name__ else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Return the one stand-in that there is."""
        return self._submission

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the submission again."""
        self._submission.reload()


# Making stand-ins


def _special_method(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return type(self)._remote_link_.special(self, name, args)

    method.__name__ = method.__qualname__ = name
    return method


def _call_instance(self: Any, *args: Any, **kwargs: Any) -> Any:
    return type(self)._remote_link_.request("call", self, list(args), kwargs)


_SPECIAL_METHODS: dict[str, Callable[..., Any]] = {
    name: _special_method(name) for name in SPECIALS - {"__init__", "__post_init__", "__call__"}
} | {"__call__": _call_instance}


_MUTATORS: dict[type, str] = {
    list: "append clear extend insert pop remove reverse sort __setitem__ __delitem__ __iadd__ __imul__",
    bytearray: "append clear extend insert pop remove reverse __setitem__ __delitem__ __iadd__ __imul__",
    dict: "clear move_to_end pop popitem setdefault update __setitem__ __delitem__ __ior__",
    set: "add clear difference_update discard intersection_update pop remove symmetric_difference_update update "
    "__iand__ __ior__ __isub__ __ixor__",
}


def _add_mutators(bases: list[type], namespace: dict[str, Any]) -> None:
    """Let what changes the data of a class that extends a builtin type change the submission's object, not the copy."""
    for builtin, names in _MUTATORS.items():
        if any(issubclass(base, builtin) for base in bases):
            for name in names.split():
                inherited = any(name in vars(c) for b in bases for c in b.__mro__ if isinstance(c, RemoteClass))
                if name not in namespace and not inherited:
                    namespace[name] = _SPECIAL_METHODS.get(name) or RemoteMethod(name)


def _extend(made: type, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    """Make in the candidate the class that a class of the tests stands for, whose methods call back here."""
    link = _link(made)
    remote = [base for base in bases if isinstance(base, RemoteClass)]
    members: dict[str, Any] = {}
    for space in (*(vars(base) for base in bases if not isinstance(base, RemoteClass)), namespace):
        for member, value in space.items():
            exported = _member(member, value)
            if exported is not None:
                members[member] = exported
    kind = link.request("subclass", name, remote, members)
    number = _number(kind)
    link.adopt(number, made)
    type.__setattr__(made, "_remote_class_", number)
    type.__setattr__(made, "_of_tests_", True)


def _member(name: str, value: Any) -> list[Any] | None:
    if isinstance(value, types.FunctionType):
        return ["method", value]
    if isinstance(value, (classmethod, staticmethod)):
        return ["class" if isinstance(value, classmethod) else "static", value.__func__]
    if isinstance(value, property):
        return ["property", value.fget, value.fset]
    if name.startswith("__") or not _is_plain(value):
        return None
    return ["value", value]


_MAKE: dict[type, Callable[[Any, Any], Any]] = {
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


_REFRESH: dict[type, Callable[[Any, Any], None]] = {
    list: _refresh_list, bytearray: _refresh_list, dict: _refresh_dict, set: _refresh_set,
}  # fmt: skip
_RESOLVE: dict[str, Callable[..., Any]] = {
    "o": lambda link, *parts: link._object(*parts),
    "p": lambda link, *parts: link._payload(*parts),
    "f": lambda link, *parts: link._function(*parts),
    "w": lambda link, number: RemoteCoroutine(link, _index(number)),
    "c": lambda link, *parts: link._class(*parts),
    "b": lambda link, *parts: link._builtin_name(*parts),
    "s": lambda link, *parts: link._stdlib_name(*parts),
    "e": lambda link, *parts: link._exception(*parts),
    "t": lambda link, *parts: link._outside(*parts),
    "x": lambda link, *parts: from_extra(*parts),
}
_REMOTE = (RemoteObject, RemoteFunction, RemoteClass, BoundMethod)
_PLAIN = (type(None), bool, range, type(Ellipsis), *_PAYLOADS, *EXTRA_TYPES)


def _link(kind: type) -> Link:
    return kind._remote_link_  # type: ignore[attr-defined]


def _number(value: Any) -> int:
    if isinstance(value, RemoteClass):
        return vars(value)["_remote_class_"]
    if isinstance(value, RemoteObject):
        return vars_of(value)["_remote_id_"]
    return value.number if isinstance(value, RemoteCoroutine) else value._remote_id_


def _index(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise plain.Malformed("a handle without a number")
    return number


def _text(value: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise plain.Malformed("text expected")
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise plain.Malformed("a list expected")
    return value


def _instance(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise plain.Malformed("a handle of another form than before")
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN)


def _payload_base(kind: type) -> type | None:
    return next((found for found in kind.__mro__ if found in _MAKE), None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _refuse_private(name: str, but: tuple[str, ...]) -> None:
    if name.startswith(("_remote_", "_pytest", "_mock_", "_is_coroutine", "_submission_", "pytest")) or (
        name.startswith("__") and name.endswith("__") and name not in but
    ):
        raise AttributeError(name)


def _attribute(link: Link, target: Any, name: str) -> Any:
    return link.request("get", target, name)


def _new_exception(kind: Any, args: tuple[Any, ...]) -> BaseException:
    """Make an exception without running an `__init__` of the submission, which ran where it was raised."""
    if isinstance(kind, RemoteClass):
        return kind.__new__(kind, *args)
    try:
        return kind(*args)
    except Exception:
        return kind.__new__(kind)


def _dataclass_fields(names: list[Any]) -> Any:
    import dataclasses

    made = dataclasses.make_dataclass("Fields", [str(name) for name in names])
    return made.__dataclass_fields__


class _Annotation:
    """An annotation of the submission, of which only the text has crossed."""

    def __init__(self, text: str) -> None:
        self._text = str(text)

    def __repr__(self) -> str:
        return self._text


def _signature(link: Link, target: Any) -> Any:
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


def _copy_back(old: Any, new: Any) -> None:
    """Change `old`, an argument of the tests, into `new`, what the submission made of its copy.

    What is inside keeps its identity where it is still the same: a list of lists that was sorted holds the same lists.
    """
    if isinstance(old, _REMOTE) or isinstance(new, _REMOTE):
        return
    if isinstance(old, tuple) and isinstance(new, tuple):
        for before, after in zip(old, new, strict=False):
            _copy_back(before, after)
    elif isinstance(old, (list, deque)) and isinstance(new, (list, deque)):
        items = _reuse(list(old), list(new))
        old.clear()
        old.extend(items)
    elif isinstance(old, dict) and isinstance(new, dict):
        keys = list(new)
        values = [_merge(old[key], new[key]) if key in old else new[key] for key in keys]
        dict.clear(old) if not isinstance(old, OrderedDict) else old.clear()
        for key, value in zip(keys, values, strict=True):
            dict.__setitem__(old, key, value) if not isinstance(old, OrderedDict) else old.__setitem__(key, value)
    elif isinstance(old, set) and isinstance(new, (set, frozenset)):
        old.clear()
        old.update(new)
    elif isinstance(old, bytearray) and isinstance(new, bytearray):
        old[:] = new


def _reuse(old: list[Any], new: list[Any]) -> list[Any]:
    inner = [item for item in old if isinstance(item, (list, dict, set, bytearray, deque))]
    if not inner:
        return new
    result: list[Any] = []
    for place, item in enumerate(new):
        same = next((have for have in inner if type(have) is type(item) and have == item), None)
        if same is not None:
            inner = [have for have in inner if have is not same]
            result.append(same)
        else:
            result.append(_merge(old[place], item) if place < len(old) and len(old) == len(new) else item)
    return result


def _merge(old: Any, new: Any) -> Any:
    """Return `old` changed into `new` if it can be, else `new`."""
    if isinstance(old, (list, dict, set, bytearray, deque)) and type(old) is type(new):
        _copy_back(old, new)
        return old
    return new
