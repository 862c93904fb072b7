"""Measure how often the math judge is right, for each kind of answer, compared with Math-Verify.

    python -m benchmarks.math_accuracy [CASES.jsonl...] [--peer/--no-peer] [--misses] [--workers N] [--sample N]

A case is one JSON line with `gold`, `response` and `expected`, and optionally `kind`, `form` and `rounding`. Without
files, it uses this project's own cases. The judge was written against these, so a file of your own says more. The
results are in runs/benchmarks/NAME.json and .md.

The judge runs as in the service: extraction, worker processes, limits. Math-Verify runs in its best configuration: the
reference is wrapped in a box, and relations and sets are comparable. For each kind, the table has the number of cases
and, for each grader, the share that is right, false acceptances, false rejections, and crashes (exceptions, ended
workers and exceeded limits). Public cases, variants of them (kinds that begin with `variant`) and hostile cases (kind
`hostile`) are separate parts with a line each.
"""

import asyncio
import json
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.figures import Better, Figure, Unit, figure
from benchmarks.results import Table, console, machine, save
from verifier_service.dispatch import judge_all
from verifier_service.judges.math.judge import MathJudge
from verifier_service.schema import Form, MathResult, MathSubmission, Rounding, Verdict
from verifier_service.settings import Settings

PEER_TIMEOUT_S = 5
OWN_CASES = Path(__file__).parent.parent / "tests" / "cases" / "math"
app = typer.Typer(add_completion=False)


@dataclass
class Tally:
    """The outcomes of one grader for the cases of one kind."""

    cases: int = 0
    false_accepts: int = 0
    false_rejects: int = 0
    crashes: int = 0

    def add(self, expected: bool, accepted: bool, crashed: bool) -> None:
        """Count one case."""
        self.cases += 1
        self.false_accepts += accepted and not expected
        self.false_rejects += expected and not accepted
        self.crashes += crashed

    @property
    def right(self) -> float:
        """The share that is right."""
        return 1 - (self.false_accepts + self.false_rejects) / self.cases

    def __str__(self) -> str:
        return f"{self.right:6.1%}  {self.false_accepts:3d}  {self.false_rejects:3d}  {self.crashes:3d}"


Tallies = dict[tuple[str, str], Tally]
"""By part and kind; the kind `ALL` holds the whole part."""

ALL = ""
PARTS = ("public", "variant", "hostile")
_CRASHES = {Verdict.JUDGE_ERROR, Verdict.TIME_LIMIT_EXCEEDED, Verdict.MEMORY_LIMIT_EXCEEDED}
_CRASH_WORDS = ("ended two workers", " failed with ")


def part_of(kind: str) -> str:
    """Return the part that a kind of case belongs to."""
    return "hostile" if kind == "hostile" else "variant" if kind.startswith("variant") else "public"


def crashed(result: MathResult) -> bool:
    """Return whether the result only says that something broke or reached a limit."""
    return result.verdict in _CRASHES or any(words in (result.message or "") for words in _CRASH_WORDS)


async def judge_cases(rows: list[dict[str, Any]], workers: int) -> tuple[list[MathResult], float]:
    """Judge all cases with the service's own judge; return the results and the seconds."""
    judge = MathJudge(Settings(math_workers=workers))
    await judge.start()
    submissions = [
        MathSubmission(
            kind="math",
            completion=row["response"],
            reference=row["gold"],
            form=row.get("form", Form.EQUAL),
            rounding=row.get("rounding", Rounding.NONE),
        )
        for row in rows
    ]
    begin = time.perf_counter()
    results = await judge_all("math", judge, submissions)
    seconds = time.perf_counter() - begin
    await judge.close()
    return results, seconds


def load_peer() -> Callable[[str, str], bool]:
    """Return Math-Verify's verdict in its best configuration as a function of gold and response."""
    from math_verify import parse, verify

    logging.disable(logging.ERROR)

    def accepts(gold: str, response: str) -> bool:
        wrapped = gold if "\\boxed" in gold else f"\\boxed{{{gold.strip().strip('$')}}}"
        return bool(
            verify(
                parse(wrapped, parsing_timeout=PEER_TIMEOUT_S),
                parse(response, parsing_timeout=PEER_TIMEOUT_S),
                allow_set_relation_comp=True,
                timeout_seconds=PEER_TIMEOUT_S,
            )
        )

    return accepts


def read_cases(files: list[Path], sample: int | None) -> list[dict[str, Any]]:
    """Read labeled cases, or a sample of them, which is always the same for the same files."""
    rows = [
        {"id": f"{path.stem}-{number}", "kind": path.stem, **json.loads(line)}
        for path in files or sorted(OWN_CASES.glob("*.jsonl"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip()
    ]
    return random.Random(0).sample(rows, sample) if sample is not None and sample < len(rows) else rows


@app.command()
def main(
    files: Annotated[list[Path] | None, typer.Argument()] = None,
    peer: Annotated[bool, typer.Option(help="also run Math-Verify")] = True,
    misses: Annotated[bool, typer.Option(help="list every case that was judged wrongly")] = False,
    workers: int = 2,
    sample: Annotated[int | None, typer.Option(help="use only this many of the cases")] = None,
    name: Annotated[str, typer.Option(help="name of the written files")] = "math_accuracy",
) -> None:
    """Judge the cases of one or more JSONL files, then print and write the table."""
    about, rows = machine(), read_cases(files or [], sample)
    results, seconds = asyncio.run(judge_cases(rows, workers))
    ours: Tallies = defaultdict(Tally)
    theirs: Tallies = defaultdict(Tally)
    for row, result in zip(rows, results, strict=True):
        accepted = result.score == 1.0
        for kind in (row["kind"], ALL):
            ours[part_of(row["kind"]), kind].add(row["expected"], accepted, crashed(result))
        if misses and accepted != row["expected"]:
            label = "false accept" if accepted else "false reject"
            console.print(
                f"{label} {row['id']} gold={row['gold'][-100:]!r} {result.verdict}: {result.message}", markup=False
            )
    times = run_peer(rows, theirs) if peer else []
    speed = {"cases": len(rows), "seconds": seconds, "workers": workers, "math_verify_s": times}
    save(name, about, speed, [table(ours, theirs if peer else None)], figures_of(name, ours, theirs))
    console.print(f"this judge: {len(rows)} cases in {seconds:.2f} s with {workers} workers")
    if times:
        console.print(
            f"Math-Verify: median {median(times) * 1000:.1f} ms, p95 {times[int(len(times) * 0.95)] * 1000:.1f} ms, "
            f"{len(times) / sum(times):.0f} items/s on a core"
        )


def figures_of(name: str, ours: Tallies, theirs: Tallies) -> list[Figure]:
    """Return the figures of each part as a whole."""
    found = []
    for part in (one for one in PARTS if (one, ALL) in ours):
        tally, at, of = ours[part, ALL], f"{name}/{part}", f"of {ours[part, ALL].cases} {part} cases"
        accepts, rejects = tally.false_accepts, tally.false_rejects
        found += [
            figure(f"{at}/right", f"{of}: right", tally.right, Unit.SHARE, Better.HIGHER),
            figure(f"{at}/false_accepts", f"{of}: wrong ones accepted", accepts, Unit.COUNT, Better.LOWER),
            figure(f"{at}/false_rejects", f"{of}: right ones rejected", rejects, Unit.COUNT, Better.LOWER),
            figure(f"{at}/crashes", f"{of}: crashes and limits", tally.crashes, Unit.COUNT, Better.LOWER),
        ]
        if (part, ALL) in theirs:
            peer = theirs[part, ALL]
            wrong, title = peer.false_accepts, f"{of}: Math-Verify"
            found += [
                figure(f"{at}/math_verify_right", f"{title}: right", peer.right, Unit.SHARE, Better.NEITHER),
                figure(
                    f"{at}/math_verify_false_accepts", f"{title}: wrong accepted", wrong, Unit.COUNT, Better.NEITHER
                ),
            ]
    return found


def run_peer(rows: list[dict[str, Any]], tallies: Tallies) -> list[float]:
    """Judge the cases with Math-Verify, one by one; return the seconds of each, sorted."""
    accepts = load_peer()
    times_s = []
    for row in rows:
        begin = time.perf_counter()
        try:
            accepted, broke = accepts(row["gold"], row["response"]), False
        except Exception:  # noqa: BLE001 - whatever it fails with is a crash of the peer, which is counted
            accepted, broke = False, True
        times_s.append(time.perf_counter() - begin)
        for kind in (row["kind"], ALL):
            tallies[part_of(row["kind"]), kind].add(row["expected"], accepted, broke)
    return sorted(times_s)


def table(ours: Tallies, theirs: Tallies | None) -> Table:
    """Return a table with one line per kind, part by part, with each part's sum last."""
    peer = ["Math-Verify: right, FA, FR, crashes"] if theirs is not None else []
    made = Table("Right, false accepts, false rejects", ["kind", "cases", "this judge: right, FA, FR, crashes", *peer])
    for part in PARTS:
        kinds = sorted(kind for one, kind in ours if one == part and kind != ALL)
        for kind in [*kinds, ALL] if kinds else []:
            cells = [kind or f"all {part}", str(ours[part, kind].cases), str(ours[part, kind])]
            made.add(*cells, *([str(theirs[part, kind])] if theirs is not None else []))
    return made


if __name__ == "__main__":
    app()
