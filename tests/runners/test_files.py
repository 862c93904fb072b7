"""Files of a run are placed before and fetched afterwards, without touching anything else, with every runner."""

# ruff: noqa: E501  # programs are data here, and easier to read on one line

from dataclasses import replace
from typing import Any

import pytest

from sandboxes.protocol.constants import MIB
from sandboxes.protocol.facts import End, Signal, TestFacts
from sandboxes.protocol.job import BuiltFile, Run
from tests.runners.conftest import LIMITS, Bench
from tests.runners.test_contract import PATIENT, assert_clean
from verifier_service.errors import ReferenceUnusable


async def results(bench: Bench, source: str, *runs: Run, **more: Any) -> list[TestFacts]:
    """Run a program once for each of `runs`, and return the facts."""
    more.setdefault("limits", PATIENT)
    facts = await bench.facts(source, runs=runs, **more)
    return [fact for fact in facts if isinstance(fact, TestFacts)]


async def result(bench: Bench, source: str, run: Run, **more: Any) -> TestFacts:
    """Run a program once."""
    (fact,) = await results(bench, source, run, **more)
    return fact


# Placing


async def test_files_of_a_run_lie_beside_the_program_also_in_folders(bench: Bench) -> None:
    files = {"input.txt": b"1 2\n", "a/b/words.txt": b"w", "a/c.bin": bytes(range(256))}
    source = "import os\nfor top, _, names in sorted(os.walk('.')):\n    for n in sorted(names): print(os.path.join(top, n), len(open(os.path.join(top, n), 'rb').read()))"
    fact = await result(bench, source, Run(files=files))
    assert fact.stdout.decode().splitlines()[:1] == ["./input.txt 4"]
    assert fact.stdout.decode().splitlines()[2:] == ["./a/c.bin 256", "./a/b/words.txt 1"]
    await assert_clean(bench)


async def test_a_program_may_change_and_remove_the_files_of_its_run(bench: Bench) -> None:
    source = (
        "import os\nopen('input.txt', 'a').write('more')\nos.remove('d/x')\nopen('d/y', 'w').write('y')\n"
        "os.rename('z', 'd/z')\nprint(open('input.txt').read(), sorted(os.listdir('d')))"
    )
    fact = await result(bench, source, Run(files={"input.txt": b"some", "d/x": b"x", "z": b""}))
    assert (fact.stdout, fact.message) == (b"somemore ['y', 'z']\n", "")


async def test_files_of_one_run_are_gone_in_the_next(bench: Bench) -> None:
    source = "import os\nprint(sorted(os.listdir('.')), open('in').read())\nopen('out', 'w').write('x')"
    facts = await results(
        bench, source, Run(files={"in": b"1"}), Run(files={"in": b"2", "e/f": b""}), Run(files={"in": b"3"})
    )
    assert [fact.stdout for fact in facts] == [
        b"['in', 'solution.py'] 1\n",
        b"['e', 'in', 'solution.py'] 2\n",
        b"['in', 'solution.py'] 3\n",
    ]


async def test_arguments_are_those_of_the_run(bench: Bench) -> None:
    facts = await results(bench, "import sys; print(sys.argv)", Run(argv=("a", "b c")), Run())
    assert [fact.stdout for fact in facts] == [b"['solution.py', 'a', 'b c']\n", b"['solution.py']\n"]


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../../x", "a//b", "", ".", "a/", "a\0b", "x" * 256, "a/" * 20 + "b", "\ud800"]
)
@pytest.mark.parametrize("where", ["files", "fetch", "side_files", "built"])
async def test_a_path_that_leads_elsewhere_is_refused_and_the_box_goes_on(bench: Bench, path: str, where: str) -> None:
    runs = (Run(files={path: b"x"}) if where == "files" else Run(fetch=(path,)) if where == "fetch" else Run(),)
    more: dict[str, Any] = {"side_files": {path: b"x"}} if where == "side_files" else {}
    more |= {"built": {path: BuiltFile(content=b"x")}} if where == "built" else {}
    box = await bench.get()
    with pytest.raises(ReferenceUnusable, match=r"relative path|too long|UTF-8"):
        await bench.facts("print(1)", runs=runs, **more)
    assert box.healthy
    await assert_clean(bench)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"solution.py": b"print(2)"}, "taken: .*solution.py"),
        ({"side/x": b"x"}, "taken: .*side"),
        ({"a": b"x", "a/b": b"x"}, "taken: .*a"),
        ({"big": bytes(70 * MIB)}, "do not fit"),
    ],
)
async def test_files_that_cannot_be_placed_are_refused_and_the_box_goes_on(
    bench: Bench, files: dict[str, bytes], why: str
) -> None:
    box = await bench.get()
    with pytest.raises(ReferenceUnusable, match=why):
        await bench.facts("print(1)", runs=(Run(files=files),), side_files={"side": b"s"})
    assert box.healthy
    await assert_clean(bench)


# Fetching


async def test_what_a_program_wrote_is_fetched(bench: Bench) -> None:
    source = (
        "import os\nos.makedirs('d/e')\nopen('d/e/out', 'wb').write(bytes(range(256)))\nopen('in', 'w').write('new')\n"
        "open('secret', 'w').write('s'); os.chmod('secret', 0)\nopen('kept', 'w').write('k'); os.chmod('kept', 0o400)"
    )
    run = Run(files={"in": b"old"}, fetch=("d/e/out", "in", "none", "d", "secret", "kept", "d/none"))
    fact = await result(bench, source, run)
    assert fact.files == {"d/e/out": bytes(range(256)), "in": b"new", "kept": b"k"}
    await assert_clean(bench)


@pytest.mark.parametrize(
    "source",
    [
        "import os; os.symlink('/etc/passwd', 'out')",
        "import os; os.symlink('solution.py', 'out')",
        "import os; os.symlink('../proc/1/environ', 'out')",
        "import os; os.mkfifo('out')",
        "import os; os.mkdir('out')",
        "import socket; socket.socket(socket.AF_UNIX).bind('out')",
        "import os\nopen('x', 'w').truncate(1 << 20)\nos.symlink('x', 'out')",
        "import os\ntry: os.link('/etc/passwd', 'out')\nexcept OSError: pass",
        "import os\ntry: os.mknod('out', 0o20600, os.makedev(1, 5))\nexcept OSError: pass",
        "open('out', 'w').truncate(60 << 20)",
        "open('out', 'w').write('x' * (257 << 10))",
    ],
)
async def test_only_regular_files_that_fit_are_fetched(bench: Bench, source: str) -> None:
    fact = await result(bench, source, Run(fetch=("out", "out/out")))
    assert (fact.end, fact.exit_code, fact.files) == (End.EXITED, 0, {})
    await assert_clean(bench)


async def test_no_link_on_the_way_to_a_file_is_followed(bench: Bench) -> None:
    source = "import os; os.symlink('/etc', 'etc'); os.symlink('/proc/1', 'p'); os.mkdir('d'); os.symlink('..', 'd/up')"
    fact = await result(bench, source, Run(fetch=("etc/passwd", "p/environ", "d/up/solution.py", "d/up/etc/passwd")))
    assert fact.files == {}


async def test_what_is_fetched_counts_with_the_output(bench: Bench) -> None:
    source = "print('x' * 1023)\nopen('a', 'w').write('a' * 2048)\nopen('b', 'w').write('b' * 2048)\nopen('c', 'w').write('c' * 1024)"
    fact = await result(bench, source, Run(fetch=("a", "b", "c"), output_limit_kb=4))
    assert (len(fact.stdout), {name: len(content) for name, content in fact.files.items()}) == (
        1024,
        {"a": 2048, "c": 1024},
    )


async def test_the_output_limit_of_a_run_takes_the_place_of_the_jobs(bench: Bench) -> None:
    facts = await results(
        bench, "print('x' * 300_000)", Run(), Run(output_limit_kb=400), Run(output_limit_kb=1), limits=PATIENT
    )
    assert [(fact.end, len(fact.stdout)) for fact in facts] == [
        (End.OUTPUT_LIMIT, 0),
        (End.EXITED, 300_001),
        (End.OUTPUT_LIMIT, 0),
    ]


async def test_a_process_that_is_left_cannot_change_what_is_fetched(bench: Bench) -> None:
    source = (
        "import os\nopen('out', 'w').write('end')\n"
        "if os.fork() == 0:\n    os.setsid()\n    os.close(1); os.close(2)\n"
        "    while True:\n        try: os.remove('out')\n        except OSError: pass\n"
        "        os.symlink('/etc/passwd', 'out'); os.remove('out'); open('out', 'w').write('later')"
    )
    fact = await result(bench, source, Run(fetch=("out",)), limits=replace(PATIENT, time_limit_s=30))
    assert fact.end is End.EXITED
    assert fact.files.get("out", b"") in (b"", b"end", b"later")
    assert Signal.LEFT_PROCESSES in fact.signals
    await assert_clean(bench)


async def test_a_program_cannot_change_itself_between_two_runs(bench: Bench) -> None:
    source = (
        "import os\nprint(sorted(os.listdir('.')), open('side/s').read())\n"
        "for act in (lambda: os.remove('solution.py'), lambda: open('solution.py', 'w').write('print(9)'),\n"
        "            lambda: os.rename('solution.py', 'x'), lambda: open('side/s', 'w').write('t'),\n"
        "            lambda: os.remove('side/s'), lambda: open('side/new', 'w'), lambda: os.rename('side', 'other'),\n"
        "            lambda: open('solution.py', 'w').write('print(9)')):\n"
        "    try: act()\n    except OSError: pass"
    )
    runs = (Run(), Run(fetch=("x",)), Run(files={"f": b""}), Run(fetch=("x",)), Run())
    facts = await results(bench, source, *runs, side_files={"side/s": b"s"})
    assert [fact.stdout for fact in facts] == [
        b"['side', 'solution.py'] s\n",
        b"['side', 'solution.py'] s\n",
        b"['f', 'side', 'solution.py'] s\n",
        b"['side', 'solution.py'] s\n",
        b"['side', 'solution.py'] s\n",
    ]


# Reports


async def test_the_whole_stderr_is_told_if_the_job_asks_for_it(bench: Bench) -> None:
    source = "import sys\nsys.stderr.write('e' * 100_000)\nprint('o')"
    kept, left = [await result(bench, source, Run(), keep_stderr=keep) for keep in (True, False)]
    assert (kept.stdout, kept.stderr) == (b"o\n", b"e" * 100_000)
    assert (left.stdout, left.stderr, left.message) == (b"o\n", b"", "e" * 4096)
    over = await result(bench, source, Run(output_limit_kb=50), keep_stderr=True)
    assert (over.end, over.stderr) == (End.OUTPUT_LIMIT, b"e" * 50 * 1024)


@pytest.mark.parametrize(
    ("source", "signals"),
    [
        ("print(1)", ()),
        ("import subprocess; subprocess.run(['true'])", ()),
        ("from multiprocessing import Pool\nif __name__ == '__main__':\n    with Pool(2) as p: p.map(abs, [1])", ()),
        ("import os\nif os.fork() == 0: os._exit(0)\nimport time; time.sleep(.2)", ()),
        ("import subprocess; subprocess.Popen(['sleep', '99'])", (Signal.LEFT_PROCESSES,)),
        ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(99)", (Signal.LEFT_PROCESSES,)),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSYS)", (Signal.FORBIDDEN_SYSTEM_CALL,)),
        ("import subprocess; subprocess.Popen(['sleep', '99'])\nwhile True: pass", ()),
    ],
)
async def test_the_box_tells_what_it_saw_besides(bench: Bench, source: str, signals: tuple[Signal, ...]) -> None:
    fact = await result(bench, source, Run())
    assert fact.signals == signals


async def test_every_fact_has_its_time_on_the_clock_and_its_memory(bench: Bench) -> None:
    limits = replace(LIMITS, wall_limit_s=1.5)
    for source, end in [
        ("import time; time.sleep(.3)", End.EXITED),
        ("import time; time.sleep(.3); raise SystemExit(3)", End.EXITED),
        ("import os, time; time.sleep(.3); os.abort()", End.SIGNALED),
        ("import time; time.sleep(60)", End.WALL_LIMIT),
    ]:
        fact = await result(bench, source, Run(), limits=limits)
        assert (fact.end, fact.wall_s > 0.25, fact.memory_mb > 1) == (end, True, True)
