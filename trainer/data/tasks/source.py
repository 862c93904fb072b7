"""The common part of all tasks: the options of a source, and reading rows from a file or from the Hugging Face hub.

Splits have the syntax of `datasets`: `train[:1%]`, `train[100:200]`, `test`. A file has a single split, `train`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainer.errors import DataError

FILE_FORMATS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}


class Measuring(BaseModel, frozen=True, extra="forbid"):
    """How the accuracy on one source is measured. What it omits is that of `evaluation`, or else of `grpo`."""

    greedy: bool | None = Field(
        default=None, description="measure one completion of each problem at temperature 0; on when omitted"
    )
    samples: int | None = Field(default=None, ge=0, description="sampled completions of each problem")
    k: list[Annotated[int, Field(ge=1)]] | None = Field(
        default=None, description="the k of pass@k and maj@k; 1, 2, 4 ... and `samples` when omitted"
    )
    temperature: float | None = Field(
        default=None, gt=0, description="sampling temperature; `grpo.temperature` when omitted"
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="sample from the likeliest tokens that have this probability together; `grpo.top_p` when omitted",
    )
    top_k: int | None = Field(
        default=None, ge=0, description="sample from this many of the likeliest tokens; `grpo.top_k` when omitted"
    )
    min_p: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="leave out tokens less likely than this share of the likeliest one; `grpo.min_p` when omitted",
    )
    max_completion_length: int | None = Field(
        default=None, ge=1, description="longest completion; `grpo.max_completion_length` when omitted"
    )


class Source(BaseModel):
    """The options of every source of problems."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=80, description="its name in reports")
    weight: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="its share of the mixture, relative to other sources; when no source has one, all rows are used",
    )
    limit: int | None = Field(default=None, gt=0, description="most rows to take")
    evaluate: Measuring | None = Field(
        default=None, description="in `evaluation.data`: how this source is measured, if unlike the others"
    )

    @property
    def label(self) -> str:
        """What tells this source from others in summaries and reports: its name, else where its rows come from."""
        return self.name or self.place

    @property
    def place(self) -> str:
        """Where the rows come from: for messages, in the ids of problems, and to tell sources apart."""
        return str(getattr(self, "kind", ""))


class DatasetSource(Source):
    """A source that reads rows from the hub (`dataset`) or from files (`path`): give one of the two."""

    dataset: str | None = Field(default=None, description="id of a data set on the Hugging Face hub")
    config: str | None = Field(default=None, description="configuration of the data set on the hub")
    revision: str | None = Field(default=None, description="branch, tag or commit on the hub")
    path: str | None = Field(default=None, description="a JSONL, JSON, Parquet or CSV file; `*` matches several")
    split: str = Field(default="train", description="split, or a slice of one: `train[:1%]`, `train[100:200]`")

    @model_validator(mode="after")
    def _one_place(self) -> "DatasetSource":
        if (self.dataset is None) == (self.path is None):
            raise ValueError("set exactly one of `dataset` (a Hugging Face id) and `path` (a file)")
        return self

    @property
    def place(self) -> str:
        """Where the rows come from: for messages, in the ids of problems, and to tell sources apart."""
        config = f" {self.config}" if self.config else ""
        return f"{self.path or self.dataset}{config} [{self.split}]"

    @property
    def needs_hub(self) -> bool:
        """Whether reading the rows may need the network."""
        return self.dataset is not None and not Path(self.dataset).exists()

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the split as plain dictionaries, in order.

        Raises:
            DataError: The file, the data set or the split does not exist, or cannot be read.
        """
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError

        try:
            if self.path is not None:
                rows = load_dataset(self._file_format(), data_files=self.path, split=self.split)
            else:
                rows = load_dataset(str(self.dataset), self.config, split=self.split, revision=self.revision)
        except (OSError, ValueError, DatasetsError) as problem:
            raise DataError(f"{self.place} cannot be read: {problem}") from problem
        for row in rows:
            yield dict(row)

    def _file_format(self) -> str:
        suffix = Path(str(self.path)).suffix
        if suffix not in FILE_FORMATS:
            raise DataError(
                f"{self.path}: the file's name must end in one of {', '.join(FILE_FORMATS)}, not {suffix or 'nothing'}"
            )
        return FILE_FORMATS[suffix]


def column(row: dict[str, Any], name: str, place: str) -> Any:
    """Return one column of a row.

    Raises:
        DataError: The row has no such column, or it is empty; the message lists the row's columns.
    """
    value = row.get(name)
    if value is None:
        raise DataError(f"{place}: the column {name!r} is missing or empty; the columns are {', '.join(sorted(row))}")
    return value
