"""Our own submissions, as `POST /v1/verify` takes them, one a row."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task


def read(row: Row) -> Task:
    """A `completion` is left aside, and so is `prompt`."""
    row.text("kind")
    aside = ("completion", "prompt", "id")
    verifier = {name: value for name, value in row.values.items() if name not in aside and value is not None}
    prompt = row.messages("prompt") if "prompt" in row else ""
    return Task(prompt, verifier, id=row.identity("id") or "")


FORMAT = Format(
    "submissions", "of this service", lambda row: row.has("kind") and (row.has("tests") or row.has("reference")), read
)
