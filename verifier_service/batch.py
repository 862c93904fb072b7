"""A batch as it was sent, read item by item: what cannot be read is an item with a reason, beside whole neighbours.

Only what is not a batch at all is refused: no JSON, an unknown field of the envelope, no items.
"""

import codecs
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from verifier_service.errors import BadRequest, NotJson
from verifier_service.schema import CodeSubmission, MathSubmission, ProblemField, Run, Submission, Tests
from verifier_service.schema.problems import problem_fields, shown
from verifier_service.schema.requests import Deadline

MAX_INTEGER_DIGITS = 100_000
_EASY_DIGITS = 4000  # what Python reads without being asked to
MAX_DEPTH = 200
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)  # whole strings, and what opens and closes a value
_SURROGATE = re.compile("[\ud800-\udfff]")
_COMPLETION_FAULTS = {"string_too_long", "string_unicode"}
"""What a model can do wrong in a completion, which is its answer and not the request."""

_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)
_RUN: TypeAdapter[Run] = TypeAdapter(Run)
_TESTS: TypeAdapter[Tests] = TypeAdapter(Tests)
_DEADLINE: TypeAdapter[float | None] = TypeAdapter(Deadline | None)


@dataclass(frozen=True)
class Unread:
    """An item that cannot be read. `is_answer` tells that the completion is at fault, and so the item is no answer."""

    kind: str
    id: str | None
    reason: str
    is_answer: bool = False


Item = MathSubmission | CodeSubmission | Run | Unread


@dataclass(frozen=True)
class Batch:
    """Items in the order in which they were sent."""

    items: Sequence[Item]
    deadline_s: float | None = None


@dataclass
class _Suites:
    """The suites of a request, each read when it is first named."""

    sent: dict[str, Any]
    problem_of: "_ProblemOf"
    read: dict[str, Tests | str] = field(default_factory=dict)

    def find(self, name: str) -> Tests | str:
        """Return the tests, or why there are none."""
        if name not in self.sent:
            names = ", ".join(map(shown, list(self.sent)[:10])) or "it has none"
            return f"tests {shown(name)}: it must be the name of a suite of this request: {names}"
        if name not in self.read and (problem := self.problem_of(self.sent[name])):
            self.read[name] = f"suites.{name[:100]}: {problem}"
        if name not in self.read:
            try:
                self.read[name] = _TESTS.validate_python(self.sent[name])
            except ValidationError as error:
                self.read[name] = f"suites.{name[:100]}: {_sentence(problem_fields(error, self.sent[name]))}"
        return self.read[name]


def read_submissions(body: bytes, max_items: int) -> Batch:
    """Read the body of a batch of submissions.

    Raises:
        NotJson: it is not JSON.
        BadRequest: it is not a batch.
    """
    envelope, problem_of = _envelope(body, "submissions", ("suites",), max_items)
    suites = envelope.get("suites", {})
    if not isinstance(suites, dict):
        raise BadRequest([ProblemField(field="suites", value=shown(suites), allowed="an object: name to tests")])
    known = _Suites(suites, problem_of)
    return Batch([_submission(one, problem_of, known) for one in envelope["submissions"]], envelope.get("deadline_s"))


def read_runs(body: bytes, max_items: int) -> Batch:
    """Read the body of a batch of runs. Raises as `read_submissions`."""
    envelope, problem_of = _envelope(body, "runs", (), max_items)
    return Batch([_item(one, "run", _RUN, problem_of) for one in envelope["runs"]], envelope.get("deadline_s"))


def read_tests(body: bytes) -> Tests:
    """Read tests that stand alone.

    Raises:
        NotJson: it is not JSON.
        BadRequest: they are not tests.
    """
    sent, problem_of = _json(body)
    if problem := problem_of(sent):
        raise BadRequest([problem])
    try:
        return _TESTS.validate_python(sent)
    except ValidationError as error:
        raise BadRequest(problem_fields(error, sent)) from error


def read_line(line: bytes, kind: str) -> Item:
    """Read one item of a file: a submission, or with `kind` "run" a run. What cannot be read is `Unread`."""
    try:
        sent, problem_of = _json(line.removeprefix(codecs.BOM_UTF8))
    except NotJson as error:
        return Unread("run" if kind == "run" else "unknown", None, str(error))
    return (
        _item(sent, "run", _RUN, problem_of)
        if kind == "run"
        else _submission(sent, problem_of, _Suites({}, problem_of))
    )


_ProblemOf = Callable[[Any], ProblemField | None]


def _envelope(body: bytes, items: str, more: tuple[str, ...], max_items: int) -> tuple[dict[str, Any], _ProblemOf]:
    sent, problem_of = _json(body)
    if not isinstance(sent, dict):
        raise BadRequest(
            [ProblemField(field="", value=shown(sent), allowed=f"the body must be an object with `{items}`")]
        )
    known = (items, *more, "deadline_s")
    problems = [
        ProblemField(field=str(shown(name)), value="", allowed=f"there is no such field; known are {', '.join(known)}")
        for name in sent
        if name not in known
    ]
    listed = sent.get(items)
    if items not in sent:
        problems.append(ProblemField(field=items, value="", allowed="this field is required"))
    elif not isinstance(listed, list) or not listed:
        problems.append(
            ProblemField(field=items, value=shown(listed), allowed="it must be a list of at least one item")
        )
    elif len(listed) > max_items:
        allowed = f"at most {max_items} in one request"
        problems.append(ProblemField(field=items, value=str(len(listed)), allowed=allowed))
    try:
        _DEADLINE.validate_python(sent.get("deadline_s"))
    except ValidationError as error:
        problems += [
            ProblemField(field="deadline_s", value=one.value, allowed=one.allowed)
            for one in problem_fields(error, sent["deadline_s"])
        ]
    if problems:
        raise BadRequest(problems[:50])
    return {**sent, "deadline_s": _DEADLINE.validate_python(sent.get("deadline_s"))}, problem_of


def _submission(sent: Any, problem_of: _ProblemOf, suites: _Suites) -> Item:
    kind = sent.get("kind") if isinstance(sent, dict) else None
    item = _item(sent, kind if kind in ("math", "code") else "unknown", _SUBMISSION, problem_of)
    if isinstance(item, CodeSubmission) and isinstance(item.tests, str):
        tests = suites.find(item.tests)
        if isinstance(tests, str):
            return Unread(item.kind, item.id, tests)
        return item.model_copy(update={"tests": tests})
    return item


def _item(sent: Any, kind: str, adapter: TypeAdapter[Any], problem_of: _ProblemOf) -> Item:
    identity = _id(sent)
    if problem := problem_of(sent):
        return Unread(kind, identity, str(problem))
    try:
        return adapter.validate_python(sent)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        is_answer = all(one["loc"][-1:] == ("completion",) and one["type"] in _COMPLETION_FAULTS for one in faults)
        return Unread(kind, identity, _sentence(problem_fields(error, sent)), is_answer)
    except RecursionError:
        return Unread(kind, identity, "it is nested too deeply to be read")


def _id(sent: Any) -> str | None:
    """Return the id of an item that may be anything, fit to be written out."""
    identity = sent.get("id") if isinstance(sent, dict) else None
    if not isinstance(identity, str):
        return None
    return _SURROGATE.sub("\ufffd", identity[:200])


def _sentence(problems: Sequence[ProblemField]) -> str:
    shown_first = "; ".join(map(str, problems[:3]))
    return shown_first + (f" (and {len(problems) - 3} more)" if len(problems) > 3 else "")


# JSON: fast where the text is ordinary, and complete where it is not.


@dataclass(frozen=True)
class _TooMuch:
    """Stands for a value that is not read: an integer of too many digits, or one that is nested too deeply."""

    what: str
    allowed: str

    def __repr__(self) -> str:
        return self.what


def _json(body: bytes) -> tuple[Any, _ProblemOf]:
    """Return what the body holds, and a function that tells what cannot be read inside of a part of it.

    Raises:
        NotJson: it is not JSON.
    """
    try:
        return from_json(body), lambda _: None
    except ValueError as error:
        ordinary = str(error)
    found: list[_TooMuch] = []

    def integer(text: str) -> int | _TooMuch:
        if len(text) <= _EASY_DIGITS:
            return int(text)
        digits = len(text.removeprefix("-"))
        if digits > MAX_INTEGER_DIGITS:
            allowed = f"an integer may have {MAX_INTEGER_DIGITS} digits"
            found.append(_TooMuch(f"an integer of {digits} digits", allowed))
            return found[-1]
        return _long_integer(text)

    def checked(table: dict[str, Any]) -> dict[str, Any] | _TooMuch:
        if deep not in table:
            return table
        found.append(_TooMuch("a value", f"it may be nested {MAX_DEPTH} deep"))
        return found[-1]

    deep = secrets.token_hex(8)
    try:
        text = _without_deep_values(body.decode("utf-8", "surrogatepass"), f'{{"{deep}":0}}')
        sent = json.loads(text, parse_int=integer, object_hook=checked)
    except (ValueError, RecursionError) as error:
        raise NotJson(f"it is not JSON: {ordinary}") from error
    return sent, _too_much_in if found else lambda _: None


def _without_deep_values(text: str, instead: str) -> str:
    """Return JSON with `instead` in place of each value that is nested more than `MAX_DEPTH` deep: no reader of JSON
    goes much deeper, and one such value is no reason to refuse a batch."""
    parts: list[str] = []
    depth = kept = start = 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                start = found.start()
        elif token in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                parts += text[kept:start], instead
                kept = found.end()
    return text if not parts else "".join([*parts, text[kept:]])


def _long_integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    number = 0
    for start in range(0, len(digits), _EASY_DIGITS):
        part = digits[start : start + _EASY_DIGITS]
        number = number * 10 ** len(part) + int(part)
    return sign * number


def _too_much_in(sent: Any) -> ProblemField | None:
    """Return the first value inside of `sent` that was not read, with its place."""
    todo: list[tuple[str, Any]] = [("", sent)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, _TooMuch):
            return ProblemField(field=path, value=value.what, allowed=value.allowed)
        if isinstance(value, dict):
            todo += [(f"{path}.{name}".lstrip("."), one) for name, one in value.items()]
        elif isinstance(value, list):
            todo += [(f"{path}.{index}".lstrip("."), one) for index, one in enumerate(value)]
    return None
