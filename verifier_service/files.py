"""Judge or run what is in a file, one item a line, without HTTP: one result a line in the same order, and a summary."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TextIO, cast

from pydantic import BaseModel

from verifier_service.batch import Batch, Item, read_line
from verifier_service.schema import RunEnd, Verdict
from verifier_service.service import Service

CHUNK = 256


@dataclass
class Summary:
    """What a file came to. `accuracy` is the share of accepted among those that could be judged; None if none could."""

    words: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """How many results there are."""
        return self.words.total()

    @property
    def accuracy(self) -> float | None:
        """See the class."""
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
        return f"{self.total} results in {self.seconds:.1f} s: {counts}{accuracy}"


async def carry_out(
    service: Service, lines: Iterable[bytes], kind: str, out: TextIO, on_progress: Callable[[int], None]
) -> Summary:
    """Judge (`kind` "verify") or run ("run") the items of `lines` and write their results to `out`.

    A line that cannot be read gets a result that says why, as in a batch. Empty lines do not count. `on_progress` is
    told the number of bytes of the lines that are done.
    """
    summary = Summary()
    began_s = time.monotonic()
    async for size, items in _chunks(lines, kind):
        for result in await service.dispatcher.carry_out(Batch(items)):
            summary.words[result.word] += 1
            out.write(cast(BaseModel, result).model_dump_json() + "\n")
        out.flush()
        on_progress(size)
    summary.seconds = time.monotonic() - began_s
    return summary


async def _chunks(lines: Iterable[bytes], kind: str) -> AsyncIterator[tuple[int, list[Item]]]:
    waiting = iter(lines)
    while chunk := list(islice(waiting, CHUNK)):
        items = [read_line(line, "run" if kind == "run" else "submission") for line in chunk if line.strip()]
        yield sum(map(len, chunk)), items
