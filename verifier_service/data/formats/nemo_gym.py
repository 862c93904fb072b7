"""NeMo-Gym: messages in `responses_create_params`, tests in `verifier_metadata`, or an `expected_answer`."""

from verifier_service.data import packed
from verifier_service.data.encodings import in_out
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, Row, parsed
from verifier_service.data.task import Task, code_task, math_task


def read(row: Row) -> Task:
    """Read a row. Tests can be packed as base64(zlib(JSON))."""
    prompt = row.object("responses_create_params").messages("input")
    identity = row.identity("hash_id", "uuid", "id")
    if "expected_answer" in row:
        return math_task(prompt, row.text("expected_answer"), identity=identity)
    if "verifier_metadata" not in row:
        raise row.fault("verifier_metadata", "it or `expected_answer` is required")
    tests = row.object("verifier_metadata").object("unit_tests")
    if "packed" in tests:
        field = tests.path("packed")
        data = packed.inflated(tests.text("packed"), field)
        held = Row({"packed": parsed(data.decode("utf-8", "replace"), field)}, tests.path("")).object("packed")
        joined: dict[str, Json] = {**held.values, "fn_name": tests.values.get("fn_name") or held.values.get("fn_name")}
        tests = Row(joined, tests.path(""))
    return code_task(prompt, in_out(tests), identity=identity)


FORMAT = Format(
    "nemo_gym",
    "nvidia/Nemotron-RL-coding-competitive_coding and other NeMo-Gym rows",
    lambda row: row.has("responses_create_params"),
    read,
)
