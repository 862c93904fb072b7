"""SandboxFusion's callers: its own client, and requests as verl sends them."""

import base64
import json
from typing import Any

import httpx
import pytest

TRIES = 10
"""How often a 504 is tried again, as callers do: a busy machine may not come to it in time."""
PASSED = {"status": "Success", "message": "", "compile_result": None, "executor_pod_name": None, "files": {}}


def run(client: httpx.Client, code: str, language: str = "python", **more: Any) -> dict[str, Any]:
    sent = {"code": code, "language": language, **more}
    answer = client.post("/run_code", json=sent)
    for _ in range(TRIES):
        if answer.status_code == 504:
            answer = client.post("/run_code", json=sent)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    for command in (told["compile_result"], told["run_result"]):
        if command is not None:
            assert command.pop("execution_time") >= 0
    return told


def finished(code: int, stdout: str = "", stderr: str = "") -> dict[str, Any]:
    return {"status": "Finished", "return_code": code, "stdout": stdout, "stderr": stderr}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_it_is_there(client: httpx.Client) -> None:
    assert client.get("/v1/ping").json() == "pong"


def test_a_program_as_verl_sends_it(client: httpx.Client) -> None:
    sent = {"compile_timeout": 10, "run_timeout": 10, "memory_limit_MB": 1024, "files": {}, "fetch_files": []}
    told = run(client, "print(int(input()) * 3)", stdin="14\n", **sent)
    assert told == PASSED | {"run_result": finished(0, "42\n")}
    assert run(client, "print(input('?'))", stdin=None, **sent)["run_result"]["return_code"] == 1
    assert run(client, "import sys; sys.exit(3)", **sent)["status"] == "Failed"


def test_what_an_interpreter_refuses_is_a_run_that_failed(client: httpx.Client) -> None:
    told = run(client, "def f(:\n")
    assert (told["status"], told["compile_result"], told["run_result"]["return_code"]) == ("Failed", None, 1)
    assert "SyntaxError" in told["run_result"]["stderr"]


def test_a_program_that_takes_too_long(client: httpx.Client) -> None:
    told = run(client, "print(1, flush=True)\nwhile True: pass", run_timeout=0.2)
    assert told["status"] == "Failed"
    assert (told["run_result"]["status"], told["run_result"]["return_code"]) == ("TimeLimitExceeded", None)


def test_a_compiler_that_refuses(client: httpx.Client) -> None:
    told = run(client, "int main() { return x; }", "cpp", run_timeout=5, memory_limit_MB=512)
    assert (told["status"], told["run_result"], told["compile_result"]["status"]) == ("Failed", None, "Finished")
    assert told["compile_result"]["return_code"] == 1
    assert "was not declared" in told["compile_result"]["stderr"]


def test_a_compiled_program(client: httpx.Client) -> None:
    told = run(client, '#include <cstdio>\nint main() { puts("hi"); return 0; }', "cpp")
    assert (told["status"], told["compile_result"]["return_code"], told["run_result"]) == (
        "Success",
        0,
        finished(0, "hi\n"),
    )


def test_files_go_in_and_come_out(client: httpx.Client) -> None:
    program = "open('twice.txt','w').write(str(2*int(open('d/data.txt').read())))"
    files = {"d/data.txt": encoded("7\n"), "left_out": None}
    told = run(client, program, files=files, fetch_files=["twice.txt", "none.txt"])
    assert (told["status"], told["files"]) == ("Success", {"twice.txt": encoded("14")})


def test_pytest_is_run(client: httpx.Client) -> None:
    program = "from solution_a import f\ndef test_f():\n    assert f(1) == {}\n"
    files = {"solution_a.py": encoded("def f(x):\n    return x + 1\n")}
    assert run(client, program.format(2), "pytest", files=files)["status"] == "Success"
    told = run(client, program.format(3), "pytest", files=files)
    assert (told["status"], told["run_result"]["return_code"]) == ("Failed", 1)
    assert "1 failed" in told["run_result"]["stdout"]


def test_output_comes_whole_to_ten_megabytes(client: httpx.Client) -> None:
    told = run(client, "import sys; sys.stdout.write('x' * 10_000_000)")
    assert (told["status"], len(told["run_result"]["stdout"])) == ("Success", 10_000_000)
    told = run(client, "import sys; sys.stdout.write('x' * 12_000_000)")
    assert told["status"] == "Failed"
    assert "output_limit" in told["run_result"]["stderr"]


def test_a_program_with_half_a_surrogate_pair_is_run_all_the_same(client: httpx.Client) -> None:
    body = json.dumps({"code": "print(1) # \ud800", "language": "python"}).encode()
    answer = client.post("/run_code", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["run_result"]["stdout"]) == (200, "1\n")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"language": "php"}, "language 'php': it must be one of python"),
        ({"run_timeout": 3600}, "run_timeout 3600.0: it must be above 0 and at most 30 s"),
        ({"language": "cpp", "compile_timeout": 600}, "compile_timeout 600.0: it must be at most 20 s"),
        ({"memory_limit_MB": 10_000_000}, "memory_limit_MB 10000000: "),
        ({"files": {"/etc/passwd": "eA=="}}, "files"),
        ({"files": {"a": "?"}}, "files"),
        ({"files": {"solution.py": "eA=="}}, "files.solution.py"),
        ({"fetch_files": ["../x"]}, "fetch_files"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(client: httpx.Client, more: dict[str, Any], said: str) -> None:
    answer = client.post("/run_code", json={"code": "1", "language": "python", **more})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"language": "python"}, ["body", "code"]),
        ({"code": "1"}, ["body", "language"]),
        ({"code": "1", "language": "cobol"}, ["body", "language"]),
        ({"code": "1", "language": "python", "run_timeout": "soon"}, ["body", "run_timeout"]),
        ({"code": "1", "language": "python", "files": []}, ["body", "files"]),
        ([], ["body"]),
    ],
)
def test_a_malformed_body_is_refused_as_fastapi_does(client: httpx.Client, sent: Any, place: list[str]) -> None:
    answer = client.post("/run_code", json=sent)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, place)


def submission(*tests: tuple[str, str], **config: Any) -> dict[str, Any]:
    listed = [{"input": {"stdin": stdin}, "output": {"stdout": stdout}} for stdin, stdout in tests]
    row = {"id": 17, "content": "Add one.", "labels": {}, "test": listed}
    own = {"dataset_type": "CommonOJDataset", "language": "python", "run_timeout": 5, "provided_data": row}
    completion = "So:\n```python\nn = int(input())\nprint(n + 1)\n```"
    return {"dataset": "anything", "id": 17, "completion": completion, "config": own | config}


def test_a_row_in_the_request_is_judged_up_to_its_first_failure(client: httpx.Client) -> None:
    sent = submission(("4", "5"), ("9", "11"), ("1", "2.0"))
    told = client.post("/submit", json=sent).json()
    assert (told["id"], told["accepted"], told["extracted_code"]) == (17, False, "n = int(input())\nprint(n + 1)")
    assert [one["passed"] for one in told["tests"]] == [True, False]
    assert told["tests"][1]["exec_info"]["run_result"]["stdout"] == "10\n"
    assert told["tests"][1]["test_info"] == {"input": {"stdin": "9"}, "output": {"stdout": "11"}}
    sent["config"]["extra"] = {"run_all_cases": True}
    sent["config"]["provided_data"]["test"] = json.dumps(sent["config"]["provided_data"]["test"])
    told = client.post("/submit", json=sent).json()
    assert (told["accepted"], [one["passed"] for one in told["tests"]]) == (False, [True, False, True])


def test_a_row_is_accepted_if_all_its_tests_pass(client: httpx.Client) -> None:
    assert client.post("/submit", json=submission(("4", " 5 \n"), ("9", "10.0000001"))).json()["accepted"]
    assert client.post("/submit", json=submission()).json()["accepted"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"language": None}, "config.language field must exist for CommonOJDataset, got None"),
        ({"language": "php"}, "config.language 'php'"),
        ({"dataset_type": "HumanEvalDataset"}, "config.dataset_type 'HumanEvalDataset'"),
        ({"dataset_type": None}, "config.dataset_type None"),
        ({"custom_extract_logic": "x"}, "config.custom_extract_logic"),
        ({"provided_data": None}, "config.provided_data None"),
        ({"provided_data": {"test": "["}}, "config.provided_data.test"),
        ({"provided_data": {"test": [{"input": {}}]}}, "config.provided_data.test"),
    ],
)
def test_a_row_that_cannot_be_judged_is_refused_by_name(client: httpx.Client, config: Any, said: str) -> None:
    answer = client.post("/submit", json=submission(("4", "5"), **config))
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_its_own_client_runs_programs_and_judges_rows(verifier_url: str) -> None:
    fusion: Any = pytest.importorskip("sandbox_fusion", reason="the package sandbox-fusion is not installed")
    fusion.set_endpoint(verifier_url)
    ran = fusion.run_code(fusion.RunCodeRequest(code="print(input())", stdin="hi", language="python"), max_attempts=1)
    assert (ran.status, ran.run_result.stdout) == (fusion.RunStatus.Success, "hi\n")
    slow = fusion.RunCodeRequest(code="while True: pass", language="python", run_timeout=0.2)
    mapping = fusion.SummaryMapping(RunTimeout="slow", CompileFailed="refused")
    assert fusion.client.summary_run_code_result(fusion.run_code(slow, max_attempts=1), mapping) == "slow"
    broken = fusion.RunCodeRequest(code="int main(", language="cpp")
    assert fusion.client.summary_run_code_result(fusion.run_code(broken), mapping) == "refused"
    sent = submission(("4", "5"), ("9", "11"))
    judged = fusion.submit(fusion.SubmitRequest(**sent))
    assert (judged.accepted, [one.passed for one in judged.tests]) == (False, [True, False])
    with pytest.raises(Exception, match="code 400"):
        fusion.run_code(fusion.RunCodeRequest(code="1", language="lean"), max_attempts=1)
