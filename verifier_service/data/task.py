"""What every format is read to: a submission without its completion, with its prompt and its own solutions."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from verifier_service.data.row import Fault, Json, JsonObject
from verifier_service.schema import Submission
from verifier_service.schema.problems import problem_fields

_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)


@dataclass(frozen=True)
class Solution:
    """A completion that the row says is right. `language` is set where it is not that of the row."""

    completion: str
    language: str | None = None


@dataclass(frozen=True)
class Task:
    """One row. `verifier` is what `POST /v1/verify` takes, without `completion`; `id` is the row's own, or made of what
    it asks, so that it stays the same when rows are taken out or reordered."""

    prompt: str | list[dict[str, str]]
    verifier: JsonObject
    solutions: Sequence[Solution] = ()
    id: str = ""
    source: str = ""
    format: str = ""
    row: JsonObject = field(default_factory=dict, repr=False)

    def submission(self, completion: str, language: str | None = None) -> JsonObject:
        """Return the submission with a completion, in `language` where that is not the row's."""
        other = {"language": language} if language is not None else {}
        return {**self.verifier, **other, "completion": completion}

    def checked(self) -> "Task":
        """Return the task. Raises Fault if its submission is none that the service takes."""
        try:
            _SUBMISSION.validate_python(self.submission(""))
        except ValidationError as error:
            first = problem_fields(error, self.verifier)[0]
            raise Fault(f"verifier.{first.field}", None, f"{first.value}: {first.allowed}") from error
        return self


def digest(prompt: str | list[dict[str, str]], verifier: JsonObject) -> str:
    """Return an id made of what is asked."""
    text = json.dumps([prompt, verifier], ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def math_task(
    prompt: str | list[dict[str, str]],
    reference: str | list[str],
    solutions: Sequence[str] = (),
    identity: str | None = None,
    form: str = "equal",
) -> Task:
    """Return a math task."""
    chosen = {} if form == "equal" else {"form": form}
    return Task(
        prompt, {"kind": "math", "reference": reference, **chosen}, [Solution(one) for one in solutions], identity or ""
    )


def code_task(
    prompt: str | list[dict[str, str]],
    tests: JsonObject,
    solutions: Sequence[str | tuple[str, str]] = (),
    identity: str | None = None,
    language: str = "python",
    limits: JsonObject | None = None,
) -> Task:
    """Return a code task. `solutions` are programs, or a language and a program in it."""
    verifier: dict[str, Json] = {"kind": "code", "language": language, "tests": tests}
    if limits:
        verifier["limits"] = limits
    given = [(language, one) if isinstance(one, str) else one for one in solutions]
    own = [Solution(fenced(text, one), one if one != language else None) for one, text in given if text.strip()]
    return Task(prompt, verifier, own, identity or "")


def fenced(program: str, language: str = "python") -> str:
    """Return a program as the completion of a model shows it. One that is fenced already stays as it is."""
    program = program.replace("\r\n", "\n")
    if program.lstrip().startswith("```"):
        return program
    fence = "```"
    while fence in program:
        fence += "`"
    return f"{fence}{language}\n{program}\n{fence}"
