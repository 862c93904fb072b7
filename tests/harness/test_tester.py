"""The tester finds the tests in test code and reports their outcomes."""

# ruff: noqa: E501 (tables with a program and its test in each row)

import pytest

from tests.code_cases import PATHS, case_id, load_case
from tests.harness.wall import run

ADD = "def add(a, b):\n    return a + b\n"
LOCAL = [path for path in PATHS if load_case(path)["tests"]["kind"] in ("assert", "pytest")]
LOCAL = [path for path in LOCAL if "needs" not in load_case(path) and "module" not in load_case(path)["tests"]]


@pytest.mark.parametrize("path", LOCAL, ids=case_id)
def test_a_case_earns_what_its_file_says(path) -> None:
    case = load_case(path)
    tests = case["tests"]
    told = run(case["program"], tests.get("code") or tests["files"], entry_point=tests.get("entry_point"))
    assert told.broken == ""
    assert told.accepted == (case["verdict"] == "accepted"), told.messages
    assert told.passed / len(told.collected) == pytest.approx(case["score"], abs=1e-3), told.messages


# Which tests there are in assert code


@pytest.mark.parametrize(
    ("code", "entry_point", "ids"),
    [
        ("assert add(1, 2) == 3\nx = 1\nassert add(x, x) == 2", None, ["line 1", "line 3"]),
        ("assert add(1, 2) == 3; assert add(1, 1) == 2", None, ["line 1", "line 1 (2)"]),
        ("def check(candidate):\n    assert candidate(1, 2) == 3", "add", ["check"]),
        ("def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)", "add", ["check"]),
        ("def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)", None, ["line 3"]),
        (
            "def check(f):\n    assert f(1, 2) == 3\ncheck(add)\ncheck(lambda a, b: add(a, b))",
            "add",
            ["line 4", "check"],
        ),
        ("assert add(0, 0) == 0\ndef check(f):\n    assert f(1, 2) == 3", "add", ["line 1", "check"]),
        ("for x in range(3):\n    assert add(x, 0) == x", None, ["line 1"]),
        ("def test_a():\n    assert add(1, 2) == 3\ndef test_b():\n    pass", None, ["test_a"]),
        ("def test_a():\n    assert add(1, 2) == 3\ntest_a()", None, ["line 3"]),
        ("def test_a():\n    assert add(1, 2) == 3\nassert callable(add)", None, ["line 3", "test_a"]),
        ("x = add(1, 2)\nstr(x)", None, ["tests"]),
        # Statements that judge without an assert
        ("if add(1, 2) != 3:\n    raise ValueError", None, ["line 1"]),
        ("import sys\nif add(1, 2) != 3:\n    sys.exit(1)", None, ["line 2"]),
        ("import unittest\nunittest.TestCase().assertEqual(add(1, 2), 3)", None, ["line 2"]),
        ("def run():\n    assert add(1, 2) == 3\nif __name__ == '__main__':\n    run()", None, ["line 3"]),
        ("import sys\ndef main():\n    assert add(1, 2) == 3\nsys.exit(main())", None, ["line 4"]),
        # Nothing came from the submission
        ("assert 1 + 1 == 2\nassert add(1, 2) == 3\nx = 2\nassert x == 2", None, ["line 2"]),
        ("x = add(1, 2)\ny = [x]\nassert y == [3]", None, ["line 3"]),
        ("a = [1]\nassert a == [1]\nmap(add, a, a)\nassert a == [1]", None, ["line 4"]),
        (
            "log = []\ndef note(x):\n    log.append(x)\nadd(1, 2)\nassert log == []\nassert add(1, 2) == 3",
            None,
            ["line 6"],
        ),
        ("log = []\nmap(lambda x: log.append(add(x, 1)), [])\nassert log == []", None, ["line 3"]),
        ("import os\nassert os.sep\nadd(1, 2)\nassert os.path.exists('/')", None, ["line 4"]),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(add(1, 2), 3)\n"
            "if __name__ == '__main__':\n    unittest.main()",
            None,
            ["T.test_a"],
        ),
        ("import solution\nassert solution.add(1, 2) == 3", None, ["line 2"]),
        ("from solution import *\nassert add(1, 2) == 3", None, ["line 2"]),
        ("async def test_a():\n    assert add(1, 2) == 3", None, ["test_a"]),
    ],
)
def test_assert_code_is_cut_into_tests(code: str, entry_point: str | None, ids: list[str]) -> None:
    told = run(ADD, code, entry_point=entry_point)
    assert (told.collected, told.accepted) == (ids, True), told


def test_later_asserts_run_after_a_failed_one() -> None:
    told = run(ADD, "assert add(1, 2) == 4\nassert add(1, 2) == 3")
    assert told.outcomes == {"line 1": "failed", "line 2": "passed"}
    assert told.messages["line 1"] == "assert add(1, 2) == 4, the left side was 3"


def test_the_message_of_a_check_names_the_line_and_the_left_value() -> None:
    told = run(ADD, "def check(f):\n    x = 2\n    assert f(x, 2) == 5, 'two and two'", entry_point="add")
    assert told.messages == {"check": "line 3: assert f(x, 2) == 5, 'two and two', the left side was 4: 'two and two'"}


def test_an_exception_of_the_submission_is_told_with_its_place() -> None:
    told = run("def f(x):\n    return 1 / x\n", "assert f(0) == 1")
    assert told.outcomes == {"line 1": "error"}
    assert told.messages["line 1"].startswith("ZeroDivisionError: division by zero\n")
    assert 'File "solution.py", line 2, in f' in told.messages["line 1"]


def test_what_is_not_defined_is_a_failed_test() -> None:
    told = run("x = 1", "assert add(1, 2) == 3")
    assert (told.broken, told.outcomes) == ("", {"line 1": "error"})
    assert "does not define" in told.messages["line 1"]


def test_a_submission_that_cannot_be_loaded_fails_every_test() -> None:
    told = run("1 / 0", "assert add(1, 2) == 3\nassert add(1, 1) == 2")
    assert (told.broken, told.outcomes) == ("", {"line 1": "error", "line 2": "error"})
    told = run(
        "1 / 0",
        {"test_a.py": "import solution\ndef test_a():\n    solution.f()\nclass TestB:\n    def test_b(self): pass\n"},
    )
    assert told.outcomes == {"test_a.py::test_a": "error", "test_a.py::TestB::test_b": "error"}


# Tests that are broken


@pytest.mark.parametrize(
    "code",
    [
        "assert add(1, 2 == 3",
        "",
        "x = 1",
        "def check(candidate):\n    assert candidate(1, 2) == 3",
        "import no_such_module\nassert add(1, 2) == 3",
        "expected = {}['missing']\nassert add(1, 2) == expected",
        "x = int('three')\nassert add(1, 2) == x",
        "def expected():\n    return 1 / 0\nx = expected()\nassert add(1, 2) == x",
    ],
)
def test_assert_code_that_cannot_be_used_is_broken(code: str) -> None:
    assert run(ADD, code).broken != ""


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("def make(): raise ImportError('no')", "x = make()\nassert x == 1"),
        ("def make(): raise SyntaxError('no')", "x = make()\nassert x == 1"),
        ("", "x = make()\nassert x == 1"),
        ("", "from solution import make\nassert make() == 1"),
        ("LIST = []", "x = LIST[0]\nassert x == 1"),
        ("LIST = 5", "def first():\n    return LIST[0]\nx = first()\nassert x == 1"),
        ("def make(): pass", "def use(f):\n    return f().y\nx = use(make)\nassert x == 1"),
        ("import os\nos._exit(0)", "x = make()\nassert x == 1"),
        ("def f(): pass\nf.__name__ = 'x' * 10**6", "x = f.missing\nassert x == 1"),
    ],
)
def test_no_submission_can_break_the_tests(source: str, code: str) -> None:
    told = run(source, code)
    assert told.broken == ""
    assert not told.accepted
    assert told.passed == 0


@pytest.mark.parametrize(
    "files",
    [
        {"test_a.py": "def test_a(:\n    pass"},
        {"test_a.py": "x = 1"},
        {"test_a.py": "import no_such_module\ndef test_a():\n    pass"},
        {"test_a.py": "def test_a():\n    pass", "conftest.py": "import solution, no_such_module"},
    ],
)
def test_pytest_files_that_cannot_be_used_are_broken(files: dict[str, str]) -> None:
    assert run(ADD, files).broken != ""


@pytest.mark.parametrize(
    "source",
    [
        "def other(): pass",
        "raise ImportError('x')",
        "def __getattr__(name): raise ModuleNotFoundError(name, name=name)",
    ],
)
def test_no_submission_can_break_pytest_files(source: str) -> None:
    told = run(
        source,
        {"test_a.py": "from solution import add\nimport solution\n\n\ndef test_a():\n    assert add(1, 2) == 3\n"},
    )
    assert (told.broken, told.passed, told.accepted) == ("", 0, False)
    assert told.collected != []


# Outcomes of pytest


def test_every_outcome_of_pytest_is_told_by_id() -> None:
    text = """
import pytest
import solution

@pytest.mark.parametrize("x", [1, 2])
def test_param(x):
    assert solution.add(x, 0) == 1

@pytest.mark.skip(reason="later")
def test_skip():
    solution.add(1, 1)

@pytest.mark.xfail
def test_xfail():
    assert solution.add(1, 1) == 3

@pytest.mark.xfail
def test_xpass():
    assert solution.add(1, 1) == 2

@pytest.mark.xfail(strict=True)
def test_strict_xpass():
    assert solution.add(1, 1) == 2

@pytest.fixture
def broken():
    raise ValueError("fixture")

def test_fixture(broken): pass

@pytest.fixture
def leaving():
    yield
    assert solution.add(1, 1) == 3

def test_teardown(leaving): pass

def test_imperative_skip():
    if solution.add(1, 1):
        pytest.skip("now")
"""
    told = run(ADD, {"sub/test_a.py": text})
    assert told.outcomes == {
        "sub/test_a.py::test_param[1]": "passed",
        "sub/test_a.py::test_param[2]": "failed",
        "sub/test_a.py::test_skip": "left_out",
        "sub/test_a.py::test_xfail": "left_out",
        "sub/test_a.py::test_xpass": "passed",
        "sub/test_a.py::test_strict_xpass": "failed",
        "sub/test_a.py::test_fixture": "error",
        "sub/test_a.py::test_teardown": "error",
        "sub/test_a.py::test_imperative_skip": "skipped",
    }
    assert not told.accepted


def test_files_with_names_of_their_own_are_run() -> None:
    told = run(ADD, {"hidden.py": "import solution\n\n\ndef test_a():\n    assert solution.add(1, 2) == 3\n"})
    assert told.outcomes == {"hidden.py::test_a": "passed"}


def test_one_file_that_cannot_be_collected_is_one_failed_test() -> None:
    files = {
        "test_a.py": "from solution import missing\n\n\ndef test_a(): missing()\n",
        "test_b.py": "import solution\n\n\ndef test_b(): solution.add(1, 2)\n",
    }
    told = run(ADD, files)
    assert told.outcomes == {"test_b.py::test_b": "passed", "test_a.py": "error"}


def test_tests_after_the_end_of_the_submission_are_missing() -> None:
    source = "import os\ndef f(x):\n    if x == 2: os._exit(0)\n    return x\n"
    told = run(source, "assert f(1) == 1\nassert f(2) == 2\nassert f(3) == 3")
    assert told.collected == ["line 1", "line 2", "line 3"]
    assert told.outcomes == {"line 1": "passed"}
    assert told.lost != ""
    files = {
        "test_a.py": "import pytest, solution\n\n\n@pytest.mark.parametrize('x', [1, 2, 3])\ndef test_f(x):\n    assert solution.f(x) == x\n"
    }
    told = run(source, files)
    assert len(told.collected) == 3
    assert told.outcomes == {"test_a.py::test_f[1]": "passed"}


# A statement that fails

FAILING = [
    "f(-1)",
    "x = f(-1)",
    "try:\n    f(1)\n    raise AssertionError\nexcept ValueError:\n    pass",
    "import pytest\nwith pytest.raises(KeyError):\n    f(1)",
    "import asyncio\nasync def run():\n    assert f(1) == 2\nasyncio.run(run())",
    "def verify(x, y):\n    if f(x) != y:\n        raise RuntimeError(x)\nfor x in [1]:\n    verify(x, 2)",
    "import sys\nsys.exit(f(1))",
    "import json\njson.loads('{')",
]


@pytest.mark.parametrize("code", FAILING)
def test_a_statement_that_fails_once_the_submission_was_used_is_a_failed_test(code: str) -> None:
    source = "def f(x):\n    if x < 0:\n        raise ValueError(x)\n    return x\n"
    told = run(source, f"assert f(1) == 1\n{code}")
    assert (told.broken, told.passed, len(told.outcomes)) == ("", 1, 2), told
    assert not told.accepted


@pytest.mark.parametrize("code", ["assert 1 + 1 == 2", "x = 1\nassert x", "def test_a():\n    assert True"])
def test_tests_of_nothing_are_broken(code: str) -> None:
    assert "no test of the submission" in run(ADD, code).broken
    assert "no test" in run(ADD, {"test_a.py": f"import solution\ndef test_b():\n    assert True\n{code}"}).broken


# Whose names they are


@pytest.mark.parametrize(
    ("source", "code", "accepted"),
    [
        (
            "def range(*a): return []\ndef f(x): return 0",
            "from solution import f\nfor i in range(3): assert f(i) == i",
            False,
        ),
        ("def abs(x): return 0\ndef f(x): return 0", "assert abs(f(2) - 4) < 1e-6", False),
        ("def isclose(*a): return True\ndef f(x): return 0", "import math\nassert math.isclose(f(2), 4)", False),
        ("class math:\n    isclose = max\ndef f(x): return 0", "assert math.isclose(f(2), 4)", False),
        ("def sum(a, b): return a - b", "assert sum(25, 15) == 10", True),
        ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aa') == Counter(a=2)", True),
        ("def check(f): pass\ndef f(x): return 0", "def check(f):\n    assert f(1) == 1\ncheck(f)", False),
        ("def g(x): return x\ndef f(x): return g(x)", "def g(x):\n    return 5\nassert f(g(1)) == 5", True),
    ],
)
def test_each_side_has_names_of_its_own(source: str, code: str, accepted: bool) -> None:
    told = run(source, code)
    assert (told.broken, told.accepted) == ("", accepted), told


# Marks


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("@pytest.mark.skipif(True, reason='x')\ndef test_a(): solution.f()", "left_out"),
        ("@pytest.mark.skipif(solution.SKIP, reason='x')\ndef test_a(): solution.f()", "skipped"),
        ("@pytest.mark.skipif('solution.SKIP', reason='x')\ndef test_a(): solution.f()", "skipped"),
        (
            "@pytest.fixture\ndef skip():\n    pytest.skip()\n@pytest.mark.xfail(False, reason='x')\ndef test_a(skip): solution.f()",
            "skipped",
        ),
        ("@pytest.mark.skipif(False, reason='x')\ndef test_a():\n    solution.f()\n    pytest.xfail('now')", "skipped"),
        ("def test_a():\n    pytest.importorskip('no_such_module')\n    solution.f()", "left_out"),
        ("def test_a():\n    pytest.importorskip('solution.part')\n    solution.f()", "skipped"),
    ],
)
def test_only_what_the_author_marked_is_left_out(text: str, outcome: str) -> None:
    files = {"test_a.py": f"import pytest, solution\n{text}\ndef test_b(): solution.f()\n"}
    told = run("SKIP = True\ndef f(): pass\n", files)
    assert told.outcomes == {"test_a.py::test_a": outcome, "test_a.py::test_b": "passed"}, told


def test_a_submission_cannot_leave_out_every_test_by_failing() -> None:
    files = {"test_a.py": "import pytest, solution\n@pytest.mark.xfail\ndef test_a(): assert solution.f() == 1\n"}
    assert run("def f(): pass\n", files).outcomes == {"test_a.py::test_a": "skipped"}


# Files that the submission could have written are not run next to the tests

PLANT = """
import os
EVIL = "import sys; sys.modules['solution'].f = lambda x: x\\nVALUE = 3"
for name in ("planted", "wave"):
    with open(os.path.join(os.environ.get("SHARED", "."), name + ".py"), "w") as file: file.write(EVIL)
def f(x): return 0
"""


@pytest.mark.parametrize(
    "how",
    [
        "sys.path.insert(0, '.'); import planted", "sys.path.insert(0, os.getcwd()); import wave",
        "import runpy; runpy.run_path('planted.py')", "exec(compile(open('planted.py').read(), 'planted.py', 'exec'))",
        "import importlib.util as u; s = u.spec_from_file_location('p', 'planted.py'); s.loader.exec_module(u.module_from_spec(s))",
        "import subprocess; subprocess.run([sys.executable, 'planted.py'], check=True)",
        "import os; assert os.system('python3 planted.py') == 0",
    ],
)  # fmt: skip
def test_a_file_of_the_submission_is_not_run_by_the_tests(how: str) -> None:
    told = run(PLANT, f"import os, sys\nassert f is not None\n{how}\nassert f(3) == 3", in_shared_folder=True)
    assert "process: shared" in " ".join(told.messages.values()), told.messages
    assert told.outcomes["line 4"] == "failed"
