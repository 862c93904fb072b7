"""Every format: rows with the columns of the real data sets are read as their case says, or refused by name."""

import json
from pathlib import Path

import pytest

from verifier_service.data.formats import FORMATS
from verifier_service.data.read import Numbered, RowUnreadable, format_of, read_tasks
from verifier_service.data.row import Json

CASES = Path(__file__).parents[1] / "cases" / "datasets"
FILES = {"testlib.h": "// testlib"}


def cases() -> list[tuple[str, dict[str, Json]]]:
    return [(path.stem, json.loads(line)) for path in sorted(CASES.glob("*.jsonl")) for line in path.open()]


def read_one(name: str, row: Json, files: dict[str, str] | None = None) -> dict[str, Json] | str:
    [task] = read_tasks([Numbered(0, row)], FORMATS[name], "set", files)
    if isinstance(task, RowUnreadable):
        return str(task.problem)
    own = [[one.completion, *([one.language] if one.language else [])] for one in task.solutions]
    read = {"id": task.id, "prompt": task.prompt, "verifier": task.verifier, "solutions": own}
    return json.loads(json.dumps(read))


@pytest.mark.parametrize(("name", "case"), cases(), ids=lambda part: part if isinstance(part, str) else part["name"])
def test_a_row_is_read_as_its_case_says(name: str, case: dict[str, Json]) -> None:
    assert read_one(name, case["row"], FILES) == case.get("task", case.get("refused"))


def test_every_format_has_a_row_that_is_read_and_is_known_by_its_columns() -> None:
    assert {name for name, case in cases() if "task" in case} == set(FORMATS)
    assert {(name, case["name"], format_of(case["row"]).name) for name, case in cases()} == {
        (name, case["name"], name) for name, case in cases()
    }


def test_a_checker_of_testlib_asks_for_its_header() -> None:
    row = next(case["row"] for name, case in cases() if name == "code_contests_plus")
    refused = read_one("code_contests_plus", row)
    assert isinstance(refused, str)
    assert refused.endswith("a checker that uses testlib needs testlib.h, which was not provided")


def test_an_id_does_not_depend_on_the_other_rows() -> None:
    rows = [{"question": f"{n}?", "answer": f"#### {n}"} for n in range(3)]
    ids = [
        task.id
        for task in read_tasks([Numbered(n, row) for n, row in enumerate(rows)], FORMATS["gsm8k"], "set")
        if not isinstance(task, RowUnreadable)
    ]
    [last] = read_tasks([Numbered(0, rows[2])], FORMATS["gsm8k"], "set")
    assert not isinstance(last, RowUnreadable)
    assert (len(set(ids)), last.id) == (3, ids[2])
