"""A program that is forked from the warm interpreter does what `python3 solution.py` does, in the same box.

Every program here runs both ways, and its output and its end must be the same. So no expectation can be wrong.
"""

# ruff: noqa: E501  # programs are data here, and easier to read on one line

import re
from dataclasses import replace

import pytest

from sandboxes.protocol.facts import TestFacts
from sandboxes.protocol.job import Run
from tests.runners.conftest import LIMITS, Bench

PATIENT = replace(LIMITS, time_limit_s=5.0, wall_limit_s=60.0)

FAST_OUTPUT = """
import os, sys
from io import BytesIO, IOBase
class FastIO(IOBase):
    def __init__(self, file):
        self._fd = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None
    def readline(self):
        return os.read(self._fd, 1 << 16)
    def flush(self):
        if self.writable:
            os.write(self._fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)
class IOWrapper(IOBase):
    def __init__(self, file):
        self.buffer = FastIO(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda s: self.buffer.write(s.encode("ascii"))
        self.readline = lambda: self.buffer.readline().decode("ascii")
sys.stdin, sys.stdout = IOWrapper(sys.stdin), IOWrapper(sys.stdout)
print(sys.stdin.readline().strip()[::-1])
"""

ENDS = {
    "threads, then atexit, then flush": "import atexit, threading, time\natexit.register(print, 'atexit')\nthreading.Thread(target=lambda: (time.sleep(.05), print('thread'))).start()\nprint('main')",
    "a daemon thread is not waited for": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(9), print('late')), daemon=True).start()\nprint('main')",
    "an exit function that exits": "import atexit, sys\natexit.register(lambda: sys.exit(5))\natexit.register(print, 'still')",
    "an executor's work is finished": "from concurrent.futures import ThreadPoolExecutor\nimport time\nThreadPoolExecutor(2).submit(lambda: (time.sleep(.05), print('done')))",
    "stdout of a class that writes when it is flushed": "import os, sys\nclass Out:\n    parts = []\n    closed = False\n    def write(self, t): self.parts.append(t)\n    def flush(self): os.write(1, ''.join(self.parts).encode()); self.parts.clear()\nsys.stdout = Out()\nprint(5); print(6)",
    "the fast output of contest templates": FAST_OUTPUT,
    "stdout swapped for a StringIO, then __stdout__": "import sys, io\nsys.stdout = io.StringIO()\nprint(1); print(2)\nsys.__stdout__.write(sys.stdout.getvalue())",
    "print to a saved stdout": "import sys, os\nsaved = sys.stdout\nsys.stdout = open(os.devnull, 'w')\nprint(7, file=saved)",
    "fd 1 opened again in a global": "import os, sys\nout = os.fdopen(1, 'w')\nprint('a')\nout.write('b')\nsys.stdout.flush()\nprint('c')",
    "fd 1 opened again, closed at the end": "import os\nout = open(1, 'w', closefd=False)\nout.write('x' * 10)\nprint('y')",
    "stdout wrapped anew": "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='latin-1')\nprint('\\xe9')",
    "stdout detached": "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-16', write_through=True)\nprint('x')",
    "a codecs writer": "import codecs, sys\nsys.stdout = codecs.getwriter('utf8')(sys.stdout.buffer)\nprint('\\xe9')",
    "stdout closed": "import sys\nprint(1)\nsys.stdout.close()",
    "fd 1 closed with text that waits": "import os\nprint(1)\nos.close(1)",
    "a flush that raises": "import sys\nclass Out:\n    def write(self, t): pass\n    def flush(self): raise ValueError('no')\nsys.stdout = Out()\nprint(1)",
    "__del__ uses modules and functions": "import math\ndef helper(x): return math.floor(x)\nclass D:\n    def __del__(self): print('end', helper(2.5))\nd = D()\nprint('start')",
    "__del__ of several, in their order": "class D:\n    def __init__(self, n): self.n = n\n    def __del__(self): print(self.n)\n_x = D(1)\ny = D(2)\n_z = D(3)\nx = D(4)",
    "__del__ without a cycle": "import io\nclass D(io.StringIO):\n    pass\nd = D()\nprint(type(d).__name__)",
    "__del__ with the module held by builtins": "import builtins, sys\nbuiltins.held = sys.modules['__main__']\nclass D:\n    def __init__(self, n): self.n = n\n    def __del__(self): print(self.n)\npublic = D('public')\n_private = D('private')",
    "__del__ with the module held by sys": "import sys\nsys.held = sys.modules['__main__']\nclass D:\n    def __init__(self, n): self.n = n\n    def __del__(self): print(self.n)\npublic = D('public')\n_private = D('private')",
    "__del__ writes to a swapped stdout": "import sys, io\nclass D:\n    def __del__(self): print('to the real one')\nd = D()\nsys.stdout = io.StringIO()\nprint('lost')",
    "a generator is closed": "def g():\n    try: yield 1\n    finally: print('closed')\nx = g()\nnext(x)",
    "a weak reference's callback": "import weakref\nclass A: pass\na = A()\nr = weakref.ref(a, lambda _: print('gone'))\nweakref.finalize(a, print, 'finalized')",
    "a context never left": "import contextlib\n@contextlib.contextmanager\ndef c():\n    print('in')\n    try: yield\n    finally: print('out')\nx = c()\nx.__enter__()",
    "an open file is written": "f = open('/tmp/out', 'w')\nf.write('text')\nimport atexit\natexit.register(lambda: (f.flush(), print(open('/tmp/out').read())))",
    "an exception with a __del__ in its frame": "class D:\n    def __del__(self): print('gone')\ndef f():\n    d = D()\n    raise KeyError(1)\nprint('before')\nf()",
    "a fork that ends as well": "import os, sys\nprint('a', flush=True)\npid = os.fork()\nif pid: os.wait()\nprint('child' if not pid else 'parent')",
    "exit codes beyond a byte": "import sys\nsys.exit(257)",
    "exit code too large": "import sys\nsys.exit(2 ** 70)",
    "exit with a list": "import sys\nsys.exit([1])",
    "exit in a thread": "import sys, threading\nthreading.Thread(target=lambda: sys.exit(3)).start()\nprint('on')",
    "raise SystemExit from None": "print(1)\nraise SystemExit from None",
    "a hook for exceptions": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, sys.last_value)\n1 / 0",
}  # fmt: skip

MAIN = {
    "the names of __main__": '"""doc"""\nprint(sorted(globals()), __doc__, __name__, __spec__, __package__, __annotations__, __cached__, __file__)',
    "its loader": "print(type(__loader__).__name__, __loader__.name, __loader__.path, __loader__.get_filename())",
    "builtins is the module": "max = 3\nprint(__builtins__.max(4, 5), type(__builtins__), getattr(__builtins__, 'len')([1]))\nimport __main__\nprint(__main__.max)",
    "builtins of an imported module is a dict": "import string\nprint(type(string.__builtins__))",
    "annotations at the top": "x: int = 1\nprint(__annotations__)",
    "the recursion limit": "import sys\nprint(sys.getrecursionlimit())",
    "recursion nearly to the limit": "def f(n): return n and f(n - 1) + 1\nprint(f(985))",
    "a recursion without end": "def f(n): return f(n + 1)\ntry: f(0)\nexcept RecursionError as e: print(e)",
    "the frame of the module": "import sys\nprint(sys._getframe().f_code)",
    "arguments": "import sys\nprint(sys.argv, sys.orig_argv[1:], sys.path[0], sys.executable)",
    "a traceback": "def f():\n    raise ValueError('x') from KeyError('y')\nf()",
    "a traceback of an exception group": "raise ExceptionGroup('g', [ValueError(1), KeyError(2)])",
    "warnings": "import warnings\nwarnings.warn('old', DeprecationWarning)\nwarnings.warn('u')",
    "carriage returns stay": "import sys\nprint(ascii(input()), ascii(sys.stdin.read()))",
    "bytes that are not text": "import sys\nprint(ascii(sys.stdin.read()))\nprint('\\udcff')",
    "the streams": "import sys\nprint(*((s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.newlines, s.fileno(), s.isatty()) for s in (sys.stdin, sys.stdout, sys.stderr)))",
    "pickle of a class of __main__": "import pickle\nclass A: x = 1\nprint(pickle.loads(pickle.dumps(A())).x, A.__module__)",
    "dataclasses and type hints": "from __future__ import annotations\nfrom dataclasses import dataclass\nimport typing\n@dataclass\nclass P:\n    x: int\nprint(P(1), typing.get_type_hints(P))",
    "doctest": "def f():\n    '''\n    >>> f()\n    3\n    '''\n    return 3\nimport doctest\nprint(doctest.testmod())",
    "threads have their usual stack": "import threading\nprint(threading.stack_size())\ndef f(n): return n and sorted([n], key=lambda k: f(k - 1))[0]\nimport sys\nsys.setrecursionlimit(10 ** 5)\nt = threading.Thread(target=lambda: print(f(1500)))\nt.start(); t.join()",
}  # fmt: skip

PROGRAMS = {**ENDS, **MAIN}


async def outcome(bench: Bench, source: str, *run: str) -> tuple[object, int, int, str, str]:
    """Run the source, with the command `run` if there is one, and return everything observable."""
    box = await bench.get()
    job = bench.job(source, runs=(Run(stdin=b"a\rb\r\nc\xff\n"),), limits=PATIENT)
    job = replace(job, toolchain=replace(job.toolchain, run=run))
    (fact,) = [fact async for fact in box.run(job)]
    assert isinstance(fact, TestFacts)
    passing = re.compile(r"(?<=0x)[0-9a-f]{8,}|^ +[~^]+\n", re.MULTILINE)  # addresses, and markers below a line
    stdout, message = (passing.sub("", text) for text in (fact.stdout.decode("utf-8", "replace"), fact.message))
    return fact.end, fact.exit_code, fact.signal, stdout, message


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_forked_program_does_what_a_plain_interpreter_does(bench: Bench, name: str) -> None:
    python = (await outcome(bench, "import sys; print(sys.executable, end='')"))[3]
    plain = await outcome(bench, PROGRAMS[name], python, "solution.py")
    assert await outcome(bench, PROGRAMS[name]) == plain


async def test_pipes_open_anew_in_their_own_direction_and_nobody_elses_do(bench: Bench) -> None:
    source = (
        "import os\n"
        "def opens(path, flags):\n"
        "    try: os.close(os.open(path, flags | os.O_NONBLOCK)); return True\n"
        "    except OSError: return False\n"
        "R, W = os.O_RDONLY, os.O_WRONLY\n"
        "print(opens('/dev/stdin', R), opens('/dev/stdout', W), opens('/dev/fd/2', W), opens('/proc/self/fd/1', W))\n"
        "print(opens('/dev/stdin', W), opens('/dev/stdout', R), opens('/dev/stderr', R))\n"
        "def fds(pid):\n"
        "    try: return [f'/proc/{pid}/fd/{fd}' for fd in os.listdir(f'/proc/{pid}/fd')]\n"
        "    except OSError: return []\n"
        "others = [pid for pid in os.listdir('/proc') if pid.isdigit() and int(pid) != os.getpid()]\n"
        "print([path for pid in others for path in fds(pid) if opens(path, R) or opens(path, W)])\n"
    )
    fact = (await outcome(bench, source))[3]
    assert fact == "True True True True\nFalse False False\n[]\n"


async def test_what_is_warm_is_not_counted_so_that_no_page_of_it_is_copied(bench: Bench) -> None:
    source = """
import json, sys
print(sys.version_info >= (3, 12), *(sys.getrefcount(one) >= 1 << 30 for one in (json.dumps, json.dumps.__code__)))
print(*(sys.getrefcount(one) >= 1 << 30 for one in (object(), sys.stdout)))
"""
    (fact,) = await bench.facts(source, limits=PATIENT)
    assert isinstance(fact, TestFacts)
    warm, own = fact.stdout.decode().splitlines()
    assert warm in ("True True True", "False False False")
    assert own == "False False"
