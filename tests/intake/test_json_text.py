"""JSON is read through a window. The result is that of any other JSON reader, wherever the window ends."""

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier_service.errors import NotJson
from verifier_service.intake import json_text
from verifier_service.intake.json_text import Unwanted, read_json
from verifier_service.intake.slices import at_once

SMALL_WINDOW = 64
TEXT = st.text(st.sampled_from('ab"\\[]{},:\n\té漢😀\x7f 0'), max_size=150)
NUMBERS = st.integers() | st.integers(-(10**70), 10**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda part: st.lists(part, max_size=8) | st.dictionaries(TEXT, part, max_size=8),
    max_leaves=60,
)


@pytest.fixture(autouse=True)
def _small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "WINDOW_BYTES", SMALL_WINDOW)


UNWATCHED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=UNWATCHED,
)
@given(VALUES, st.booleans(), st.sampled_from([None, 0, 3]))
def test_what_is_written_is_read(value: Any, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    read = at_once(read_json(text.encode()))
    assert read.is_whole
    assert read.value == json.loads(text)


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=UNWATCHED,
)
@given(VALUES, st.integers(0), st.integers(0, 3), st.sampled_from([b"", b'"', b"[", b"]", b"x", b",", b"\xff", b"\\"]))
def test_what_is_broken_is_read_or_refused_as_a_whole_reader_would(
    value: Any, place: int, cut: int, put: bytes
) -> None:
    text = bytearray(json.dumps([value] * 3).encode())
    place %= len(text)
    text[place : place + cut] = put
    try:
        expected = repr(json.loads(bytes(text)))
    except ValueError:
        expected = "refused"
    try:
        found = repr(at_once(read_json(bytes(text))).value)
    except NotJson:
        found = "refused"
    assert found == expected


@pytest.mark.parametrize("text", [b'"' + b"\\ud83d\\ude00" * 200 + b'"', b'"' + b"\\\\" * 200 + b'"'])
def test_no_piece_of_a_long_string_ends_inside_of_an_escape(text: bytes) -> None:
    assert at_once(read_json(text)).value == json.loads(text)


def test_what_is_unwanted_is_told_before_the_rest_is_read() -> None:
    for text, field in (
        (b'{"items": [' + b"1," * 1000 + b"BROKEN", "items"),
        (b'{"other": [' + b"1," * 1000 + b"BROKEN", "other"),
        (b"[" + b"1," * 1000 + b"BROKEN", ""),
    ):
        with pytest.raises(Unwanted) as raised:
            at_once(read_json(text, {"items": 10}))
        assert raised.value.field == field


def test_no_step_reads_more_than_a_window() -> None:
    text = json.dumps({"a": [{"b": ["x" * 50] * 50}] * 50}).encode()
    assert sum(1 for _ in read_json(text)) > len(text) / SMALL_WINDOW / 4


def test_an_object_of_too_many_fields_is_not_held() -> None:
    text = json.dumps({"items": [{f"field{n}": n for n in range(2000)}, 1]}).encode()
    read = at_once(read_json(text))
    problem = read.problem_of(read.value)
    assert problem is not None
    assert str(problem) == "items.0 an object of more than 1000 fields: at most 1000 fields"


@pytest.mark.parametrize("deep", ["[" * 1_000_000 + "]" * 1_000_000, '[{"":' * 300_000 + "1" + "}]" * 300_000])
def test_two_megabytes_of_nested_nonsense_cost_little_and_what_stands_beside_them_is_read(deep: str) -> None:
    began_s = time.process_time()
    read = at_once(read_json(f'{{"a": {deep}, "b": "]]"}}'.encode()))
    assert time.process_time() - began_s < 0.5, "0.03 to 0.2 s; it was 0.8 s when each level was looked at anew"
    assert (read.value["b"], read.is_whole) == ("]]", False)
    problem = read.problem_of(read.value)
    assert problem is not None
    assert problem.allowed == "it may be nested at most 200 deep"
