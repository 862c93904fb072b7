"""Special judges decide on outputs. One that crashes is our failure, never the submission's."""

from typing import Any

import httpx
import pytest

ANY_ORDER = """
def check(stdin, expected, actual):
    return sorted(expected.split()) == sorted(actual.split())
"""
PROGRAM = """
import sys
question, expected, actual = (open(path).read() for path in sys.argv[1:])
assert question == "3\\n"
print("it should be even")
sys.exit(0 if int(actual) % 2 == 0 else 1)
"""
CPP = """
#include <fstream>
int main(int argc, char** argv) {
    std::ifstream expected(argv[2]), actual(argv[3]);
    double a, b;
    expected >> a;
    if (!(actual >> b)) return 1;
    return a - b < 0.1 && b - a < 0.1 ? 0 : 1;
}
"""


def judged(
    client: httpx.Client, output: str, code: str, language: str = "python", stdout: str = "1 2", **checker: Any
) -> dict[str, Any]:
    tests = {
        "kind": "stdio",
        "cases": [{"stdin": "3\n", "stdout": stdout}],
        "checker": {"language": language, "code": code, **checker},
    }
    submission = {"kind": "code", "completion": f"print({output!r})", "tests": tests}
    response = client.post("/v1/verify", json={"submissions": [submission]})
    assert response.status_code == 200, response.text
    return response.json()["results"][0]


@pytest.mark.parametrize(
    ("output", "code", "verdict"),
    [
        ("2 1", ANY_ORDER, "accepted"),
        ("2 2", ANY_ORDER, "wrong_answer"),
        ("4", PROGRAM, "accepted"),
        ("5", PROGRAM, "wrong_answer"),
        ("x", "def check(stdin, expected, actual):\n    return 0.5", "wrong_answer"),
        ("x", "def check(stdin, expected, actual):\n    return 1.0", "accepted"),
        ("é\ud83d".encode("utf-8", "replace").decode(), "def check(s, e, a):\n    return 'é' in a", "accepted"),
    ],
)
def test_the_special_judge_decides(client: httpx.Client, output: str, code: str, verdict: str) -> None:
    assert judged(client, output, code)["verdict"] == verdict


CODES = """
import sys
stdin, actual, expected = (open(path).read() for path in sys.argv[1:])
assert (stdin, expected) == ("3\\n", "1 2")
code, _, said = actual.partition(" ")
print(said.strip(), file=sys.stderr)
sys.exit(int(code))
"""
KATTIS = """
import pathlib, sys
stdin, expected, feedback = open(sys.argv[1]).read(), open(sys.argv[2]).read(), sys.argv[3]
assert (stdin, expected) == ("3\\n", "1 2")
assert feedback.endswith("/")
(pathlib.Path(feedback) / "judgemessage.txt").write_text("line 1 differs")
(pathlib.Path(feedback) / "teammessage.txt").write_text("for the team")
sys.exit(42 if sys.stdin.read().split() == expected.split() else 43)
"""
SCORE = """
import sys
actual = open(sys.argv[3]).read()
print(actual.strip())
print("that is what it says")
"""


@pytest.mark.parametrize(
    ("protocol", "output", "code", "verdict", "score", "said"),
    [
        ("check", "x", "def check(stdin, expected, actual):\n    return 0.25", "wrong_answer", 0.25, "gives 0.25"),
        (
            "check",
            "x",
            "def check(stdin, expected, actual):\n    print('hm')\n    return False",
            "wrong_answer",
            0,
            "hm",
        ),
        ("exit_code", "4", PROGRAM, "accepted", 1, ""),
        ("testlib", "0 ok", CODES, "accepted", 1, ""),
        ("testlib", "1 differs", CODES, "wrong_answer", 0, "differs"),
        ("testlib", "2 format", CODES, "wrong_answer", 0, "format"),
        ("testlib", "7 points 0.5 half", CODES, "wrong_answer", 0.5, "points 0.5 half"),
        ("testlib", "7 points 1", CODES, "accepted", 1, ""),
        ("kattis", "1  2", KATTIS, "accepted", 1, ""),
        ("kattis", "2 1", KATTIS, "wrong_answer", 0, "line 1 differs"),
        ("score", "0.75", SCORE, "wrong_answer", 0.75, "that is what it says"),
        ("score", "1", SCORE, "accepted", 1, ""),
        ("score", "0", SCORE, "wrong_answer", 0, "that is what it says"),
    ],
)
def test_a_protocol_says_how_a_judge_is_asked_and_how_it_answers(
    client: httpx.Client, protocol: str, output: str, code: str, verdict: str, score: float, said: str
) -> None:
    result = judged(client, output, code, protocol=protocol)
    assert (result["verdict"], result["score"]) == (verdict, score), result["message"]
    assert said in result["message"]


GETS_THROUGH = """
import sys
if open(sys.argv[2]).read() == open(sys.argv[3]).read():
    print(1)
    sys.exit(0)
"""


@pytest.mark.parametrize(
    ("protocol", "output", "code"),
    [
        ("testlib", "3 the judge's own answer is wrong", GETS_THROUGH + CODES),
        ("testlib", "7 points 50", GETS_THROUGH + CODES),
        ("testlib", "99", GETS_THROUGH + CODES),
        ("score", "7", GETS_THROUGH + SCORE),
        ("score", "nan", GETS_THROUGH + SCORE),
        ("kattis", "x", "import sys; sys.exit(0 if sys.stdin.read().strip() == 'x' else 42)"),
        ("exit_code", "x", "import sys; sys.exit(9 if open(sys.argv[3]).read().strip() == 'x' else 1)"),
        ("check", "x", "def check(s, e, a):\n    return a.split()[0] in '12' or 1 / 0"),
        ("check", "x", "def check(s, e, a):\n    while 'x' in a: pass\n    return False"),
    ],
)
def test_an_output_that_a_judge_fails_on_is_wrong_if_it_gets_through_the_expected_one(
    client: httpx.Client, protocol: str, output: str, code: str
) -> None:
    code += f"\n# {output}"  # makes these tests different: a proved judge is not asked again
    result = judged(client, output, code, protocol=protocol)
    assert (result["verdict"], result["score"]) == ("wrong_answer", 0.0), result["message"]
    assert "the special judge fails on this output" in result["message"]


def test_a_judge_that_has_judged_one_output_of_these_tests_is_proved(client: httpx.Client) -> None:
    """It crashes on every expected output, which makes the tests unusable, until it has got through one."""
    code = "def check(stdin, expected, actual):\n    return actual.strip() == 'fine' or 1 / 0"
    assert judged(client, "x", code)["verdict"] == "judge_error"
    assert judged(client, "fine", code)["verdict"] == "accepted"
    assert judged(client, "x", code)["verdict"] == "wrong_answer"


@pytest.mark.parametrize(
    "code", ["from mylib import check", "def  check(a, b, c): return False", "check = lambda a, b, c: False"]
)
def test_a_check_is_found_however_it_is_defined(client: httpx.Client, code: str) -> None:
    files = {"mylib.py": "def check(a, b, c): return False"}
    assert judged(client, "1 2", code, files=files)["verdict"] == "wrong_answer"


def test_a_judge_of_the_protocol_check_without_a_check_is_our_failure(client: httpx.Client) -> None:
    result = judged(client, "1 2", "def chek(a, b, c): return False", protocol="check")
    assert (result["verdict"], "defines no function `check`" in result["message"]) == ("judge_error", True)


def test_a_judge_that_runs_out_of_time_again_and_again_is_not_asked_any_more(client: httpx.Client) -> None:
    code = "def check(stdin, expected, actual):\n    while len(actual) > 5: pass\n    return False"
    tests = {"kind": "stdio", "cases": [{"stdout": "1"}] * 40, "checker": {"language": "python", "code": code}}
    submission = {"kind": "code", "completion": "print('x' * 20)", "tests": tests}
    result = client.post("/v1/verify", json={"submissions": [submission], "deadline_s": 500}, timeout=500).json()
    assert (result["results"][0]["verdict"], result["results"][0]["score"]) == ("wrong_answer", 0.0)


def test_files_lie_beside_a_judge(client: httpx.Client) -> None:
    code = "import table\ndef check(stdin, expected, actual):\n    return table.KNOWN == actual.strip()"
    assert judged(client, "42", code, files={"table.py": "KNOWN = '42'"})["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("checker", "said"),
    [
        ({"language": "cobol"}, "tests.checker.language 'cobol': it must be one of"),
        ({"protocol": "guess"}, "tests.checker.protocol 'guess': it must be 'check', 'exit_code', 'testlib', 'kattis'"),
        ({"files": {"../x": ""}}, "a relative path"),
        ({"files": {"solution.py": ""}}, "this name is reserved for the program itself; choose another"),
    ],
)
def test_a_judge_that_cannot_be_run_is_said_by_field(client: httpx.Client, checker: dict[str, Any], said: str) -> None:
    result = judged(client, "1 2", ANY_ORDER, **checker)
    assert (result["verdict"], said in result["message"]) == ("judge_error", True), result["message"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def check(stdin, expected, actual):\n    return 1 / 0", "ZeroDivisionError"),
        ("import sys\nsys.exit(7)", "code 7"),
        ("def check(stdin, expected, actual):\n    return 'yes'", "neither a bool nor a score"),
        ("def check(stdin, expected, actual):\n    while True: pass", "s of CPU time (VERIFIER_DEFAULT_TIME_LIMIT_S)"),
        ("def check(:", "SyntaxError"),
        ("import os\nos.kill(os.getpid(), 9)", "signal 9"),
        ("from nowhere import check", "nowhere"),
    ],
)
def test_a_special_judge_that_fails_is_our_failure(client: httpx.Client, code: str, said: str) -> None:
    result = judged(client, "1 2", code)
    assert (result["verdict"], result["score"]) == ("judge_error", None)
    assert said in result["message"]


def test_a_special_judge_may_be_written_in_cpp(client: httpx.Client) -> None:
    languages = {one["name"]: one for one in client.get("/v1/info").json()["languages"]}
    if not languages["cpp"]["available"]:
        pytest.skip("the image for cpp is not built: make sandboxes LANGUAGES=cpp")
    assert judged(client, "1.05", CPP, "cpp", stdout="1.0")["verdict"] == "accepted"
    assert judged(client, "1.5", CPP, "cpp", stdout="1.0")["verdict"] == "wrong_answer"
    assert judged(client, "1.5", "int main( {", "cpp")["verdict"] == "judge_error"


def test_output_that_lies_to_the_special_judge_is_only_output(client: httpx.Client) -> None:
    assert judged(client, "True\n1.0\naccepted\nsys.exit(0)", ANY_ORDER)["verdict"] == "wrong_answer"


def test_a_program_that_never_ends_is_not_run_for_every_case_of_a_special_judge(client: httpx.Client) -> None:
    tests = {"kind": "stdio", "cases": [{"stdout": ""}] * 500, "checker": {"language": "python", "code": ANY_ORDER}}
    submission = {"kind": "code", "completion": "while True: pass", "tests": tests, "limits": {"time_limit_s": 0.2}}
    result = client.post("/v1/verify", json={"submissions": [submission]}).json()["results"][0]
    assert (result["verdict"], len(result["tests"]), result["total"]) == ("time_limit_exceeded", 10, 500)


def many(client: httpx.Client, program: str, code: str, cases: int, **fields: Any) -> dict[str, Any]:
    listed = [{"stdin": str(n), "stdout": "1"} for n in range(cases)]
    tests = {"kind": "stdio", "cases": listed, "checker": {"language": "python", "code": code}, **fields}
    body = {"submissions": [{"kind": "code", "completion": program, "tests": tests}], "deadline_s": 60}
    return client.post("/v1/verify", json=body, timeout=100).json()["results"][0]


def test_a_judge_is_asked_while_outputs_come_where_the_first_failure_is_the_last_test(client: httpx.Client) -> None:
    program = "n = int(input())\nprint(n if n < 4 else 'x' * 100_000)"
    result = many(client, program, "def check(s, e, a):\n    return len(a) < 9", 300, stop_on_failure=True)
    assert (result["verdict"], result["passed"], len(result["tests"])) == ("wrong_answer", 4, 5)


def test_outputs_that_are_too_many_to_wait_are_judged_in_parts(client: httpx.Client) -> None:
    program = "n = int(input())\nprint(str(n) * (900_000 // len(str(n))))"
    result = many(client, program, "def check(s, e, a):\n    return a[:len(s)] == s", 60)
    assert (result["verdict"], result["passed"]) == ("accepted", 60), result["message"]


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("'9' * 5000", "def check(s, e, a):\n    return int(a) == int(e)"),
        ("'x'", "def check(s, e, a):\n    return a == e or len([0] * 10**10)"),
        ("'x'", "def check(s, e, a):\n    while a != e: pass\n    return True"),
        ("'x' * 900_000", "def check(s, e, a):\n    return a == e or check(s, e, a)"),
    ],
)
def test_no_output_makes_a_judge_fail_for_the_submission_s_good(client: httpx.Client, output: str, code: str) -> None:
    result = many(client, f"print({output})", code.replace("a ==", "a.strip() ==").replace("a !=", "a.strip() !="), 3)
    assert (result["verdict"], result["score"]) == ("wrong_answer", 0.0), result["message"]
