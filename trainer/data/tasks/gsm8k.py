"""GSM8K: grade-school word problems whose solutions end in `#### 18` (Cobbe et al., arXiv:2110.14168)."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import DatasetSource, column
from trainer.errors import DataError
from verifier_service.schema import Form


class Gsm8k(DatasetSource):
    """Rows with `question` and `answer`; the reference is what follows `####`.

    The answer must be worked out: `12 + 34` is not accepted for 46.
    """

    kind: Literal["gsm8k"] = "gsm8k"
    form: Form = Field(default=Form.FINAL, description="the form that the answer must have")

    @model_validator(mode="before")
    @classmethod
    def _default_place(cls, values: Any) -> Any:
        if isinstance(values, dict) and not {"dataset", "path"} & values.keys():
            return {"config": "main", **values, "dataset": "openai/gsm8k"}
        return values

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield one problem a row. Raises DataError for a row without a `####` answer."""
        del seed  # the rows have an order of their own
        for i, row in enumerate(self.read()):
            answer = str(column(row, "answer", self.place))
            working, marker, reference = answer.rpartition("####")
            if not marker or not reference.strip():
                raise DataError(f"{self.place}: the answer of row {i} has no `####`: {answer[-80:]!r}")
            reference = reference.strip()
            yield Problem(
                id=f"{self.place} {i}",
                task="gsm8k",
                question=str(column(row, "question", self.place)),
                submission={"kind": "math", "reference": reference, "form": self.form.value},
                solution=f"{working.strip()}\n\\boxed{{{reference}}}",
            )
