"""Rows that already say what the verifier needs: a `prompt` and a `verifier` column, in any mixture of math and code.

`verifier` is a submission without its completion, as JSON text (so that Arrow does not merge the fields of different
kinds) or as an object. `prompt` is a text or a list of chat messages. `solution` and `id` are optional.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from trainer.errors import DataError
from trainer.tasks.row import Problem
from trainer.tasks.source import DatasetSource, column


class Rows(DatasetSource):
    """Rows with `prompt` and `verifier`; the names of the columns can be changed."""

    kind: Literal["rows"] = "rows"
    prompt_column: str = "prompt"
    verifier_column: str = "verifier"
    solution_column: str = "solution"

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield one problem a row. Raises DataError for a `verifier` that is no JSON object."""
        del seed  # the rows have an order of their own
        for i, row in enumerate(self.read()):
            prompt = column(row, self.prompt_column, self.place)
            is_text = isinstance(prompt, str)
            yield Problem(
                id=str(row.get("id") or f"rows-{i}"),
                task=str(row.get("task") or "rows"),
                question=prompt if is_text else "",
                submission=self._submission(column(row, self.verifier_column, self.place), i),
                solution=row.get(self.solution_column),
                messages=None if is_text else [dict(message) for message in prompt],
            )

    def _submission(self, value: Any, row_number: int) -> dict[str, Any]:
        where = f"{self.place}: `{self.verifier_column}` of row {row_number}"
        is_text = isinstance(value, str)
        if is_text:
            try:
                value = json.loads(value)
            except json.JSONDecodeError as problem:
                raise DataError(f"{where} is no JSON: {problem}") from problem
        if not isinstance(value, dict) or "kind" not in value:
            raise DataError(f"{where} is no submission: it needs `kind`; it is {value!r:.200}")
        return value if is_text else _without_nones(value)


def _without_nones(value: Any) -> Any:
    """Drop the None members that Arrow adds when it merges objects of different kinds; `expected` may be None."""
    if not isinstance(value, dict):
        return value
    return {
        name: [_without_nones(item) for item in member] if isinstance(member, list) else _without_nones(member)
        for name, member in value.items()
        if member is not None or name == "expected"
    }
