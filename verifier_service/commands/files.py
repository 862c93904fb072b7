"""Judge or run the items in a file without HTTP; write one result per line in the same order, and a summary."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

from pydantic import BaseModel

from verifier_service.batch import Batch, Item, Unread, read_line
from verifier_service.data.read import RowUnreadable
from verifier_service.data.row import Fault, Row
from verifier_service.data.source import Place, open_tasks
from verifier_service.data.task import Task
from verifier_service.schema import RunEnd, Verdict
from verifier_service.schema.base import counted
from verifier_service.service import Service

CHUNK = 256

SizedItem = tuple[int, Item | None]
"""The size of an item, for the progress bar, and the item."""


@dataclass
class Summary:
    """The summary of a file. `accuracy` is the share of accepted among the judged items; None if none was judged."""

    words: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """The number of results."""
        return self.words.total()

    @property
    def accuracy(self) -> float | None:
        """The share of accepted among the judged items."""
        judged = self.total - self.words[Verdict.JUDGE_ERROR.value]
        return self.words[Verdict.ACCEPTED.value] / judged if judged else None

    def as_json(self, kind: str) -> dict[str, Any]:
        """Return the summary for a machine; runs are counted by their end and have no accuracy."""
        known = [verdict.value for verdict in Verdict] if kind == "verify" else [end.value for end in RunEnd]
        counts = {word: self.words[word] for word in known if self.words[word]}
        accuracy = {"accuracy": self.accuracy} if kind == "verify" else {}
        return {"total": self.total, "counts": counts, **accuracy, "seconds": round(self.seconds, 3)}

    def sentence(self, kind: str) -> str:
        """Return the summary for a person: `3 results in 1.2 s: 2 accepted, 1 wrong_answer; accuracy 0.667`."""
        counts = ", ".join(f"{count} {word}" for word, count in self.words.most_common())
        accuracy = f"; accuracy {self.accuracy:.3f}" if kind == "verify" and self.accuracy is not None else ""
        return f"{counted(self.total, 'result')} in {self.seconds:.1f} s: {counts}{accuracy}"


async def carry_out(
    service: Service, sized: Iterable[SizedItem], kind: str, out: TextIO, on_progress: Callable[[int], None]
) -> Summary:
    """Judge (`kind` "verify") or run ("run") items and write their results to `out`.

    An item that cannot be read gets a result that says why, as in a batch. `on_progress` is called with the size of the
    items done since the last call.
    """
    summary = Summary()
    began_s = time.monotonic()
    async for size, items in _chunks(sized):
        for result in await service.dispatcher.carry_out(Batch(items)):
            summary.words[result.word] += 1
            out.write(cast(BaseModel, result).model_dump_json() + "\n")
        out.flush()
        on_progress(size)
    summary.seconds = time.monotonic() - began_s
    return summary


async def _chunks(sized: Iterable[SizedItem]) -> AsyncIterator[tuple[int, list[Item]]]:
    waiting = iter(sized)
    while chunk := list(islice(waiting, CHUNK)):
        yield sum(size for size, _ in chunk), [item for _, item in chunk if item is not None]


def items_of_lines(lines: Iterable[bytes], kind: str) -> Iterator[SizedItem]:
    """Yield the length of each line and its item; None for an empty line."""
    for line in lines:
        yield len(line), read_line(line, "run" if kind == "run" else "submission") if line.strip() else None


@dataclass(frozen=True)
class DataSet:
    """How to judge a data set: its format, or `auto`, and the column with the completion.

    With `stop`, the first row that cannot be read is an error; otherwise such a row gets a result that says why.
    """

    format_name: str
    completion: str
    stop: bool

    def items(self, file: Path) -> Iterator[SizedItem]:
        """Yield a submission for each row. Raises DataUnreadable; with `stop` also for a single row."""
        _, tasks = open_tasks(Place(str(file)), None if self.format_name == "auto" else self.format_name)
        for number, task in enumerate(tasks):
            try:
                yield 1, self._item(number, task)
            except RowUnreadable as unreadable:
                if self.stop:
                    raise
                yield 1, Unread("unknown", None if isinstance(task, RowUnreadable) else task.id, str(unreadable))

    def _item(self, number: int, task: Task | RowUnreadable) -> Item:
        if isinstance(task, RowUnreadable):
            raise task
        try:
            completion = Row(task.row).value(self.completion)
        except Fault as fault:
            raise RowUnreadable(number, fault.problem) from fault
        return read_line(
            json.dumps({**task.submission(""), "completion": completion, "id": task.id}).encode(), "submission"
        )
