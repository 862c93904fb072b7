"""APPS and TACO: `input_output` is JSON text with inputs, outputs and optionally a function name."""

from verifier_service.data.encodings import in_out, limits
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. The starter code or a solution shows whether the function is a method of `Solution`."""
    if row.values.get("picture_num") not in (None, "", "0", 0):
        raise row.fault("picture_num", "the problem needs its pictures")
    starter, solutions = row.text_or("starter_code"), row.texts_or_none("solutions")
    question = row.text("question") + (f"\n\n{starter}" if starter.strip() else "")
    tests = in_out(row.object("input_output"), [starter, *solutions])
    identity = row.identity("problem_id", "id", "url")
    return code_task(question, tests, solutions, identity, limits=limits(row))


FORMAT = Format("apps", "codeparrot/apps, BAAI/TACO", lambda row: row.has("question", "input_output"), read)
