"""rStar-Coder: `inputs` and `outputs` are separate columns; functions have `func_name` and `class_name`."""

from verifier_service.data.encodings import in_out
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. The tables of test cases contain the question as well, so the other tables are not needed."""
    starter, name, owner = row.text_or("starter_code"), row.text_or("func_name"), row.text_or("class_name")
    entry = f"{owner}.{name}" if owner and name else name
    held: dict[str, Json] = {"inputs": row.items("inputs"), "outputs": row.items("outputs"), "fn_name": entry or None}
    question = row.text("question") + (f"\n\n{starter}" if starter.strip() else "")
    return code_task(question, in_out(Row(held), [starter]), identity=row.identity("question_id"))


FORMAT = Format("rstar_coder", "microsoft/rStar-Coder", lambda row: row.has("question", "inputs", "outputs"), read)
