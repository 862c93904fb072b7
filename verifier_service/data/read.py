"""Convert rows to tasks, in a given format or in the one that fits the columns of the first row."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from verifier_service.data.formats import FORMATS
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Fault, Json, JsonObject, Row
from verifier_service.data.task import Task, digest
from verifier_service.schema import ProblemField


class DataUnreadable(Exception):
    """A data set cannot be read: it does not exist, or its format is unknown. The message says why."""


class RowUnreadable(DataUnreadable):
    """A row cannot be read. `number` counts from 0; `problem` has the field, its value and what is allowed."""

    def __init__(self, number: int, problem: ProblemField) -> None:
        self.number = number
        self.problem = problem
        super().__init__(f"row {number}: {problem}")


@dataclass(frozen=True)
class Numbered:
    """A raw row with its number in the data set. `fault` is set if it could not be parsed."""

    number: int
    values: Json
    fault: ProblemField | None = None


def format_named(name: str) -> Format:
    """Return the format with this name. Raises DataUnreadable if there is none."""
    if name not in FORMATS:
        raise DataUnreadable(f"format {name!r}: it must be one of {', '.join(FORMATS)}")
    return FORMATS[name]


def format_of(values: Json) -> Format:
    """Return the first format that fits a row's columns. Raises DataUnreadable if there is none."""
    row = as_row(values)
    for one in FORMATS.values():
        if one.fits(row):
            return one
    columns = ", ".join(row.values) or "none"
    raise DataUnreadable(f"no known format fits the columns {columns}; choose one of {', '.join(FORMATS)}")


def read_tasks(
    rows: Iterable[Numbered], chosen: Format, source: str, files: Mapping[str, str] | None = None
) -> Iterator[Task | RowUnreadable]:
    """Yield a task for each row, or the reason why it cannot be read, in order.

    `source` is the name of the data set. `files` are added to checkers that use testlib: pass its header, `testlib.h`.
    """
    for one in rows:
        try:
            if one.fault is not None:
                raise RowUnreadable(one.number, one.fault)
            row = as_row(one.values)
            task = _with_files(chosen.read(row), files or {}).checked()
            identity = task.id or digest(task.prompt, task.verifier)
            kept: JsonObject = dict(row.values)
            yield replace(task, id=identity, source=source, format=chosen.name, row=kept)
        except Fault as fault:
            yield RowUnreadable(one.number, fault.problem)
        except RowUnreadable as unreadable:
            yield unreadable


def as_row(values: Json) -> Row:
    """Return a value as a row; a list becomes a row with its indices as columns. Raises Fault for anything else."""
    if isinstance(values, dict):
        return Row(values)
    if isinstance(values, list):
        return Row({str(place): value for place, value in enumerate(values)})
    raise Fault("", values, "a row must be an object")


def _with_files(task: Task, files: Mapping[str, str]) -> Task:
    """Add the header of testlib to a checker that uses it."""
    tests = task.verifier.get("tests")
    checker = tests.get("checker") if isinstance(tests, dict) else None
    if not isinstance(tests, dict) or not isinstance(checker, dict) or checker.get("protocol") != "testlib":
        return task
    if "testlib.h" not in files:
        raise Fault(
            "checker", checker.get("code"), "a checker that uses testlib needs testlib.h, which was not provided"
        )
    with_files = {**tests, "checker": {**checker, "files": dict(files)}}
    return replace(task, verifier={**task.verifier, "tests": with_files})
