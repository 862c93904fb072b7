"""Math problems with a reference answer, or a worked solution that holds one (MATH, and sets of the same columns)."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import DatasetSource, column
from verifier_service.schema import Form, Rounding


class Math(DatasetSource):
    """Rows with a question and a reference. The defaults fit MATH-lighteval; the reference can be a whole solution."""

    kind: Literal["math"] = "math"
    question_column: str = Field(default="problem", description="column with the question")
    reference_column: str = Field(
        default="solution", description="column with the reference: a value, or a solution that states it"
    )
    solution_column: str | None = Field(
        default=None, description="column with a solution for the cold start; the reference when omitted"
    )
    form: Form = Field(default=Form.EQUAL, description="the form that the answer must have")
    rounding: Rounding = Field(
        default=Rounding.NONE, description="whether a rounded answer is accepted: `reference` if the data set rounds"
    )

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
