"""What a result explains to a person who asks with `explain`. Over HTTP to a real service, except for the formulas."""

import json
from typing import Any

import httpx
import pytest

from verifier_service.answers.compute.numeric import MAX_WORK, WORK
from verifier_service.answers.compute.witness import witness
from verifier_service.answers.read.reading import read
from verifier_service.answers.tree.bounds import TooComplex
from verifier_service.answers.tree.latex import latex
from verifier_service.schema import MathExplanation
from verifier_service.schema.explanations import MAX_SHOWN_CHARS, MAX_SHOWN_CHARS_OF_ALL


def judged(client: httpx.Client, *submissions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of submissions that ask for explanations."""
    body = {"submissions": [{"explain": True, **one} for one in submissions]}
    return client.post("/v1/verify", content=json.dumps(body), headers={"content-type": "application/json"}).json()[
        "results"
    ]


def math(answer: str, reference: str | list[str]) -> dict[str, Any]:
    return {"kind": "math", "completion": f"so \\boxed{{{answer}}}", "reference": reference}


def code(program: str, **tests: Any) -> dict[str, Any]:
    return {"kind": "code", "completion": f"```python\n{program}\n```", "tests": tests}


def test_math_is_told_as_it_was_read_and_with_a_point_that_refutes_it(client: httpx.Client) -> None:
    refuted, equal, unread, several = judged(
        client, math("x^2+1", "(x+1)^2"), math("\\frac12", "0.5"), math("no idea", "2"), math("4", ["1", "4.0"])
    )
    told = MathExplanation.model_validate(refuted["explanation"])
    assert (told.answer, told.reference) == ("{x}^{2} + 1", "{\\left(x + 1\\right)}^{2}")
    assert (told.point, told.answer_value, told.reference_value) == ({"x": "2"}, "5", "9")
    nowhere = {"point": {}, "answer_value": None, "reference_value": None}
    assert equal["explanation"] == {"answer": "\\frac{1}{2}", "reference": "0.5", **nowhere}
    assert unread["explanation"] == {"answer": None, "reference": "2", **nowhere}
    assert several["explanation"] == {"answer": "4", "reference": "4.0", **nowhere}


def test_without_being_asked_nothing_is_told_and_both_may_be_in_one_batch(client: httpx.Client) -> None:
    called = code("def f(x): return x", kind="call", entry_point="f", cases=[{"args": [1], "expected": 2}])
    found = judged(client, *({**one, "explain": ask} for one in (math("1", "2"), called) for ask in (False, True)))
    assert [one["explanation"] is None for one in found] == [True, False, True, False]
    for silent, told in (found[:2], found[2:]):
        assert (silent["verdict"], silent["score"]) == (told["verdict"], told["score"])


def test_outputs_and_what_was_written_to_stderr_are_told_for_each_test(client: httpx.Client) -> None:
    program = (
        "import sys\ntext = input()\nprint(text * 2, flush=True)\n"
        "print('seen', text, file=sys.stderr)\nsys.stdout.buffer.write(b'\\xff')"
    )
    (found,) = judged(
        client, code(program, kind="stdio", cases=[{"stdin": "a", "stdout": "aa"}, {"stdin": "é", "stdout": "éé\n"}])
    )
    assert [one["verdict"] for one in found["tests"]] == ["wrong_answer", "wrong_answer"]
    assert [(one["output"], one["stderr"]) for one in found["explanation"]] == [
        ("aa\n\\xff", "seen a\n"),
        ("éé\n\\xff", "seen é\n"),
    ]
    assert all(one["wall_s"] > 0 for one in found["explanation"])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("{'a': (1, None), 'b': True}", '{"a": [1, null], "b": true}'),
        ("{1, 2}", "{1, 2}"),
        ("float('nan')", "NaN"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("'\\ud800<'", '"\\ud800<"'),
        ("'é'", '"é"'),
    ],
)
def test_a_returned_value_is_told_as_json_where_it_can_be(client: httpx.Client, value: str, told: str) -> None:
    asked = code(f"def f(): return {value}", kind="call", entry_point="f", cases=[{"expected": "else"}])
    (found,) = judged(client, asked)
    assert [(one["output"], one["stderr"]) for one in found["explanation"]] == [(told, None)]


def test_long_outputs_are_told_by_their_beginning_and_many_as_far_as_there_is_room(client: httpx.Client) -> None:
    asked = code(
        "print('é' * 40_000)\nprint('ok')",
        kind="stdio",
        cases=[{"stdout": "é" * 40_000 + "\nok"}] * (MAX_SHOWN_CHARS_OF_ALL // MAX_SHOWN_CHARS + 1),
    )
    (found,) = judged(client, asked)
    assert found["verdict"] == "accepted"
    told = [one["output"] for one in found["explanation"]]
    assert told == ["é" * MAX_SHOWN_CHARS] * (len(told) - 1) + [None]


def test_what_breaks_a_limit_is_told_as_far_as_it_came(client: httpx.Client) -> None:
    (found,) = judged(
        client,
        {
            **code("while True: print('ab')", kind="stdio", cases=[{"stdout": "x"}]),
            "limits": {"output_limit_kb": 64},
        },
    )
    assert found["verdict"] == "output_limit_exceeded"
    assert found["explanation"][0]["output"].startswith("ab\nab\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a-(b+c)", "a-\\left(b + c\\right)"),
        ("-(x+1)", "-\\left(x + 1\\right)"),
        ("3\\pm\\sqrt2", "3\\pm \\sqrt{2}"),
        ("(-1)^n", "{\\left(-1\\right)}^{n}"),
        ("\\sin^2 x", "\\sin^{2}\\left(x\\right)"),
        ("2\\cdot 3", "2 \\cdot 3"),
        ("[0,1)\\cup(2,\\infty)", "\\left[0, 1\\right) \\cup \\left(2, \\infty\\right)"),
        ("\\sum_{k=1}^n k^2", "\\sum_{k=1}^{n} {k}^{2}"),
        ("\\lim_{x\\to 0}\\frac{\\sin x}{x}", "\\lim_{x \\to 0} \\frac{\\sin\\left(x\\right)}{x}"),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1 & 2 \\\\ 3 & 4\\end{pmatrix}"),
        ("5\\text{ cm}", "5\\;\\text{cm}"),
        ("0<x\\le 1", "0 < x \\le 1"),
        ("\\log_2 8", "\\log_{2}\\left(8\\right)"),
        ("f'(x)", "f'\\left(x\\right)"),
        ("x<5 or x>7", "x < 5\\;\\text{ or }\\;x > 7"),
    ],
)
def test_a_tree_is_written_with_brackets_where_they_are_needed(text: str, shown: str) -> None:
    assert latex(read(text).trees[0]) == shown


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ("x+y", "xy", ({"x": "2", "y": "3"}, "5", "6")),
        ("x^2", "2x", ({"x": "3"}, "9", "6")),  # they agree at 2
        ("\\sqrt{-x}", "x", ({"x": "-1"}, "1", "-1")),  # one side has no value to the right of 0
        ("1/2", "0.51", ({}, "0.5", "0.51")),
        ("i", "-i", ({}, "1i", "-1i")),
        ("2x+2", "2(x+1)", None),
        ("(1,2)", "(1,3)", None),
    ],
)
def test_a_witness_has_small_values_at_which_both_sides_have_one(left: str, right: str, found: object) -> None:
    assert witness(read(left).trees[0], read(right).trees[0]) == found


def test_a_witness_is_found_whatever_the_comparison_has_taken() -> None:
    WORK.refill()
    with pytest.raises(TooComplex):
        WORK.charge(MAX_WORK + 1)
    (left,), (right,) = read("x^2+1").trees, read("(x+1)^2").trees
    assert witness(left, right) is not None


def test_the_reference_that_decided_is_shown_and_words_are_no_formula(client: httpx.Client) -> None:
    several = math("x>3", ["7", "x>3"]), math("yes", ["1", "yes"])
    found = [one["explanation"] for one in judged(client, *several, math("June 3", "June 3"), math("\\varrho", "2"))]
    shown = [(one["answer"], one["reference"]) for one in found]
    assert shown == [("x > 3", "x > 3"), (None, None), (None, None), ("\\varrho", "2")]
