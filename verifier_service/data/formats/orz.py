"""Open-Reasoner-Zero: a row is a list of two turns, `{"from": "human", "value"}` and one with `ground_truth.value`."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, math_task


def read(row: Row) -> Task:
    """Read a row. The list's indices are the columns `0` and `1`."""
    return math_task(row.object("0").text("value"), row.object("1").object("ground_truth").text("value"))


FORMAT = Format("orz", "Open-Reasoner-Zero/orz_math_57k_collection, 72k, 13k", lambda row: row.has("0", "1"), read)
