"""OpenRLHF and slime, which send a label with each answer."""

import json
from typing import Any

import httpx
import pytest

ADD = "```python\ndef add(a, b):\n    return a + b\n```"
ASSERTS = ["assert add(1, 2) == 3", "assert add(1, 1) == 3"]


def reward(client: httpx.Client, *samples: tuple[str, str, Any]) -> dict[str, Any]:
    query, prompts, labels = ([sample[part] for sample in samples] for part in range(3))
    answer = client.post("/get_reward", json={"query": query, "prompts": prompts, "labels": labels})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_openrlhf_gets_a_reward_for_each_sample(client: httpx.Client) -> None:
    told = reward(
        client,
        ("<|user|>2+2?<|assistant|>The answer is \\boxed{4}<|end|>", "<|user|>2+2?<|assistant|>", "4"),
        ("Q: 3*3 A: 9", "Q: 3*3 A: ", 9),
        ("Q: 3*4 A: 11</s>", "Q: 3*4 A: ", "12"),
        ("another prompt \\boxed{5}", "Q: ", ["4", "5"]),
        (f"write add {ADD}<|im_end|>\n<|endoftext|>", "write add ", ASSERTS),
    )
    assert told["rewards"] == told["scores"] == [1.0, 1.0, 0.0, 1.0, 0.5]
    assert told["extra_logs"] == {"correct": [1.0, 1.0, 0.0, 1.0, 0.0]}


def test_openrlhf_may_send_nothing(client: httpx.Client) -> None:
    assert reward(client) == {"rewards": [], "scores": [], "extra_logs": {"correct": []}}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"query": ["a"], "prompts": [], "labels": []}, "1, 0 and 0"),
        ({"query": ["a"], "prompts": ["a"], "labels": [None]}, "labels.0 None"),
        ({"query": ["a"], "prompts": ["a"], "labels": [{"x": 1}]}, "labels.0 an object with 1 field"),
        ({"query": ["a"], "prompts": ["a"], "labels": [True]}, "labels.0 True"),
        ({"query": ["a"], "prompts": ["a"], "labels": [""]}, "the reference is empty"),
        ({"query": ["a"], "prompts": ["a"], "labels": [{"inputs": ["1"], "outputs": []}]}, "labels.0.outputs"),
        ({"query": ["a"], "prompts": ["a"], "labels": [{"tests": {"kind": "none"}}]}, "kind"),
    ],
)
def test_openrlhf_hears_what_cannot_be_judged(client: httpx.Client, sent: dict[str, Any], said: str) -> None:
    answer = client.post("/get_reward", json=sent)
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text


def test_openrlhf_hears_of_a_missing_field_as_fastapi_does(client: httpx.Client) -> None:
    answer = client.post("/get_reward", json={"query": [], "prompts": []})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "labels"])


TESTS = {"kind": "call", "entry_point": "add", "cases": [{"args": [1, 2], "expected": 3}]}


@pytest.mark.parametrize(
    ("response", "label", "score"),
    [
        ("\\boxed{42}", "42", 1.0),
        ("\\boxed{41}", 42, 0.0),
        (ADD, {"tests": TESTS, "language": "python", "limits": {"time_limit_s": 2}}, 1.0),
        (ADD, json.dumps({"tests": TESTS}), 1.0),
        (ADD, {"inputs": ["1\n2"], "outputs": ["3"], "fn_name": "add"}, 1.0),
        ("```python\nprint(int(input()) + 1)\n```", {"inputs": ["1", "2"], "outputs": ["2", "4"]}, 0.5),
        ("\\boxed{0.33}", {"reference": "1/3"}, 0.0),
        ("\\boxed{[1, 2]}", "[1, 2]", 1.0),
    ],
)
def test_slime_gets_a_number(client: httpx.Client, response: str, label: Any, score: float) -> None:
    sent = {"prompt": [{"role": "user", "content": "?"}], "response": response, "label": label}
    answer = client.post("/slime", json=sent)
    assert (answer.status_code, answer.json()) == (200, score)


def test_slime_gets_an_object_where_it_names_a_key(client: httpx.Client) -> None:
    sent = {"prompt": "?", "response": "\\boxed{41}", "label": "42"}
    told = client.post("/slime", params={"reward_key": "score"}, json=sent).json()
    assert told == {"score": 0.0, "verdict": "wrong_answer"}


def test_slime_hears_what_cannot_be_judged(client: httpx.Client) -> None:
    assert client.post("/slime", json={"prompt": "?", "response": "1"}).status_code == 422
    answer = client.post("/slime", json={"prompt": "?", "response": "1", "label": []})
    assert (answer.status_code, answer.json()["detail"][:24]) == (422, "label an empty list: it ")
