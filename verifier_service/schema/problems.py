"""Problem documents, `application/problem+json` (RFC 9457), and the messages about single fields."""

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from functools import cache

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from verifier_service.schema.base import Answered, Asked

SHOWN_CHARS = 200
_SUBJECT = re.compile(r"^\w+ should")  # "List should have at least 1 item": the message names the field already
MAX_FIELDS = 50
MAX_MISSPELT_CHARS = 40
"""For longer names no similar one is suggested."""


class ProblemField(Answered):
    """One thing that is wrong with a request: the field, its value, and what is allowed there."""

    field: str = Field(description="path of the field, with dots: `submissions.0.reference`; empty for the whole body")
    value: str = Field(description="the value that was sent, shortened; empty if the field is missing")
    allowed: str = Field(description="what is allowed there")

    def __str__(self) -> str:
        return " ".join(part for part in (self.field, self.value) if part) + f": {self.allowed}"


class Problem(Answered):
    """An error document (RFC 9457), of the type `application/problem+json`."""

    type: str = Field(default="about:blank", description="always `about:blank`: the status says it all")
    title: str = Field(description="the status in a few words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what was wrong with this request")
    errors: list[ProblemField] = Field(
        default_factory=list, description="each wrong field of the request, at most 50; empty if no field is wrong"
    )
    request_id: str | None = Field(
        default=None, description="id of the request, as in the header `X-Request-ID` and in the service's log"
    )


def shown(value: object) -> str:
    """Return a short text for a value in a message. The value can be of any type and size.

    >>> shown("4"), shown(None), shown([1, 2]), shown({})
    ("'4'", 'None', 'list of 2', 'empty object')
    """
    if isinstance(value, str):
        text = repr(value[: SHOWN_CHARS + 1])
        return text if len(value) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}... ({len(value)} characters)"
    if isinstance(value, (list, dict)):
        what = "list" if isinstance(value, list) else "object"
        return f"{what} of {len(value)}" if value else f"empty {what}"
    if isinstance(value, int) and value.bit_length() > 1000:  # Python refuses to print thousands of digits
        return "an integer of more than 300 digits"
    return repr(value)[:SHOWN_CHARS]


def problem_fields(error: ValidationError, sent: object) -> list[ProblemField]:
    """Return the errors in `sent`, with paths as the sender wrote them; at least one, at most `MAX_FIELDS`."""
    return fields_of(error.errors(include_url=False), sent, _fields_of_requests())


def fields_of(found: list[ErrorDetails], sent: object, known: Collection[str] = ()) -> list[ProblemField]:
    """Return the same for listed errors. For an unknown field name, the most similar one in `known` is suggested."""
    # For a field that is a string or an object (tests: a name or tests), pydantic also reports that an object is not a
    # string. The sender meant an object, so that report is dropped.
    meant = [one for one in found if not (one["type"] == "string_type" and isinstance(one["input"], dict))] or found
    return [_field(one, sent, known) for one in meant[:MAX_FIELDS]]


@cache
def _fields_of_requests() -> frozenset[str]:
    """Return the names of all fields in all request types."""
    parts, names = [Asked], set[str]()
    while parts:
        part = parts.pop()
        names |= part.model_fields.keys()
        parts += part.__subclasses__()
    return frozenset(names)


def nearest(wrong: str, known: Collection[str]) -> str:
    """Return the end of a sentence that suggests the most similar known name, or "" if none is similar.

    >>> nearest("refrence", ["reference", "rounding"])
    "; the nearest is 'reference'"
    >>> nearest("expected", ["expected", "stdout"])  # known, but not where it was sent
    ' here; objects of another kind have it'
    """
    if len(wrong) > MAX_MISSPELT_CHARS:
        return ""
    if wrong in known:
        return " here; objects of another kind have it"
    found = get_close_matches(wrong, sorted(known), n=1, cutoff=0.75)
    return f"; the nearest is {found[0]!r}" if found else ""


def _field(one: ErrorDetails, sent: object, known: Collection[str]) -> ProblemField:
    missing = one["type"] == "missing"
    return ProblemField(
        field=_path(sent, one["loc"], missing=missing),
        value="" if missing else shown(one["input"]),
        allowed=in_words(one) + (nearest(str(one["loc"][-1]), known) if one["type"] == "extra_forbidden" else ""),
    )


def _path(sent: object, location: Sequence[int | str], *, missing: bool) -> str:
    """Return the path of an error, without pydantic's names for union members, which the sender did not write."""
    parts: list[str] = []
    for number, part in enumerate(location, start=1):
        if isinstance(sent, dict) and part in sent:  # noqa: SIM114 -- two types, told apart for the type checker
            sent = sent[part]
        elif isinstance(sent, list) and isinstance(part, int) and part < len(sent):
            sent = sent[part]
        elif not (missing and number == len(location)):
            continue
        parts.append(str(part))
    return ".".join(parts)


def in_words(one: ErrorDetails) -> str:
    """Return what is allowed where pydantic found an error, without the words of its types.

    >>> in_words({"type": "int_parsing", "loc": (), "msg": "Input should be a valid integer, ...", "input": "many"})
    'it must be a whole number'
    """
    context = one.get("ctx", {})
    match one["type"]:
        case "missing":
            return "this field is required"
        case "extra_forbidden":
            return "there is no such field"
        case "union_tag_invalid":
            kinds = re.findall(r"'([^']*)'", context["expected_tags"])
            return f"its kind must be one of {context['expected_tags']}{nearest(str(context['tag']), kinds)}"
        case "union_tag_not_found":
            return "its kind is missing or not a string"
        case "value_error":
            return str(context["error"])
        case "model_type" | "model_attributes_type" | "dict_type":
            return "it must be an object"
        case "int_parsing" | "int_type" | "int_from_float":
            return "it must be a whole number"
        case "float_parsing" | "float_type":
            return "it must be a number"
        case "string_unicode":
            return "it contains a lone surrogate, which is not a character"
        case "string_pattern_mismatch" if "/" in str(context.get("pattern")):
            return "it must be a relative path without `..` and empty parts"
        case _:
            return _SUBJECT.sub("it must", one["msg"])
