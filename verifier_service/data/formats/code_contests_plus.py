"""CodeContests+ and CodeContests-O: cases with a C++ checker that uses testlib."""

from verifier_service.data.encodings import cases_of, limits, stdio
from verifier_service.data.formats.code_contests import own_solutions
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. Cases are `{"input", "output"}`, in CodeContests-O `{"input": {"stdin"}, "output": {"stdout"}}`.

    The checker uses the testlib protocol; the caller of `read_tasks` supplies `testlib.h`.
    """
    column = "test_cases" if "test_cases" in row else "corner_cases"
    cases = cases_of([_flat(one) for one in row.objects(column)])
    if not cases:
        raise row.fault(column, "there must be at least one test")
    code = row.text_or("checker")
    checker: Json = {"language": "cpp", "code": code, "protocol": "testlib"} if code.strip() else None
    if "correct_submissions" in row:
        solutions = own_solutions(row, "correct_submissions", "code")
    else:
        solutions = own_solutions(row, "solutions", "solution")
    bounds = limits(row) if not isinstance(row.values.get("time_limit"), dict) else {}
    identity = row.identity("id", "name")
    return code_task(row.text("description"), stdio(cases, checker=checker), solutions, identity, limits=bounds)


def _flat(case: Row) -> Row:
    if not isinstance(case.values.get("input"), dict):
        return case
    given, wanted = case.object("input").values.get("stdin"), case.object("output").values.get("stdout")
    return Row({"input": given, "output": wanted}, case.path(""))


FORMAT = Format(
    "code_contests_plus",
    "ByteDance-Seed/Code-Contests-Plus, caijanfeng/CodeContests-O",
    lambda row: row.has("description", "checker") and (row.has("test_cases") or row.has("corner_cases")),
    read,
)
