"""Our own format: one submission per row, as in `POST /v1/verify`."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task


def read(row: Row) -> Task:
    """Read a row. Its `completion` is ignored; `prompt` is not part of the submission."""
    row.text("kind")
    aside = ("completion", "prompt", "id")
    verifier = {name: value for name, value in row.values.items() if name not in aside and value is not None}
    prompt = row.messages("prompt") if "prompt" in row else ""
    return Task(prompt, verifier, id=row.identity("id") or "")


FORMAT = Format(
    "submissions", "of this service", lambda row: row.has("kind") and (row.has("tests") or row.has("reference")), read
)
