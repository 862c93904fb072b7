"""Audit a data set row by row, and go on where an audit was ended: `rows.jsonl` has a line for each row done."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

from verifier_service.audit.cheats import cheats_of
from verifier_service.audit.findings import Finding, Flag
from verifier_service.audit.rows import Audited, Judged, finding_of
from verifier_service.batch import Batch, Item, read_line
from verifier_service.data.read import DataUnreadable, RowUnreadable
from verifier_service.data.row import Json, JsonObject
from verifier_service.data.source import Place
from verifier_service.data.task import Solution, Task
from verifier_service.service import Service
from verifier_service.settings import Settings

CHUNK = 32
"""Rows that are judged side by side, and lost when an audit is ended."""


@dataclass(frozen=True)
class Plan:
    """What is audited, and how; an audit is gone on with under the same plan only.

    `contents` is the digest of a file, `testlib` that of the header that was given, each "" where there is none. The
    limits are the defaults, for rows without their own: seconds and MiB.
    """

    data: str
    format: str
    runs: int
    solutions: int
    slow_s: float
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    contents: str = ""
    testlib: str = ""
    time_limit_s: float = 0.0
    memory_limit_mb: int = 0

    @classmethod
    def of(
        cls,
        place: Place,
        chosen: str,
        testlib: str | None,
        settings: Settings,
        *,
        runs: int,
        solutions: int,
        slow_s: float,
    ) -> "Plan":
        """Return the plan for a data set in the format `chosen`. Raises OSError if its file cannot be read."""
        return cls(
            place.name,
            chosen,
            runs,
            solutions,
            slow_s,
            place.config,
            place.split,
            place.revision,
            _digest_of(Path(place.name)),
            "" if testlib is None else hashlib.sha256(testlib.encode()).hexdigest(),
            settings.default_time_limit_s,
            settings.default_memory_limit_mb,
        )


def _digest_of(path: Path) -> str:
    """Return the digest of a file, "" where there is none: then the data set is one of the hub."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Audit:
    """The folder of an audit: `plan.json`, `rows.jsonl`, and in the end `report.html` and `fit.jsonl`."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Open a folder. Raises DataUnreadable if it holds an audit under another plan."""
        self.folder = folder
        self.plan = plan
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "plan.json"
        if kept.exists() and json.loads(kept.read_text(encoding="utf-8")) != asdict(plan):
            raise DataUnreadable(
                f"{folder} holds an audit of something else, or with other options; choose another folder"
            )
        kept.write_text(json.dumps(asdict(plan), indent=2) + "\n", encoding="utf-8")
        self._rows = folder / "rows.jsonl"
        self.findings = {finding.number: finding for finding in self._read()}
        self.unjudged: dict[int, str] = {}
        """The rows that could not be judged this time through no fault of theirs, each with why; they are not kept."""

    def _read(self) -> Iterator[Finding]:
        """Yield what is known; the last line may be cut off where the audit was ended."""
        if not self._rows.exists():
            return
        whole = self._rows.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        self._rows.write_bytes(whole)
        for line in whole.splitlines():
            yield Finding.model_validate_json(line)

    async def carry_out(
        self, service: Service, tasks: Iterable[Task | RowUnreadable], on_progress: Callable[[int], None]
    ) -> None:
        """Judge every row that is not known yet. `on_progress` is told how many rows more are done.

        What met with our own failure is in `unjudged`, and is judged when the audit is gone on with.
        """
        waiting = iter(enumerate(tasks))
        with self._rows.open("a", encoding="utf-8") as out:
            while chunk := await asyncio.to_thread(lambda: list(islice(waiting, CHUNK))):
                new = [(number, task) for number, task in chunk if number not in self.findings]
                async for finding in self._judged(service, new):
                    self._keep(finding, out)
                out.flush()
                on_progress(len(chunk))

    def _keep(self, finding: Finding, out: TextIO) -> None:
        self.findings[finding.number] = finding
        out.write(finding.model_dump_json() + "\n")

    async def _judged(
        self, service: Service, numbered: Sequence[tuple[int, Task | RowUnreadable]]
    ) -> AsyncIterator[Finding]:
        rows = {
            number: Audited(number, task, _own(task)[: self.plan.solutions], cheats_of(task))
            for number, task in numbered
            if isinstance(task, Task)
        }
        await self._run(service, list(rows.values()))
        for number, task in numbered:
            if isinstance(task, RowUnreadable):
                yield Finding(number=number, flags=[Flag.UNREADABLE], reasons=[str(task.problem)])
            elif (failed := rows[number].our_failure) is not None:
                self.unjudged[number] = failed.message
            else:
                yield finding_of(rows[number], service.settings, self.plan.slow_s)

    async def _run(self, service: Service, rows: Sequence[Audited]) -> None:
        """Judge the rows: each run is a batch of its own, since the same program in one batch is run once only."""
        for row in rows:
            row.runs = [[] for _ in row.solutions]
        for _ in range(self.plan.runs):
            asked = [
                (runs, row.task.submission(own.completion, own.language))
                for row in rows
                for own, runs in zip(row.solutions, row.runs, strict=True)
            ]
            await _judge_into(service, asked)
        await _judge_into(service, [(row.shared, one) for row in rows for one in _in_one_process(row)])
        cheats = [(row.cheated, row.task.submission(cheat.completion)) for row in rows for cheat in row.cheats]
        await _judge_into(service, cheats)


def _own(task: Task) -> list[Solution]:
    """Return the solutions of a row; a math reference in a box should be accepted too, where there is nothing else."""
    if task.solutions or task.verifier["kind"] != "math":
        return list(task.solutions)
    reference = task.verifier["reference"]
    first = reference if isinstance(reference, str) else str(cast("list[Json]", reference)[0])
    return [Solution(f"\\boxed{{{first}}}")]


def _in_one_process(row: Audited) -> Iterator[JsonObject]:
    """Yield what was not accepted once more, with tests that share a process with it."""
    tests = row.task.verifier.get("tests")
    if row.is_accepted or not isinstance(tests, Mapping) or tests.get("kind") not in ("assert", "pytest"):
        return
    for own in row.solutions[:1]:
        yield {**row.task.submission(own.completion, own.language), "tests": {**tests, "process": "shared"}}


async def _judge_into(service: Service, asked: Sequence[tuple[list[Judged], JsonObject]]) -> None:
    """Judge submissions, as many at once as the queue takes, and append each result to its list."""
    waiting = iter(asked)
    while piece := list(islice(waiting, service.settings.max_queued)):
        items: list[Item] = [read_line(json.dumps(one).encode(), "submission") for _, one in piece]
        results = await service.dispatcher.carry_out(Batch(items))
        again = [place for place, result in enumerate(results) if cast("Judged", result).retryable]
        if again:  # the failure was ours: it says nothing about the row
            second = await service.dispatcher.carry_out(Batch([items[place] for place in again]))
            for place, result in zip(again, second, strict=True):
                results[place] = result
        for (kept, _), result in zip(piece, results, strict=True):
            kept.append(cast("Judged", result))


def write_fit(audit: Audit, tasks: Iterable[Task | RowUnreadable], path: Path) -> int:
    """Write the rows that are fit, as they came, one a line, and return their number."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for number, task in enumerate(tasks):
            finding = audit.findings.get(number)
            if isinstance(task, Task) and finding is not None and finding.is_fit:
                out.write(json.dumps(task.row, default=str) + "\n")
                count += 1
    return count
