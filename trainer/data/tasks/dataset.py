"""Published data sets in their own formats, as the service reads them: the table is in docs/reference/datasets.md."""

import warnings
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator, model_validator

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import DatasetSource
from trainer.errors import DataError
from verifier_service.data.formats import FORMATS
from verifier_service.data.read import DataUnreadable, RowUnreadable
from verifier_service.data.source import Place, open_tasks
from verifier_service.data.task import Task
from verifier_service.schema.base import counted

NOT_CODE_ALONE = {"submissions", "rows", "nemo_gym", "verl", "verification_info", "gsm8k", "math", "orz"}
"""Formats of mathematics, or of both."""


class KnownDataset(DatasetSource):
    """Rows of a published data set in its own format; the columns show which format it is."""

    kind: Literal["dataset"] = "dataset"
    format: str | None = Field(
        default=None,
        description="name of the format; recognized by the columns when omitted",
    )
    bad_rows: Literal["stop", "skip"] = Field(
        default="stop", description="what to do with a row that cannot be read: `skip` leaves it out and counts it"
    )

    @field_validator("format")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in FORMATS:
            raise ValueError(f"must be one of {', '.join(FORMATS)}")
        return value

    @model_validator(mode="after")
    def _files_are_whole(self) -> "KnownDataset":
        if self.path is not None and self.split != "train":
            raise ValueError(f"split is {self.split!r}, but a file only has `train`; `limit` selects its first rows")
        return self

    @property
    def is_code(self) -> bool:
        """Whether the format is known, and of code only."""
        return self.format is not None and self.format not in NOT_CODE_ALONE

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield one problem a row.

        Raises:
            DataError: the data set cannot be read, or a row of it and `bad_rows` is `stop`.
        """
        del seed  # the rows have an order of their own
        place = Place(str(self.path or self.dataset), self.config, self.split, self.revision)
        bad: list[RowUnreadable] = []
        try:
            chosen, tasks = open_tasks(place, self.format)
            for task in tasks:
                if isinstance(task, RowUnreadable):
                    if self.bad_rows == "stop":
                        raise task
                    bad.append(task)
                else:
                    yield _problem(task, chosen.name)
        except DataUnreadable as error:
            raise DataError(f"{self.place}: {error}") from error
        if bad:
            said = f"{self.place}: skipped {counted(len(bad), 'row')} that cannot be read; the first one: {bad[0]}"
            warnings.warn(said, stacklevel=2)


def _problem(task: Task, format_name: str) -> Problem:
    own = next((one.completion for one in task.solutions if one.language is None), None)
    return Problem(
        id=f"{format_name}-{task.id}",
        task=format_name,
        question=task.prompt if isinstance(task.prompt, str) else "",
        submission=dict(task.verifier),
        solution=own,
        messages=None if isinstance(task.prompt, str) else task.prompt,
    )
