"""The submissions that the benchmarks send. Each has a number that makes its program different from all others."""

import itertools
from collections.abc import Callable
from typing import Any

Submission = dict[str, Any]
Kind = Callable[[int], Submission]
FUNCTION = "def add(a, b):\n    return a + b  # {n}\n"
ASSERTS = "\n".join(f"assert add({i}, 1) == {i + 1}" for i in range(5))
SUM = "a, b = map(int, input().split())\nprint(a + b)  # {n}\n"
STANDARD_CPP = (
    "#include <bits/stdc++.h>\nusing namespace std;\n"
    "int main() {{ long a, b; cin >> a >> b; vector<long> v{{a, b}}; cout << accumulate(v.begin(), v.end(), 0L); }}"
    " // {n}\n"
)
_numbers = itertools.count(1)


def fresh(kind: Kind, count: int) -> list[Submission]:
    """Return `count` submissions of a kind that this process has not made before."""
    return [kind(next(_numbers)) for _ in range(count)]


def code(completion: str, tests: Submission, **more: Any) -> Submission:
    """Return a code submission."""
    return {"kind": "code", "completion": completion, "tests": tests, **more}


def call_tests(cases: int) -> Submission:
    """Return `cases` call tests of `add`."""
    rows = [{"args": [i, 1], "expected": i + 1} for i in range(cases)]
    return {"kind": "call", "entry_point": "add", "cases": rows}


def assert_tests(lines: int) -> Submission:
    """Return `lines` assert statements about `add`."""
    return {"kind": "assert", "code": "\n".join(f"assert add({i}, 1) == {i + 1}" for i in range(lines))}


def pytest_tests(count: int) -> Submission:
    """Return one test file with `count` tests of `add`."""
    tests = "\n\n".join(f"def test_{i}():\n    assert add({i}, 1) == {i + 1}" for i in range(count))
    return {"kind": "pytest", "files": {"test_add.py": f"from solution import add\n\n{tests}\n"}}


def stdio_tests(cases: int) -> Submission:
    """Return `cases` runs of a program that adds."""
    rows = [{"stdin": f"{i} 1\n", "stdout": f"{i + 1}\n"} for i in range(cases)]
    return {"kind": "stdio", "cases": rows}


def call(n: int, cases: int = 5) -> Submission:
    """Return a trivial function with call tests."""
    return code(FUNCTION.format(n=n), call_tests(cases))


def asserted(n: int, lines: int = 5) -> Submission:
    """Return the same function with assert statements, which the service runs as calls."""
    return code(FUNCTION.format(n=n), assert_tests(lines))


def through_tester(n: int, wrong: bool = False) -> Submission:
    """Return the same function with five asserts that need a tester: each is about a variable."""
    lines = "\n".join(f"found = add({i}, 1)\nassert found == {i + 1}" for i in range(5))
    function = FUNCTION.replace("a + b", "a - b") if wrong else FUNCTION
    return code(function.format(n=n), {"kind": "assert", "code": lines})


def with_fixture(n: int) -> Submission:
    """Return the same function with one file of five tests that need pytest: they use a fixture."""
    tests = "\n\n".join(f"def test_{i}(one):\n    assert add({i}, one) == {i + 1}" for i in range(5))
    head = "import pytest\nfrom solution import add\n\n\n@pytest.fixture\ndef one():\n    return 1\n\n"
    return code(FUNCTION.format(n=n), {"kind": "pytest", "files": {"test_add.py": f"{head}\n{tests}\n"}})


def asserted_wrong(n: int) -> Submission:
    """Return a function that fails each of five assert statements."""
    return code(FUNCTION.replace("a + b", "a - b").format(n=n), assert_tests(5))


def pytested(n: int, count: int = 5) -> Submission:
    """Return the same function with one file of tests for pytest."""
    return code(FUNCTION.format(n=n), pytest_tests(count))


def stdio(n: int, cases: int = 1) -> Submission:
    """Return a program that is run once for each case."""
    return code(SUM.format(n=n), stdio_tests(cases))


def cpp(n: int, cases: int = 1) -> Submission:
    """Return a C++ program that includes the whole standard library, with `cases` runs."""
    return code(STANDARD_CPP.format(n=n), stdio_tests(cases), language="cpp")


def math(n: int) -> Submission:
    """Return a correct math answer."""
    return {"kind": "math", "completion": f"So it is \\boxed{{{n}/2}}.", "reference": f"{n / 2}"}


def program(text: str, stdout: str, **limits: float) -> Submission:
    """Return a program with one run and its own limits."""
    return code(text, {"kind": "stdio", "cases": [{"stdout": stdout}]}, limits=limits)
