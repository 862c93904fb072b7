"""Read rows from JSONL or JSON (also with gzip), Parquet, or a data set of the Hugging Face hub."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

from verifier_service.data.formats.format import Format
from verifier_service.data.read import DataUnreadable, Numbered, RowUnreadable, format_named, format_of, read_tasks
from verifier_service.data.row import Json
from verifier_service.data.task import Task
from verifier_service.schema import ProblemField
from verifier_service.schema.problems import shown

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
FIRST_ROWS = 100
"""How many rows are searched for one that is an object, to detect the format."""


@dataclass(frozen=True)
class Place:
    """A data set: the path of a file, or a hub id with config, split and revision."""

    name: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None


def rows_of(place: Place) -> Iterator[Numbered]:
    """Yield the rows of a data set in order.

    Raises:
        DataUnreadable: it does not exist or is not a data set; the message says what is allowed.
    """
    path = Path(place.name)
    if path.is_file():
        yield from _of_file(path)
    elif path.exists() or place.name.endswith(SUFFIXES) or place.name.count("/") != 1:
        raise DataUnreadable(
            f"{place.name}: there is no such file; it must be a file ({', '.join(SUFFIXES)}) or a hub id (OWNER/NAME)"
        )
    else:
        yield from _of_hub(place)


def open_tasks(
    place: Place, format_name: str | None = None, files: Mapping[str, str] | None = None
) -> tuple[Format, Iterator[Task | RowUnreadable]]:
    """Return the format of a data set, detected from its columns unless given, and its rows as tasks.

    A row that cannot be read appears as `RowUnreadable` among the tasks, for the caller to skip or raise. `files`: see
    `read_tasks`.

    Raises:
        DataUnreadable: see `rows_of`; or the format is unknown.
    """
    rows = rows_of(place)
    first = list(islice(rows, FIRST_ROWS if format_name is None else 0))
    chosen = format_named(format_name) if format_name is not None else _format_of_first(first, place)
    return chosen, read_tasks(chain(first, rows), chosen, place.name, files)


def _format_of_first(first: list[Numbered], place: Place) -> Format:
    readable = next((one for one in first if isinstance(one.values, (dict, list))), None)
    if readable is None:
        raise DataUnreadable(f"{place.name}: none of its first {FIRST_ROWS} rows is an object")
    try:
        return format_of(readable.values)
    except DataUnreadable as error:
        raise DataUnreadable(f"{place.name}: {error}") from error


def _of_file(path: Path) -> Iterator[Numbered]:
    if not path.name.endswith(SUFFIXES):
        raise DataUnreadable(f"{path}: it must end in one of {', '.join(SUFFIXES)}")
    try:
        if path.suffix == ".parquet":
            yield from _of_parquet(path)
            return
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            lines = cast("BinaryIO", file)
            yield from _of_json(lines, path) if ".json" in path.suffixes else _of_lines(lines)
    except (OSError, EOFError) as error:
        raise DataUnreadable(f"{path}: {error}") from error


def _of_lines(lines: BinaryIO) -> Iterator[Numbered]:
    number = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            yield Numbered(number, json.loads(line))
        except (ValueError, RecursionError) as error:
            text = shown(line.decode("utf-8", "backslashreplace").strip())
            yield Numbered(number, None, ProblemField(field="", value=text, allowed=f"it is not valid JSON: {error}"))
        number += 1


def _of_json(file: BinaryIO, path: Path) -> Iterator[Numbered]:
    """Read a JSON file with a list of rows; if it is not JSON as a whole, read it line by line."""
    try:
        rows = json.load(file)
    except (ValueError, RecursionError):
        file.seek(0)
        yield from _of_lines(file)
        return
    if not isinstance(rows, list):
        raise DataUnreadable(f"{path}: it must be a list of rows, or have one row per line")
    for number, row in enumerate(rows):
        yield Numbered(number, row)


def _of_parquet(path: Path) -> Iterator[Numbered]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise DataUnreadable(f"{path}: Parquet needs pyarrow: pip install 'grpo-verifier[parquet]'") from error
    try:
        batches = parquet.ParquetFile(path).iter_batches(batch_size=256)
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows):
            yield Numbered(number, cast("Json", row))
    except ArrowInvalid as error:
        raise DataUnreadable(f"{path}: {error}") from error


def _of_hub(place: Place) -> Iterator[Numbered]:
    try:
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        raise DataUnreadable(
            f"{place.name}: reading from the hub needs the package `datasets`: pip install datasets"
        ) from error
    try:
        rows = load_dataset(place.name, place.config, split=place.split, revision=place.revision)
    except (OSError, ValueError, DatasetsError) as error:
        raise DataUnreadable(f"{place.name} [{place.split}] cannot be read: {error}") from error
    for number, row in enumerate(rows):
        yield Numbered(number, cast("Json", row))
