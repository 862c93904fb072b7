"""Every labeled case under `tests/cases/math` is judged by the real judge, with its worker processes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from verifier_service.answers.compare import compare
from verifier_service.answers.read.reading import read
from verifier_service.dispatch import judge_all
from verifier_service.extract.math import extract_answer, extract_reference
from verifier_service.judges.math.judge import MathJudge
from verifier_service.schema import Form, MathSubmission, Rounding
from verifier_service.settings import Settings

CASES = Path(__file__).parent.parent / "cases" / "math"
FILES = sorted(path.stem for path in CASES.glob("*.jsonl"))


def load(name: str) -> list[dict[str, Any]]:
    """Return the cases of one kind."""
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def judge() -> AsyncIterator[MathJudge]:
    """A warm judge with two workers."""
    made = MathJudge(Settings(math_workers=2))
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize("kind", FILES)
async def test_every_case_of_a_kind_gets_the_verdict_of_its_label(judge: MathJudge, kind: str) -> None:
    """Cases judged against their label are listed with their reasons."""
    rows = load(kind)
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
    results = await judge_all("math", judge, submissions)
    wrong = [
        f"{row['id']} expected {row['expected']} because {row['why']}; {result.verdict}: {result.message}"
        for row, result in zip(rows, results, strict=True)
        if (result.score == 1.0) != row["expected"]
    ]
    assert wrong == []


@pytest.mark.parametrize("kind", [name for name in FILES if name != "hostile"])
def test_swapping_answer_and_reference_never_changes_the_outcome(kind: str) -> None:
    """The comparison is symmetric for every labeled case."""
    lopsided = []
    for row in load(kind):
        extracted = extract_answer(row["response"], None)
        if extracted is None:
            continue
        answer, reference = read(extracted.text), read(extract_reference(row["gold"]).text)
        if compare(answer, reference).equal != compare(reference, answer).equal:
            lopsided.append(row["id"])
    assert lopsided == []


@pytest.mark.parametrize("kind", [name for name in FILES if name != "hostile"])
def test_every_reference_that_is_read_equals_itself(kind: str) -> None:
    """An answer that was read compares equal to its own text, unless it is a false equation."""
    unequal = []
    for row in load(kind):
        reference = read(extract_reference(row["gold"]).text)
        if not compare(reference, reference).equal:
            unequal.append(row["gold"])
    assert unequal == []
