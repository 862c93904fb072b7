"""Problem documents, `application/problem+json` (RFC 9457), and the messages about single fields."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from verifier_service.schema.base import Answered, Asked, counted, either
from verifier_service.schema.patterns import PATTERN_WORDS

SHOWN_CHARS = 200
_SUBJECT = re.compile(r"^\w+ should")  # "List should have at least 1 item": the message names the field already
MAX_FIELDS = 50
MAX_MISSPELLED_CHARS = 40
"""For longer names no similar one is suggested."""
BY_NAME = "name"
"""The tag of a value that is given as a bare name, so no `kind` that can be sent."""
_TYPES = {
    "string_type": "a string",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "none_required": "null",
}
"""What pydantic's errors say of the type that it expected."""
_ITEMS = {"str": "strings", "constrained-str": "strings", "int": "whole numbers", "float": "numbers"}


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

    >>> shown("4"), shown(None), shown([1, 2]), shown({"a": 1}), shown([])
    ("'4'", 'None', 'a list of 2 items', 'an object with 1 field', 'an empty list')
    """
    if isinstance(value, str):
        text = repr(value[: SHOWN_CHARS + 1])
        return text if len(value) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}... ({len(value)} characters)"
    if isinstance(value, list):
        return f"a list of {counted(len(value), 'item')}" if value else "an empty list"
    if isinstance(value, dict):
        return f"an object with {counted(len(value), 'field')}" if value else "an empty object"
    if isinstance(value, int) and value.bit_length() > 1000:  # Python refuses to print thousands of digits
        return "an integer of more than 300 digits"
    return repr(value)[:SHOWN_CHARS]


@dataclass(frozen=True)
class Wrong:
    """One thing that pydantic found wrong: the path of the field as the sender wrote it, and what is allowed there."""

    path: str
    error: ErrorDetails
    allowed: str


def problem_fields(error: ValidationError, sent: object) -> list[ProblemField]:
    """Return the errors in `sent`, with paths as the sender wrote them; at least one, at most `MAX_FIELDS`."""
    return fields_of(error.errors(include_url=False), sent, _fields_of_requests())


def fields_of(found: list[ErrorDetails], sent: object, known: Collection[str] = ()) -> list[ProblemField]:
    """Return the same for listed errors. For an unknown field name, the most similar one in `known` is suggested."""
    return [_field(one, known) for one in wrongs(found, sent)[:MAX_FIELDS]]


def wrongs(found: Iterable[ErrorDetails], sent: object) -> list[Wrong]:
    """Return the errors in `sent`, each thing once.

    Where a value can have several types, pydantic reports it once for each. If it has one of them, only what is wrong
    with it as that type is kept; otherwise the types are listed in one sentence.
    """
    by_path: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for one in map(_at_its_tag, found):
        by_path.setdefault(_path(sent, one["loc"], missing=one["type"] == "missing"), []).append(one)
    has_parts = {path[:length] for path in by_path for length in range(len(path))}
    listed: list[Wrong] = []
    for path, errors in by_path.items():
        types = [type_ for one in errors if (type_ := _type_of(one))]
        if len(types) < len(errors):
            said = {in_words(one): one for one in errors if not _type_of(one)}
        elif path in has_parts:
            continue
        else:
            said = {f"it must be {either(types)}": errors[0]}
        listed += [Wrong(".".join(path), one, allowed) for allowed, one in said.items()]
    return listed


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
    if len(wrong) > MAX_MISSPELLED_CHARS:
        return ""
    if wrong in known:
        return " here; objects of another kind have it"
    found = get_close_matches(wrong, sorted(known), n=1, cutoff=0.75)
    return f"; the nearest is {found[0]!r}" if found else ""


def _field(one: Wrong, known: Collection[str]) -> ProblemField:
    suggested = nearest(str(one.error["loc"][-1]), known) if one.error["type"] == "extra_forbidden" else ""
    value = "" if one.error["type"] == "missing" else shown(one.error["input"])
    return ProblemField(field=one.path, value=value, allowed=one.allowed + suggested)


def _at_its_tag(one: ErrorDetails) -> ErrorDetails:
    """Return an error about the field that says which kind an object is as an error of that field."""
    sent = one["input"]
    if one["type"] not in ("union_tag_invalid", "union_tag_not_found") or not isinstance(sent, dict):
        return one
    named = str(one.get("ctx", {}).get("discriminator", ""))
    tag = named.strip("'") if named.startswith("'") else "kind"  # otherwise it is the name of a function
    at_tag: ErrorDetails = {**one, "loc": (*one["loc"], tag), "input": sent.get(tag)}
    return at_tag if tag in sent else {**at_tag, "type": "missing"}


def _path(sent: object, location: Sequence[int | str], *, missing: bool) -> tuple[str, ...]:
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
    return tuple(parts)


def _type_of(one: ErrorDetails) -> str:
    """Return the type that a value lacks: "a string", "'all' or 'none'"; "" for an error of another kind."""
    if one["type"] in ("literal_error", "enum"):
        return one.get("ctx", {})["expected"]
    member = re.fullmatch(r"list\[(.+)\]", str(one["loc"][-1])) if one["loc"] else None
    if one["type"] == "list_type" and member and member[1] in _ITEMS:
        return f"a list of {_ITEMS[member[1]]}"
    return _TYPES.get(one["type"], "")


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
            kinds = [kind for kind in re.findall(r"'([^']*)'", context["expected_tags"]) if kind != BY_NAME]
            return f"it must be {either(map(repr, kinds))}{nearest(str(context['tag']), kinds)}"
        case "union_tag_not_found":
            return "it must be a string or an object"
        case "value_error":
            return str(context["error"])
        case "string_unicode":
            return "it contains a lone surrogate, which is not a character"
        case "string_pattern_mismatch" if context["pattern"] in PATTERN_WORDS:
            return f"it must be {PATTERN_WORDS[context['pattern']]}"
        case "too_short":
            return f"it must have at least {counted(context['min_length'], _item_of(one))}"
        case "too_long":
            return f"it must have at most {counted(context['max_length'], _item_of(one))}"
        case _:
            type_ = _type_of(one)
            return f"it must be {type_}" if type_ else _SUBJECT.sub("it must", one["msg"])


def _item_of(one: ErrorDetails) -> str:
    """Return the word for one of the things in a list or an object: "case" for `cases`."""
    names = [part for part in one["loc"] if isinstance(part, str) and part.isidentifier()]
    return names[-1].removesuffix("s") if names and names[-1].endswith("s") else "item"
