"""Rows that already say what the verifier needs: a `prompt` and a `verifier` column, in any mixture of math and code.

`verifier` is a submission without its completion, as JSON text (so that Arrow does not merge the fields of different
kinds) or as an object. `prompt` is a text or a list of chat messages. `solution`, `demonstration`, `retry`, `program`,
`id`, `task` and `pass_rate`, all of which `trainer score` writes, are optional.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import DatasetSource, column
from trainer.errors import DataError
from verifier_service.schema import Submission
from verifier_service.schema.problems import problem_fields

SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)
SAID = 3
"""How many of a row's errors are reported."""
Rate = Annotated[float, Field(ge=0, le=1)]


class Rows(DatasetSource):
    """Rows with `prompt` and `verifier`; the names of the columns can be changed."""

    kind: Literal["rows"] = "rows"
    prompt_column: str = Field(default="prompt", description="column with the prompt: a text, or chat messages")
    verifier_column: str = Field(
        default="verifier", description="column with the submission without its completion: an object, or JSON text"
    )
    solution_column: str = Field(default="solution", description="column with a solution for the cold start; optional")
    pass_rate_column: str = Field(default="pass_rate", description="column with the pass rate; optional")
    pass_rate: tuple[Rate, Rate] | None = Field(
        default=None, description="take only rows whose pass rate is between these two, both included"
    )

    @model_validator(mode="after")
    def _bounds_have_an_order(self) -> "Rows":
        if self.pass_rate is not None and self.pass_rate[0] > self.pass_rate[1]:
            raise ValueError(f"pass_rate is {list(self.pass_rate)}; write the lower bound first, as in [0.1, 0.9]")
        return self

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield one problem per row.

        Raises:
            DataError: A `verifier` is not a submission; the message names the row and the field.
        """
        del seed  # the rows have an order of their own
        for i, row in enumerate(self.read()):
            pass_rate = self._pass_rate(row, i)
            if not self._is_within(pass_rate):
                continue
            prompt = column(row, self.prompt_column, self.place)
            is_text = isinstance(prompt, str)
            yield Problem(
                id=f"{self.place} {i}" if row.get("id") is None else str(row["id"]),
                task=str(row.get("task") or "rows"),
                question=prompt if is_text else "",
                submission=self._submission(column(row, self.verifier_column, self.place), i),
                solution=row.get(self.solution_column),
                demonstration=row.get("demonstration"),
                retry=row.get("retry"),
                program=row.get("program"),
                messages=None if is_text else [dict(message) for message in prompt],
                pass_rate=pass_rate,
            )

    def _pass_rate(self, row: dict[str, Any], row_number: int) -> float | None:
        """Return a row's pass rate; None if nothing could be judged.

        Raises:
            DataError: It is not from 0 to 1, or rows are filtered by it and the column does not exist.
        """
        value = row.get(self.pass_rate_column)
        if value is None:
            if self.pass_rate is not None and self.pass_rate_column not in row:
                said = f"pass_rate needs the column {self.pass_rate_column!r}, which `trainer score` writes"
                raise DataError(f"{self.place}: {said}; the columns are {', '.join(sorted(row))}")
            return None
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            where = f"{self.place}: `{self.pass_rate_column}` of row {row_number}"
            raise DataError(f"{where} is {value!r}; it must be a number from 0 to 1")
        return float(value)

    def _is_within(self, pass_rate: float | None) -> bool:
        if self.pass_rate is None:
            return True
        return pass_rate is not None and self.pass_rate[0] <= pass_rate <= self.pass_rate[1]

    def _submission(self, value: Any, row_number: int) -> dict[str, Any]:
        where = f"{self.place}: `{self.verifier_column}` of row {row_number}"
        is_text = isinstance(value, str)
        if is_text:
            try:
                value = json.loads(value)
            except json.JSONDecodeError as problem:
                raise DataError(f"{where} is not valid JSON: {problem}") from problem
        if not isinstance(value, dict) or "kind" not in value:
            raise DataError(f"{where} is not a submission: it needs `kind`; it is {value!r:.200}")
        submission: dict[str, Any] = value if is_text else _without_nones(value)
        sent = {"completion": "", **submission}
        try:
            SUBMISSION.validate_python(sent)
        except ValidationError as problem:
            said = "; ".join(str(field) for field in problem_fields(problem, sent)[:SAID])
            raise DataError(f"{where} is not a submission: {said}") from problem
        return submission


def _without_nones(value: Any) -> Any:
    """Drop the None members that Arrow adds when it merges objects of different kinds, except a None `expected`."""
    if not isinstance(value, dict):
        return value
    return {
        name: [_without_nones(item) for item in member] if isinstance(member, list) else _without_nones(member)
        for name, member in value.items()
        if member is not None or name == "expected"
    }
