"""Special judges decide on outputs; one that crashes is our failure, never the submission's."""

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


def judged(client: httpx.Client, output: str, code: str, language: str = "python", **case: str) -> dict[str, Any]:
    tests = {
        "kind": "stdio",
        "cases": [{"stdin": "3\n", "stdout": "1 2"} | case],
        "checker": {"language": language, "code": code},
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


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def check(stdin, expected, actual):\n    return 1 / 0", "ZeroDivisionError"),
        ("import sys\nsys.exit(7)", "code 7"),
        ("def check(stdin, expected, actual):\n    return 'yes'", "neither a bool nor a score"),
        ("def check(stdin, expected, actual):\n    while True: pass", "_limit"),
        ("def check(:", "SyntaxError"),
        ("import os\nos.kill(os.getpid(), 9)", "signaled"),
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
