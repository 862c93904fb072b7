"""Tasks, the common form of rows: a submission without completion, with its prompt and known solutions."""

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
    """A correct completion from the row. `language` is set if it differs from the row's."""

    completion: str
    language: str | None = None


@dataclass(frozen=True)
class Task:
    """One row. `verifier` is a submission for `POST /v1/verify` without `completion`.

    `id` is the row's own id, or a digest of prompt and tests, so that it stays the same when rows are removed or
    reordered.
    """

    prompt: str | list[dict[str, str]]
    verifier: JsonObject
    solutions: Sequence[Solution] = ()
    id: str = ""
    source: str = ""
    format: str = ""
    row: JsonObject = field(default_factory=dict, repr=False)

    def submission(self, completion: str, language: str | None = None) -> JsonObject:
        """Return the submission for a completion; `language` overrides the row's."""
        other = {"language": language} if language is not None else {}
        return {**self.verifier, **other, "completion": completion}

    def checked(self) -> "Task":
        """Return the task itself. Raises Fault if the service would refuse its submission."""
        try:
            _SUBMISSION.validate_python(self.submission(""))
        except ValidationError as error:
            first = problem_fields(error, self.verifier)[0]
            raise Fault(f"verifier.{first.field}", None, f"{first.value}: {first.allowed}") from error
        return self


def digest(prompt: str | list[dict[str, str]], verifier: JsonObject) -> str:
    """Return an id derived from prompt and tests."""
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
    """Return a code task. `solutions` are programs, or pairs of language and program."""
    verifier: dict[str, Json] = {"kind": "code", "language": language, "tests": tests}
    if limits:
        verifier["limits"] = limits
    given = [(language, one) if isinstance(one, str) else one for one in solutions]
    own = [Solution(fenced(text, one), one if one != language else None) for one, text in given if text.strip()]
    return Task(prompt, verifier, own, identity or "")


def fenced(program: str, language: str = "python") -> str:
    """Return a program in a fenced block, as a model would write it. A fenced one stays as it is."""
    program = program.replace("\r\n", "\n")
    if program.lstrip().startswith("```"):
        return program
    fence = "```"
    while fence in program:
        fence += "`"
    return f"{fence}{language}\n{program}\n{fence}"
