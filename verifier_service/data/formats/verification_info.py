"""SYNTHETIC-1 and -2, open-r1's verifiable problems: `verification_info` has a `ground_truth` or `test_cases`."""

from verifier_service.data.encodings import any_tests
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task, math_task


def read(row: Row) -> Task:
    """Read a row. `verification_info` can be JSON text, and so can its `test_cases`."""
    prompt, info = row.messages("prompt"), row.object("verification_info")
    solution, identity = row.text_or("gold_standard_solution"), row.identity("problem_id")
    if "test_cases" in info:
        language = info.text_or("language") or "python"
        prelude = "contest" if language == "python" else ""
        tests = any_tests(info, "test_cases", sources=[solution], prelude=prelude)
        return code_task(prompt, tests, [solution], identity, language)
    kind = row.text_or("task_type")
    if "ground_truth" in info and kind in ("", "verifiable_math"):
        return math_task(prompt, info.text("ground_truth"), [solution] if solution.strip() else [], identity)
    if kind and kind != "verifiable_math":
        raise row.fault("task_type", "it must be verifiable_math, or code with test_cases")
    raise row.fault("verification_info", "it must have `ground_truth` or `test_cases`")


SETS = "PrimeIntellect/SYNTHETIC-1, PrimeIntellect/SYNTHETIC-2-RL, open-r1/verifiable-coding-problems-python"
FORMAT = Format("verification_info", SETS, lambda row: row.has("prompt", "verification_info"), read)
