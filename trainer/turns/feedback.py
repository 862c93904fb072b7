"""The feedback that the policy gets on its answer. With `show: verdict` or `input`, it reveals no expected value.

The judges' message for a wrong answer contains the expected value, so only `show: expected` passes it on. Messages of
the program or the compiler come from the submission and are always passed on. The exception is `assert` and `pytest`
tests: their exceptions can originate in a line of the tests, so only the type is passed on.
"""

import json
import re
from collections.abc import Iterator, Mapping

from trainer.config import Repair
from verifier_service.schema import CodeResult, Result, TestResult, Verdict

AGAIN = "Correct your answer."
_OWN_WORDS = {
    Verdict.RUNTIME_ERROR,
    Verdict.TIME_LIMIT_EXCEEDED,
    Verdict.MEMORY_LIMIT_EXCEEDED,
    Verdict.OUTPUT_LIMIT_EXCEEDED,
}
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")  # the type in `ValueError: invalid literal`

Submission = Mapping[str, object]


def feedback(result: Result, submission: Submission, options: Repair) -> str:
    """Return the feedback on an answer that is not accepted.

    Args:
        result: The verifier's result.
        submission: The submission, without the completion.
        options: What to reveal.
    """
    lines = [str(result.verdict)]
    if isinstance(result, CodeResult) and result.tests:
        lines[0] += f": {result.passed} of {result.total} tests passed"
        lines += _of_tests(result, submission, options)
    elif options.show == "expected" or result.verdict in (Verdict.COMPILE_ERROR, Verdict.NO_ANSWER):
        lines.append(_end(result.message, options))
    return "\n".join([*filter(None, lines), AGAIN])


def spoken(submission: Submission, options: Repair) -> Iterator[str]:
    """Yield every feedback that answers to a problem can get, apart from messages of programs and judges."""
    tests = submission.get("tests")
    cases = tests.get("cases") if isinstance(tests, Mapping) else None
    for verdict in Verdict:
        for place in range(len(cases) if isinstance(cases, list) else 1):
            each = [TestResult(verdict=Verdict.ACCEPTED)] * place + [TestResult(verdict=verdict)]
            score = None if verdict is Verdict.JUDGE_ERROR else 0.0
            result = CodeResult(id=None, verdict=verdict, score=score, passed=place, total=len(each), tests=each)
            yield feedback(result, submission, options)


def _of_tests(result: CodeResult, submission: Submission, options: Repair) -> list[str]:
    place, failed = next(((i, t) for i, t in enumerate(result.tests) if t.verdict is not Verdict.ACCEPTED), (0, None))
    if failed is None or options.show == "verdict":
        return []
    tests = submission.get("tests")
    asked = _asked(tests, place) if isinstance(tests, Mapping) else ""
    named = (
        asked or (failed.id or "").partition("[")[0] or f"test {place + 1}"
    )  # a pytest id's parameters can contain the expected value
    return [f"first failed: {_end(named, options)}", _end(_said(failed, tests, options), options)]


def _asked(tests: Mapping[str, object], place: int) -> str:
    """Return a test's input, as a call or as standard input, without the expected output."""
    cases = tests.get("cases")
    case = cases[place] if isinstance(cases, list) and place < len(cases) else None
    if not isinstance(case, Mapping):
        return ""
    if tests.get("kind") == "stdio":
        return f"input {json.dumps(case.get('stdin', ''), ensure_ascii=False)}"
    positional, named = case.get("args"), case.get("kwargs")
    given = [repr(value) for value in positional] if isinstance(positional, list) else []
    given += [f"{name}={value!r}" for name, value in named.items()] if isinstance(named, Mapping) else []
    return f"{tests.get('entry_point')}({', '.join(given)})"


def _said(failed: TestResult, tests: object, options: Repair) -> str:
    if options.show == "expected":
        return failed.message
    if failed.verdict not in _OWN_WORDS:
        return ""
    if isinstance(tests, Mapping) and tests.get("kind") in ("call", "stdio"):
        return failed.message
    found = _EXCEPTION.match(failed.message) if failed.verdict is Verdict.RUNTIME_ERROR else None
    return found.group() if found else ""


def _end(text: str, options: Repair) -> str:
    text = text.strip()
    return text if len(text) <= options.message_chars else f"... {text[len(text) - options.message_chars :]}"
