"""LeetCodeDataset: `check(candidate)`, an entry point such as `Solution().twoSum`, imports and classes in `prompt`."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. `prompt` is placed before every program; the model sees `query`, or description and starter code."""
    description, starter = row.text_or("problem_description"), row.text_or("starter_code")
    question = row.text_or("query") or f"{description}\n\n{starter}".strip()
    if not question:
        raise row.fault("problem_description", "it or `query` must say what is asked")
    tests: dict[str, Json] = {"kind": "assert", "code": row.text("test"), "entry_point": row.text("entry_point")}
    prelude = row.text_or("prompt")
    if prelude.strip():
        tests["prelude"] = prelude
    return code_task(question, tests, [row.text_or("completion")], row.identity("task_id", "question_id"))


FORMAT = Format(
    "leetcode",
    "newfacade/LeetCodeDataset",
    lambda row: row.has("test", "entry_point", "starter_code"),
    read,
)
