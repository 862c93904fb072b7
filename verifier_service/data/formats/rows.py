"""Our own rows for training: `prompt` and `verifier`, a submission without completion; `solution` and `id` if known."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, JsonObject, Row
from verifier_service.data.task import Solution, Task


def read(row: Row) -> Task:
    """Read a row. `verifier` is JSON text, which Arrow does not change, or an object, from which nulls are dropped."""
    verifier = row.object("verifier")
    verifier.text("kind")
    is_text = isinstance(row.values.get("verifier"), str)
    found: JsonObject = dict(verifier.values) if is_text else _members(verifier)
    solution = row.text_or("solution")
    own = [Solution(solution)] if solution.strip() else []
    return Task(row.messages("prompt"), found, own, row.identity("id") or "")


def _members(row: Row) -> JsonObject:
    """Drop the nulls that Arrow adds when it merges objects of different kinds; `expected` can really be null."""
    return {name: _dropped(value) for name, value in row.values.items() if value is not None or name == "expected"}


def _dropped(value: Json) -> Json:
    if isinstance(value, dict):
        return _members(Row(value))
    if isinstance(value, list):
        return [_dropped(one) for one in value]
    return value


FORMAT = Format("rows", "of this trainer", lambda row: row.has("prompt", "verifier"), read)
