"""Math problems with a reference answer, or a worked solution that holds one (MATH, and sets of the same columns)."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import DatasetSource, column
from verifier_service.schema import Form, Rounding


class Math(DatasetSource):
    """Rows with a question and a reference. The defaults fit MATH-lighteval; the reference may be a whole solution."""

    kind: Literal["math"] = "math"
    question_column: str = "problem"
    reference_column: str = "solution"
    solution_column: str | None = None
    form: Form = Form.EQUAL
    rounding: Rounding = Field(default=Rounding.NONE, description="`reference` where the set rounds its answers")

    @model_validator(mode="before")
    @classmethod
    def _default_place(cls, values: Any) -> Any:
        if isinstance(values, dict) and not {"dataset", "path"} & values.keys():
            return {**values, "dataset": "DigitalLearningGmbH/MATH-lighteval"}
        return values

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield one problem a row."""
        del seed  # the rows have an order of their own
        for i, row in enumerate(self.read()):
            reference = str(column(row, self.reference_column, self.place))
            if self.solution_column is not None:
                solution = str(column(row, self.solution_column, self.place))
            else:
                solution = reference if "\\boxed" in reference else f"\\boxed{{{reference}}}"
            yield Problem(
                id=f"{self.place} {i}",
                task="math",
                question=str(column(row, self.question_column, self.place)),
                submission={
                    "kind": "math",
                    "reference": reference,
                    "form": self.form.value,
                    "rounding": self.rounding.value,
                },
                solution=solution,
            )
