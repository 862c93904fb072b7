"""LiveCodeBench: public and private cases, the private ones as JSON text or packed (arXiv:2403.07974)."""

import base64

from verifier_service.data import packed
from verifier_service.data.encodings import typed_cases
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. Public and private cases are combined; `metadata.func_name` names the function, if there is one."""
    starter = row.text_or("starter_code")
    name = row.object("metadata").text_or("func_name") if row.text_or("metadata").strip() else ""
    cases = [*row.objects("public_test_cases"), *_private(row)]
    if not cases:
        raise row.fault("public_test_cases", "there must be at least one test")
    question = row.text("question_content") + (f"\n\n{starter}" if starter.strip() else "")
    return code_task(question, typed_cases(cases, name, [starter]), identity=row.identity("question_id"))


def _private(row: Row) -> list[Row]:
    field = "private_test_cases"
    text = row.text_or(field) if not isinstance(row.values.get(field), list) else ""
    if not text or not _is_base64(text):
        return row.objects(field) if row.values.get(field) else []
    unpacked = packed.text_of_pickle(packed.inflated(text, field), field)
    return Row({field: unpacked}).objects(field)


def _is_base64(text: str) -> bool:
    """Return whether cases are packed; unpacked ones are JSON text, which begins with a bracket."""
    try:
        return bool(base64.b64decode(text[:64], validate=True))
    except ValueError:  # a binascii.Error, or the text is not ASCII
        return False


FORMAT = Format(
    "livecodebench",
    "livecodebench/code_generation_lite",
    lambda row: row.has("question_content", "public_test_cases"),
    read,
)
