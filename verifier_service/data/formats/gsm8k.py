"""GSM8K: word problems whose worked answer ends in `#### 18` (Cobbe et al., arXiv:2110.14168)."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, math_task


def read(row: Row) -> Task:
    """The reference is what follows the last `####`; it must be worked out, so `12 + 34` is no answer."""
    answer = row.text("answer")
    _, marker, reference = answer.rpartition("####")
    if not marker or not reference.strip():
        raise row.fault("answer", "it must end in `####` and the reference")
    return math_task(row.text("question"), reference.strip(), [answer], form="final")


FORMAT = Format("gsm8k", "openai/gsm8k", lambda row: row.has("question", "answer"), read)
