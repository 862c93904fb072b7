"""DeepCoder: `tests` is JSON text in one of four shapes, depending on the problem's source."""

from verifier_service.data.encodings import any_tests
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. Tests are an object of inputs and outputs, or a list of cases that can name kind and function."""
    starter, solutions = row.text_or("starter_code"), row.texts_or_none("solutions")
    name = row.object("metadata").text_or("func_name") if row.values.get("metadata") else ""
    question = row.text("problem") + (f"\n\n{starter}" if starter.strip() else "")
    return code_task(question, any_tests(row, "tests", name, [starter, *solutions]), solutions)


FORMAT = Format("deepcoder", "agentica-org/DeepCoder-Preview-Dataset", lambda row: row.has("problem", "tests"), read)
