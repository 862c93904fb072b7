"""verl: `data_source`, `prompt` and `reward_model.ground_truth`, which is a math answer or tests as JSON text."""

import json
from collections.abc import Mapping

from verifier_service.data.encodings import any_tests
from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, JsonObject, Row
from verifier_service.data.task import Task, code_task, math_task

FINAL = ("openai/gsm8k",)
"""Sources whose answers must be fully computed."""


def read(row: Row) -> Task:
    """Read a row. The type of `ground_truth` decides between math and code."""
    prompt = row.messages("prompt")
    model = row.object("reward_model")
    extra = row.object("extra_info") if "extra_info" in row else Row({})
    source = row.text_or("data_source")
    index = extra.identity("index")
    identity = f"{source}/{extra.text_or('split')}/{index}".replace("//", "/") if index is not None else None
    truth = _structure(model.value("ground_truth"))
    if truth is None:
        form = "final" if source in FINAL else "equal"
        return math_task(prompt, str(model.value("ground_truth")), _own(extra), identity, form)
    if isinstance(truth, list) and all(isinstance(one, str) for one in truth):
        return math_task(
            prompt, Row({"ground_truth": truth}, "reward_model.").texts("ground_truth"), _own(extra), identity
        )
    return code_task(prompt, _tests(Row({"ground_truth": truth}, "reward_model.")), identity=identity)


def _structure(value: Json) -> Json:
    """Return the object or list in a `ground_truth`, possibly given as JSON text; None if it is a plain answer.

    `[1, 2]` is one answer, `["1/2", "0.5"]` is two, and a list of objects is a list of cases.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, dict):
        return value
    is_list = isinstance(value, list) and value and all(isinstance(one, (str, dict)) for one in value)
    return value if is_list else None


def _own(extra: Row) -> list[str]:
    answer = extra.values.get("answer")
    return [answer] if isinstance(answer, str) and answer.strip() else []


def _tests(held: Row) -> JsonObject:
    value = held.value("ground_truth")
    if not isinstance(value, Mapping):
        return any_tests(held, "ground_truth")
    truth = held.object("ground_truth")
    if "assert_case" in truth:
        return {"kind": "assert", "code": "\n".join(truth.texts("assert_case")), "prelude": "contest"}
    if "test_code" in truth:
        prelude = truth.text_or("import_prefix")
        return {
            "kind": "assert",
            "code": truth.text("test_code"),
            "entry_point": truth.text("entry_point"),
            **({"prelude": prelude} if prelude else {}),
        }
    if "inputs" in truth:
        return any_tests(held, "ground_truth")
    if "question_id" in truth:
        raise truth.fault("question_id", "tests that are looked up elsewhere are not in the row")
    raise held.fault("ground_truth", f"it must have inputs, assert_case or test_code; it has {', '.join(truth.values)}")


SETS = "BytedTsinghua-SIA/DAPO-Math-17k, Skywork/Skywork-OR1-RL-Data, PRIME-RL/Eurus-2-RL-Data, and what verl makes"
FORMAT = Format("verl", SETS, lambda row: row.has("prompt", "reward_model"), read)
