"""Batches as they are sent: every item is read by itself, and only a body that is not a batch is refused."""

import json
from itertools import islice
from typing import Any

import pytest

from verifier_service.batch import Unread, read_line, read_runs, read_submissions, read_tests, submissions_in_steps
from verifier_service.errors import BadRequest, NotJson
from verifier_service.intake.json_text import MAX_INTEGER_DIGITS
from verifier_service.schema import CallTests, CodeSubmission, MathSubmission, Run

MATH = {"kind": "math", "completion": "\\boxed{1}", "reference": "1"}
CALL = {"kind": "call", "entry_point": "f", "cases": [{"expected": 1}]}
CODE = {"kind": "code", "completion": "def f(): return 1", "tests": CALL}


def read(*items: Any, **envelope: Any) -> list[Any]:
    return list(read_submissions(json.dumps({"submissions": items, **envelope}).encode(), 100).items)


def reason(item: Any, **envelope: Any) -> str:
    before, unread, after = read(MATH, item, CODE, **envelope)
    assert isinstance(before, MathSubmission)
    assert isinstance(after, CodeSubmission)
    assert isinstance(unread, Unread)
    return unread.reason


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (MATH | {"formm": "final"}, "formm 'final': there is no such field; the nearest is 'form'"),
        ({"kind": "math", "completion": "1"}, "reference: this field is required"),
        (MATH | {"reference": 7}, "reference 7: it must be a string or a list of strings"),
        (MATH | {"reference": ["1", 7]}, "reference.1 7: it must be a string"),
        (MATH | {"reference": []}, "reference an empty list: it must have at least 1 item"),
        (MATH | {"id": 7}, "id 7: it must be a string"),
        (
            CODE | {"limits": {"time_limit": 1}},
            "limits.time_limit 1: there is no such field; the nearest is 'time_limit_s'",
        ),
        (CODE | {"limits": {"time_limit_s": -1}}, "limits.time_limit_s -1: it must be greater than 0"),
        (CODE | {"tests": {"kind": "guess"}}, "tests.kind 'guess': it must be 'stdio', 'call', 'assert' or 'pytest'"),
        (CODE | {"tests": CALL | {"kind": {}}}, "tests.kind an empty object: it must be 'stdio', 'call'"),
        (CODE | {"tests": {"sha256": "ab"}}, "tests.sha256 'ab': it must be 64 hexadecimal digits"),
        (CODE | {"tests": CALL | {"cases": []}}, "tests.cases an empty list: it must have at least 1 case"),
        (
            CODE | {"tests": CALL | {"checker": "guess"}},
            "tests.checker 'guess': it must be 'equal', 'float' or 'unordered'",
        ),
        (
            CODE | {"tests": CALL | {"checker": {"kind": "fload"}}},
            "tests.checker.kind 'fload': it must be 'equal', 'float' or 'unordered'; the nearest is 'float'",
        ),
        (CODE | {"tests": CALL | {"checker": 7}}, "tests.checker 7: it must be a string or an object"),
        (CODE | {"tests": CALL | {"abs_tol": 1}}, "abs_tol is an option of the checker `float`"),
        (CODE | {"tests": "p9"}, "tests 'p9': there is no such suite in this request; it must be 'p1' or 'broken'"),
        (CODE | {"tests": "brokn"}, "it must be 'p1' or 'broken'; the nearest is 'broken'"),
        (CODE | {"tests": "broken"}, "suites.broken: entry_point: this field is required"),
        ({"kind": "poem"}, "kind 'poem': it must be 'math' or 'code'"),
        ({"kind": "mat"}, "kind 'mat': it must be 'math' or 'code'; the nearest is 'math'"),
        ({}, "kind: this field is required"),
        (None, "None: "),
        ([], "an empty list: "),
        ("math", "'math': "),
    ],
)
def test_a_bad_item_has_a_reason_that_names_field_value_and_what_is_allowed(item: Any, said: str) -> None:
    suites = {"p1": CALL, "broken": {"kind": "call", "cases": [{"expected": 1}]}}
    assert said in reason(item, suites=suites)


def test_a_suite_of_a_request_without_suites_says_where_to_put_it() -> None:
    said = """tests 'p9': the request defines no suites; add "suites": {"p9": ...} or give the tests inline"""
    assert reason(CODE | {"tests": "p9"}) == said


def test_a_broken_suite_touches_those_who_name_it_only() -> None:
    good, bad = read(CODE | {"tests": "p1"}, CODE | {"tests": "p2"}, suites={"p1": CALL, "p2": {"kind": "call"}})
    assert isinstance(good, CodeSubmission)
    assert isinstance(good.tests, CallTests)
    assert isinstance(bad, Unread)


def test_a_suite_that_a_group_shares_is_read_once() -> None:
    one, other = read(CODE | {"tests": "p1"}, CODE | {"tests": "p1"}, suites={"p1": CALL})
    assert one.tests is other.tests


@pytest.mark.parametrize("completion", ["x" * 1_000_001, "\ud800", "a\udfffb"])
def test_a_completion_at_fault_is_an_answer_that_is_none(completion: str) -> None:
    _, unread, _ = read(MATH, MATH | {"id": "a", "completion": completion}, MATH)
    assert (unread.kind, unread.id, unread.is_answer) == ("math", "a", True)


def test_a_request_at_fault_is_never_the_completion_s() -> None:
    for item in (
        MATH | {"completion": 7},
        MATH | {"completion": "x" * 1_000_001, "colour": 1},
        CODE | {"completion": None},
    ):
        (unread,) = read(item)
        assert (unread.is_answer, "completion" in unread.reason) == (False, True)


def test_an_id_that_cannot_be_written_out_is_mended_or_left_out() -> None:
    ids = [read(MATH | {"id": one, "x": 1})[0].id for one in ("a\ud800", 7, "i" * 500)]
    assert ids == ["a\ufffd", None, "i" * 200]


@pytest.mark.parametrize("digits", [300, 4300, 5000, MAX_INTEGER_DIGITS])
def test_integers_of_thousands_of_digits_are_read(digits: int) -> None:
    body = (
        b'{"submissions": [{"kind": "code", "completion": "", "tests": {"kind": "call", "entry_point": "f", "cases": '
    )
    body += b'[{"args": [-1' + b"0" * (digits - 1) + b'], "expected": 1' + b"0" * (digits - 1) + b"}]}}]}"
    (item,) = read_submissions(body, 1).items
    assert isinstance(item, CodeSubmission)
    assert isinstance(item.tests, CallTests)
    assert item.tests.cases[0].expected == -item.tests.cases[0].args[0] == 10 ** (digits - 1)


def test_a_longer_integer_costs_its_own_item_only() -> None:
    body = b'{"submissions": [7, {"kind": "math", "completion": 1' + b"0" * MAX_INTEGER_DIGITS + b'}, {"kind": "x"}]}'
    first, second, third = read_submissions(body, 3).items
    assert [isinstance(one, Unread) for one in (first, second, third)] == [True] * 3
    assert isinstance(second, Unread)
    assert second.reason == "completion an integer of 100001 digits: an integer may have at most 100000 digits"


def test_a_value_that_is_nested_too_deeply_costs_its_own_item_only() -> None:
    deep = b"[" * 5000 + b'"]]["' + b"]" * 5000
    item = b'{"kind": "code", "id": "a", "completion": "", "tests": {"kind": "call", "entry_point": "f", "cases": '
    item += b'[{"expected": '
    good = json.dumps(MATH | {"completion": "]]" * 200 + '\\" [['}).encode()
    body = b'{"submissions": [' + good + b", " + item + deep + b"}]}}, " + good + b"]}"
    first, second, third = read_submissions(body, 3).items
    assert first == third
    assert isinstance(first, MathSubmission)
    assert isinstance(second, Unread)
    assert second.id == "a"
    assert "it may be nested at most 200 deep" in second.reason
    with pytest.raises(NotJson):
        read_submissions(body[:-2], 3)


def test_a_byte_order_mark_before_a_line_is_no_part_of_it() -> None:
    assert isinstance(read_line(b"\xef\xbb\xbf" + json.dumps(MATH).encode(), "submission"), MathSubmission)


def test_nul_characters_are_characters() -> None:
    (item,) = read(MATH | {"completion": "\0\\boxed{1}"})
    assert isinstance(item, MathSubmission)


@pytest.mark.parametrize("body", [b"", b"not json", b'{"submissions": [', b"\xff\xfe\x00", b"[" * 100_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    for reader in (read_submissions, read_runs):
        with pytest.raises(NotJson):
            reader(body, 10)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "expected a value at byte 0, found the end of the text"),
        (b"hello", "expected a value at byte 0, found 'hello'"),
        (b"{", "expected a field name in quotes at byte 1, found the end of the text"),
        (b"{a: 1}", "expected a field name in quotes at byte 1, found 'a'"),
        (b'{"a" 1}', "expected `:` at byte 5, found '1'"),
        (b'{"a": 1, "b": [2 3]}', "expected `,` or `]` at byte 17, found '3'"),
        (b'{"a": 1]', "expected `,` or `}` at byte 7, found ']'"),
        (b"{} {}", "expected the end of the text at byte 3, found '{'"),
        (b'{"a": "b', "the string that begins at byte 6 does not end"),
    ],
)
def test_an_error_of_syntax_says_what_was_expected_and_what_was_found(body: bytes, said: str) -> None:
    with pytest.raises(NotJson) as refused:
        read_submissions(body, 10)
    assert str(refused.value) == f"it is not valid JSON: {said}"


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        ([], "the body must be an object with `submissions`"),
        ("text", "the body must be an object with `submissions`"),
        ({}, "submissions: this field is required"),
        ({"submissions": []}, "submissions an empty list: it must be a list of at least one item"),
        ({"submissions": {}}, "submissions an empty object: it must be a list of at least one item"),
        ({"submissions": [MATH] * 11}, "submissions 11: at most 10 in one request"),
        (
            {"submissions": [MATH], "deadline": 1},
            "'deadline': there is no such field; the fields are submissions, suites",
        ),
        ({"submissions": [MATH], "deadline_s": 0}, "deadline_s 0: it must be greater than 0"),
        ({"submissions": [MATH], "deadline_s": "soon"}, "deadline_s 'soon': it must be a number"),
        ({"submissions": [MATH], "suites": []}, "suites an empty list: it must be an object that maps names to tests"),
    ],
)
def test_what_is_not_a_batch_is_refused_by_field(envelope: Any, said: str) -> None:
    with pytest.raises(BadRequest, match=said.replace("(", "\\(")):
        read_submissions(json.dumps(envelope).encode(), 10)


def test_a_run_is_read_like_a_submission() -> None:
    body = {"runs": [{"source": "x", "files": {"a/b": "aGk="}}, {"source": "x", "files": {"a": "%%"}}, {"src": ""}]}
    good, bad, worse = read_runs(json.dumps(body).encode(), 3).items
    assert isinstance(good, Run)
    assert good.files == {"a/b": b"hi"}
    assert isinstance(bad, Unread)
    assert "files.a '%%': it must be base64" in bad.reason
    assert isinstance(worse, Unread)
    assert (worse.kind, "source: this field is required" in worse.reason) == ("run", True)


def test_a_line_that_cannot_be_read_is_an_item() -> None:
    assert isinstance(read_line(json.dumps(MATH).encode(), "submission"), MathSubmission)
    for line in (b"{", b"7", b'{"kind": "math"}'):
        assert isinstance(read_line(line, "submission"), Unread)
    assert isinstance(read_line(b'{"source": "print(1)"}', "run"), Run)


def test_tests_that_stand_alone_are_read_or_refused() -> None:
    assert isinstance(read_tests(json.dumps(CALL).encode()), CallTests)
    for body in (b'"p1"', b"{}", b'{"kind": "call"}'):
        with pytest.raises(BadRequest):
            read_tests(body)


def test_what_is_too_much_is_refused_before_it_is_read() -> None:
    for body, said in (
        (b'{"submissions": [' + b"1," * 1_000_000 + b"1]}", "submissions more than 100: at most 100 in one request"),
        (b'{"suites": {' + b'"a":1,' * 100_000 + b'"b":1}, "submissions": [7]}', "suites more than 100"),
        (b'{"deadline_s": [' + b"1," * 100_000 + b'1], "submissions": [7]}', "deadline_s more than 1"),
        (b'{"items": [' + b"1," * 100_000 + b"1]}", "'items': there is no such field"),
        (b"[" + b"1," * 100_000 + b"1]", "a list: the body must be an object with `submissions`"),
    ):
        with pytest.raises(BadRequest, match=said):
            list(islice(submissions_in_steps(body, 100), 110))


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (MATH | {f"field{n}": 1 for n in range(200_000)}, "an object of more than 1000 fields: at most 1000 fields"),
        (MATH | {"extract": ["x"] * 200_000}, "extract a list of 200000 items: it may have at most 10000 parts"),
        (CODE | {"tests": CALL | {"cases": [{"x": 1, "y": 2}] * 9000}}, "tests.cases.0.expected: this field is req"),
        (CODE | {"tests": CALL | {"cases": [1] * 200_000}}, "tests.cases"),
        (CODE | {"tests": CALL | {"cases": [{"expected": 1}] * 5000 + [7]}}, "tests.cases.5000 7: "),
    ],
)
def test_thousands_of_errors_in_an_item_are_told_by_the_first(item: Any, said: str) -> None:
    assert said in reason(item)
    assert len(reason(item)) < 3000


def test_many_cases_are_read_one_by_one() -> None:
    body = json.dumps({"submissions": [CODE | {"tests": CALL | {"cases": [{"expected": 1}] * 5000}}]}).encode()
    steps = submissions_in_steps(body, 1)
    assert sum(1 for _ in steps) > 5000
    (item,) = read_submissions(body, 1).items
    assert isinstance(item, CodeSubmission)
    assert isinstance(item.tests, CallTests)
    assert len(item.tests.cases) == 5000
