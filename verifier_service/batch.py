"""Read a batch item by item. An item that cannot be read becomes `Unread`, with the reason; the others are judged.

A request is refused as a whole only if it is not a batch: not JSON, an unknown field in the envelope, or no items.
"""

import codecs
import json
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
from verifier_service.schema.base import either
from verifier_service.schema.problems import nearest, problem_fields, shown
from verifier_service.schema.requests import MAX_CASES, CallCase, Deadline, StdioCase
from verifier_service.schema.stored import CallbackUrl, Label

FEW = 100
"""Up to this many cases are validated together. Of an item with thousands of errors, this many parts are examined."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_COMPLETION_FAULTS = {"string_too_long", "string_unicode"}
"""Errors that only the model can cause: they make the completion a wrong answer, not the request a bad one."""

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
    """An item that cannot be read. `is_answer`: the completion is the reason, so the verdict is `no_answer`."""

    kind: str
    id: str | None
    reason: str
    is_answer: bool = False


Item = MathSubmission | CodeSubmission | Run | Unread


@dataclass(frozen=True)
class Batch:
    """Items in the order of the request. `deadline_s` counts from `arrived_s`, on the monotonic clock."""

    items: Sequence[Item]
    deadline_s: float | None = None
    arrived_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class DurableBatch(Batch):
    """A batch to store, with the label its sender gave it and the URL to notify when it is finished."""

    label: str | None = None
    callback_url: str | None = None


@dataclass
class _Suites:
    """The suites of a request, each parsed when an item first names it."""

    sent: dict[str, Any]
    body: Read
    read: dict[str, Tests | str] = field(default_factory=dict)

    def find(self, name: str) -> Steps[Tests | str]:
        """Return the tests of a suite, or the reason why there are none."""
        if name not in self.sent:
            if not self.sent:
                add = f'add "suites": {{{json.dumps(name[:100])}: ...}} or give the tests inline'
                return f"tests {shown(name)}: the request defines no suites; {add}"
            allowed = f"it must be {either(map(shown, list(self.sent)[:10]))}{nearest(name, self.sent)}"
            return f"tests {shown(name)}: there is no such suite in this request; {allowed}"
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
    """Read one submission that was converted from another API's format; returns `Unread` if it is invalid."""
    whole = Read(dict(sent))
    return _submission(whole.value, whole, _Suites({}, whole))


def read_run(sent: Mapping[str, object]) -> Steps[Item]:
    """Read one run that was converted from another API's format; returns `Unread` if it is invalid."""
    return _item(dict(sent), "run", _RUN, Read(None))


def durable_in_steps(body: bytes, max_items: int) -> Steps[DurableBatch]:
    """Read the body of a batch of submissions to store. Raises like `submissions_in_steps`."""
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
        raise BadRequest(
            [ProblemField(field="suites", value=shown(suites), allowed="it must be an object that maps names to tests")]
        )
    known = _Suites(suites, read)
    items: list[Item] = []
    for one in _taken(envelope["submissions"]):
        items.append((yield from _submission(one, read, known)))
        yield
    return items


def runs_in_steps(body: bytes, max_items: int) -> Steps[Batch]:
    """Read the body of a batch of runs. Raises like `submissions_in_steps`."""
    envelope, read = yield from _envelope(body, "runs", (), max_items)
    items: list[Item] = []
    for one in _taken(envelope["runs"]):
        items.append((yield from _item(one, "run", _RUN, read)))
        yield
    return Batch(items, envelope.get("deadline_s"))


read_submissions = stepwise(submissions_in_steps)
"""`submissions_in_steps`, run in one go."""
read_runs = stepwise(runs_in_steps)
"""`runs_in_steps`, run in one go."""


def _taken(listed: list[Any]) -> Iterator[Any]:
    """Yield the entries of a list in order, and empty the list on the way: a large batch is freed as it is read."""
    listed.reverse()
    while listed:
        yield listed.pop()


def ids_in_steps(body: bytes) -> Steps[list[str]]:
    """Read the body of a request for durable submissions. Raises like `submissions_in_steps`."""
    sent = (yield from read_json(body)).value
    try:
        return StoredBatchGet.model_validate(sent).ids
    except ValidationError as error:
        raise BadRequest(problem_fields(error, sent)) from error


def read_tests(body: bytes) -> Tests:
    """Read the body of a kept suite: tests alone, without a submission.

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
    """Read one line of a file: a submission, or a run if `kind` is "run". Returns `Unread` if it is invalid."""
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
    no_field = f"there is no such field; the fields are {', '.join(known)}"
    too_many = f"at most {max_items} in one request (VERIFIER_MAX_BATCH)"
    try:
        read = yield from read_json(body, {**dict.fromkeys(known, max_items), "deadline_s": 1})
    except Unwanted as error:
        if not error.field:
            raise BadRequest([ProblemField(field="", value="a list", allowed=no_object)]) from error
        if error.field not in known:
            field_name = str(shown(error.field))
            raise BadRequest([ProblemField(field=field_name, value="", allowed=no_field)]) from error
        allowed = "it must be a number" if error.field == "deadline_s" else too_many
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
        return Unread(kind, identity, "it is nested too deeply")


def _too_wide(sent: object) -> ProblemField | None:
    """Return a field with more parts than any field may have: pydantic would report an error for each part."""
    for name, one in sent.items() if isinstance(sent, dict) else ():
        most = MAX_CASES if isinstance(one, list) else MAX_FIELDS if isinstance(one, dict) else None
        if most is not None and len(one) > most:
            return ProblemField(field=name[:100], value=shown(one), allowed=f"it may have at most {most} parts")
    return None


def _with_read_cases(tests: Any) -> Steps[Any]:
    """Return tests whose cases are already validated, one per step, if they are many.

    Invalid cases stay as they were sent, so that validating the tests reports them; after `FEW` of them it stops.
    """
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
    """Return whether the completion is the only thing wrong."""
    if error.error_count() > 1:
        return False
    (one,) = error.errors(include_url=False, include_input=False, include_context=False)
    return one["loc"][-1:] == ("completion",) and one["type"] in _COMPLETION_FAULTS


def _fields(adapter: TypeAdapter[Any], error: ValidationError, sent: object) -> list[ProblemField]:
    """Return what is wrong with `sent`. If there are thousands of errors, only a few parts of it are examined."""
    if error.error_count() <= FEW * 10:
        return problem_fields(error, sent)
    few = _few_of(sent, 6)
    try:
        adapter.validate_python(few)
    except ValidationError as first:
        return problem_fields(first, few)
    return [ProblemField(field="", value="", allowed=f"it has {error.error_count()} errors")]


def _few_of(sent: object, depth: int) -> object:
    """Return a copy with only the first parts at each level."""
    if depth and isinstance(sent, dict):
        return {name: _few_of(one, depth - 1) for name, one in islice(sent.items(), FEW)}
    if depth and isinstance(sent, list):
        return [_few_of(one, depth - 1) for one in islice(sent, FEW // 10)]
    return sent


def _id(sent: object) -> str | None:
    """Return the id of an unvalidated item, made safe for JSON output; None if it has none."""
    identity = sent.get("id") if isinstance(sent, dict) else None
    if not isinstance(identity, str):
        return None
    return _SURROGATE.sub("\ufffd", identity[:200])


def _sentence(problems: Sequence[ProblemField]) -> str:
    shown_first = "; ".join(map(str, problems[:3]))
    return shown_first + (f" (and {len(problems) - 3} more)" if len(problems) > 3 else "")
