"""Packed tests: only a single text is read, and no instruction of a pickle is executed."""

import base64
import pickle
import zlib

import pytest

from verifier_service.data.formats import livecodebench
from verifier_service.data.packed import inflated, text_of_pickle
from verifier_service.data.row import Fault, Row


class Runs:
    """Would be called by unpickling."""

    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("text", ["", "[1, 2]", "ümläut \U0001f600", "x" * 300, "y" * 70_000])
def test_a_text_is_read(text: str, protocol: int) -> None:
    assert text_of_pickle(pickle.dumps(text, protocol), "tests") == text


@pytest.mark.parametrize("held", [Runs(), ["a"], ("a", "b"), {"a": 1}, b"a", 1, None])
def test_anything_else_is_refused(held: object) -> None:
    for protocol in range(6):
        with pytest.raises(Fault, match="a single string; anything else is refused"):
            text_of_pickle(pickle.dumps(held, protocol), "tests")


def test_every_cut_of_a_pickle_is_refused_and_so_is_what_follows_it() -> None:
    whole = pickle.dumps("some text")
    for data in [*(whole[:size] for size in range(len(whole))), whole + b"."]:
        with pytest.raises(Fault, match="a single string; anything else is refused"):
            text_of_pickle(data, "tests")


def test_what_is_no_zlib_is_refused_and_so_is_what_is_cut_off() -> None:
    packed = zlib.compress(b"some text" * 100)
    assert inflated(base64.b64encode(packed).decode(), "tests") == b"some text" * 100
    with pytest.raises(Fault, match="tests"):
        inflated("caf\u00e9", "tests")
    for data in (b"no zlib", packed[:-5]):
        with pytest.raises(Fault, match="tests"):
            inflated(base64.b64encode(data).decode(), "tests")


def test_private_cases_that_are_no_ascii_are_named() -> None:
    row = Row({"question_content": "q", "public_test_cases": "[]", "private_test_cases": "caf\u00e9"})
    with pytest.raises(Fault, match="private_test_cases"):
        livecodebench.FORMAT.read(row)
