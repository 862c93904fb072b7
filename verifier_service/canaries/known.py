"""The submissions whose verdict is known: a right one and a wrong one for each way of judging.

To add one for a language, set `canary` in its `language.toml`: a program that prints the first line of its input.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifier_service.batch import Item
from verifier_service.judges.math.judge import CANARY
from verifier_service.languages import Language, Languages
from verifier_service.schema import (
    AssertTests,
    CallCase,
    CallTests,
    CodeSubmission,
    MathSubmission,
    PytestTests,
    StdioCase,
    StdioTests,
    SuiteDigest,
    Tests,
    Verdict,
)

OFTEN_S, SELDOM_S = 5.0, 60.0
"""How often to judge what takes milliseconds, and what takes longer."""

_RIGHT = "def add(a, b):\n    return a + b"
_WRONG = "def add(a, b):\n    return a - b"
# A loop does not reduce to plain calls, so this canary goes through the tester process.
_NEEDS_A_TESTER = "for a in range(3):\n    assert add(a, 2) == a + 2"
_FIXTURE = (
    "import pytest\nfrom solution import add\n\n@pytest.fixture\ndef two():\n    return 2\n\n"
    "def test_add(two):\n    assert add(1, two) == 3"
)
_OF_PYTHON: Mapping[str, Tests] = {
    "call": CallTests(kind="call", entry_point="add", cases=[CallCase(args=[1, 2], expected=3)]),
    "assert": AssertTests(kind="assert", code=_NEEDS_A_TESTER),
    "pytest": PytestTests(kind="pytest", files={"test_add.py": _FIXTURE}),
}


@dataclass(frozen=True)
class Canary:
    """What is judged, and the verdicts it must get."""

    name: str
    kind: str
    """The kind of judge that judges it."""
    submissions: tuple[tuple[Any, Verdict], ...]
    every_s: float
    """How long after a successful check the next one begins."""


def of_math() -> Canary:
    """Return the canary of the math judge."""
    right = MathSubmission(kind="math", completion=r"so it is \boxed{\frac{1}{2}}", reference="0.5")
    wrong = MathSubmission(kind="math", completion=r"so it is \boxed{\frac{1}{3}}", reference="0.5")
    return Canary(CANARY, "math", ((right, Verdict.ACCEPTED), (wrong, Verdict.WRONG_ANSWER)), OFTEN_S)


def of_language(language: Language) -> list[Canary]:
    """Return a language's canaries, one for each kind of test it supports."""
    found = []
    if language.canary:
        found.append(_code(language, "stdio", language.canary, _stdio("17"), language.canary, _stdio("18")))
    if language.has_tester:
        kinds = [(kind, tests) for kind, tests in _OF_PYTHON.items() if kind in language.test_kinds]
        found += [_code(language, kind, _RIGHT, tests, _WRONG, tests) for kind, tests in kinds]
    return found


def name_for(item: Item, languages: Languages) -> str:
    """Return the name of the canary for an item that is not admitted yet; "" if it has none."""
    if isinstance(item, MathSubmission):
        return CANARY
    if not isinstance(item, CodeSubmission) or isinstance(item.tests, (str, SuiteDigest)):
        return ""
    language = languages.find(item.language)
    return "" if language is None else language.canary_of(item.tests.kind)


def _stdio(expected: str) -> StdioTests:
    return StdioTests(kind="stdio", cases=[StdioCase(stdin="17\n", stdout=expected)])


def _code(language: Language, kind: str, right: str, tests: Tests, wrong: str, wrong_tests: Tests) -> Canary:
    def submission(program: str, tests: Tests) -> CodeSubmission:
        completion = f"```{language.name}\n{program}\n```"
        return CodeSubmission(kind="code", language=language.name, completion=completion, tests=tests)

    submissions = (submission(right, tests), Verdict.ACCEPTED), (submission(wrong, wrong_tests), Verdict.WRONG_ANSWER)
    every_s = OFTEN_S if kind in ("stdio", "call") and not language.compile else SELDOM_S
    return Canary(language.canary_of(kind), "code", submissions, every_s)
