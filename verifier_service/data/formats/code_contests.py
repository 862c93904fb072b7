"""CodeContests: public, private and generated tests, solutions in several languages (arXiv:2203.07814)."""

from verifier_service.data.encodings import cases_of, stdio
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, Row
from verifier_service.data.task import Task, code_task

LANGUAGES: dict[Json, str] = {2: "cpp", 3: "python", 4: "java", "CPP": "cpp", "PYTHON3": "python", "JAVA": "java"}
"""The numbers and names of supported languages; Python 2 and unknown ones are omitted."""


def read(row: Row) -> Task:
    """Read a row. The tests of all three columns are combined. A problem can name its input and output files."""
    cases = [
        case
        for name in ("public_tests", "private_tests", "generated_tests")
        for case in cases_of(row.objects(name) if name in row else [])
    ]
    if not cases:
        raise row.fault("public_tests", "there must be at least one test in any of the three")
    named = {"stdin_file": row.text_or("input_file"), "stdout_file": row.text_or("output_file")}
    files = {name: value for name, value in named.items() if value}
    return code_task(
        row.text("description"),
        stdio([{**case, **files} for case in cases]),
        own_solutions(row, "solutions", "solution"),
        row.identity("name"),
        limits=_limits(row),
    )


def own_solutions(row: Row, column: str, program: str) -> list[tuple[str, str]]:
    """Return the solutions with their languages, from a list of objects or an object of lists."""
    found = row.objects(column) if column in row else []
    named = ((_language(one.values.get("language")), one.text_or(program)) for one in found)
    return [(language, text) for language, text in named if language is not None]


def _language(value: Json) -> str | None:
    """Return our name for a language given as a number or a name such as `CPP` or `python`."""
    if isinstance(value, str):
        lower = value.lower()
        return LANGUAGES.get(value.upper()) or ({"c++": "cpp", "python": "python", "py3": "python"}.get(lower))
    return LANGUAGES.get(value) if isinstance(value, int) else None


def _limits(row: Row) -> dict[str, Json]:
    """Return the limits. A time is an object of seconds and nanoseconds, memory is in bytes, and 0 means no limit."""
    found: dict[str, Json] = {}
    if "time_limit" in row:
        time = row.object("time_limit")
        seconds = (time.number_or_none("seconds") if time.values.get("seconds") else None) or 0.0
        nanos = (time.number_or_none("nanos") if time.values.get("nanos") else None) or 0.0
        if seconds + nanos > 0:
            found["time_limit_s"] = seconds + nanos / 1e9
    if row.values.get("memory_limit_bytes"):
        memory = row.number_or_none("memory_limit_bytes") or 0.0
        found["memory_limit_mb"] = max(int(memory / 1_000_000), 1)
    return found


FORMAT = Format("code_contests", "deepmind/code_contests", lambda row: row.has("description", "public_tests"), read)
