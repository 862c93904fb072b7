"""A compiler's messages and files are reported, and its files run again without compiling."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandboxes.protocol.facts import CompileFacts, End, Fact, TestFacts
from sandboxes.protocol.job import BuiltFile, Job, Limits, Mode, Run
from verifier_service.languages import load_languages
from verifier_service.runners.base import Box, Runner

CASES = Path(__file__).parent.parent / "cases" / "languages"
COMPILED = sorted(name for name, language in load_languages().items() if language.compile)
LIMITS = Limits(
    time_limit_s=5,
    wall_limit_s=120,
    memory_limit_mb=256,
    output_limit_kb=256,
    max_processes=32,
    compile_time_limit_s=60,
)
SUM = Run(stdin=b"4000000000 6000000000\n-1\n")


@pytest.fixture(scope="session", params=COMPILED)
async def box(request: pytest.FixtureRequest, runner: Runner) -> AsyncIterator[Box]:
    """A box for each language that this runner has here."""
    if request.param not in await runner.languages():
        pytest.skip(f"the {runner.name} runner has no {request.param} here")
    made = await runner.start_box(runner.known_languages[request.param])
    yield made
    await made.close()


async def facts_of(box: Box, source: bytes, *runs: Run, **more: Any) -> list[Fact]:
    """Compile and run a program."""
    job = Job(mode=Mode.STDIO, source=source, toolchain=box.language.toolchain, limits=LIMITS, runs=runs)
    return [fact async for fact in box.run(replace(job, **more))]


def programs(box: Box, verdict: str) -> list[bytes]:
    """Return the programs of the cases with this verdict."""
    return [path.read_bytes() for path in sorted((CASES / box.language.name / verdict).iterdir())]


async def test_what_was_built_runs_again_without_the_compiler(box: Box) -> None:
    for source in programs(box, "accepted"):
        compiled, first = await facts_of(box, source, SUM, keep_build=True)
        assert isinstance(compiled, CompileFacts)
        assert isinstance(first, TestFacts)
        assert (compiled.succeeded, first.stdout.split()) == (True, [b"9999999999"]), (compiled, first)
        assert compiled.built is not None
        assert box.language.source_file not in compiled.built
        again = await facts_of(box, source, SUM, SUM, built=compiled.built)
        assert [(fact.end, fact.stdout.split()) for fact in again if isinstance(fact, TestFacts)] == [
            (End.EXITED, [b"9999999999"]),
            (End.EXITED, [b"9999999999"]),
        ]
        assert len(again) == 2


async def test_a_build_is_handed_back_only_if_it_is_asked_for_and_good(box: Box) -> None:
    (compiled, _) = await facts_of(box, programs(box, "accepted")[0], SUM)
    assert isinstance(compiled, CompileFacts)
    assert compiled.built is None
    for source in programs(box, "compile_error"):
        (failed,) = await facts_of(box, source, SUM, keep_build=True)
        assert isinstance(failed, CompileFacts)
        assert (failed.succeeded, failed.end, failed.signal, failed.built) == (False, End.EXITED, 0, None)
        assert failed.exit_code != 0
        assert failed.message
        assert failed.message in (failed.stderr or failed.stdout).decode()
        assert failed.time_s > 0
        assert failed.wall_s > 0
        assert failed.memory_mb > 0


async def test_compiled_programs_take_files_and_arguments_too(box: Box) -> None:
    (compiled, first) = await facts_of(
        box,
        programs(box, "accepted")[0],
        replace(SUM, argv=("-x", "y z"), files={"d/in": b"1"}, fetch=("d/in", box.language.source_file)),
        side_files={"notes/a.txt": b"n"},
        keep_build=True,
    )
    assert isinstance(compiled, CompileFacts)
    assert isinstance(first, TestFacts)
    assert first.stdout.split() == [b"9999999999"]
    assert first.files == {"d/in": b"1", box.language.source_file: programs(box, "accepted")[0]}
    assert compiled.built is not None
    assert "notes/a.txt" not in compiled.built


@pytest.fixture(scope="session")
async def shell(runner: Runner) -> AsyncIterator[Box]:
    """A box for C in which any command can act as the compiler."""
    if "c" not in await runner.languages():
        pytest.skip(f"the {runner.name} runner has no C compiler here")
    made = await runner.start_box(runner.known_languages["c"])
    yield made
    await made.close()


async def compiled_by(box: Box, command: str, *runs: Run, **more: Any) -> list[Fact]:
    """Use `command` as the compiler, and run its result, `./made`."""
    toolchain = replace(box.language.toolchain, compile=("bash", "-c", command), run=("./made",))
    more.setdefault("keep_build", True)
    return await facts_of(box, b"", *runs, toolchain=toolchain, **more)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("echo out; echo err >&2", {"stdout": b"out\n", "stderr": b"err\n", "message": "err", "end": End.EXITED}),
        ("echo out; exit 3", {"stdout": b"out\n", "message": "out", "exit_code": 3}),
        ("printf %100000d 1 >&2; exit 1", {"stderr": b" " * 99_999 + b"1", "exit_code": 1}),
        ("kill -SEGV $$", {"end": End.SIGNALED, "signal": 11, "exit_code": 0}),
        ("printf %2000000d 1", {"end": End.OUTPUT_LIMIT, "stdout": b" " * 1024 * 1024, "stderr": b""}),
        ("while :; do :; done", {"end": End.CPU_LIMIT}),
    ],
)
async def test_what_the_compiler_says_is_told_whole_and_apart(
    shell: Box, command: str, expected: dict[str, object]
) -> None:
    (fact,) = await compiled_by(shell, command, limits=replace(LIMITS, compile_time_limit_s=1))
    assert isinstance(fact, CompileFacts)
    assert {name: getattr(fact, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("command", "built"),
    [
        ("true", {}),
        ("mkdir -p a/b; echo x > a/b/c; echo y > d; chmod 755 d", {"a/b/c": (b"x\n", False), "d": (b"y\n", True)}),
        ("echo x > kept; chmod 0 kept; chmod 400 kept", {"kept": (b"x\n", False)}),
        ("ln -s /etc/passwd link", None),
        ("mkfifo fifo", None),
        ("mkdir d; echo x > d/f; chmod 0 d", None),
        ("head -c 34000000 /dev/zero > big", None),
        ("head -c 20000000 /dev/zero > big; cp big second", None),
    ],
)
async def test_a_build_is_its_regular_files_or_nothing(
    shell: Box, command: str, built: dict[str, tuple[bytes, bool]] | None
) -> None:
    (fact,) = await compiled_by(shell, command, side_files={"side": b"s", "in/side": b"s"})
    assert isinstance(fact, CompileFacts)
    expected = built and {path: BuiltFile(content=content, executable=x) for path, (content, x) in built.items()}
    assert (fact.succeeded, fact.built) == (True, {} if built == {} else expected)


async def test_no_program_changes_what_was_built_for_the_next_run(shell: Box) -> None:
    program = (
        "#!/bin/bash\nls; cat data; echo changed > data; echo changed > made; rm -f data made; mv made other; "
        "chmod 777 data d; rm -rf d; echo new > d/new; exit 0"
    )
    command = f"echo data > data; mkdir d; echo x > d/x; cat > made <<'END'\n{program}\nEND\nchmod 755 made"
    runs = (Run(), Run(fetch=("data",)), Run(files={"f": b""}), Run())
    compiled, *first = await compiled_by(shell, command, *runs)
    assert isinstance(compiled, CompileFacts)
    again = await compiled_by(shell, "exit 1", *runs, built=compiled.built)
    for facts in (first, again):
        assert [fact.stdout.split() for fact in facts if isinstance(fact, TestFacts)] == [
            [b"d", b"data", b"made", b"solution.c", b"data"],
            [b"d", b"data", b"made", b"solution.c", b"data"],
            [b"d", b"data", b"f", b"made", b"solution.c", b"data"],
            [b"d", b"data", b"made", b"solution.c", b"data"],
        ]


async def test_what_was_built_is_gone_with_its_job(shell: Box) -> None:
    await compiled_by(shell, "echo x > left; mkdir d; echo x > d/left; chmod 0 d", Run())
    _, fact = await compiled_by(shell, "printf '#!/bin/sh\\nls -A . /tmp' > made; chmod +x made", Run())
    assert isinstance(fact, TestFacts)
    assert fact.stdout.split() == [b".:", b"made", b"solution.c", b"/tmp:"]


# Precompiled parts that make compilers fast in an image

FIRST_INCLUDES = ("bits/stdc++.h", "iostream")
EVERYTHING = b"#include <bits/stdc++.h>\n"


async def told_by(box: Box, source: bytes, *options: str) -> CompileFacts:
    """Return the output of the language's own compiler with additional options."""
    toolchain = replace(box.language.toolchain, compile=(*box.language.toolchain.compile, *options))
    fact, *_ = await facts_of(box, source, toolchain=toolchain)
    assert isinstance(fact, CompileFacts)
    return fact


@pytest.fixture(scope="session")
async def cpp(runner: Runner) -> AsyncIterator[Box]:
    """A box for C++ from an image of this project, because other compilers have nothing precompiled."""
    if runner.name != "docker" or "cpp" not in await runner.languages():
        pytest.skip(f"the {runner.name} runner has no image for C++ here")
    made = await runner.start_box(runner.known_languages["cpp"])
    yield made
    await made.close()


@pytest.mark.parametrize("header", FIRST_INCLUDES)
async def test_the_first_include_is_read_precompiled(cpp: Box, header: str) -> None:
    source = f"#include <{header}>\n#include <vector>\nint main() {{ return 0; }}\n"
    fact = await told_by(cpp, source.encode(), "-H", "-Winvalid-pch", "-Werror")
    assert fact.succeeded, fact
    first = fact.stderr.decode().splitlines()[0]
    assert first.startswith("! ")
    assert f"/{header}.gch/" in first


@pytest.mark.parametrize("before", ['#pragma GCC target("avx2")', "#define _GLIBCXX_DEBUG"])
async def test_a_header_that_would_mean_something_else_is_read_anew(cpp: Box, before: str) -> None:
    fact = await told_by(cpp, before.encode() + b"\n" + EVERYTHING + b"signed main() {}\n", "-H")
    assert fact.succeeded, fact
    assert not [line for line in fact.stderr.decode().splitlines() if line.startswith("! ")]


async def test_the_linker_is_the_fast_one(cpp: Box) -> None:
    fact = await told_by(cpp, b"int main() { return 0; }\n", "-Wl,--version")
    assert fact.stdout.startswith(b"mold "), fact
