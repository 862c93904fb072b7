"""The task `dataset`: rows of published data sets become problems, and unreadable rows are named."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from trainer.data.tasks import AnyTask
from trainer.errors import DataError

ROWS = [
    {"question": "2+2?", "answer": "Two and two are 4.\n#### 4"},
    {"question": "2+3?", "answer": "five"},
    {"question": "2+4?", "answer": "#### 6"},
]


def source(path: Path, **fields: str) -> AnyTask:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return TypeAdapter(AnyTask).validate_python({"kind": "dataset", "path": str(path), **fields})


def test_rows_become_problems_with_their_own_solutions(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="skipped 1 row that cannot be read; the first one: row 1: answer"):
        problems = list(source(tmp_path / "a.jsonl", bad_rows="skip").problems(0))
    assert [(one.task, one.question, one.solution) for one in problems] == [
        ("gsm8k", "2+2?", "Two and two are 4.\n#### 4"),
        ("gsm8k", "2+4?", "#### 6"),
    ]
    assert problems[0].submission == {"kind": "math", "reference": "4", "form": "final"}


def test_a_row_that_cannot_be_read_stops_the_run_unless_it_may_be_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1: answer 'five': it must end in `####` and the reference"):
        list(source(tmp_path / "a.jsonl").problems(0))


def test_a_format_that_is_not_known_and_a_slice_of_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="must be one of submissions, rows"):
        source(tmp_path / "a.jsonl", format="gsm9k")
    with pytest.raises(ValidationError, match="split is 'test', but a file only has `train`"):
        source(tmp_path / "a.jsonl", split="test")
