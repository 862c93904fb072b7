"""MBPP and MBPP+: small problems with asserts (Austin et al., arXiv:2108.07732)."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. The prompt includes the first test, which shows the function's name. MBPP+ has tests in `test`."""
    text = row.text("text" if "text" in row else "prompt")
    asserts = row.texts("test_list")
    if not asserts:
        raise row.fault("test_list", "there must be at least one test")
    if "test" in row:
        code = row.text("test")
    else:
        setup = [row.text_or("test_setup_code"), *row.texts_or_none("test_imports")]
        code = "\n".join([*filter(str.strip, setup), *asserts])
    question = f"{text}\nYour code should pass this test:\n{asserts[0]}"
    identity = row.identity("task_id")
    return code_task(question, {"kind": "assert", "code": code}, [row.text_or("code")], identity)


FORMAT = Format(
    "mbpp", "google-research-datasets/mbpp, evalplus/mbppplus", lambda row: row.has("test_list", "code"), read
)
