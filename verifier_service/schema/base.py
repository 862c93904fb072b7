"""Base classes of the wire types: requests are read strictly, responses tolerantly."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict


class Worded(StrEnum):
    """Words of the wire, each with a sentence that says what it means: `ACCEPTED = "accepted", "Every test passed."`.

    The manual and `GET /v1/info` show the sentence, so a new word cannot be added without one.
    """

    _value_: str
    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        """Make one member of its word and its sentence."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


class Asked(BaseModel):
    """Part of a request. Unknown fields are refused, because a misspelled limit would otherwise never be applied."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Answered(BaseModel):
    """Part of a response. Unknown fields are ignored, so that a client can read answers of a newer service."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", ser_json_inf_nan="constants", json_schema_serialization_defaults_required=True
    )


def counted(number: int, thing: str) -> str:
    """Return a number of things: `counted(1, "result")` is "1 result", and `counted(0, "result")` "0 results"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def either(words: Iterable[str]) -> str:
    """Return what differs of the words, as a choice: `a, b or c`."""
    found = list(dict.fromkeys(filter(None, words)))
    return " or ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))
