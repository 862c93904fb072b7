"""How long the worst answers take: hostile ones in the judge, and the longest texts in extraction and parsing.

    python -m benchmarks.math_worst_cases      # writes runs/benchmarks/math_worst_cases.json and .md

The texts come from the tests, which check results but not times. For long texts, it also prints how the time grows when
the length doubles: about 2 is linear, and 4 would be quadratic.
"""

import asyncio
import time
from collections.abc import Callable

from benchmarks.figures import Better, Unit, figure
from benchmarks.results import Table, machine, save
from tests.extract.test_math import PIECES
from tests.judges.test_math_judge import HOSTILE, submission
from verifier_service.answers.read.reading import read
from verifier_service.answers.tree.bounds import MAX_ANSWER_CHARS
from verifier_service.dispatch import judge_all
from verifier_service.extract.math import extract_answer, extract_reference
from verifier_service.judges.math.judge import MathJudge
from verifier_service.settings import Settings

SHOWN = 5


async def hostile() -> list[tuple[float, str, str]]:
    """Return wall seconds, verdict and text of each hostile completion, the slowest first."""
    judge = MathJudge(Settings(math_workers=1))
    await judge.start()
    rows = []
    for text in HOSTILE:
        for completion in (f"\\boxed{{{text}}}", text):
            began = time.monotonic()
            (result,) = await judge_all("math", judge, [submission(completion)])
            rows.append((time.monotonic() - began, str(result.verdict), completion))
    await judge.close()
    return sorted(rows, reverse=True)


def long_texts(do: Callable[[str], object], chars: int) -> list[tuple[float, float, str]]:
    """Return for each repeated piece: CPU seconds, their ratio to those of half the length, and the piece."""
    rows = []
    for piece in PIECES:
        half, whole = (_cpu_s(do, piece * (length // len(piece))) for length in (chars // 2, chars))
        rows.append((whole, whole / max(half, 1e-6), piece))
    return sorted(rows, reverse=True)


def _cpu_s(do: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    do(text)
    return time.process_time() - began


def _extract(text: str) -> None:
    extract_answer(text, None)
    extract_reference(text)


def main() -> None:
    """Print and write the slowest of each."""
    about = machine()
    rows = asyncio.run(hostile())[:SHOWN]
    slowest = Table("Hostile completions, the slowest", ["seconds", "verdict", "text"])
    for seconds, verdict, text in rows:
        slowest.add(f"{seconds:.2f}", verdict, repr(text[:60]))
    tables = [slowest]
    figures = [figure("math_worst_cases/hostile/s", "the slowest hostile answer", rows[0][0], Unit.S, Better.LOWER)]
    for key, do, chars in (("extract", _extract, 1_000_000), ("read", read, MAX_ANSWER_CHARS)):
        long = Table(f"{key} {chars:,} characters, the slowest", ["CPU-s", "times those of half of it", "piece"])
        pieces = long_texts(do, chars)
        for seconds, growth, piece in pieces[:SHOWN]:
            long.add(f"{seconds:.2f}", f"{growth:.1f}", repr(piece))
        tables.append(long)
        title = f"{key} {chars:,} characters: the slowest"
        figures.append(figure(f"math_worst_cases/{key}/cpu_s", title, pieces[0][0], Unit.S, Better.LOWER))
    save("math_worst_cases", about, {}, tables, figures)


if __name__ == "__main__":
    main()
