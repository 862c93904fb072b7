"""AceCode: `test_cases` is a list of assert statements; the reward is the share of passed ones (arXiv:2502.01718)."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. Every statement is a separate test."""
    asserts = row.texts("test_cases")
    if not asserts:
        raise row.fault("test_cases", "there must be at least one test")
    tests = {"kind": "assert", "code": "\n".join(asserts), "prelude": "contest"}
    return code_task(row.text("question"), tests, identity=row.identity("id"))


FORMAT = Format("acecode", "TIGER-Lab/AceCode-87K", lambda row: row.has("question", "test_cases"), read)
