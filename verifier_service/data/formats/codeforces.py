"""open-r1/codeforces: official tests, a Python checker that prints a score, and optional input and output files."""

from verifier_service.data.encodings import cases_of, limits, stdio
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, Row
from verifier_service.data.task import Task, code_task

PARTS = (("input_format", "Input"), ("output_format", "Output"), ("note", "Note"))


def read(row: Row) -> Task:
    """Read a row. The tests are those in the row; tests in separate files (`generated_tests`) are not read."""
    if row.text_or("interaction_format").strip():
        raise row.fault("interaction_format", "a program that talks with the judge cannot be judged")
    if row.values.get("executable") is False:
        raise row.fault("executable", "it must be true")
    cases = cases_of(row.objects("official_tests"))
    if not cases:
        raise row.fault("official_tests", "there must be at least one test")
    mode = row.text_or("input_mode") or "stdio"
    if mode not in ("stdio", "file"):
        raise row.fault("input_mode", "it must be stdio or file")
    if mode == "file":
        cases = [{**one, "stdin_file": "input.txt", "stdout_file": "output.txt"} for one in cases]
    checker = row.text_or("generated_checker")
    judge: Json = {"language": "python", "code": checker, "protocol": "score"} if checker.strip() else None
    language = row.text_or("language") or "python"
    prompt = row.text("prompt") if "prompt" in row else _statement(row)
    identity = row.identity("id")
    return code_task(prompt, stdio(cases, checker=judge), (), identity, language, limits(row))


def _statement(row: Row) -> str:
    parts = [f"# {row.text_or('title')}", row.text("description")]
    parts += [f"## {head}\n{row.text(name)}" for name, head in PARTS if row.text_or(name).strip()]
    examples = row.objects("examples") if "examples" in row else []
    for case in cases_of(examples):
        parts.append(f"## Example\nInput:\n{case['stdin']}\nOutput:\n{case['stdout']}")
    return "\n\n".join(parts)


FORMAT = Format("codeforces", "open-r1/codeforces", lambda row: row.has("description", "official_tests"), read)
