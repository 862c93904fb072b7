"""Assert code that runs as calls: which code does, and that a submission gets the same result as with a tester."""

import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from sandboxes.protocol import plain
from sandboxes.protocol.facts import End, Signal, TestFacts, TestOutcome
from sandboxes.protocol.job import Limits
from tests.code_cases import judge_all, open_service, submission
from verifier_service.errors import BoxDied
from verifier_service.judges.code import literal_asserts
from verifier_service.judges.code.literal_asserts import Answers, LiteralTests, read
from verifier_service.judges.code.ordinary import is_ordinary
from verifier_service.schema import CodeResult

CHECK = "def check(candidate):\n    {}\n"


def _read(code: str, entry_point: str | None = None) -> LiteralTests:
    found = read(code, entry_point)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "code",
    [
        "assert f(1, [2, 'a'], k={'x': (None, -1.5)}) == 3",
        "'''about'''\nimport math\nfrom typing import List\nassert f(1) == 2, 'wrong'",
        "from solution import f\nassert f(1) == 2",
        "assert f(1) is None\nassert not f(2)\nassert f(3)\nassert 3 in f(4)\nassert 2 != f(5)",
        "assert abs(f(1) - 2.5) < 1e-6\nassert round(f(1), 2) == 2.5\nassert math.isclose(f(1), 2.5, rel_tol=0.1)",
        "assert sorted(f(1)) == [1, 2]\nassert set(f(1)) == {1, 2}\nassert set(f(1)) == set()\nassert len(f(2)) == 0",
        "assert isinstance(f(1), (int, float))\nassert isinstance(f(1), list)",
        "assert Solution().f(1) == 2\nassert Solution().f(2) == 3",
    ],
)
def test_one_function_of_literals_is_made_as_calls(code: str) -> None:
    assert _read(code).entry_point in ("f", "Solution.f")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "assert True",
        "assert f(1) == g(1)",
        "assert f(1) == 2\nassert g(1) == 2",
        "assert f(f(1)) == 2",
        "assert f(x) == 2",
        "x = [1]\nassert f(x) == 2",
        "for i in range(3):\n    assert f(i) == i",
        "assert f({1, 2}) == 2",
        "assert f(*[1]) == 2",
        "assert f(**{'a': 1}) == 2",
        "assert f(1) == 2 == g",
        "assert f(1) is 1",
        "assert f(1) == 2 and f(2) == 3",
        "assert sorted(f(1), key=len) == []",
        "assert f(1)[0] == 2",
        "assert f(1).x == 2",
        "assert sum(1, 2) == 3",
        "assert candidate(1) == 2",
        "from heapq import f\nassert f(1) == 2",
        "from math import *\nassert f(1) == 2",
        "from math import no_such_name\nassert f(1) == 2",
        "import numpy\nassert f(1) == 2",
        "def f(x): return 2\nassert f(1) == 2",
        "abs = 3\nassert abs(f(1)) == 2",
        "from solution import f, g\nassert f(1) == 2",
        "import math; assert f(1) == 2",
        "assert f(1) == 2; assert f(2) == 3",
        "assert f(a=1, a=2) == 3",
        "import json as check\nassert f(1) == 2",
        "import json\nassert json(1) == 2",
        "from re import template\nassert f(1) == 2",
        "import os as math\nassert math.isclose(f(1), 2)",
        "f = 2\nassert f(1) == 2",
        "assert eval(f(1)) == 2",
        "assert (f(1) == 2",
        "assert " + "(" * 500 + "f(1)" + ")" * 500 + " == 2",
        "assert f(1) == 2 #" + "x" * literal_asserts.MAX_CHARS,
    ],
)
def test_anything_else_is_for_the_tester(code: str) -> None:
    assert read(code, None) is None


def test_a_check_of_the_entry_point_is_one_test() -> None:
    body = "'''about'''\n    assert True, 'prints'\n    assert candidate(1) == 2\n    assert candidate(2) is None"
    tests = _read(f"META = {{'a': 1}}\nassert f(0) == 1\n{CHECK.format(body)}check(f)\n", "f")
    assert [(test.id, len(test.asserts)) for test in tests.tests] == [("line 2", 1), ("check", 2)]
    assert [plain.decode(call) for call in tests.calls] == [[[0], {}], [[1], {}], [[2], {}]]
    for other in ("assert f(1) == 2", "assert candidate(1) == 2\n    return", "x = candidate(1)\n    assert x"):
        assert read(CHECK.format(other), "f") is None
    assert read("def check(abs):\n    assert abs(1) == 2", "f") is None
    assert read(CHECK.format("assert candidate(1) == 2"), None) is None
    assert read(CHECK.format("assert candidate(1) == 2"), "abs") is None
    assert read(CHECK.format("assert candidate(1) == 2").replace("):", ") -> Foo:"), "f") is None


FILE = "from solution import f\n\n\ndef test_one():\n    assert f(1) == 2\n\n\ndef test_two():\n    assert f(2) == 3\n"


def test_a_lone_file_for_pytest_is_made_as_calls() -> None:
    tests = literal_asserts.read_pytest({"tests/test_f.py": f"import pytest\n{FILE}"}, "solution")
    assert tests is not None
    assert [test.id for test in tests.tests] == ["tests/test_f.py::test_one", "tests/test_f.py::test_two"]
    answers = _answers(tests)
    answers.take(_fact(0, 0))
    assert answers.is_for_the_tester  # only pytest can describe the failure


@pytest.mark.parametrize(
    "files",
    [
        {"test_f.py": FILE, "conftest.py": ""},
        {"test_f.py": FILE.replace("import f", "import f as g")},
        {"test_f.py": FILE.replace("import f", "import f, g")},
        {"test_f.py": FILE.replace("from solution", "from other")},
        {"test_f.py": FILE.replace("test_two", "test_one")},
        {"test_f.py": FILE.replace("test_two", "helper")},
        {"test_f.py": FILE.replace("test_two()", "test_two(tmp_path)")},
        {"test_f.py": FILE.replace("def test_two", "async def test_two")},
        {"test_f.py": FILE.replace("def test_two", "@pytest.mark.skip\ndef test_two")},
        {"test_f.py": FILE.replace("assert f(2) == 3", "pass")},
        {"test_f.py": FILE.replace("assert f(2) == 3", "with pytest.raises(ValueError):\n        f(2)")},
        {"test_f.py": FILE + "assert f(3) == 4\n"},
        {"test_f.py": FILE.replace("from solution import f", "")},
        {"test_f.py": FILE.replace("import f", "import *")},
        {"test_f.py": FILE.replace("f(2) == 3", "math.isclose(f(2), 3)")},
        {"test_f.py": FILE.replace("test_two()", "test_two() -> Foo")},
        {"test_f.py": FILE.replace("def test_two", "test_one = 5\ndef test_two")},
        {"test_f.py": f"# coding: latin-1\n{FILE}"},
        {"test_f.py": FILE.replace("import f", "import test_f").replace("f(", "test_f(")},
        {"json.py": FILE},
        {"build/test_f.py": FILE},
        {"test_f.txt": FILE},
        {"test_f.py": f"__test__ = False\n{FILE}"},
        {"test_f.py": f"pytest_plugins = 'other'\n{FILE}"},
    ],
)
def test_any_other_file_is_for_pytest(files: dict[str, str]) -> None:
    assert literal_asserts.read_pytest(files, "solution") is None


def _answers(tests: LiteralTests) -> Answers:
    return Answers(
        tests, Limits(time_limit_s=2.0, wall_limit_s=10.0, memory_limit_mb=100, output_limit_kb=64, max_processes=8)
    )


def _fact(index: int, value: Any) -> TestFacts:
    return TestFacts(index=index, end=End.RETURNED, value=plain.encode(value), wall_s=0.5, memory_mb=10.0 + index)


def test_each_statement_is_a_test_and_a_failure_names_its_left_side() -> None:
    answers = _answers(_read("assert f(1) == 2, 'off'\nassert f(2) == 3\nassert 4 == f(3)\nassert not f(4)"))
    for index, value in enumerate([2.5, 3, 5, 1]):
        assert not answers.is_whole
        answers.take(_fact(index, value))
    facts = answers.facts()
    assert [(test.id, test.outcome, test.message) for test in facts.tests] == [
        ("line 1", TestOutcome.FAILED, "assert f(1) == 2, 'off', the left side was 2.5: 'off'"),
        ("line 2", TestOutcome.PASSED, ""),
        ("line 3", TestOutcome.FAILED, "assert 4 == f(3), the left side was 4"),
        ("line 4", TestOutcome.FAILED, "assert not f(4)"),
    ]
    assert (facts.finished, facts.program_end, facts.memory_mb) == (True, None, 13.0)


def test_the_first_failure_ends_a_check() -> None:
    body = "assert candidate(1) == 2\n    assert candidate(2) == 3\n    assert candidate(3) == 4"
    answers = _answers(_read(CHECK.format(body), "f"))
    for index, value in enumerate([2, 0]):
        assert not answers.has_heard_enough
        answers.take(_fact(index, value))
    assert answers.has_heard_enough
    assert answers.is_whole
    (test,) = answers.facts().tests
    assert test.message == "line 3: assert candidate(2) == 3, the left side was 0"
    assert test.time_s == 1.0


@pytest.mark.parametrize("end", [End.CPU_LIMIT, End.WALL_LIMIT, End.BUDGET])
def test_a_limit_of_time_ends_all_tests(end: End) -> None:
    answers = _answers(_read("assert f(1) == 2\nassert f(2) == 3\nassert f(3) == 4"))
    answers.take(_fact(0, 2))
    answers.take(TestFacts(index=1, end=end, message="over"))
    assert answers.has_heard_enough
    facts = answers.facts()
    missing = TestOutcome.MISSING
    assert [test.outcome for test in facts.tests] == [TestOutcome.PASSED, missing, missing]
    assert (facts.finished, facts.program_end) == (False, end)


FINAL_ENDS = (End.CPU_LIMIT, End.WALL_LIMIT, End.BUDGET, End.NOT_COMPILED)


@pytest.mark.parametrize("end", [end for end in End if end not in (*FINAL_ENDS, End.RETURNED)])
def test_what_ends_in_another_way_is_for_the_tester(end: End) -> None:
    answers = _answers(_read("assert f(1) == 2"))
    answers.take(TestFacts(index=0, end=end))
    assert answers.is_for_the_tester


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("assert f(1) < 2", "text"),
        ("assert f(1) == \\\n 2", 3),
        ("assert f(1) == 2, str(f(1))", 3),
        ("assert abs(f(1) - 2) < 1", None),
        ("assert set(f(1)) == {1}", list(range(1000))),
        ("assert round(f(1), 10000) == 1", 1),
        ("assert round(f(1)) == 1", Decimal("1e3000000")),
        ("assert list(f(1)) == [1]", range(10**12)),
        ("assert 'a' in f(1)", range(10**12)),
        ("assert list(f(1)) == ['a', 'b']", {"a", "b"}),
        ("assert f(1) == 3", [Fraction(1, 2)]),
    ],
)
def test_how_it_failed_is_for_the_tester_where_it_cannot_be_told_here(code: str, value: Any) -> None:
    answers = _answers(_read(code))
    answers.take(_fact(0, value))
    assert answers.is_for_the_tester


def test_a_box_that_skips_a_call_is_not_believed() -> None:
    answers = _answers(_read("assert f(1) == 2\nassert f(2) == 3"))
    with pytest.raises(BoxDied):
        answers.take(_fact(1, 3))


def test_calls_of_one_test_share_its_time() -> None:
    body = "assert candidate(1) == 2\n    assert candidate(2) == 3"
    for spent in ({"time_s": 1.5}, {"wall_s": 6.0}):
        answers = _answers(_read(CHECK.format(body), "f"))
        answers.take(replace(_fact(0, 2), **spent))
        assert not answers.is_for_the_tester
        answers.take(replace(_fact(1, 3), **spent))
        assert answers.is_for_the_tester


def test_a_signal_is_for_the_tester() -> None:
    answers = _answers(_read("assert f(1) == 2"))
    answers.take(replace(_fact(0, 2), signals=(Signal.TRIED_A_SOCKET,)))
    assert answers.is_for_the_tester


@pytest.mark.parametrize(
    "program",
    [
        "import math\nfrom collections import Counter\ndef f(x: int) -> int:\n    return math.floor(x) + 1",
        "class Solution:\n    def __init__(self):\n        self._n = 1\n    def f(self, x):\n        return x",
        "class A(dict):\n    def __init__(self):\n        super().__init__()\ndef f(x):\n    return x is None",
        "import functools\n@functools.lru_cache(None)\ndef f(x):\n    global seen\n    return f(x - 1) if x else 0",
    ],
)
def test_a_program_that_only_computes_is_ordinary(program: str) -> None:
    assert is_ordinary(program, "f")


@pytest.mark.parametrize(
    "program",
    [
        "import os\ndef f(x): return 1",
        "from os.path import join\ndef f(x): return 1",
        "from . import x\ndef f(x): return 1",
        "from collections import _sys\ndef f(x): return 1",
        "import random\ndef f(x): return random.random()",
        "def f(x):\n    global f\n    f = 2\n    return 1",
        "def f(x): return f.__globals__",
        "def f(x): return (y for y in x).gi_frame.f_back",
        "def f(x): return open('a')",
        "def f(x): return id(x)",
        "def f(a, b): return a is b",
        "import math\nmath.sqrt = None\ndef f(x): return 1",
        "async def f(x): return 1",
        "def f(x):\n    try:\n        return f(x)\n    except RecursionError:\n        return 1",
        "def f(x: return 1",
        "def f(x): return 1 #" + "x" * 70_000,
    ],
)
def test_a_program_that_may_do_more_is_not(program: str) -> None:
    assert not is_ordinary(program, "f")


# In real boxes

TESTS = "assert f(1) == 2\nassert f(2) == [3], 'second'\nassert f(3) == 4"
PROGRAMS = {
    "right": "def f(x):\n    return [3] if x == 2 else x + 1",
    "wrong": "def f(x):\n    return x + 1",
    "prints": "def f(x):\n    print('x' * 1000)\n    return [3] if x == 2 else x + 1",
    "raises at once": "1 / 0",
    "raises later": "def f(x):\n    return 2 if x < 2 else {}[x]",
    "no program": "def f(x:",
    "no function": "def g(x):\n    return 2",
    "exits": "import sys\ndef f(x):\n    sys.exit(0)",
    "leaves": "import os\ndef f(x):\n    os._exit(0)",
    "crashes": "import os\ndef f(x):\n    os.kill(os.getpid(), 11)",
    "equals everything": "class A:\n    def __eq__(self, other): return True\ndef f(x):\n    return A()",
    "a list of its own": "class L(list):\n    def __eq__(self, other): return True\ndef f(x):\n    return L()",
    "a number of its own": "class N(int):\n    pass\ndef f(x):\n    return [N(3)] if x == 2 else N(x + 1)",
    "a coroutine": "async def f(x):\n    return [3] if x == 2 else x + 1",
    "a generator": "def f(x):\n    yield x",
    "never ends": "def f(x):\n    while x == 2: pass\n    return x + 1",
    "remembers": "seen = []\ndef f(x):\n    seen.append(x)\n    return seen if x == 2 else x + 1",
    "slow in all": "def f(x):\n    n = 0\n    while n < 9_000_000: n += 1\n    return [3] if x == 2 else x + 1",
    "a set": "def f(x):\n    return {'a', 'b', 'c'}",
    "answers ahead": "import os, struct\ndef f(x):\n    os.write(1000, struct.pack('>BI', 2, 1) + b'2')\n    return 2",
}


@pytest.mark.parametrize(
    "tests",
    [
        {"kind": "assert", "code": TESTS},
        {
            "kind": "assert",
            "code": CHECK.format(TESTS.replace("f(", "candidate(").replace("\n", "\n    ")),
            "entry_point": "f",
        },
        {"kind": "pytest", "files": {"test_f.py": FILE.replace("f(2) == 3", "f(2) == [3]")}},
    ],
    ids=["assert", "check", "pytest"],
)
async def test_a_submission_comes_to_the_same_as_with_a_tester(
    tests: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [submission(text, tests, limits={"time_limit_s": 1}) for text in PROGRAMS.values()]
    async with open_service() as service:
        as_calls = await judge_all(service, batch)
        monkeypatch.setattr(literal_asserts, "read", lambda *_: None)
        monkeypatch.setattr(literal_asserts, "read_pytest", lambda *_: None)
        with_a_tester = await judge_all(service, batch)
    for name, one, other in zip(PROGRAMS, as_calls, with_a_tester, strict=True):
        assert _told(one) == _told(other), name
    assert as_calls[0].verdict == "accepted"


def _told(result: CodeResult) -> dict[str, Any]:
    """Return a result without times, memory, addresses and random names."""
    told = result.model_dump(exclude={"tests": {"__all__": {"time_s", "memory_mb"}}})
    left_out = ("queue_s", "start_s", "run_s", "judge_s")
    text = repr({name: value for name, value in told.items() if name not in left_out})
    return {"told": re.sub(r"x[0-9a-f]{6,}|[0-9a-f]{16}", "…", text)}
