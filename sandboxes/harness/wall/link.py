"""The tests' end of the wall: asks the submission's process, turns its answers into stand-ins, and answers it.

Security. Nothing that the other end sends can run code here, and it can decide only what `policy` allows. An exception
arrives as the builtin exception with the same name, or as a stand-in for the submission's own class. It is never a
Skip, a GeneratorExit or a misplaced StopIteration, which would end or mislead the tests. SystemExit and
KeyboardInterrupt arrive as `SubmissionExit`, unless the test code names them. If the other end is gone or violates the
protocol, the test fails with `SubmissionLost`, which `except Exception` does not catch, and so does every later test
that uses the submission.
"""

import builtins
import contextlib
import itertools
import socket
import sys
import threading
import types
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from sandboxes.harness.wall.callbacks import CALLBACKS, SIMPLE, operators_of
from sandboxes.harness.wall.conversation import Conversation, HungUp, TooLong
from sandboxes.harness.wall.evidence import Evidence
from sandboxes.harness.wall.extras import from_extra, to_extra
from sandboxes.harness.wall.mirrors import Mirrors
from sandboxes.harness.wall.policy import Origin, Policy, Refused
from sandboxes.harness.wall.stand_ins import (
    FUNCTION_KINDS,
    MAKE,
    REFRESH,
    REMOTE,
    SPECIAL_METHODS,
    BoundMethod,
    Guarded,
    Number,
    RemoteClass,
    RemoteCoroutine,
    RemoteFunction,
    RemoteMethod,
    RemoteObject,
    SubmissionExit,
    add_mutators,
    dataclass_fields,
    drive,
    is_plain,
    new_exception,
    number_in,
    payload_base,
    vars_of,
)
from sandboxes.harness.wall.vocabulary import (
    ARITHMETIC,
    COMPARE,
    DATA_TYPES,
    EXCEPTIONS,
    IF_NAMED,
    NEVER_IN_THE_TESTS,
    SPECIALS,
    STDLIB,
    STDLIB_NAMES,
    TEXTS,
)
from sandboxes.harness.wall.world import World
from sandboxes.protocol import plain
from sandboxes.protocol.facts import Twin
from sandboxes.protocol.plain import Fields, Malformed, Row

__all__ = ["Link", "Refused", "SubmissionExit", "SubmissionLost"]

MAX_CLASS_DEPTH = 50
PULLED_SINGLY = 64
RECURSION_LIMIT = 5_000
"""Calls back and forth between submission and tests need more frames here than they would without a wall."""
_RUNS = frozenset({"hello", "call", "method", "super", "get"})
_MAY_STOP = frozenset({("special", "__next__"), ("method", "send"), ("method", "throw"), ("method", "__next__")})


class SubmissionLost(BaseException):
    """The submission's process is gone or violated the protocol. The test that needed it cannot pass."""


class Link:
    """The connection to the submission, with all stand-ins for its objects."""

    def __init__(self, sock: socket.socket, evidence: Evidence, max_bytes: int = plain.MAX_BYTES) -> None:
        self.evidence = evidence
        self.lost = ""
        self.requests = 0
        self.policy = Policy(self)
        self.module: types.ModuleType | None = None  # what stands for the submission's module
        self._conversation = Conversation(sock, Mirrors(0), self._export, self._resolve, max_bytes)
        self._lock = threading.RLock()
        self._known: dict[int, Any] = {}
        self._exported: list[Any] = []
        self._exported_numbers: dict[int, int] = {}
        self._class_depth = 0
        self._world = World(evidence)
        self._origins: list[Origin | None] = []
        self._is_tainted: list[bool] = []
        self._talks_to_generators = evidence.mentions(frozenset({"send", "throw", "close"}))

    @property
    def notes(self) -> list[str]:
        """Notes about why objects of the submission did not equal something, for messages."""
        return self.policy.notes

    @property
    def lied(self) -> str:
        """A description of an impossible claim of the submission about one of its objects, if there was one."""
        return self.policy.lied

    def begin_test(self) -> None:
        """Begin a test, and forget what the previous one needed."""
        self.policy.begin_test()

    def end_test(self) -> Twin:
        """End a test. Return whether it counts only if a changed copy fails."""
        return self.policy.end_test()

    # Conversation

    def hello(self, wanted: list[str]) -> dict[str, Any]:
        """Return the submission's values for those wanted names that it has.

        Raises:
            SubmissionLost: Its process ended while its top level ran.
            Exception: Its top level raised it.
        """
        found = self.request("hello", Row(wanted))
        if type(found) is not dict or not found.keys() <= set(wanted):
            self._lose("it answered a question that was not asked")
        return found

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask the submission for one operation, and return its value.

        Raises:
            SubmissionLost: The submission is gone or violated the protocol.
            Exception: The submission raised it; see the module's docstring for the form in which it arrives.
        """
        with self._lock:
            self._check_alive()
            if operation in _RUNS:
                changed = self._world.changed()
                if changed:
                    self._request("feed", (changed,))
            return self._request(operation, arguments)

    def _request(self, operation: str, arguments: tuple[Any, ...]) -> Any:
        self.requests += 1
        number = self.requests
        self._send(Row([number, operation, *arguments]))
        while True:
            message = self._receive()
            if type(message) is not list or len(message) < 3:
                self._lose("it sent something other than a message")
            if message[0] == 0 and message[1] == "ask":
                self._answer_callback(message[2:])
                continue
            if message[0] != number or len(message) != 4 or type(message[3]) is not dict:
                self._lose("it answered a question that was not asked")
            return self._conclude(message, operation, arguments)

    def _conclude(self, message: list[Any], operation: str, arguments: tuple[Any, ...]) -> Any:
        _, status, value, extra = message
        try:
            self._replay(extra)
        except (Malformed, TypeError, ValueError) as problem:
            self._lose(f"it sent something other than an answer: {problem}")
        if status == "ok":
            return value
        if status == "stop":
            if len(arguments) > 1 and (operation, arguments[1]) in _MAY_STOP:
                raise StopIteration(value)
            raise SubmissionExit("the submission raised StopIteration out of place")
        if status == "raised" and isinstance(value, Exception | SystemExit | KeyboardInterrupt):
            raise value
        return self._lose("it sent something other than an answer")

    def _replay(self, extra: dict[str, Any]) -> None:
        """Repeat the submission's output, warnings, log records and random draws here, for capsys, caplog and so on."""
        for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
            text = extra.get(name)
            if type(text) is str and text:
                with contextlib.suppress(OSError, ValueError, UnicodeError):
                    stream.write(text)
        for kind, text in extra.get("warned", ()):
            if isinstance(kind, type) and issubclass(kind, Warning) and type(text) is str:
                warning: Any = new_exception(kind, (text,))
                object.__setattr__(warning, "_remote_text_", text)
                warnings.warn(warning, stacklevel=4)
        self._world.hear(extra)

    def _check_alive(self) -> None:
        if self.lost:
            raise SubmissionLost(self.lost)

    def _lose(self, reason: str) -> NoReturn:
        self.lost = self.lost or f"the submission's process is lost: {reason}"
        raise SubmissionLost(self.lost)

    def _send(self, message: Row) -> None:
        try:
            self._conversation.send(message)
        except HungUp:
            self._lose("it ended before it had answered")

    def _receive(self) -> Any:
        try:
            return self._conversation.receive()
        except HungUp:
            self._lose("it ended before it had answered")
        except TooLong as problem:
            self._lose(f"it answered with {problem}")
        except Malformed as problem:
            self._lose(f"its answer cannot be read: {problem}")

    def adopt(self, number: int, stand_in: Any) -> None:
        """Let `stand_in` stand for the object with this number."""
        self._known[number] = stand_in

    # Requests of stand-ins, with the origin of the answers

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an object of the submission."""
        origin = self._new_origin(target, target, args, kwargs, isinstance(target, RemoteClass))
        return self._from(origin, (target, *args, *kwargs.values()), "call", target, Row(args), Fields(kwargs))

    def call_method(self, method: BoundMethod, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a method of one of its objects or classes."""
        owner, name = method.owner, method.name
        origin = self._new_origin(method, owner, args, kwargs, isinstance(owner, RemoteClass))
        return self._from(origin, (owner, *args, *kwargs.values()), "method", owner, name, Row(args), Fields(kwargs))

    def call_super(self, method: BoundMethod, kind: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the method as `kind` defines it, for a class of the tests that extends it."""
        return self.request("super", kind, method.name, method.owner, Row(args), Fields(kwargs))

    def get(self, target: Any, name: str) -> Any:
        """Read an attribute of one of its objects."""
        return self._from(self.origin_of(target), (target,), "get", target, name)

    def _new_origin(
        self, maker: Any, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], constructs: bool
    ) -> Origin:
        known = (self.origin_of(value) for value in (target, *args, *kwargs.values()))
        before = next((origin for origin in known if origin is not None), None)
        constructed = constructs or (before is not None and before.constructed)
        return Origin(maker, args, kwargs, constructed, before)

    def _from(self, origin: Origin | None, used: tuple[Any, ...], operation: str, *arguments: Any) -> Any:
        """Send a request, and record `origin` as the origin of the objects in the answer."""
        tainted = any(isinstance(value, RemoteObject) and "_remote_saw_" in vars_of(value) for value in used)
        self._origins.append(origin)
        self._is_tainted.append(tainted)
        try:
            value = self.request(operation, *arguments)
        finally:
            self._origins.pop()
            self._is_tainted.pop()
        if tainted and value is not None and not isinstance(value, REMOTE):
            self.policy.saw()
        return value

    def special(self, target: Any, name: str, args: tuple[Any, ...]) -> Any:
        """Apply an operator of the submission's class, as far as the policy allows."""
        if name in COMPARE or name == "__contains__":
            return self._compare(target, name, args[0])
        if name in ARITHMETIC and not isinstance(args[0], REMOTE):
            if not is_plain(args[0]):
                return NotImplemented
            found = self.policy.calculates(target, name, args[0])
            if isinstance(found, RemoteObject):
                vars_of(found)["_remote_saw_"] = True
            elif found is not NotImplemented:
                self.policy.saw()
            return found
        if name in ("__exit__", "__aexit__") and args[0] is not None:
            return self._leave(target, name, args)
        if name == "__await__":
            return drive(self, target)
        if name == "__next__":
            return self._next(target)
        if name == "__str__" and isinstance(target, BaseException):
            return vars_of(target)["_remote_text_"]
        value = self.apply(target, name, Row(args))
        if name == "__anext__":
            return RemoteCoroutine(self, number_in(value), ends=True)
        if name in TEXTS and isinstance(value, str):
            return str.__str__(value)
        return value

    def _compare(self, target: Any, name: str, other: Any) -> Any:
        base = payload_base(type(target))
        if base is not None and name != "__contains__":
            return getattr(base, name)(target, other)
        if isinstance(other, REMOTE):
            return self.policy.compares(target, name, other)
        if name == "__contains__":
            return self.policy.contains(target, other)
        if not is_plain(other):
            return NotImplemented
        equality = name in ("__eq__", "__ne__")
        return (self.policy.equals if equality else self.policy.orders)(target, name, other)

    def _leave(self, target: Any, name: str, args: tuple[Any, ...]) -> Any:
        """Leave a `with` block after an exception. It can be swallowed only if that cannot swallow an assertion."""
        kind, error, _ = args
        quiet = isinstance(error, Exception) and not isinstance(error, AssertionError)
        frame: types.FrameType | None = sys._getframe()
        while frame is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
            frame = frame.f_back
        if frame is None or not self.evidence.is_quiet_with(frame.f_code.co_filename, frame.f_lineno):
            quiet = False
        swallowed = self.request("special", target, name, Row([kind, error, None]))
        if name == "__aexit__":
            return Guarded(swallowed, quiet)
        return bool(swallowed) and quiet

    def _next(self, target: Any) -> Any:
        """Pull one item. After many, pull several at a time, unless the tests use generators in between."""
        own = vars_of(target)
        ready = own.get("_remote_ready_")
        if ready:
            return ready.popleft()
        pulled = own["_remote_pulled_"] = own.get("_remote_pulled_", 0) + 1
        if pulled <= PULLED_SINGLY or self._talks_to_generators:
            return self.apply(target, "__next__", Row())
        count = min(pulled - PULLED_SINGLY, 8) * 32
        items = _list(self._from(self.origin_of(target), (target,), "pull", target, count))
        if not items:
            return self.apply(target, "__next__", Row())
        own["_remote_ready_"] = deque(items)
        return own["_remote_ready_"].popleft()

    # For the policy, see `policy.Asks`

    def apply(self, target: Any, name: str, arguments: Row) -> Any:
        """See `policy.Asks`."""
        origin = self._new_origin(BoundMethod(target, name, type(target)), target, tuple(arguments), {}, False)
        return self._from(origin, (target, *arguments), "special", target, name, arguments)

    def trial(self, questions: Row) -> list[bool | None]:
        """See `policy.Asks`."""
        answers = self.request("trial", questions)
        if type(answers) is not list or len(answers) != len(questions):
            self._lose("it answered a question that was not asked")
        return [answer if type(answer) is bool else None for answer in answers]

    def origin_of(self, value: Any) -> Origin | None:
        """See `policy.Asks`."""
        return vars_of(value).get("_remote_origin_") if isinstance(value, RemoteObject) else None

    def others_like(self, value: Any, most: int) -> list[Any]:
        """See `policy.Asks`."""
        alike = (one for one in reversed(self._known.values()) if type(one) is type(value) and one is not value)
        return list(itertools.islice(alike, most))

    # What goes out

    def _export(self, value: Any) -> Any:
        """Return the handle of a value of the tests; None for a subclass that crosses as its builtin base."""
        kind = type(value)
        if issubclass(kind, (RemoteObject, RemoteFunction, RemoteClass)):
            return number_in(value)
        if kind in (Number, RemoteCoroutine):
            return value.number
        if kind is BoundMethod:
            return ["a", value.owner, value.name]
        extra = to_extra(value)
        if extra is not None:
            return self._conversation.shared(value, extra)
        if issubclass(kind, BaseException):
            return ["e", kind.__name__, Row(base.__name__ for base in kind.__mro__), tuple(value.args)]
        if issubclass(kind, type):
            return self._export_class(value)
        if kind is types.BuiltinFunctionType and getattr(builtins, value.__name__, None) is value:
            return ["b", value.__name__]
        if value is self.module:
            return 0
        fields = getattr(kind, "_fields", None)
        if issubclass(kind, tuple) and type(fields) is tuple:
            return ["n", self._number_here(kind), kind.__name__, Row(fields), tuple(tuple.__iter__(value))]
        if issubclass(kind, plain.BASES):
            return None
        return self._export_object(value)

    def _export_class(self, value: type) -> Any:
        known = self._builtin(value)
        if known is not None:
            return known
        if issubclass(value, BaseException):
            return ["ec", value.__name__, Row(base.__name__ for base in value.__mro__)]
        return self._stdlib(value) or (self._export_kind(value) if _is_own(value) else self._export_object(value))

    def _builtin(self, kind: type) -> Any:
        return ["b", kind.__name__] if getattr(builtins, kind.__name__, None) is kind else None

    def _stdlib(self, value: type) -> Any:
        found = value.__name__ in STDLIB.get(value.__module__, ())
        return ["s", value.__module__, value.__name__] if found else None

    def _export_object(self, value: Any) -> Any:
        if isinstance(value, (types.FrameType, types.CodeType, types.TracebackType)) or _is_module(value):
            what = f"a {type(value).__name__} of the tests cannot be handed to another process"
            raise plain.NotPlain(f"{what}: such tests need `process: shared`")
        name, doc = getattr(value, "__name__", None), getattr(value, "__doc__", None)
        kind = type(value)
        text = name if type(name) is str else kind.__name__
        shown = doc if type(doc) is str else None
        return ["t", self._number_here(value), text, shown, Row(operators_of(kind)), kind if _is_own(kind) else None]

    def _export_kind(self, kind: type) -> Any:
        fields = getattr(kind, "__dataclass_fields__", None)
        names = Row(str(name) for name in fields) if type(fields) is dict else None
        bases = Row(base for base in kind.__bases__ if _is_own(base))
        doc = kind.__doc__ if type(kind.__doc__) is str else None
        return ["k", self._number_here(kind), kind.__name__, doc, Row(operators_of(kind)), bases, names]

    def _number_here(self, value: Any) -> int:
        number = self._exported_numbers.get(id(value))
        if number is None:
            number = self._exported_numbers[id(value)] = len(self._exported)
            self._exported.append(value)
        return number

    # Callbacks

    def _answer_callback(self, message: list[Any]) -> None:
        try:
            number, operation, *rest = message
            message.clear()
            value = Row(["ok", CALLBACKS[operation](self._exported[_index(number)], *rest)])
            del rest
        except SubmissionLost:
            raise
        except BaseException as error:
            kind = type(error)
            self._exported.append(error)
            bases = Row(base.__name__ for base in kind.__mro__)
            arguments = [a if type(a) in SIMPLE else repr(a)[:1000] for a in error.args]
            value = Row(["raised", len(self._exported) - 1, kind.__name__, bases, tuple(arguments)])
        try:
            self._send(value)
        except plain.NotPlain as problem:
            self._send(Row(["raised", 0, "TypeError", Row(["TypeError"]), (str(problem),)]))

    # What comes in

    def _resolve(self, token: Any) -> Any:
        if type(token) is not list or not token or type(token[0]) is not str or token[0] not in _RESOLVE:
            raise Malformed("a handle of unknown form")
        try:
            return _RESOLVE[token[0]](self, *token[1:])
        except (TypeError, ValueError, LookupError, AttributeError, ImportError, RecursionError) as problem:
            raise Malformed(f"an impossible handle: {problem}") from None

    def _outside(self, number: Any) -> Any:
        return self._exported[_index(number)]

    def _named_tuple(self, number: Any, values: Any) -> Any:
        kind = self._exported[_index(number)]
        if not (isinstance(kind, type) and issubclass(kind, tuple) and type(values) is tuple):
            raise Malformed("not a named tuple")
        if len(values) != len(kind._fields):  # type: ignore[attr-defined]
            raise Malformed("a named tuple of another length")
        return tuple.__new__(kind, values)

    def _function(self, number: Any, name: Any, qualname: Any, doc: Any, kind: Any) -> Any:
        number = _index(number)
        if number not in self._known:
            make = FUNCTION_KINDS[kind] if type(kind) is int else RemoteFunction
            self._known[number] = make(self, number, _text(name) or "function", _text(qualname), _text(doc))
        return _instance(self._known[number], RemoteFunction)

    def _class(self, number: Any) -> Any:
        number = _index(number)
        if number not in self._known:
            if self._class_depth >= MAX_CLASS_DEPTH:
                raise Malformed("classes are nested too deep")
            self._class_depth += 1
            try:
                self._known[number] = self._make_class(number)
            finally:
                self._class_depth -= 1
        return _instance(self._known[number], RemoteClass)

    def _make_class(self, number: int) -> type:
        described = self.request("describe", Number(number))
        bases = self._bases(_list(described["bases"]))
        namespace: dict[str, Any] = {
            "__module__": _text(described["module"]) or "solution",
            "__qualname__": _text(described["qualname"]) or "Class",
            "__doc__": _text(described["doc"]),
            "__test__": False,
            "_remote_link_": self,
            "_remote_class_": number,
            **_members(described),
        }
        if (described["module"], described["name"]) == ("builtins", "generator"):
            namespace["__class__"] = property(lambda self: types.GeneratorType)  # for isinstance
        add_mutators(bases, namespace)
        if described["match_args"] is not None:
            namespace["__match_args__"] = tuple(str(name) for name in _list(described["match_args"]))
        if described["fields"] is not None:
            namespace["__dataclass_fields__"] = dataclass_fields(_list(described["fields"]))
        return RemoteClass(_text(described["name"]) or "Class", tuple(bases), namespace)

    def _bases(self, found: list[Any]) -> list[type]:
        bases = [base for base in found if base is not object]
        for place, base in enumerate(bases):
            ours = isinstance(base, type) and (base.__module__ == "builtins" or base.__name__ in STDLIB_NAMES)
            if not ours and not isinstance(base, RemoteClass):
                raise Malformed("a base that is not a class of the submission")
            ends = base.__name__ in NEVER_IN_THE_TESTS and not isinstance(base, RemoteClass)
            if issubclass(base, BaseException) and ends:
                bases[place] = Exception
        if not any(issubclass(base, RemoteObject) for base in bases):
            bases.append(RemoteObject)
        return bases

    def _object(self, number: Any, kind: Any) -> Any:
        number = _index(number)
        if number not in self._known:
            if issubclass(_instance(kind, RemoteClass), (BaseException, *plain.BASES)):
                raise Malformed("an instance that is not what its class says")
            self._known[number] = made = object.__new__(kind)
            object.__setattr__(made, "_remote_id_", number)
            self._mark(made)
        return _instance(self._known[number], RemoteObject)

    def _mark(self, made: Any) -> None:
        """Record which object was in use when a new stand-in arrived."""
        own = vars_of(made)
        if self._origins and self._origins[-1] is not None:
            own["_remote_origin_"] = self._origins[-1]
        if self._is_tainted and self._is_tainted[-1]:
            own["_remote_saw_"] = True

    def _payload(self, number: Any, kind: Any, data: Any) -> Any:
        number = _index(number)
        base = type(data)
        if base not in plain.BASES or not issubclass(_instance(kind, RemoteClass), base):
            raise Malformed("data that is not what its class says")
        known = self._known.get(number)
        if known is None:
            real = next(found for found in kind.__mro__ if not isinstance(found, RemoteClass))
            if not issubclass(real, base) or real not in MAKE:
                return data
            self._known[number] = known = MAKE[real](kind, data)
            object.__setattr__(known, "_remote_id_", number)
            self._mark(known)
        if base in REFRESH:
            REFRESH[base](_instance(known, base), data)
        return known

    def _exception(self, number: Any, kind: Any, args: Any, text: Any, cause: Any, where: Any) -> Any:
        number = _index(number)
        if number in self._known:
            return _instance(self._known[number], BaseException)
        if not isinstance(kind, type) or not issubclass(kind, BaseException) or type(args) is not tuple:
            raise Malformed("not an exception")
        if self._is_dangerous(kind):
            args = (f"the submission raised {kind.__name__}{args!r}"[:500],)
            kind = SubmissionExit
        error: Any = new_exception(kind, args)
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
        """Return whether an exception of this kind would end or mislead the tests."""
        if isinstance(kind, RemoteClass) or kind.__name__ not in NEVER_IN_THE_TESTS:
            return False
        return kind.__name__ not in IF_NAMED & self.evidence.names

    def _stdlib_name(self, module: Any, name: Any) -> Any:
        if name not in STDLIB[module]:
            raise Malformed("not a name that crosses")
        return getattr(__import__(module, fromlist=[name]), name)

    def _builtin_name(self, name: Any) -> Any:
        if name not in DATA_TYPES and name not in EXCEPTIONS:
            raise Malformed("not a builtin that crosses")
        return getattr(builtins, name)


_OWN_FOLDER = __file__.rpartition("/")[0]
_RESOLVE: dict[str, Callable[..., Any]] = {
    "o": Link._object,
    "p": Link._payload,
    "f": Link._function,
    "w": lambda link, number: RemoteCoroutine(link, _index(number)),
    "c": Link._class,
    "b": Link._builtin_name,
    "s": Link._stdlib_name,
    "e": Link._exception,
    "t": Link._outside,
    "n": Link._named_tuple,
    "m": lambda link, *parts: link._conversation.shared_here(*parts),
    "x": lambda link, *parts: from_extra(*parts),
}


def _members(described: dict[str, Any]) -> dict[str, Any]:
    """Return the methods of a stand-in for a class."""
    found: dict[str, Any] = {}
    for name in _list(described["methods"]):
        if _text(name) and name.isidentifier() and not name.startswith(("__", "_remote_")):
            found[name] = RemoteMethod(name)
    for name in _list(described["specials"]):
        if name in SPECIAL_METHODS:
            found[name] = SPECIAL_METHODS[name]
        elif name in ("__init__", "__post_init__"):
            found[name] = RemoteMethod(name)
    for name in _list(described["none"]):
        if name in SPECIALS:
            found[name] = None
    if "__eq__" in found and "__hash__" not in found:
        found["__hash__"] = None
    return found


def _is_own(kind: type) -> bool:
    """Return whether the tests define this class."""
    return (
        not isinstance(kind, RemoteClass)
        and kind.__module__ not in sys.stdlib_module_names
        and kind.__module__.partition(".")[0] not in sys.stdlib_module_names - {"__main__"}
        and not issubclass(kind, BaseException)
    )


def _is_module(value: Any) -> bool:
    """Return whether this is a real module and not a replacement that the tests created."""
    return isinstance(value, types.ModuleType) and getattr(value, "__spec__", None) is not None


def _index(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise Malformed("a handle without a number")
    return number


def _text(value: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise Malformed("text expected")
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed("a list expected")
    return value


def _instance(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise Malformed("a handle of another form than before")
    return value
