"""MBPP: small Python problems with plain asserts (Austin et al., arXiv:2108.07732)."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import DatasetSource, column


class Mbpp(DatasetSource):
    """Rows with `text` (or `prompt`), `code` and `test_list`. The prompt shows the first test."""

    kind: Literal["mbpp"] = "mbpp"
    time_limit_s: float | None = Field(
        default=None, description="CPU time of one test; the verifier's default when omitted"
    )
    memory_limit_mb: int | None = Field(
        default=None, description="memory of one test; the verifier's default when omitted"
    )

    @model_validator(mode="before")
    @classmethod
    def _default_place(cls, values: Any) -> Any:
        if isinstance(values, dict) and not {"dataset", "path"} & values.keys():
            return {"config": "full", **values, "dataset": "google-research-datasets/mbpp"}
        return values

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield one problem a row."""
        del seed  # the rows have an order of their own
        limits = {"time_limit_s": self.time_limit_s, "memory_limit_mb": self.memory_limit_mb}
        limits = {name: value for name, value in limits.items() if value is not None}
        for i, row in enumerate(self.read()):
            text = row.get("text") or column(row, "prompt", self.place)
            tests = list(column(row, "test_list", self.place))
            setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or [])
            submission: dict[str, Any] = {
                "kind": "code",
                "language": "python",
                "tests": {"kind": "assert", "code": "\n".join([*filter(None, [setup]), *tests])},
            }
            if limits:
                submission["limits"] = limits
            code = str(column(row, "code", self.place)).replace("\r\n", "\n")
            yield Problem(
                id=f"{self.place} {row.get('task_id', i)}",
                task="mbpp",
                question=f"{text}\nYour code should pass this test:\n{tests[0]}",
                submission=submission,
                solution=f"```python\n{code}\n```",
            )
