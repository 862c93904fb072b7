"""A batch as it was sent, read item by item: what cannot be read is an item with a reason, beside whole neighbours.

Only what is not a batch at all is refused: no JSON, an unknown field of the envelope, no items.
"""

import codecs
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError

from verifier_service.errors import BadRequest, NotJson
from verifier_service.intake.json_text import MAX_FIELDS, Read, Unwanted, read_json
from verifier_service.intake.slices import Steps, at_once, stepwise
from verifier_service.schema import CodeSubmission, MathSubmission, ProblemField, Run, StoredBatchGet, Submission, Tests
from verifier_service.schema.problems import problem_fields, shown
from verifier_service.schema.requests import MAX_CASES, CallCase, Deadline, StdioCase
from verifier_service.schema.stored import CallbackUrl, Label

FEW = 100
"""Cases up to here are read together, and this many of the errors of an item are looked for where it has thousands."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_COMPLETION_FAULTS = {"string_too_long", "string_unicode"}
"""What a model can do wrong in a completion, which is its answer and not the request."""

_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)
_RUN: TypeAdapter[Run] = TypeAdapter(Run)
_TESTS: TypeAdapter[Tests] = TypeAdapter(Tests)
_CASES: dict[str, TypeAdapter[Any]] = {"stdio": TypeAdapter(StdioCase), "call": TypeAdapter(CallCase)}
_OF_DURABLE: dict[str, TypeAdapter[str | None]] = {
    "label": TypeAdapter(Label | None),
    "callback_url": TypeAdapter(CallbackUrl | None),
}
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
    """Items in the order in which they were sent. `deadline_s` counts from `arrived_s`, by the monotonic clock."""

    items: Sequence[Item]
    deadline_s: float | None = None
    arrived_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class DurableBatch(Batch):
    """A batch to store, with the name that its sender gave it and whom to tell when it is finished."""

    label: str | None = None
    callback_url: str | None = None


@dataclass
class _Suites:
    """The suites of a request, each read when it is first named."""

    sent: dict[str, Any]
    body: Read
    read: dict[str, Tests | str] = field(default_factory=dict)

    def find(self, name: str) -> Steps[Tests | str]:
        """Return the tests, or why there are none."""
        if name not in self.sent:
            names = ", ".join(map(shown, list(self.sent)[:10])) or "it has none"
            return f"tests {shown(name)}: it must be the name of a suite of this request: {names}"
        if name not in self.read and (problem := self.body.problem_of(self.sent[name])):
            self.read[name] = f"suites.{name[:100]}: {problem}"
        if name not in self.read:
            tests = yield from _with_read_cases(self.sent[name])
            try:
                self.read[name] = _TESTS.validate_python(tests)
            except ValidationError as error:
                self.read[name] = f"suites.{name[:100]}: {_sentence(_fields(_TESTS, error, tests))}"
        return self.read[name]


def submissions_in_steps(body: bytes, max_items: int) -> Steps[Batch]:
    """Read the body of a batch of submissions.

    Raises:
        NotJson: it is not JSON.
        BadRequest: it is not a batch.
    """
    envelope, read = yield from _envelope(body, "submissions", ("suites",), max_items)
    items = yield from _submissions(envelope, read)
    return Batch(items, envelope.get("deadline_s"))


def read_submission(sent: Mapping[str, object]) -> Steps[Item]:
    """Read one submission that came in another form and was brought into ours; what cannot be read is `Unread`."""
    whole = Read(dict(sent))
    return _submission(whole.value, whole, _Suites({}, whole))


def read_run(sent: Mapping[str, object]) -> Steps[Item]:
    """Read one run that came in another form, as `read_submission` does."""
    return _item(dict(sent), "run", _RUN, Read(None))


def durable_in_steps(body: bytes, max_items: int) -> Steps[DurableBatch]:
    """Read the body of a batch of submissions to store. Raises as `submissions_in_steps`."""
    envelope, read = yield from _envelope(body, "submissions", ("suites", *_OF_DURABLE), max_items)
    more: dict[str, str | None] = {}
    for name, adapter in _OF_DURABLE.items():
        try:
            more[name] = adapter.validate_python(envelope.get(name))
        except ValidationError as error:
            found = problem_fields(error, envelope[name])[0]
            raise BadRequest([found.model_copy(update={"field": name})]) from error
    items = yield from _submissions(envelope, read)
    return DurableBatch(items, envelope.get("deadline_s"), label=more["label"], callback_url=more["callback_url"])


def _submissions(envelope: dict[str, Any], read: Read) -> Steps[list[Item]]:
    suites = envelope.get("suites", {})
    if not isinstance(suites, dict):
        raise BadRequest([ProblemField(field="suites", value=shown(suites), allowed="an object: name to tests")])
    known = _Suites(suites, read)
    items: list[Item] = []
    for one in _taken(envelope["submissions"]):
        items.append((yield from _submission(one, read, known)))
        yield
    return items


def runs_in_steps(body: bytes, max_items: int) -> Steps[Batch]:
    """Read the body of a batch of runs. Raises as `submissions_in_steps`."""
    envelope, read = yield from _envelope(body, "runs", (), max_items)
    items: list[Item] = []
    for one in _taken(envelope["runs"]):
        items.append((yield from _item(one, "run", _RUN, read)))
        yield
    return Batch(items, envelope.get("deadline_s"))


read_submissions = stepwise(submissions_in_steps)
"""`submissions_in_steps` at once."""
read_runs = stepwise(runs_in_steps)
"""`runs_in_steps` at once."""


def _taken(listed: list[Any]) -> Iterator[Any]:
    """Return what is listed, and hold no part of it any longer than it takes to read it."""
    listed.reverse()
    while listed:
        yield listed.pop()


def ids_in_steps(body: bytes) -> Steps[list[str]]:
    """Read the body of a request for stored submissions. Raises as `submissions_in_steps`."""
    sent = (yield from read_json(body)).value
    try:
        return StoredBatchGet.model_validate(sent).ids
    except ValidationError as error:
        raise BadRequest(problem_fields(error, sent)) from error


def read_tests(body: bytes) -> Tests:
    """Read tests that stand alone.

    Raises:
        NotJson: it is not JSON.
        BadRequest: they are not tests.
    """
    read = at_once(read_json(body))
    if problem := read.problem_of(read.value):
        raise BadRequest([problem])
    tests = at_once(_with_read_cases(read.value))
    try:
        return _TESTS.validate_python(tests)
    except ValidationError as error:
        raise BadRequest(_fields(_TESTS, error, tests)) from error


def read_line(line: bytes, kind: str) -> Item:
    """Read one item of a file: a submission, or with `kind` "run" a run. What cannot be read is `Unread`."""
    try:
        read = at_once(read_json(line.removeprefix(codecs.BOM_UTF8)))
    except NotJson as error:
        return Unread("run" if kind == "run" else "unknown", None, str(error))
    if kind == "run":
        return at_once(_item(read.value, "run", _RUN, read))
    return at_once(_submission(read.value, read, _Suites({}, read)))


def _envelope(body: bytes, items: str, more: tuple[str, ...], max_items: int) -> Steps[tuple[dict[str, Any], Read]]:
    known = (items, *more, "deadline_s")
    no_object = f"the body must be an object with `{items}`"
    no_field = f"there is no such field; known are {', '.join(known)}"
    too_many = f"at most {max_items} in one request"
    try:
        read = yield from read_json(body, {**dict.fromkeys(known, max_items), "deadline_s": 1})
    except Unwanted as error:
        if not error.field:
            raise BadRequest([ProblemField(field="", value="a list", allowed=no_object)]) from error
        if error.field not in known:
            field_name = str(shown(error.field))
            raise BadRequest([ProblemField(field=field_name, value="", allowed=no_field)]) from error
        allowed = "it must be a valid number" if error.field == "deadline_s" else too_many
        value = f"more than {error.most}"
        raise BadRequest([ProblemField(field=error.field, value=value, allowed=allowed)]) from error
    sent = read.value
    if not isinstance(sent, dict):
        raise BadRequest([ProblemField(field="", value=shown(sent), allowed=no_object)])
    problems = [
        ProblemField(field=str(shown(name)), value="", allowed=no_field) for name in list(sent) if name not in known
    ]
    listed = sent.get(items)
    if items not in sent:
        problems.append(ProblemField(field=items, value="", allowed="this field is required"))
    elif not isinstance(listed, list) or not listed:
        problems.append(
            ProblemField(field=items, value=shown(listed), allowed="it must be a list of at least one item")
        )
    elif len(listed) > max_items:
        problems.append(ProblemField(field=items, value=str(len(listed)), allowed=too_many))
    suites = sent.get("suites")
    if isinstance(suites, dict) and len(suites) > max_items:
        problems.append(ProblemField(field="suites", value=str(len(suites)), allowed=too_many))
    try:
        _DEADLINE.validate_python(sent.get("deadline_s"))
    except ValidationError as error:
        problems += [
            ProblemField(field="deadline_s", value=one.value, allowed=one.allowed)
            for one in problem_fields(error, sent["deadline_s"])
        ]
    if problems:
        raise BadRequest(problems[:50])
    return {**sent, "deadline_s": _DEADLINE.validate_python(sent.get("deadline_s"))}, read


def _submission(sent: Any, read: Read, suites: _Suites) -> Steps[Item]:
    kind = sent.get("kind") if isinstance(sent, dict) else None
    item = yield from _item(sent, kind if kind in ("math", "code") else "unknown", _SUBMISSION, read)
    if isinstance(item, CodeSubmission) and isinstance(item.tests, str):
        tests = yield from suites.find(item.tests)
        if isinstance(tests, str):
            return Unread(item.kind, item.id, tests)
        return item.model_copy(update={"tests": tests})
    return item


def _item(sent: Any, kind: str, adapter: TypeAdapter[Any], read: Read) -> Steps[Item]:
    identity = _id(sent)
    if problem := read.problem_of(sent) or _too_wide(sent):
        return Unread(kind, identity, str(problem))
    if kind == "code" and isinstance(sent.get("tests"), dict):
        sent = {**sent, "tests": (yield from _with_read_cases(sent["tests"]))}
    try:
        return adapter.validate_python(sent)
    except ValidationError as error:
        return Unread(kind, identity, _sentence(_fields(adapter, error, sent)), _is_answer(error))
    except RecursionError:
        return Unread(kind, identity, "it is nested too deeply to be read")


def _too_wide(sent: object) -> ProblemField | None:
    """Return the field of an item that has more parts than any may have: each would be an error of its own."""
    for name, one in sent.items() if isinstance(sent, dict) else ():
        most = MAX_CASES if isinstance(one, list) else MAX_FIELDS if isinstance(one, dict) else None
        if most is not None and len(one) > most:
            return ProblemField(field=name[:100], value=shown(one), allowed=f"it may have {most} parts")
    return None


def _with_read_cases(tests: Any) -> Steps[Any]:
    """Return tests with their cases read one by one where they are many; of those that cannot be read a few are left
    as they were sent."""
    kind = tests.get("kind") if isinstance(tests, dict) else None
    adapter = _CASES.get(kind) if isinstance(kind, str) else None
    cases = tests.get("cases") if adapter is not None else None
    if adapter is None or not isinstance(cases, list) or not FEW < len(cases) <= MAX_CASES:
        return tests
    found, broken = [], 0
    for case in cases:
        yield
        try:
            found.append(adapter.validate_python(case))
        except (ValidationError, RecursionError):
            found.append(case)
            broken += 1
        if broken > FEW:
            break
    return {**tests, "cases": found}


def _is_answer(error: ValidationError) -> bool:
    """Tell whether nothing but the completion is at fault."""
    if error.error_count() > 1:
        return False
    (one,) = error.errors(include_url=False, include_input=False, include_context=False)
    return one["loc"][-1:] == ("completion",) and one["type"] in _COMPLETION_FAULTS


def _fields(adapter: TypeAdapter[Any], error: ValidationError, sent: object) -> list[ProblemField]:
    """Return what is wrong with `sent`. Where that is thousands of things, a few parts of it are looked at only."""
    if error.error_count() <= FEW * 10:
        return problem_fields(error, sent)
    few = _few_of(sent, 6)
    try:
        adapter.validate_python(few)
    except ValidationError as first:
        return problem_fields(first, few)
    return [ProblemField(field="", value="", allowed=f"{error.error_count()} things are wrong with it")]


def _few_of(sent: object, depth: int) -> object:
    """Return the first parts of what was sent, and of its parts."""
    if depth and isinstance(sent, dict):
        return {name: _few_of(one, depth - 1) for name, one in islice(sent.items(), FEW)}
    if depth and isinstance(sent, list):
        return [_few_of(one, depth - 1) for one in islice(sent, FEW // 10)]
    return sent


def _id(sent: object) -> str | None:
    """Return the id of an item that may be anything, fit to be written out."""
    identity = sent.get("id") if isinstance(sent, dict) else None
    if not isinstance(identity, str):
        return None
    return _SURROGATE.sub("\ufffd", identity[:200])


def _sentence(problems: Sequence[ProblemField]) -> str:
    shown_first = "; ".join(map(str, problems[:3]))
    return shown_first + (f" (and {len(problems) - 3} more)" if len(problems) > 3 else "")
