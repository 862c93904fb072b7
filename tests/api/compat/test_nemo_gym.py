"""NeMo-Gym's callers: rows as they send them, and the fields that they read in the answers."""

import base64
import json
import zlib
from typing import Any

import httpx
import pytest


def response(text: str, **of_message: Any) -> dict[str, Any]:
    """Return an object of the Responses API in which a model thinks and then says `text`."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    thought = {"type": "reasoning", "id": "t", "summary": [{"type": "summary_text", "text": "\\boxed{7}"}]}
    return {
        "id": "resp_1",
        "created_at": 0,
        "model": "m",
        "object": "response",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [thought, message | of_message],
    }


MATH = {
    "question": "What is 6*7?",
    "expected_answer": "42",
    "responses_create_params": {"input": [{"role": "user", "content": "What is 6*7?"}]},
    "response": response("It is \\boxed{42}."),
}
ADD = "```python\nprint(sum(map(int, input().split())))\n```"
PAIRS = {"inputs": ["1 2\n", "5 5\n"], "outputs": ["3\n", "11\n"]}


def code(answer: str, **unit_tests: Any) -> dict[str, Any]:
    return {
        "verifier_metadata": {"unit_tests": unit_tests},
        "responses_create_params": {"input": "Read two integers and print their sum."},
        "response": response(answer),
    }


def verify(client: httpx.Client, row: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/verify", json=row)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_session_is_begun_with_a_row_an_empty_object_or_nothing(client: httpx.Client) -> None:
    assert client.post("/seed_session", json=MATH).json() == {}
    assert client.post("/seed_session", json={}).json() == {}
    assert client.post("/seed_session").json() == {}
    for name in ("s", "\ud800"):
        answer = client.post("/seed_session", content=json.dumps({"resources_session_id": name}).encode())
        assert answer.json() == {"resources_session_id": name}


def test_rollouts_can_be_verified_again(client: httpx.Client) -> None:
    assert client.get("/reverify_mode").json() == "stateless"
    first = verify(client, MATH)
    assert verify(client, first) == first
    wrong = first | {"response": response("\\boxed{41}"), "mask_sample": True}
    assert (verify(client, wrong)["reward"], verify(client, wrong)["mask_sample"]) == (0.0, False)


def test_a_row_of_math_comes_back_with_its_reward(client: httpx.Client) -> None:
    told = verify(client, MATH)
    assert told | MATH == told
    assert {name: told[name] for name in told.keys() - MATH.keys() - {"metadata"}} == {
        "reward": 1.0,
        "mask_sample": False,
        "failure_kind": None,
        "failure_reason": None,
        "extracted_answer": "42",
        "library_reward": 1.0,
    }


def test_what_a_model_only_thought_is_no_answer(client: httpx.Client) -> None:
    told = verify(client, MATH | {"expected_answer": 7})
    assert (told["reward"], told["extracted_answer"]) == (0.0, "42")


def test_a_row_of_code_is_rewarded_if_all_its_tests_pass(client: httpx.Client) -> None:
    told = verify(client, code(ADD, **PAIRS, fn_name=None))
    assert (told["reward"], told["mask_sample"], told["result"]) == (0.0, False, [True, False])
    assert told["extracted_model_code"].strip() == "print(sum(map(int, input().split())))"
    assert told["extracted_model_output"] == ADD
    right = PAIRS | {"outputs": ["3.0", "10"]}
    packed = base64.b64encode(zlib.compress(json.dumps(right).encode())).decode()
    for tests in (right, {"packed": packed, "fn_name": None}):
        assert verify(client, code(ADD, **tests))["reward"] == 1.0


@pytest.mark.parametrize(
    "program",
    ["def add(a, b):\n    return a + b", "class Solution:\n    def add(self, a, b):\n        return a + b"],
)
def test_a_function_is_called_with_a_json_value_a_line(client: httpx.Client, program: str) -> None:
    told = verify(
        client, code(f"```python\n{program}\n```", inputs=["1\n2", "[1]\n[2]"], outputs=["3", "[1, 2]"], fn_name="add")
    )
    assert (told["reward"], told["result"]) == (1.0, [True, True])


def test_whatever_else_is_sent_comes_back_as_it_was(client: httpx.Client) -> None:
    more = {"prompt_token_ids": [1, 2], "generation_log_probs": [-0.1, -1e-17]}
    row = MATH | {"response": response("\\boxed{42} \ud800", **more), "seed": 12345678901234567890123, "x": 1.0}
    answer = client.post("/verify", content=json.dumps(row).encode(), headers={"Content-Type": "application/json"})
    assert answer.text.startswith(json.dumps(row)[:-1])
    assert (answer.json()["reward"], answer.json()["mask_sample"]) == (0.0, False)  # the model wrote it, so no answer


def test_what_cannot_be_judged_is_masked(client: httpx.Client) -> None:
    told = verify(client, MATH | {"expected_answer": ""})
    assert (told["reward"], told["mask_sample"], told["failure_kind"]) == (0.0, True, "verifier_error")
    assert "reference" in told["failure_reason"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"response": None}, ["body", "response"]),
        ({"response": {"output": [{"content": 1}]}}, ["body", "response", "output", 0, "content"]),
        ({"responses_create_params": {}}, ["body", "responses_create_params", "input"]),
    ],
)
def test_a_row_of_the_wrong_shape_is_refused_as_fastapi_does(
    client: httpx.Client, change: dict[str, Any], place: list[Any]
) -> None:
    answer = client.post("/verify", json=MATH | change)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][: len(place)] == place


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({name: MATH[name] for name in ("responses_create_params", "response")}, "expected_answer"),
        (code(ADD, inputs=["1"], outputs=[]), "unit_tests.outputs"),
        (code(ADD, fn_name="f"), "unit_tests"),
        (code(ADD, packed="eA"), "unit_tests.packed"),
        (code(ADD, packed=base64.b64encode(zlib.compress(b"[]")).decode()), "unit_tests.packed"),
        (code(ADD, inputs=["1 2"], outputs=["3"], fn_name="f"), "unit_tests.inputs.0"),
    ],
)
def test_a_row_without_usable_tests_is_refused_by_name(client: httpx.Client, row: dict[str, Any], said: str) -> None:
    answer = client.post("/verify", json=row)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_what_is_no_json_is_refused_as_fastapi_does(client: httpx.Client) -> None:
    answer = client.post("/verify", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "json_invalid")


def test_a_rows_own_fields_come_back(client: httpx.Client) -> None:
    own = {"metadata": {"source": "x"}, "result": "r"}
    told = verify(client, MATH | own)
    assert told | own == told
    assert "metadata" not in verify(client, MATH)
    row = code(ADD, **PAIRS)
    told = verify(client, row | own)
    assert told | own == told
    first = verify(client, row)
    assert (first["metadata"]["verdict"], first["result"]) == ("wrong_answer", [True, False])
    again = verify(client, first | {"metadata": {"verdict": "old", "message": ""}, "result": []})
    assert (again["metadata"], again["result"]) == (first["metadata"], [True, False])
