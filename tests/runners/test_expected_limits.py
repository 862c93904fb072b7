"""Limits as people expect them: a stack as large as the memory, many threads, and reserved memory that is never touched."""

# ruff: noqa: E501  # programs are data here, and easier to read on one line

from dataclasses import replace

import pytest

from sandboxes.protocol.facts import End, TestFacts
from sandboxes.protocol.job import Run
from tests.runners.conftest import LIMITS, Bench
from verifier_service.schema.limits import PROCESSES

ROOMY = replace(
    LIMITS, time_limit_s=10.0, wall_limit_s=60.0, memory_limit_mb=512, max_processes=int(PROCESSES.default or 0)
)

DEEP = """
import ctypes, sys
sys.setrecursionlimit(10 ** 6)
class Frame(ctypes.Structure):
    _fields_ = [("room", ctypes.c_char * (1 << 17))]  # handed over by value, on the stack
frame = Frame()
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, Frame)
def deeper(n, _):
    if n:
        return deeper(n - 1, frame)
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmStk"))
"""

MEMOIZED = "import sys\nfrom functools import cache\nsys.setrecursionlimit(10 ** 6)\n@cache\ndef f(n): return n and f(n - 1) + 1\n"

ALLOWED = {
    "the stack's limit can be taken away": "import resource as r\nr.setrlimit(r.RLIMIT_STACK, (r.RLIM_INFINITY, r.RLIM_INFINITY))\nprint(True)",
    "and raised": "import resource as r\nr.setrlimit(r.RLIMIT_STACK, (1 << 30, r.RLIM_INFINITY))\nprint(True)",
    "a thread with a large stack": "import threading\nthreading.stack_size(512 << 20)\nt = threading.Thread(target=print, args=(True,))\nt.start(); t.join()",
    "a hundred threads": "from concurrent.futures import ThreadPoolExecutor as P\nimport time\nwith P(100) as p: print(sum(p.map(lambda x: time.sleep(.05) or x, range(100))) == 4950)",
    "a memoized recursion": MEMOIZED + "print(f(50_000) == 50_000)",
    "a memoized recursion in a thread": MEMOIZED + "import threading\nthreading.stack_size(256 << 20)\n"
    "t = threading.Thread(target=lambda: print(f(50_000) == 50_000))\nt.start(); t.join()",
    "recursion through sorted": "import sys\nsys.setrecursionlimit(10 ** 6)\n"
    "def f(n): return n and sorted([n], key=lambda k: f(k - 1))[0]\nprint(f(30_000) == 30_000)",
    "the usual limit still holds": "import json, sys\ntry: json.loads('[' * 50_000 + ']' * 50_000)\nexcept RecursionError: print(True)",
    "a gigabyte reserved": "import mmap\nm = mmap.mmap(-1, 1 << 30)\nm[5] = 1\nprint(True)",
    "a gigabyte of zeros": "x = bytes(1 << 30)\nprint(len(x) == 1 << 30)",
    "a wild request is refused": "try: bytearray(10 ** 12)\nexcept MemoryError: print(True)",
    "200 MB of stack in the forked interpreter": DEEP + "print(deeper(800, frame) > 200_000)",
}  # fmt: skip


async def run(bench: Bench, source: str) -> TestFacts:
    (fact,) = await bench.facts(source, runs=(Run(),), limits=ROOMY)
    assert isinstance(fact, TestFacts)
    return fact


@pytest.mark.parametrize("name", ALLOWED)
async def test_what_a_plain_interpreter_allows_is_allowed(bench: Bench, name: str) -> None:
    fact = await run(bench, ALLOWED[name])
    assert (fact.end, fact.exit_code, fact.stdout, fact.message) == (End.EXITED, 0, b"True\n", "")


@pytest.mark.parametrize(
    "source",
    [
        "x = [0] * (3 << 27)",
        "x = []\nwhile True: x.append(bytes(1 << 20))",
        "bytearray(10 ** 12)",
        "import mmap\nm = mmap.mmap(-1, 4 << 30)\nfor i in range(0, 4 << 30, 4096): m[i] = 1",
    ],
)
async def test_too_much_memory_is_a_memory_limit(bench: Bench, source: str) -> None:
    assert (await run(bench, source)).end is End.MEMORY_LIMIT
