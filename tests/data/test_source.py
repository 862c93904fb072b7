"""Sources of rows: files of every kind are read alike, and problems are reported."""

import gzip
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from verifier_service.data.read import DataUnreadable, RowUnreadable
from verifier_service.data.row import Json
from verifier_service.data.source import Place, open_tasks

ROWS: list[dict[str, Json]] = [{"question": f"{n} + {n}?", "answer": f"#### {2 * n}"} for n in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def write(path: Path) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(LINES if ".jsonl" in path.name else json.dumps(ROWS).encode()))
    else:
        path.write_bytes(LINES if path.suffix == ".jsonl" else json.dumps(ROWS).encode())
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.json.gz", "a.parquet"])
def test_every_kind_of_file_is_read_alike(name: str, tmp_path: Path) -> None:
    chosen, tasks = open_tasks(Place(str(write(tmp_path / name))))
    read = [(task.prompt, task.verifier["reference"]) for task in tasks if not isinstance(task, RowUnreadable)]
    assert (chosen.name, read) == ("gsm8k", [("0 + 0?", "0"), ("1 + 1?", "2"), ("2 + 2?", "4")])


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"question": "1?", "answer": "one"}\nnonsense\n\n7\n' + LINES)
    _, tasks = open_tasks(Place(str(path)))
    read = [str(task) if isinstance(task, RowUnreadable) else task.row for task in tasks]
    assert read[0] == "row 0: answer 'one': it must end in `####` and the reference"
    assert str(read[1]).startswith("row 1: 'nonsense': it is not valid JSON")
    assert read[2:] == ["row 2: 7: a row must be an object", *ROWS]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"x": 1}', "no known format fits the columns x; choose one of submissions, rows, "),
        ("a.jsonl", "nonsense", "none of its first 100 rows is an object"),
        ("a.json", "7", "it must be a list of rows"),
        ("a.csv", "x", "it must end in one of .jsonl, .jsonl.gz, .json, .json.gz, .parquet"),
        ("a.jsonl.gz", "x", "Not a gzipped file"),
        ("a.parquet", "x", "Parquet"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(name: str, content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataUnreadable, match=said):
        list(open_tasks(Place(str(path)))[1])


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(DataUnreadable, match=r"nowhere\.jsonl: there is no such file"):
        open_tasks(Place("some/nowhere.jsonl"))
    with pytest.raises(DataUnreadable, match="format 'gsm9k': it must be one of submissions, rows"):
        open_tasks(Place("nowhere.jsonl"), "gsm9k")
