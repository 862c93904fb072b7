"""Compare the speed of the math judge with Math-Verify's, with the same number of processes, in one run.

    python -m benchmarks.math_speed [CASES.jsonl...] [--processes N]   # runs/benchmarks/math_speed.json and .md

It builds two workloads from the given cases (JSON lines with `gold` and `response`; by default this project's labeled
cases): groups of 8 completions that share a reference, as in GRPO, and unrelated single items. The completions of a
group are different texts, but half of them give the same answer, as is typical of groups. It also reports where the
judge's time goes, and how long the first answer takes after a cold start.
"""

import asyncio
import json
import logging
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.figures import Better, Figure, Unit, figure, ratios, slug
from benchmarks.results import Table, machine, save, track
from verifier_service.answers.compare import compare
from verifier_service.answers.read.reading import read
from verifier_service.dispatch import judge_all
from verifier_service.extract.math import extract_answer, extract_reference
from verifier_service.judges.math.judge import MathJudge
from verifier_service.schema import MathSubmission
from verifier_service.settings import Settings

OWN_CASES = Path(__file__).parent.parent / "tests" / "cases" / "math"
FILLER = "We compute step by step. With $a = 3$ and $b = 4$ we get $a^2 + b^2 = 25$, so \\(c = 5\\). " * 6
app = typer.Typer(add_completion=False)

Item = tuple[str, str]
"""A reference and a completion."""


def load(files: list[Path]) -> list[dict[str, Any]]:
    """Read cases, except hostile ones, which Math-Verify would not finish."""
    paths = files or [path for path in sorted(OWN_CASES.glob("*.jsonl")) if path.stem != "hostile"]
    return [
        json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def make_groups(rows: list[dict[str, Any]], limit: int) -> list[Item]:
    """Make groups of 8 with one reference each: its own response 4 times, 2 of the same kind, and 2 of any kind."""
    source = random.Random(0)
    items: list[Item] = []
    for row in source.sample(rows, min(limit, len(rows))):
        alike = [other["response"] for other in rows if other["kind"] == row["kind"]]
        chosen = (
            [row["response"]] * 4 + source.choices(alike, k=2) + [source.choice(rows)["response"] for _ in range(2)]
        )
        items += [(row["gold"], f"Attempt {number}. {FILLER}\n\n{response}") for number, response in enumerate(chosen)]
    return items


def make_singles(rows: list[dict[str, Any]], limit: int) -> list[Item]:
    """Make unrelated items, each with a different reference if there are enough cases."""
    chosen = random.Random(1).sample(rows, min(limit, len(rows)))
    return [(row["gold"], f"{FILLER}\n\n{row['response']}") for row in chosen]


async def ours(items: list[Item], processes: int) -> tuple[float, float]:
    """Judge all items; return the seconds, and those from a cold start to the first answer."""
    submissions = [MathSubmission(kind="math", reference=gold, completion=completion) for gold, completion in items]
    begin = time.perf_counter()
    judge = MathJudge(Settings(math_workers=processes))
    await judge.start()
    await judge_all("math", judge, submissions[:1])
    first_s = time.perf_counter() - begin
    await judge_all(
        "math", judge, [MathSubmission(kind="math", reference=str(n), completion="\\boxed{1}") for n in range(64)]
    )
    begin = time.perf_counter()
    await judge_all("math", judge, submissions)
    seconds = time.perf_counter() - begin
    await judge.close()
    return seconds, first_s


def _peer_start() -> None:
    logging.disable(logging.ERROR)
    _peer(("1", "\\boxed{1}"))


def _peer(item: Item) -> bool:
    from math_verify import parse, verify

    gold, completion = item
    wrapped = gold if "\\boxed" in gold else f"\\boxed{{{gold.strip().strip('$')}}}"
    return bool(verify(parse(wrapped), parse(completion), allow_set_relation_comp=True))


def theirs(items: list[Item], processes: int) -> float:
    """Judge all items with Math-Verify in the same number of warm processes; return the seconds."""
    with ProcessPoolExecutor(processes, initializer=_peer_start) as pool:
        list(pool.map(_peer, [("1", "\\boxed{1}")] * processes * 4))
        begin = time.perf_counter()
        list(pool.map(_peer, items, chunksize=8))
        return time.perf_counter() - begin


def breakdown(name: str, items: list[Item], wall_s: float, processes: int) -> Table:
    """Report where the judge's time goes, by doing the same steps in this process, each reference once."""
    steps = ["extract the answer", "read the answer", "read the reference", "compare"]
    spent: dict[str, float] = dict.fromkeys(steps, 0.0)
    references: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    for gold, completion in items:
        begin = time.perf_counter()
        extracted = extract_answer(completion, None)
        spent["extract the answer"] += time.perf_counter() - begin
        if gold not in references:
            begin = time.perf_counter()
            references[gold] = read(extract_reference(gold).text)
            spent["read the reference"] += time.perf_counter() - begin
        if extracted is None or (gold, extracted.text) in seen:
            continue
        seen.add((gold, extracted.text))
        begin = time.perf_counter()
        answer = read(extracted.text)
        spent["read the answer"] += time.perf_counter() - begin
        begin = time.perf_counter()
        compare(answer, references[gold])
        spent["compare"] += time.perf_counter() - begin
    total = wall_s * processes
    spent["queues, pipes, waiting for the other process"] = max(total - sum(spent.values()), 0.0)
    table = Table(f"{name}: what the time goes to ({processes} processes)", ["step", "µs per item", "share"])
    for step, seconds in spent.items():
        table.add(step, f"{seconds / len(items) * 1e6:.0f}", f"{seconds / max(total, sum(spent.values())):.0%}")
    return table


@dataclass
class Race:
    """A workload for both graders in turns: seconds by round, and this judge's seconds to the first answer."""

    name: str
    items: list[Item]
    ours_s: list[float] = field(default_factory=list)
    theirs_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)

    def turn(self, processes: int) -> None:
        """Let each grader judge everything once more."""
        seconds, first_s = asyncio.run(ours(self.items, processes))
        self.ours_s.append(seconds)
        self.first_s.append(first_s)
        self.theirs_s.append(theirs(self.items, processes))

    def rates(self, all_s: list[float]) -> list[float]:
        """Return items per second, by round."""
        return [len(self.items) / seconds for seconds in all_s]

    def figures(self) -> list[Figure]:
        """Return the speed of both and the ratio."""
        at, times = f"math_speed/{slug(self.name)}", ratios(self.theirs_s, self.ours_s)
        peer = self.rates(self.theirs_s)
        of = f"{self.name}: items/s, of Math-Verify"
        first = f"{self.name}: first answer after a cold start"
        return [
            figure(f"{at}/items_per_s", self.name, self.rates(self.ours_s), Unit.PER_S, Better.HIGHER),
            figure(f"{at}/math_verify_per_s", f"{self.name}: Math-Verify", peer, Unit.PER_S, Better.NEITHER),
            figure(f"{at}/ratio_to_math_verify", of, times, Unit.TIMES, Better.HIGHER),
            figure(f"{at}/first_answer_s", first, self.first_s, Unit.S, Better.LOWER),
        ]


@app.command()
def main(
    files: Annotated[list[Path] | None, typer.Argument()] = None,
    processes: int = 2,
    groups: int = 60,
    singles: int = 400,
    rounds: int = 3,
) -> None:
    """Run both workloads with both graders in turns, then print and write the ratios."""
    about, rows = machine(), load(files or [])
    races = [Race("groups of 8", make_groups(rows, groups)), Race("unrelated items", make_singles(rows, singles))]
    for race in track(races * rounds, "in turns"):
        race.turn(processes)
    columns = ["workload", "items", "this judge, items/s", "Math-Verify, items/s", "ratio", "first answer, s"]
    table = Table("Items a second", columns)
    for race in races:
        rate, peer = (statistics.median(race.rates(all_s)) for all_s in (race.ours_s, race.theirs_s))
        ratio, first_s = statistics.median(ratios(race.theirs_s, race.ours_s)), statistics.median(race.first_s)
        table.add(race.name, str(len(race.items)), f"{rate:.0f}", f"{peer:.0f}", f"{ratio:.1f}", f"{first_s:.2f}")
    steps = [breakdown(race.name, race.items, statistics.median(race.ours_s), processes) for race in races]
    data = {race.name: {"ours_s": race.ours_s, "math_verify_s": race.theirs_s} for race in races}
    save("math_speed", about, data, [table, *steps], [one for race in races for one in race.figures()])


if __name__ == "__main__":
    app()
