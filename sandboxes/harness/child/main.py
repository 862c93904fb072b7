"""The life of a forked process, before, around and after the program that it runs.

It reads its orders from the channel, confines itself, and then behaves as much like `python3 solution.py` as possible:
`__main__`, `sys.argv`, `sys.path`, streams, exit codes, tracebacks, `atexit`.

Trust ends where the program begins: it shares this process and can rewrite everything here. Whatever it does, it can
only send answers, and the supervisor treats these as untrusted.
"""

import atexit
import builtins
import contextlib
import gc
import os
import socket
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Callable, Coroutine
from importlib.machinery import SourceFileLoader
from typing import Any, NoReturn

from sandboxes.harness.child import confine, recursion
from sandboxes.protocol.child import (
    ANSWER,
    CHANNEL_FD,
    LENGTH,
    LINK_FD,
    Answer,
    Orders,
    Role,
    read_exactly,
    read_message,
)

MAX_MESSAGE_CHARS = 4000
MAX_FD = 4096
MAX_FDS = 4
FRAMES_OF_TESTS = 150
"""The depth of pytest's frames below a test. They are added to the recursion limit in plain Python, because a program
across the wall does not have them."""
FLUSH_FAILED = 120
"""Python's exit code if flushing stdout or stderr fails at exit."""
BUILTINS = frozenset(vars(builtins))


def main(channel_fd: int) -> NoReturn:
    """Become the process that the orders on the channel describe.

    The message with the length of the orders carries descriptors: stdin, stdout, stderr and, for the two sides of a
    test, the link between them.
    """
    confine.leave_session()
    channel = _socket(channel_fd)
    length, fds, _, _ = socket.recv_fds(channel, LENGTH.size, MAX_FDS)
    if not length:
        os._exit(0)  # a spare child that is not needed
    channel.detach()
    for target, fd in zip((CHANNEL_FD, 0, 1, 2, LINK_FD), (channel_fd, *fds), strict=False):
        os.dup2(fd, target, inheritable=target < 3)
    os.closerange(3, CHANNEL_FD)
    os.closerange(CHANNEL_FD + (len(fds) - 2), MAX_FD)
    orders = Orders.from_bytes(
        read_exactly(LENGTH.unpack(length)[0], _read_channel)
    )  # nothing untrusted has run yet: these bytes are the supervisor's
    confine.enter(orders)
    answer(Answer.CONFINED)
    if orders.env:
        os.environ.update(orders.env)
    ROLES[orders.role](orders)
    os._exit(0)


# Every page that a child touches for the first time costs one or two microseconds, and a short life touches only a few
# hundred. So the functions below use bare descriptors, which take the shortest path through the interpreter.


def receive() -> bytes:
    """Return the next message. If the channel is closed, the process ends: nobody waits for it anymore."""
    try:
        return read_message(_read_channel)
    except EOFError:
        os._exit(0)


def _read_channel(at_most: int) -> bytes:
    return os.read(CHANNEL_FD, at_most)


def answer(kind: Answer, payload: bytes = b"") -> None:
    """Send one answer to the supervisor."""
    data = memoryview(ANSWER.pack(kind, len(payload)) + payload)
    while data:
        data = data[os.write(CHANNEL_FD, data) :]


# A program in another language


def _execute(orders: Orders) -> None:
    """Replace this process by `argv`. This closes the channel."""
    argv = orders.argv
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"cannot run {argv[0]}: {error.strerror}\n".encode())
        os._exit(126)


# A Python program that reads and writes


def _run_script(orders: Orders) -> None:
    """Run the source file as `__main__`, and end the way the interpreter does."""
    module, code = _load(orders, "__main__")
    os.close(CHANNEL_FD)
    status = 0
    try:
        _execute_module(orders, module, code)
    except SystemExit as stop:
        status = _exit_status(stop)
    except BaseException as error:
        status = 1
        _show(error, module.__dict__["__file__"])
    del module, code  # from here on, only the program itself can hold references to them
    _end_interpreter(status)


def _end_interpreter(status: int) -> NoReturn:
    """Do what the interpreter does at exit, as far as a program can observe it.

    The order is that of Py_FinalizeEx: wait for threads, call `atexit` functions, flush, finalize `__main__`, and flush
    again. Other modules are not finalized.
    """
    for last_act in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined]
        try:
            last_act()
        except BaseException:
            traceback.print_exc()
    if not _flush(sys.stdout) or not _flush(sys.stderr):
        status = FLUSH_FAILED
    _end_main_module()
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(BaseException):
            stream.flush()  # type: ignore[union-attr]
    os._exit(status)


def _flush(stream: Any) -> bool:
    """Flush the current stdout or stderr. If that fails, report it on stderr as Python does, and return False."""
    try:
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    except BaseException as error:
        if stream is sys.stdout:
            with contextlib.suppress(BaseException):
                where = "on flushing sys.stdout:" if sys.version_info >= (3, 13) else f"in: {stream!r}"
                print(f"Exception ignored {where}", file=sys.stderr)
                traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        return False
    return True


def _end_main_module() -> None:
    """Release `__main__`, so that its objects are finalized while everything they use still exists.

    If something still refers to the module, its names are cleared, first those with a single leading underscore. This
    is what the interpreter does.
    """
    if hasattr(sys, "last_value"):
        sys.last_type = sys.last_value = sys.last_traceback = None
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__  # type: ignore[assignment]
    try:
        main = weakref.ref(sys.modules.pop("__main__"))
    except (KeyError, TypeError):  # the program has removed or replaced it
        return
    if len(builtins.__dict__) != len(BUILTINS):
        for name in set(builtins.__dict__) - BUILTINS:
            del builtins.__dict__[name]
    gc.collect()
    names = getattr(main(), "__dict__", None)
    if names is None:
        return
    for private in (True, False):
        for name in list(names):
            if isinstance(name, str) and (name[:1] == "_" and name[1:2] != "_") is private and name != "__builtins__":
                names[name] = None
    gc.collect()


def _exit_status(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF if stop.code.bit_length() < 64 else 0xFF
    print(stop.code, file=sys.stderr)
    return 1


def _show(error: BaseException, path: str) -> None:
    """Print the traceback without the harness's frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    try:
        error.__traceback__ = trace or error.__traceback__
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        traceback.print_exc()


def _load(orders: Orders, name: str) -> tuple[types.ModuleType, types.CodeType]:
    """Create the program's module and compile its source.

    If the source is not valid Python, this is reported and the process ends.
    """
    module = _module(orders, name)
    return module, _require_python(orders)


def _require_python(orders: Orders) -> types.CodeType:
    """Compile the source. If it is not valid Python, report this and end the process."""
    try:
        return _compiled(os.path.join(orders.folder, orders.source_file))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        text = "".join(traceback.format_exception_only(error))
        answer(Answer.NOT_COMPILED, text[-MAX_MESSAGE_CHARS:].encode("utf-8", "backslashreplace"))
        os._exit(1)


def _module(orders: Orders, name: str) -> types.ModuleType:
    """Create the empty module and its surroundings, the way the interpreter does for a source file."""
    sys.argv = [orders.source_file, *orders.argv]
    sys.orig_argv = [sys.executable, *sys.argv]
    sys.path[0] = orders.folder
    recursion.install()
    module = types.ModuleType(name)
    module.__file__ = os.path.join(orders.folder, orders.source_file)
    if name == "__main__":
        loader = SourceFileLoader(name, module.__file__)
        module.__dict__.update(__annotations__={}, __builtins__=builtins, __cached__=None, __loader__=loader)
    else:
        sys.setrecursionlimit(1000 + _depth())  # our own frames must not count for the program
        module.__dict__["__builtins__"] = builtins.__dict__
        sys.modules["__main__"] = types.ModuleType("__main__")
    sys.modules[name] = module
    return module


def _compiled(path: str) -> types.CodeType:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    source = os.read(fd, os.fstat(fd).st_size)
    os.close(fd)
    return compile(source, path, "exec", dont_inherit=True)


def _execute_module(orders: Orders, module: types.ModuleType, code: types.CodeType) -> None:
    """Run the prelude and then the program in the module's namespace."""
    if orders.prelude:
        exec(compile(orders.prelude, "<prelude>", "exec", dont_inherit=True), module.__dict__)
    exec(code, module.__dict__)


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


# A Python program whose functions are called


def _answer_calls(orders: Orders) -> None:
    """Load the source as a module, and answer calls one by one."""
    from sandboxes.protocol import plain

    module, code = _load(orders, orders.module)
    if not _guarded(lambda: _execute_module(orders, module, code)):
        return
    answer(Answer.READY)
    while True:
        arguments = receive()
        result: list[bytes] = []

        def one_call(arguments: bytes = arguments, result: list[bytes] = result) -> None:
            args, kwargs = plain.decode(arguments)
            value = _entry_point(module, orders.entry_point or "")(*args, **kwargs)
            if isinstance(value, types.CoroutineType) and not orders.exact_answers:
                value = _finish(value)
            result.append(plain.encode(value, handle=_refuse if orders.exact_answers else None))

        if _guarded(one_call):
            answer(Answer.RETURNED, result[0])


def _refuse(value: object) -> None:
    from sandboxes.protocol import plain

    raise plain.NotPlain(f"{type(value).__name__} is not a builtin type")


def _guarded(action: Callable[[], None]) -> bool:
    """Run `action`, and report any exception. SystemExit ends the process, as the program requested."""
    from sandboxes.protocol import plain

    try:
        action()
        return True
    except SystemExit as stop:
        _end_interpreter(_exit_status(stop))
    except plain.NotPlain as error:
        kind, text = Answer.NOT_PLAIN, str(error)
    except MemoryError:
        kind, text = Answer.OUT_OF_MEMORY, "MemoryError"
    except BaseException as error:
        kind, text = Answer.RAISED, _describe(error)
    answer(kind, text[-MAX_MESSAGE_CHARS:].encode("utf-8", "backslashreplace"))
    return False


def _entry_point(module: types.ModuleType, name: str) -> Callable[..., Any]:
    """Return the function, or the method of a new instance."""
    first, _, method = name.partition(".")
    if first not in module.__dict__:
        raise AttributeError(f"the program defines no {first!r}")
    found = module.__dict__[first]
    return getattr(found(), method) if method else found


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    return asyncio.run(coroutine)


def _describe(error: BaseException) -> str:
    """Return the last line of a traceback, even if the exception's own `__str__` fails."""
    try:
        return "".join(traceback.format_exception_only(error)).strip()
    except BaseException:
        return type(error).__name__


# The two sides of assert and pytest


def _serve_objects(orders: Orders) -> None:
    """Answer the tester over the link, and load the source as a module when the tester asks for it."""
    from sandboxes.harness.child import open_files
    from sandboxes.harness.wall import server

    open_files.make_all_open()
    module, code = _load(orders, orders.module)
    server.serve(_socket(LINK_FD), module, lambda: _execute_module(orders, module, code))


def _test(orders: Orders) -> None:
    """Run the tests against the program at the other end of the link, and report their outcomes on the channel."""
    from sandboxes.harness.child import open_files
    from sandboxes.harness.tester import main as tester

    tests = orders.tests
    assert tests is not None
    open_files.make_all_open()
    tester.main(_socket(LINK_FD), _socket(CHANNEL_FD), tests)


def _list_tests(orders: Orders) -> None:
    """Report which tests exist, without any submission."""
    from sandboxes.harness.tester import main as tester

    assert orders.tests is not None
    tester.list_tests(_socket(CHANNEL_FD), orders.tests)


def _test_in_plain_python(orders: Orders) -> None:
    """Run the tests in the same process as the source, from the source's folder."""
    from sandboxes.harness.tester import main as tester

    tests = orders.tests
    assert tests is not None
    _require_python(orders)
    sys.argv = [orders.source_file, *orders.argv]
    sys.path[0] = orders.folder
    recursion.install()
    sys.setrecursionlimit(1000 + _depth() + FRAMES_OF_TESTS)
    tester.plain(_socket(CHANNEL_FD), tests, orders.folder, orders.prelude)


def _socket(fd: int) -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)


ROLES: dict[Role, Callable[[Orders], None]] = {
    Role.EXECUTE: _execute,
    Role.SCRIPT: _run_script,
    Role.CALLS: _answer_calls,
    Role.SERVE: _serve_objects,
    Role.TEST: _test,
    Role.LIST: _list_tests,
    Role.PLAIN: _test_in_plain_python,
}
