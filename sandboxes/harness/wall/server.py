"""The submission's end of the wall: holds the objects that the tests know, and answers questions about them.

`serve` runs in the submission's process, and returns when the tests hang up. The submission shares this process and can
rewrite all of it. So nothing that is decided here can be trusted, and this end can only send answers.
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
from collections.abc import Callable
from typing import Any

from sandboxes.harness.wall import outside, trials
from sandboxes.harness.wall.conversation import Conversation, HungUp
from sandboxes.harness.wall.extras import from_extra, to_extra
from sandboxes.harness.wall.inner_world import InnerWorld
from sandboxes.harness.wall.mirrors import Mirrors
from sandboxes.harness.wall.vocabulary import DATA_TYPES, EXCEPTIONS, SPECIALS, STDLIB, bound
from sandboxes.protocol import plain
from sandboxes.protocol.plain import Fields, Row

# This module's own copy of the builtins: a submission that patches `len` must not patch it here (see `protocol.plain`).
__builtins__ = dict(vars(builtins))

MAX_TEXT = 64 * 1024
MAX_PRINTED_CHARS = 256 * 1024
MAX_WARNINGS = 100
MAX_CAUSES = 5
FRAMES_OF_A_CALLBACK = 20
MAX_WHERE = 2000
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # with what it imports
POLL_S = 0.003

_BUILTINS = {getattr(builtins, name): name for name in (*DATA_TYPES, *EXCEPTIONS)}
_MUTABLE = (list, dict, set, bytearray)
_METHODS = (types.FunctionType, classmethod, staticmethod, types.BuiltinFunctionType, types.MethodDescriptorType)
_METHODS = (*_METHODS, types.ClassMethodDescriptorType, functools.partialmethod)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


class Printed(io.RawIOBase):
    """Collects the output of one operation. Beyond a cap, it goes to the real descriptor, where the limit applies."""

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
        """Collect `data`, or pass it on if enough has been collected."""
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
    """Holds the submission's objects that the tests know, and runs operations on them."""

    def __init__(self, sock: socket.socket, module: types.ModuleType) -> None:
        self.module = module
        self._conversation = Conversation(sock, Mirrors(1), self.token, self._resolve)
        self._lock = threading.RLock()
        self._objects: list[Any] = [module]
        self._numbers: dict[int, int] = {id(module): 0}
        self._outside: dict[int, Any] = {}
        self._raised_early: dict[int, BaseException] = {}
        self._replaced: dict[tuple[int, str], Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._warned: list[tuple[type, str]] = []
        self._load: Callable[[], object] = lambda: None
        self._load_error: BaseException | None = None
        self._loaded = False
        self._world = InnerWorld()
        self._stdout, self._stderr = Printed(1), Printed(2)

    # Conversation

    def prepare(self, load: Callable[[], object]) -> None:
        """Redirect streams and warnings, and remember how to run the submission's top level."""
        stdout: Any = self._stdout
        stderr: Any = self._stderr
        sys.stdout = io.TextIOWrapper(stdout, encoding="utf-8", errors="replace", write_through=True)
        sys.stderr = io.TextIOWrapper(stderr, encoding="utf-8", errors="replace", write_through=True)
        warnings.showwarning = self._note_warning
        warnings.simplefilter("always")
        self._load = load

    def load(self) -> None:
        """Run the submission's top level. A failure is reported when the tests say hello."""
        self._loaded = True
        try:
            self._load()
        except BaseException as error:
            self._load_error = error

    def serve(self) -> None:
        """Answer until the tests have hung up."""
        with contextlib.suppress(HungUp):
            while True:
                self._answer(self._conversation.receive())

    def ask(self, number: int, operation: str, *arguments: Any) -> Any:
        """Ask the tests to do something with one of their own objects."""
        with self._lock:
            sys.setrecursionlimit(sys.getrecursionlimit() + FRAMES_OF_A_CALLBACK)
            try:
                return self._ask(number, operation, arguments)
            finally:
                sys.setrecursionlimit(max(sys.getrecursionlimit() - FRAMES_OF_A_CALLBACK, 100))

    def _ask(self, number: int, operation: str, arguments: tuple[Any, ...]) -> Any:
        if os.getpid() != self._pid:
            raise RuntimeError("only the process of the submission itself can use objects of the tests")
        self._conversation.send(Row([0, "ask", number, operation, *arguments]))
        while True:
            message = self._conversation.receive()
            if message[0] == "ok":
                return message[1]
            if message[0] == "raised":
                raise self._outside_exception(*message[1:])
            self._answer(message)

    def _answer(self, message: list[Any]) -> None:
        extra = Fields()
        status, value = self._carry_out(extra, message)
        number = message[0]
        message.clear()  # release containers that only the question referred to
        if os.getpid() != self._pid:
            os._exit(0)  # a child that the submission forked and forgot
        self._add_noise(extra)
        try:
            self._conversation.send(Row([number, status, value, extra]))
        except HungUp:
            raise
        except Exception as problem:  # including exceptions from properties of the submission's objects
            why = TypeError(f"the value cannot be handed to the tests: {problem}")
            self._conversation.send(Row([number, "raised", why, Fields()]))

    def _carry_out(self, extra: Fields, message: list[Any]) -> tuple[str, Any]:
        if not self._loaded and message[1] != "feed":
            self.load()
        if self._load_error is not None and message[1] != "feed":
            return "raised", self._load_error
        try:
            return "ok", OPERATIONS[message[1]](self, extra, *message[2:])
        except StopIteration as stop:
            return "stop", stop.value
        except HungUp:
            raise
        except BaseException as error:
            return "raised", error

    def _add_noise(self, extra: Fields) -> None:
        for name, stream in (("out", self._stdout), ("err", self._stderr)):
            text = stream.take()
            if text:
                extra[name] = text
        if self._warned:
            noted, self._warned = self._warned[:MAX_WARNINGS], []
            extra["warned"] = Row(Row(pair) for pair in noted)
        self._world.tell(extra)

    def _note_warning(self, message: Any, category: type, *_: Any, **__: Any) -> None:
        self._warned.append((category, str(message)[:MAX_TEXT]))

    # Handles

    def number_of(self, value: Any) -> int:
        """Return the number by which the tester knows `value`, and keep `value` alive from now on."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return number

    def token(self, value: Any) -> Any:
        """Return the handle of `value`; None for a subclass that crosses as its builtin base.

        The package's docstring lists the forms of handles.
        """
        kind = type(value)
        if kind is _Class:
            return ["c", self.number_of(value.kind)]
        home = outside.number_of(value, kind)
        if home is not None:
            return home
        if issubclass(kind, type):
            return self._class_token(value)
        if kind is types.CoroutineType:
            return ["w", self.number_of(value)]
        if issubclass(kind, BaseException):
            return self._exception_token(value)
        extra = to_extra(value)
        if extra is not None:
            return self._conversation.shared(value, extra)
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
        if issubclass(kind, plain.BASES):
            return ["p", self.number_of(value), _Class(kind), plain.as_base(value, kind)]
        return ["o", self.number_of(value), _Class(kind)]

    def _class_token(self, kind: type) -> Any:
        home = outside.number_of_class(kind)
        if home is not None:
            return home
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

    def _outside_object(
        self, number: int, name: str, doc: str | None, specials: list[str], kind: type[outside.Outside] | None
    ) -> Any:
        if number not in self._outside:
            kind = kind or outside.class_of(frozenset(specials))
            self._outside[number] = outside.instance(kind, self, number, name, doc)
        return self._outside[number]

    def _outside_kind(
        self,
        number: int,
        name: str,
        doc: str | None,
        specials: list[str],
        bases: list[type[outside.Outside]],
        fields: list[str] | None,
    ) -> Any:
        if number not in self._outside:
            made = outside.class_of_tests(self, number, name, doc, frozenset(specials), tuple(bases), fields)
            self._outside[number] = made
        return self._outside[number]

    def _named_tuple(self, number: int, name: str, fields: list[str], values: list[Any]) -> Any:
        if number not in self._outside:
            self._outside[number] = outside.named_tuple(number, name, fields)
        return tuple.__new__(self._outside[number], values)

    def _outside_exception(self, number: int, name: str, bases: list[str], arguments: tuple[Any, ...]) -> BaseException:
        """Create an exception that represents one that a callback raised in the tester."""
        base = next((getattr(builtins, base) for base in bases if base in EXCEPTIONS), Exception)
        kind = base if name == base.__name__ else type(name, (base,), {})
        try:
            error = kind(*arguments)
        except Exception:
            error = kind.__new__(kind)
        error.__dict__["_outside_number"] = number
        return error

    # Operations: each gets `extra`, and can add changes to it

    def feed(self, extra: Fields, fed: dict[str, Any]) -> None:
        """Apply the tests' changes to their world."""
        self._world.take(fed)

    def hello(self, extra: Fields, wanted: list[str]) -> Any:
        """Return the values of those wanted names that the module has. Raise if it could not be loaded."""
        names = vars(self.module)
        return Fields({name: names[name] for name in wanted if name in names})

    def reload(self, extra: Fields) -> None:
        """Run the submission's top level again."""
        self._load()

    def public_names(self, extra: Fields) -> list[str]:
        """Return the names for `from solution import *`."""
        names = vars(self.module)
        listed = names.get("__all__")
        found = [str(n) for n in listed] if listed is not None else [n for n in names if not n.startswith("_")]
        return Row(found)

    def get(self, extra: Fields, target: Any, name: str) -> Any:
        """Return an attribute."""
        return self._with_fresh(extra, target, lambda: getattr(target, name))

    def set(self, extra: Fields, target: Any, name: str, value: Any) -> None:
        """Set an attribute. For modules and classes, remember the old value."""
        if isinstance(target, (types.ModuleType, type)) and name in vars(target):
            self._replaced.setdefault((id(target), name), vars(target)[name])
        self._with_fresh(extra, target, lambda: setattr(target, name, value))

    def delete(self, extra: Fields, target: Any, name: str) -> None:
        """Delete an attribute, or undo its replacement: the tests patched a stand-in that did not have it."""
        if (id(target), name) in self._replaced:
            setattr(target, name, self._replaced.pop((id(target), name)))
            return
        self._with_fresh(extra, target, lambda: delattr(target, name))

    def call(self, extra: Fields, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an object."""
        return self._run(extra, target, target, args, kwargs)

    def call_method(self, extra: Fields, target: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a method by its name."""
        return self._run(extra, target, getattr(target, name), args, kwargs)

    def call_super(
        self, extra: Fields, kind: type, name: str, target: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Call the method of a base class, for a class of the tests that extends it."""
        method = getattr(super(kind, target), name) if name not in vars(kind) else vars(kind)[name].__get__(target)
        return self._run(extra, target, method, args, kwargs)

    def special(self, extra: Fields, target: Any, name: str, args: list[Any]) -> Any:
        """Apply an operator as Python does: the method is looked up on the class."""
        if id(target) in self._raised_early and name == "__next__":
            raise self._raised_early.pop(id(target))
        if isinstance(target, type) and name == "__getitem__":
            return operator.getitem(target, *args)  # type: ignore[call-overload]
        return self._run(extra, target, bound(target, name), args, {})

    def pull(self, extra: Fields, target: Any, count: int) -> list[Any]:
        """Return the next items of an iterator. An exception is kept for the next question."""
        items = Row()
        if id(target) in self._raised_early:
            raise self._raised_early.pop(id(target))
        try:
            for _ in range(count):
                items.append(type(target).__next__(target))
        except StopIteration:
            pass  # the next question will raise it again
        except BaseException as error:
            self._raised_early[id(target)] = error
            if not items:
                raise self._raised_early.pop(id(target)) from None
        return items

    def describe(self, extra: Fields, kind: type) -> dict[str, Any]:
        """Return what the tester needs to create a class that looks like `kind`."""
        own = vars(kind)
        fields = Row(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None
        pattern = own.get("__match_args__")
        return Fields(
            {
                "name": str(kind.__name__),
                "qualname": str(kind.__qualname__),
                "module": str(getattr(kind, "__module__", "")),
                "doc": own["__doc__"][:MAX_TEXT] if isinstance(own.get("__doc__"), str) else None,
                "bases": Row(kind.__bases__),
                "specials": Row(n for n in own if n in SPECIALS and own[n] is not None),
                "none": Row(n for n in own if n in SPECIALS and own[n] is None),
                "methods": Row(n for n, v in own.items() if isinstance(v, _METHODS) and n not in SPECIALS),
                "fields": fields if fields is not None and "__dataclass_fields__" in own else None,
                "match_args": Row(pattern) if isinstance(pattern, tuple) else None,
            }
        )

    def signature(self, extra: Fields, target: Any) -> list[Any]:
        """Return [name, kind, has default, default, annotation as text] of each parameter."""
        found = inspect.signature(target)
        empty = inspect.Parameter.empty
        parameters = Row(
            Row(
                [
                    p.name,
                    int(p.kind),
                    p.default is not empty,
                    None if p.default is empty else p.default,
                    _note(p.annotation),
                ]
            )
            for p in found.parameters.values()
        )
        return Row([parameters, _note(found.return_annotation)])

    def names_of(self, extra: Fields, target: Any) -> list[str]:
        """Return `dir(target)`."""
        return Row(str(name) for name in dir(target))

    def copied(self, extra: Fields, target: Any, deep: bool) -> Any:
        """Return a copy, as the module `copy` makes it."""
        import copy

        return copy.deepcopy(target) if deep else copy.copy(target)

    def subclass(self, extra: Fields, name: str, bases: list[type], members: dict[str, Any]) -> type:
        """Create the counterpart of a class of the tests that extends one of the submission. Its methods call back."""
        made: dict[str, Any] = {"__module__": "tests"}
        for member, (kind, *values) in members.items():
            made[member] = _MEMBERS[kind](*values)
        return types.new_class(name, tuple(bases), {}, lambda namespace: namespace.update(made))

    def await_(self, extra: Fields, target: Any, started: bool) -> Any:
        """Start an awaitable as a task, or continue one. Return [True, result], or [False, task] if it waits."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        task = target if started else asyncio.ensure_future(_await(target), loop=self._loop)
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.wait([task], timeout=POLL_S))
        if not task.done():
            return Row([False, task])
        error = task.exception() if not task.cancelled() else TimeoutError("cancelled")
        if error is not None:
            if isinstance(error, _StoppedAsync):
                return Row([None, None])
            raise error
        return Row([True, task.result()])

    def cancel(self, extra: Fields, task: Any) -> None:
        """Cancel a task and let it clean up."""
        assert self._loop is not None
        task.cancel()
        self._loop.run_until_complete(asyncio.wait([task], timeout=1))

    def _run(self, extra: Fields, target: Any, action: Callable[..., Any], args: list[Any], kwargs: Any) -> Any:
        return self._with_fresh(extra, target, lambda: action(*args, **kwargs))

    def trial(self, extra: Fields, questions: list[Any]) -> Any:
        """Answer questions about operators in a forked process, so that nothing changes here."""
        return Row(trials.answers(questions))

    def _with_fresh(self, extra: Fields, target: Any, action: Callable[[], Any]) -> Any:
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
    """An async iterator has ended. A task cannot raise StopAsyncIteration itself."""


def _function_kind(value: Any) -> int:
    """Return 1 for a coroutine function, 2 for an async generator function, and 0 otherwise."""
    return 1 if inspect.iscoroutinefunction(value) else 2 if inspect.isasyncgenfunction(value) else 0


class _Class:
    """Crosses as the handle of a class, even if the class itself would cross by its name."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


def _is_numpy(kind: type) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(kind, (numpy.generic, numpy.ndarray))


def _note(annotation: Any) -> str | None:
    if annotation is inspect.Signature.empty:
        return None
    return inspect.formatannotation(annotation)


def _exception_of_tests(name: str, bases: list[str], arguments: tuple[Any, ...]) -> BaseException:
    base = next((getattr(builtins, base) for base in bases if base in EXCEPTIONS), Exception)
    return (base if name == base.__name__ else type(name, (base,), {}))(*arguments)


_TOKENS: dict[str, Callable[..., Any]] = {
    "t": Server._outside_object,
    "k": Server._outside_kind,
    "n": Server._named_tuple,
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
OPERATIONS: dict[str, Callable[..., Any]] = {
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
    "trial": Server.trial,
}
_STDLIB_BY_NAME: dict[str, list[str]] = {}
for _module, _names in STDLIB.items():
    for _name in _names:
        _STDLIB_BY_NAME.setdefault(_name, []).append(_module)


def serve(sock: socket.socket, module: types.ModuleType, load: Callable[[], object] | None = None) -> None:
    """Answer the tests over `sock` until they hang up.

    At their first question, `load()` runs the submission's top level. An exception from it is reported to the tests as
    the error of importing the submission.
    """
    server = Server(sock, module)
    server.prepare(load or (lambda: None))
    server.serve()
