"""How the code judge turns facts into results: order, shares, weights, early ends, and whose failure it was."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest


def judged(client: httpx.Client, program: str, tests: dict[str, Any], **fields: Any) -> dict[str, Any]:
    submission = {"kind": "code", "completion": program, "tests": tests} | fields
    response = client.post("/v1/verify", json={"submissions": [submission]})
    assert response.status_code == 200, response.text
    return response.json()["results"][0]


def stdio(*cases: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"kind": "stdio", "cases": [{"stdin": given, "stdout": wanted} for given, wanted in cases]} | fields


def call(entry_point: str, *cases: tuple[list[Any], Any], **fields: Any) -> dict[str, Any]:
    listed = [{"args": args, "expected": expected} for args, expected in cases]
    return {"kind": "call", "entry_point": entry_point, "cases": listed} | fields


DOUBLE = "print(2 * int(input()))"


def test_the_score_is_the_share_and_the_verdict_is_the_first_failure(client: httpx.Client) -> None:
    program = "n = int(input())\nprint(2 * n if n < 3 else 1 // (n - 3))"
    result = judged(client, program, stdio(("1", "2"), ("2", "4"), ("3", "6"), ("4", "8")))
    assert [test["verdict"] for test in result["tests"]] == ["accepted", "accepted", "runtime_error", "wrong_answer"]
    assert (result["verdict"], result["score"], result["passed"], result["total"]) == ("runtime_error", 0.5, 2, 4)
    assert "ZeroDivisionError" in result["tests"][2]["message"]
    assert result["tests"][3]["message"] == "token 1: expected 8, got 1"


def test_stop_on_failure_runs_nothing_after_the_first_failure(client: httpx.Client) -> None:
    tests = stdio(("1", "2"), ("2", "5"), ("3", "6"), stop_on_failure=True)
    result = judged(client, DOUBLE, tests)
    assert [test["verdict"] for test in result["tests"]] == ["accepted", "wrong_answer"]
    assert (result["score"], result["total"]) == (pytest.approx(1 / 3), 3)


@pytest.mark.parametrize(
    ("checker", "expected", "actual", "verdict"),
    [
        ({"checker": "exact"}, "a  b", "a b", "wrong_answer"),
        ({"checker": "tokens"}, "a  b", "a b", "accepted"),
        ({"checker": "float", "abs_tol": 0.1}, "1.0", "1.05", "accepted"),
        ({"checker": "float", "abs_tol": 0.01, "rel_tol": 0}, "1.0", "1.05", "wrong_answer"),
        ({"checker": "unordered_lines"}, "a\nb", "b\na", "accepted"),
    ],
)
def test_the_named_checker_decides(
    client: httpx.Client, checker: dict[str, Any], expected: str, actual: str, verdict: str
) -> None:
    assert judged(client, f"print({actual!r})", stdio(("", expected), **checker))["verdict"] == verdict


def test_a_method_is_called_on_a_fresh_instance(client: httpx.Client) -> None:
    program = "class Solution:\n    def __init__(self): self.n = 0\n    def add(self, k): self.n += k; return self.n"
    assert judged(client, program, call("Solution.add", ([1], 1), ([2], 2)))["verdict"] == "accepted"


def test_keyword_arguments_arrive(client: httpx.Client) -> None:
    tests = {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "kwargs": {"b": 2}, "expected": [1, 2]}]}
    assert judged(client, "def f(a, *, b): return a, b", tests)["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("def f(x): return x +", "compile_error"),
        ("def g(x): return x", "runtime_error"),
        ("def f(x): raise ValueError('no')", "runtime_error"),
        ("def f(x): return object()", "wrong_answer"),
        ("def f(x):\n    import sys; sys.exit(0)", "runtime_error"),
        ("def f(x):\n    import os; os._exit(0)", "runtime_error"),
        ("def f(x):\n    while True: pass", "time_limit_exceeded"),
        ("def f(x): return 'x' * 10_000_000", "output_limit_exceeded"),
        ("def f(x): return [bytearray(300_000_000) for _ in range(9)] and 1", "memory_limit_exceeded"),
        ("def f(x):\n    import time; time.sleep(99)", "time_limit_exceeded"),
    ],
)
def test_how_a_function_fails_is_its_verdict(client: httpx.Client, program: str, verdict: str) -> None:
    limits = {"time_limit_s": 1, "wall_limit_s": 2 if "sleep" in program else 60}
    result = judged(client, program, call("f", ([1], 1)), limits=limits)
    assert (result["verdict"], result["score"]) == (verdict, 0.0)
    assert result["message"]


def test_after_ten_time_outs_the_rest_is_not_run(client: httpx.Client) -> None:
    tests = call("f", *(([n], n) for n in range(500)))
    result = judged(client, "def f(x):\n    while True: pass", tests, limits={"time_limit_s": 0.2})
    assert (len(result["tests"]), result["total"], result["score"]) == (10, 500, 0.0)
    assert "490 later tests were not run" in result["message"]


def test_equal_submissions_of_a_batch_share_a_verdict_and_keep_their_ids(client: httpx.Client) -> None:
    batch = [{"kind": "code", "id": str(n), "completion": DOUBLE, "tests": stdio(("1", "2"))} for n in range(3)]
    batch.append(batch[0] | {"id": "other", "tests": stdio(("1", "3"))})
    results = client.post("/v1/verify", json={"submissions": batch}).json()["results"]
    assert [(one["id"], one["score"]) for one in results] == [("0", 1.0), ("1", 1.0), ("2", 1.0), ("other", 0.0)]


def test_a_submission_that_kills_its_boxes_has_a_runtime_error_and_no_judge_error(client: httpx.Client) -> None:
    program = (
        "import os, signal\nfor pid in range(1, os.getpid()):\n    try: os.kill(pid, signal.SIGKILL)\n"
        "    except OSError: pass\nos.kill(-1, signal.SIGKILL)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    result = judged(client, program, stdio(("", "x")))
    assert (result["verdict"], result["score"]) == ("runtime_error", 0.0)


def test_a_problem_may_read_and_write_files(client: httpx.Client) -> None:
    program = "n = int(open('input.txt').read())\nopen('output.txt', 'w').write(str(2 * n))\nprint('not judged')"
    cases = [
        {"stdin": "4", "stdin_file": "input.txt", "stdout": "8", "stdout_file": "output.txt"},
        {"files": {"input.txt": "5"}, "stdout": "10", "stdout_file": "output.txt"},
        {"files": {"input.txt": "6"}, "stdout": "not judged"},
        {"files": {"input.txt": "7"}, "stdout": "14", "stdout_file": "d/other.txt"},
    ]
    result = judged(client, program, {"kind": "stdio", "cases": cases})
    assert [test["verdict"] for test in result["tests"]] == ["accepted", "accepted", "accepted", "wrong_answer"]
    assert result["tests"][3]["message"] == "the program wrote no file 'd/other.txt'"


def test_a_file_of_one_case_is_gone_in_the_next(client: httpx.Client) -> None:
    program = "import os\nprint(sorted(os.listdir()))\nopen('left', 'w').close()"
    cases = [{"files": {"a": ""}, "stdout": "['a', 'solution.py']"}, {"stdout": "['solution.py']"}]
    assert judged(client, program, {"kind": "stdio", "cases": cases})["verdict"] == "accepted"


def test_a_right_answer_always_fits_into_a_limit_that_nobody_set(client: httpx.Client) -> None:
    size = 3_000_000  # above the default of 1024 KiB
    wanted = "x" * size
    written, returned = f"print('x' * {size})", f"def f(): return 'x' * {size}"
    assert judged(client, written, stdio(("", wanted)))["verdict"] == "accepted"
    assert judged(client, returned, call("f", ([], wanted)))["verdict"] == "accepted"
    assert judged(client, f"print('x' * {2 * size})", stdio(("", wanted)))["verdict"] == "output_limit_exceeded"
    limited = judged(client, written, stdio(("", wanted)), limits={"output_limit_kb": 100})
    assert limited["verdict"] == "output_limit_exceeded"


PRELUDE = "from math import isqrt\n\nclass Point:\n    x = 3\n"


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("from __future__ import annotations\nprint(isqrt(Point.x ** 2))", stdio(("", "3"), prelude=PRELUDE)),
        ("def f(p): return isqrt(p) + Point.x", call("f", ([16], 7), prelude=PRELUDE)),
        ("def f(): return isqrt(Point.x)", {"kind": "assert", "code": "assert f() == 1", "prelude": PRELUDE}),
        (
            "def f(): return isqrt(Point.x)",
            {
                "kind": "pytest",
                "files": {"test_a.py": "import solution\ndef test(): assert solution.f() == 1"},
                "prelude": PRELUDE,
            },
        ),
        ("print(sqrt(16), Counter('aab')['a'], gcd(4, 6), heappop([2]))", stdio(("", "4.0 2 2 2"), prelude="contest")),
        ("print(sum(range(3)), pow(2, 3, 5), open)", stdio(("", "3 3 <built-in function open>"), prelude="contest")),
        ("def f(): return ListNode(1, ListNode(2)).next.val", call("f", ([], 2), prelude="leetcode")),
        ("def f(): return TreeNode(1).left", call("f", ([], None), prelude="leetcode")),
    ],
)
def test_a_prelude_stands_before_the_program(client: httpx.Client, program: str, tests: dict[str, Any]) -> None:
    result = judged(client, program, tests)
    assert result["verdict"] == "accepted", result["message"]


@pytest.mark.parametrize("prelude", ["", PRELUDE, "contest"])
def test_line_numbers_stay_those_of_the_program(client: httpx.Client, prelude: str) -> None:
    result = judged(client, "x = 1\n\n1 / 0", stdio(("", ""), prelude=prelude))
    assert 'solution.py", line 3' in result["message"], result["message"]
    broken = judged(client, "x = 1\n\ndef f(:", stdio(("", ""), prelude=prelude))
    assert (broken["verdict"], "line 3" in broken["message"]) == ("compile_error", True)


def test_a_prelude_that_reads_what_the_program_is_given_is_not_taken_for_broken(client: httpx.Client) -> None:
    prelude = "n = int(input())\nm = int(open('in.txt').read())"
    tests = {"kind": "stdio", "prelude": prelude, "cases": [{"stdin": "5", "files": {"in.txt": "2"}, "stdout": "7"}]}
    assert judged(client, "print(n + m)", tests)["verdict"] == "accepted"
    assert judged(client, "print(0)", tests)["verdict"] == "wrong_answer"


def test_a_prelude_that_is_broken_is_not_the_program_s_fault(client: httpx.Client) -> None:
    for prelude in ("def f(:", "1 / 0"):
        result = judged(client, "print(1)", stdio(("", "1"), prelude=prelude))
        assert (result["verdict"], result["score"]) == ("judge_error", None), result
        assert "prelude" in result["message"]


def test_a_language_that_cannot_run_these_tests_is_said_by_name(client: httpx.Client) -> None:
    result = judged(client, "f() { :; }", call("f", ([1], 1)), language="bash")
    assert (result["verdict"], result["score"]) == ("judge_error", None)
    assert result["message"].startswith(("tests.kind 'call': it must be one of stdio for bash", "language 'bash': "))


def sleeper(number: int, seconds: float) -> str:
    return f"import time\ninput()\ntime.sleep({seconds})\nprint(5)  # {number}"


def verified(client: httpx.Client, deadline_s: float, *submissions: dict[str, Any]) -> list[dict[str, Any]]:
    batch = [{"kind": "code", **one} for one in submissions]
    response = client.post("/v1/verify", json={"submissions": batch, "deadline_s": deadline_s}, timeout=120)
    return response.json()["results"]


FIVE = stdio(*((str(n), "5") for n in range(10)))


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        (sleeper(0, 0.5), stdio(*((str(n), "5") for n in range(20)))),
        ("import time\ndef f(n):\n    time.sleep(0.5)\n    return 5", call("f", *(([n], 5) for n in range(20)))),
        (
            "import time\ndef f(n):\n    time.sleep(0.9)\n    return 5",
            # They run twice, so they have 7.2 s. That must be well below the 10 s of a first turn, which ends the tests
            # without a verdict if another submission waits for the box.
            {"kind": "assert", "code": "\n".join(f"assert f({n}) == 5" for n in range(12))},
        ),
    ],
)
def test_all_tests_together_have_a_budget_that_sleep_uses_up(
    client: httpx.Client, program: str, tests: dict[str, Any]
) -> None:
    limits = {"time_limit_s": 0.1, "wall_limit_s": 1.2}
    (result,) = verified(client, 60, {"completion": program, "tests": tests, "limits": limits})
    assert result["verdict"] == "time_limit_exceeded", result
    # The outcome of asserts across the wall proves nothing until plain Python has confirmed it.
    assert (0 if tests["kind"] == "assert" else 0.01) <= result["score"] < 1
    assert "all tests of a submission together may take" in result["message"]


def test_what_is_slow_takes_no_verdict_from_what_is_quick(client: httpx.Client) -> None:
    slow = [{"completion": sleeper(number, 99), "tests": FIVE} for number in range(6)]
    quick = [{"completion": f"input()\nprint(5)  # {number}", "tests": FIVE} for number in range(2)]
    results = verified(client, 10, *slow, *quick)
    assert [one["verdict"] for one in results] == ["time_limit_exceeded"] * 6 + ["accepted"] * 2, results
    assert [one["score"] for one in results] == [0.0] * 6 + [1.0] * 2


def test_a_request_of_sleepers_leaves_boxes_to_another_one(client: httpx.Client) -> None:
    slow = [{"completion": sleeper(number, 98), "tests": FIVE} for number in range(8)]
    with ThreadPoolExecutor(1) as other:
        first = other.submit(verified, client, 15, *slow)
        time.sleep(0.5)
        (late,) = verified(client, 14, {"completion": "input()\nprint(5)", "tests": FIVE})
        assert late["verdict"] == "accepted", late
        assert {one["verdict"] for one in first.result()} == {"time_limit_exceeded"}


def test_a_suite_that_is_long_and_within_its_limits_kills_no_box(client: httpx.Client) -> None:
    program = "import time\ndef f(x):\n    time.sleep(1.2)\n    return x"
    code = "\n".join(f"assert f({n}) == {n}" for n in range(4))
    for wanted, tests in (("accepted", code), ("wrong_answer", code + "\nassert f(1) == 2")):
        (result,) = verified(client, 60, {"completion": program, "tests": {"kind": "assert", "code": tests}})
        assert result["verdict"] == wanted, result
