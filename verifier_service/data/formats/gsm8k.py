"""GSM8K: word problems whose worked answer ends in `#### 18` (Cobbe et al., arXiv:2110.14168)."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, math_task


def read(row: Row) -> Task:
    """Read a row. The reference follows the last `####`. The answer must be a final number: `12 + 34` is not enough."""
    answer = row.text("answer")
    _, marker, reference = answer.rpartition("####")
    if not marker or not reference.strip():
        raise row.fault("answer", "it must end in `####` and the reference")
    return math_task(row.text("question"), reference.strip(), [answer], form="final")


FORMAT = Format("gsm8k", "openai/gsm8k", lambda row: row.has("question", "answer"), read)
