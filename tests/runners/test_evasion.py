"""No program escapes its limits or leaves a trace for the next one, tested in real boxes."""

# ruff: noqa: E501  # programs are data here, and easier to read on one line

from dataclasses import replace
from typing import Any

import pytest

from sandboxes.protocol import plain
from sandboxes.protocol.facts import End, Signal, TesterFacts, TestFacts, TestOutcome
from sandboxes.protocol.job import Limits, Mode, Run
from tests.runners.conftest import Bench

LIMITS = Limits(time_limit_s=0.5, wall_limit_s=60.0, memory_limit_mb=128, output_limit_kb=256, max_processes=64)
"""The wall limit is far off, so that a busy machine is not taken for a program that waits."""


async def run(bench: Bench, source: str, limits: Limits = LIMITS, **more: Any) -> TestFacts:
    """Run a program once."""
    (fact,) = await bench.facts(source, limits=limits, runs=(Run(),), **more)
    assert isinstance(fact, TestFacts)
    return fact


async def called(bench: Bench, source: str, limits: Limits = LIMITS) -> TestFacts:
    """Call the function `f` of a program once."""
    (fact,) = await bench.facts(source, Mode.CALL, entry_point="f", calls=(plain.encode([[1], {}]),), limits=limits)
    assert isinstance(fact, TestFacts)
    return fact


# CPU time

SPIN = """
import ctypes, os, signal, time
def burn(cpu_s):
    began_s = time.process_time()
    while time.process_time() - began_s < cpu_s: pass
def in_children(total_s, each_s, start=os.fork):
    for _ in range(int(total_s / each_s)):
        reading, writing = os.pipe()
        if start() == 0:
            burn(each_s)
            os._exit(0)
        os.close(writing)
        os.read(reading, 1)  # until the last one that could write has ended
        os.close(reading)
def twice():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return child
    return os.fork() and os._exit(0)
"""
IGNORING = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
NOT_WAITING = (
    "action = (ctypes.c_ulong * 19)(); action[17] = 2\n"  # SA_NOCLDWAIT in the flags of glibc's struct sigaction
    "assert ctypes.CDLL(None).sigaction(signal.SIGCHLD, action, None) == 0\n"
)


@pytest.mark.parametrize(
    "how",
    [
        f"{IGNORING}in_children(2.4, .3)",
        f"{IGNORING}in_children(2.4, .03)",
        f"{NOT_WAITING}in_children(2.4, .1)",
        "in_children(2.4, .1, twice)",
        f"{IGNORING}import threading\nt = threading.Thread(target=in_children, args=(2.4, .2))\nt.start(); t.join()",
    ],
)
@pytest.mark.parametrize("mode", ["run", "call"])
async def test_children_that_nobody_waits_for_count(bench: Bench, how: str, mode: str) -> None:
    if mode == "run":
        fact = await run(bench, f"{SPIN}{how}")
    else:
        body = "\n".join(f"    {line}" for line in how.splitlines())
        fact = await called(bench, f"{SPIN}def f(x):\n{body}")
    assert fact.end is End.CPU_LIMIT


async def test_children_count_for_the_tests_that_a_tester_runs(bench: Bench) -> None:
    source = f"{SPIN}{IGNORING}def f(x):\n    in_children(2.4, .1)\n    return x"
    (fact,) = await bench.facts(source, Mode.ASSERT, tests={"tests.py": "assert f(1) == 1"}, limits=LIMITS)
    assert isinstance(fact, TesterFacts)
    assert fact.program_end is End.CPU_LIMIT


async def test_what_the_tests_use_is_not_the_programs(bench: Bench) -> None:
    tests = "import time\nassert f(1) == 1\nt = time.process_time()\nwhile time.process_time() - t < 1: pass\nassert f(2) == 2"
    (fact,) = await bench.facts("def f(x): return x", Mode.ASSERT, tests={"tests.py": tests}, limits=LIMITS)
    assert isinstance(fact, TesterFacts)
    assert (fact.program_end, [test.outcome for test in fact.tests]) == (None, [TestOutcome.PASSED] * 2)


async def test_the_time_of_a_test_is_cpu_time(bench: Bench) -> None:
    source = (
        "import time\n"
        "def sleep(): time.sleep(.4); return 1\n"
        "def spin():\n"
        "    end_s = time.process_time() + .2\n"
        "    while time.process_time() < end_s: pass\n"
        "    return 1"
    )
    asserts = "assert sleep() == 1\nassert spin() == 1"
    (fact,) = await bench.facts(source, Mode.ASSERT, tests={"tests.py": asserts}, limits=LIMITS)
    assert isinstance(fact, TesterFacts)
    slept_s, spun_s = (test.time_s for test in fact.tests)
    assert slept_s < 0.1
    assert 0.19 < spun_s < 0.35


async def test_children_within_the_limit_are_counted_once(bench: Bench) -> None:
    fact = await run(bench, f"{SPIN}in_children(.4, .1, twice)", replace(LIMITS, time_limit_s=2))
    assert fact.end is End.EXITED
    assert 0.35 < fact.time_s < 0.7


async def test_what_helpers_used_in_one_case_does_not_count_for_the_next(bench: Bench) -> None:
    source = (
        f"{SPIN}def helper():\n    while os.read(asking, 1):\n        burn(.3)\n        os.write(telling, b'x')\n    os._exit(0)\n"
        "asking, ask = os.pipe(); told, telling = os.pipe()\nif os.fork() == 0: helper()\n"
        "def f(x):\n    os.write(ask, b'x')\n    return os.read(told, 1) == b'x'"
    )
    calls = (plain.encode([[1], {}]),) * 5
    facts = await bench.facts(source, Mode.CALL, entry_point="f", calls=calls, limits=LIMITS)
    assert [fact.end for fact in facts if isinstance(fact, TestFacts)] == [End.RETURNED] * 5


# Time on the clock

YIELDING = {
    "a child that is nice": "os.fork() or (os.nice(19), spin())",
    "a child that is idle": "os.fork() or (os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)), spin())",
    "a thread that is nice": (
        "threading.Thread(target=lambda: (os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19), spin())).start()"
    ),
}


@pytest.mark.parametrize("how", YIELDING.values(), ids=YIELDING.keys())
async def test_standing_in_line_by_choice_earns_no_time(bench: Bench, how: str) -> None:
    source = f"""
import os, threading, time
began_s = time.monotonic()
def spin():
    while time.monotonic() - began_s < 20: pass
    os._exit(0)
{how}
for _ in range(os.cpu_count()):
    if os.fork() == 0:
        while time.monotonic() - began_s < 20: pass
time.sleep(10)
print("it had its time")
"""
    fact = await run(bench, source, replace(LIMITS, time_limit_s=30, wall_limit_s=1.0))
    assert (fact.end, fact.stdout) == (End.WALL_LIMIT, b"")


# Memory


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nps = [subprocess.Popen(['sleep', '60']) for _ in range(28)]\n"
        "def f(x):\n    b = bytearray(300 << 20)\n    for n in range(0, len(b), 4096): b[n] = 1\n    time.sleep(9)",
        "def f(x):\n    for _ in range(20):\n        if os.fork() == 0:\n            b = mmap.mmap(-1, 14 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "            for n in range(0, len(b), 4096): b[n] = 1\n            time.sleep(60)\n    time.sleep(9)",
    ],
)
async def test_memory_cannot_hide_behind_many_processes(bench: Bench, source: str) -> None:
    fact = await called(bench, f"import mmap, os, time\n{source}", replace(LIMITS, time_limit_s=10))
    assert fact.end is End.MEMORY_LIMIT


async def test_memory_that_processes_share_counts_once(bench: Bench) -> None:
    source = (
        "import os, subprocess, time\ndef f(x):\n    b = bytearray(60 << 20)\n    for _ in range(20): os.fork() or time.sleep(60)\n"
        "    for _ in range(8): subprocess.Popen(['sleep', '60'])\n    time.sleep(.5)\n    return len(b)"
    )
    fact = await called(bench, source, replace(LIMITS, time_limit_s=10))
    assert (fact.end, fact.memory_mb < 128 + 20) == (End.RETURNED, True)


async def test_there_is_no_memory_without_a_process_or_a_file(bench: Bench) -> None:
    source = "import os\ntry: os.memfd_create('x')\nexcept OSError as error: print(error.strerror)"
    assert (await run(bench, source)).stdout == b"Function not implemented\n"


async def test_pages_that_nobody_has_mapped_any_more_count_where_there_is_a_cgroup(bench: Bench) -> None:
    if bench.runner.name != "docker":
        pytest.skip("there is no cgroup")
    source = (
        "import mmap, time\ndef f(x):\n    kept = []\n    for _ in range(8):\n        b = mmap.mmap(-1, 50 << 20)\n"
        "        for n in range(0, len(b), 4096): b[n] = 1\n        b.madvise(mmap.MADV_DONTNEED)\n        kept.append(b)\n"
        "    time.sleep(9)"
    )
    assert (await called(bench, source, replace(LIMITS, time_limit_s=10))).end is End.MEMORY_LIMIT


# Traces


@pytest.mark.parametrize(
    "source",
    [
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); s.accept()",
        "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); s.sendto(b'x', s.getsockname())",
        "socket.socket().connect_ex(('127.0.0.1', 1))",
        "socket.socket().connect_ex(('192.0.2.1', 80))",
    ],
)
async def test_a_box_whose_network_was_used_runs_no_other_program(bench: Bench, source: str) -> None:
    box = await bench.get()
    fact = await run(bench, f"import socket\n{source}\nprint(1)")
    assert (fact.end, fact.stdout, fact.signals) == (End.EXITED, b"1\n", (Signal.TRIED_A_SOCKET,))
    assert (box.healthy, box.spent) == (False, "the network of the box was used")


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio, socket; asyncio.run(asyncio.sleep(0)); a, b = socket.socketpair(); a.send(b'x')",
        "import socket; s = socket.create_server(('127.0.0.1', 0))",
        "from concurrent.futures import ProcessPoolExecutor as P\nif __name__ == '__main__':\n    with P(2) as p: list(p.map(abs, [1]))",
        "for n in range(500): open(f'/tmp/{n}', 'w')",
    ],
)
async def test_a_box_is_used_again_where_nothing_can_be_read(bench: Bench, source: str) -> None:
    box = await bench.get()
    await run(bench, source, replace(LIMITS, time_limit_s=10))
    assert (box.healthy, box.spent) == (True, "")


async def test_numbers_of_processes_and_files_are_no_message_to_the_next_program(bench: Bench) -> None:
    look = "import os\nopen('/tmp/x', 'w')\nprint(os.getpid(), os.getuid(), os.stat('/tmp/x').st_ino)"
    move = "import os\nfor n in range(50):\n    os.fork() or os._exit(0)\n    os.wait()\n    open(f'/tmp/{n}', 'w')"

    async def moved() -> list[int]:
        before = (await run(bench, look)).stdout.split()
        await run(bench, move, replace(LIMITS, time_limit_s=10))
        after = (await run(bench, look)).stdout.split()
        return [int(b) - int(a) for a, b in zip(before, after, strict=True)]

    seen = [await moved() for _ in range(6)]
    by_namespaces = {pid for pid, _, _ in seen} == {0}
    assert by_namespaces or [len({one[n] for one in seen}) > 3 for n in range(3)] == [True] * 3


async def test_a_program_that_makes_very_many_processes_or_files_spends_its_box(bench: Bench) -> None:
    box = await bench.get()
    await run(
        bench,
        "import os\nfor _ in range(9000):\n    open('/tmp/x', 'w'); os.unlink('/tmp/x')",
        replace(LIMITS, time_limit_s=10),
    )
    assert box.spent in ("very many files were made", "")
    assert box.healthy is not bool(box.spent)


# Folders

SAVE = "import os\ndef save(folder):\n    os.makedirs(folder / 'out' / 'deep')\n    (folder / 'out' / 'file').write_text('x')\n"
CLOSED = (
    "    os.mkfifo(folder / 'out' / 'fifo'); os.symlink('/nowhere', folder / 'out' / 'link')\n"
    "    for name, mode in (('out/deep', 0), ('out', 0o1700)): os.chmod(folder / name, mode)\n"
)
LONG = (
    "    os.chdir(folder / 'out')\n    for _ in range(300):\n        os.mkdir('x' * 255)\n        os.chdir('x' * 255)\n"
)
MIXED = "    os.chmod(folder / 'out', 0o777)\n"


@pytest.mark.parametrize("source", [SAVE, SAVE + CLOSED, SAVE + LONG, SAVE + MIXED])
async def test_a_folder_that_a_program_made_in_one_of_its_tests_costs_no_box(bench: Bench, source: str) -> None:
    test = (
        "from solution import save\nimport os\ndef test_a(tmp_path):\n    save(tmp_path)\n"
        "    try: (tmp_path / 'out' / 'inner').mkdir(mode=0o700); (tmp_path / 'out' / 'inner' / 'file').write_text('x')\n"
        "    except OSError: pass\n"
    )
    box = await bench.get()
    (fact,) = await bench.facts(source, Mode.PYTEST, tests={"test_a.py": test}, limits=replace(LIMITS, time_limit_s=10))
    assert isinstance(fact, TesterFacts)
    assert [one.outcome for one in fact.tests] == [TestOutcome.PASSED]
    assert box.healthy
    assert (await run(bench, "import os; print(os.listdir('/tmp'))")).stdout == b"[]\n"
