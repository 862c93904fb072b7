"""What an error looks like: `application/problem+json` (RFC 9457), and the words for what is wrong with a field."""

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from functools import cache

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from verifier_service.schema.base import Answered, Asked

SHOWN_CHARS = 200
_SUBJECT = re.compile(r"^\w+ should")  # "List should have at least 1 item": it is the field that was named
MAX_FIELDS = 50
MAX_MISSPELT_CHARS = 40
"""Longer names are not looked for among the right ones."""


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
    """Return a short text for what was given, which may be anything, of any size."""
    if isinstance(value, str):
        text = repr(value[: SHOWN_CHARS + 1])
        return text if len(value) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}... ({len(value)} characters)"
    if isinstance(value, (list, dict)):
        what = "list" if isinstance(value, list) else "object"
        return f"{what} of {len(value)}" if value else f"empty {what}"
    if isinstance(value, int) and value.bit_length() > 1000:  # Python refuses to write out thousands of digits
        return "an integer of more than 300 digits"
    return repr(value)[:SHOWN_CHARS]


def problem_fields(error: ValidationError, sent: object) -> list[ProblemField]:
    """Return what is wrong with `sent`, in the words of its sender; at most `MAX_FIELDS` entries, never none."""
    return fields_of(error.errors(include_url=False), sent, _fields_of_requests())


def fields_of(found: list[ErrorDetails], sent: object, known: Collection[str] = ()) -> list[ProblemField]:
    """Return the same for errors that are listed already; a wrong name may have been meant for one that is `known`."""
    # The other way to write a field that was not meant, for instance the name of a suite, is no news.
    meant = [one for one in found if not (one["type"] == "string_type" and isinstance(one["input"], dict))] or found
    return [_field(one, sent, known) for one in meant[:MAX_FIELDS]]


@cache
def _fields_of_requests() -> frozenset[str]:
    """Return the names of all fields that any part of a request of ours has."""
    parts, names = [Asked], set[str]()
    while parts:
        part = parts.pop()
        names |= part.model_fields.keys()
        parts += part.__subclasses__()
    return frozenset(names)


def nearest(wrong: str, known: Collection[str]) -> str:
    """Return the end of a sentence that names what `wrong` was probably meant to be, or nothing."""
    if len(wrong) > MAX_MISSPELT_CHARS:
        return ""
    found = get_close_matches(wrong, sorted(known), n=1, cutoff=0.75)
    return f"; the nearest is {found[0]!r}" if found else ""


def _field(one: ErrorDetails, sent: object, known: Collection[str]) -> ProblemField:
    missing = one["type"] == "missing"
    return ProblemField(
        field=_path(sent, one["loc"], missing=missing),
        value="" if missing else shown(one["input"]),
        allowed=_allowed(one) + (nearest(str(one["loc"][-1]), known) if one["type"] == "extra_forbidden" else ""),
    )


def _path(sent: object, location: Sequence[int | str], *, missing: bool) -> str:
    """Return where the error is, without pydantic's names for the arms of a union, which the sender did not write."""
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


def _allowed(one: ErrorDetails) -> str:
    context = one.get("ctx", {})
    match one["type"]:
        case "missing":
            return "this field is required"
        case "extra_forbidden":
            return "there is no such field"
        case "union_tag_invalid":
            return f"its kind must be one of {context['expected_tags']}"
        case "union_tag_not_found":
            return "its kind is missing or not a word"
        case "value_error":
            return str(context["error"])
        case "string_unicode":
            return "half a surrogate pair is not a character"
        case "string_pattern_mismatch" if "/" in str(context.get("pattern")):
            return "a relative path, without `..` and empty parts"
        case _:
            return _SUBJECT.sub("it must", one["msg"])
