"""Audit a data set row by row. `rows.jsonl` has a line per finished row, so an interrupted audit can continue."""

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
"""Rows judged together; an interruption loses at most these."""


@dataclass(frozen=True)
class Plan:
    """The data set and options of an audit. An audit can continue only with the same plan.

    `contents` is the digest of the data file and `testlib` that of the header, each "" if there is none. The limits are
    the defaults for rows without their own, in seconds and MiB.
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
    """Return the digest of a file; "" if it does not exist, because the data set is on the hub."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Audit:
    """The folder of an audit: `plan.json`, `rows.jsonl`, and at the end `report.html` and `fit.jsonl`."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Open a folder. Raises DataUnreadable if it contains an audit with another plan."""
        self.folder = folder
        self.plan = plan
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "plan.json"
        if kept.exists() and json.loads(kept.read_text(encoding="utf-8")) != asdict(plan):
            raise DataUnreadable(
                f"{folder} contains an audit of another data set or with other options; choose another folder"
            )
        kept.write_text(json.dumps(asdict(plan), indent=2) + "\n", encoding="utf-8")
        self._rows = folder / "rows.jsonl"
        self.findings = {finding.number: finding for finding in self._read()}
        self.unjudged: dict[int, str] = {}
        """Rows that could not be judged because of the service, with the reasons; they are not stored."""

    def _read(self) -> Iterator[Finding]:
        """Yield the stored findings; an interruption can have cut off the last line."""
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
        """Judge every row without a finding. `on_progress` is called with the number of rows done since the last call.

        Rows that the service failed to judge are in `unjudged`; they are judged when the audit is continued.
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
        """Judge the rows. Each run is a separate batch, because equal programs in one batch are run only once."""
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
    """Return the solutions of a row; for math without solutions the boxed reference, which must be accepted too."""
    if task.solutions or task.verifier["kind"] != "math":
        return list(task.solutions)
    reference = task.verifier["reference"]
    first = reference if isinstance(reference, str) else str(cast("list[Json]", reference)[0])
    return [Solution(f"\\boxed{{{first}}}")]


def _in_one_process(row: Audited) -> Iterator[JsonObject]:
    """Yield a rejected solution again, with tests that share its process."""
    tests = row.task.verifier.get("tests")
    if row.is_accepted or not isinstance(tests, Mapping) or tests.get("kind") not in ("assert", "pytest"):
        return
    for own in row.solutions[:1]:
        yield {**row.task.submission(own.completion, own.language), "tests": {**tests, "process": "shared"}}


async def _judge_into(service: Service, asked: Sequence[tuple[list[Judged], JsonObject]]) -> None:
    """Judge submissions in batches that fit into the queue, and append each result to its list."""
    waiting = iter(asked)
    while piece := list(islice(waiting, service.settings.max_queued)):
        items: list[Item] = [read_line(json.dumps(one).encode(), "submission") for _, one in piece]
        results = await service.dispatcher.carry_out(Batch(items))
        again = [place for place, result in enumerate(results) if cast("Judged", result).retryable]
        if again:  # the service failed, which says nothing about the row
            second = await service.dispatcher.carry_out(Batch([items[place] for place in again]))
            for place, result in zip(again, second, strict=True):
                results[place] = result
        for (kept, _), result in zip(piece, results, strict=True):
            kept.append(cast("Judged", result))


def write_fit(audit: Audit, tasks: Iterable[Task | RowUnreadable], path: Path) -> int:
    """Write the fit rows unchanged, one per line; return their number."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for number, task in enumerate(tasks):
            finding = audit.findings.get(number)
            if isinstance(task, Task) and finding is not None and finding.is_fit:
                out.write(json.dumps(task.row, default=str) + "\n")
                count += 1
    return count
