"""Stacks that send programs to run: open-instruct, Piston, open-r1, code-judge and NeMo-Skills."""

import base64
import json
import os
import pickle
import zlib
from typing import Any

import httpx
import pytest


def post(client: httpx.Client, path: str, sent: Any) -> Any:
    answer = client.post(path, json=sent)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: httpx.Client, path: str, sent: Any) -> tuple[int, Any]:
    answer = client.post(path, json=sent)
    return answer.status_code, answer.json()


# open-instruct

ADD = "def add(a, b):\n    return a + b"
ASSERTS = ["assert add(1, 2) == 3", "assert add(1, 1) == 3"]


def packed(value: object) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


@pytest.mark.parametrize("tests", [ASSERTS, json.dumps(ASSERTS), packed(json.dumps(ASSERTS))])
def test_open_instruct_runs_asserts(client: httpx.Client, tests: Any) -> None:
    told = post(client, "/test_program", {"program": ADD, "tests": tests, "max_execution_time": 1.0})
    assert (told["results"], told["runtimes"][0] >= 0, told["runtimes"][1]) == ([1, 0], True, -1.0)


def test_open_instruct_counts_each_text_once_however_many_statements_it_has(client: httpx.Client) -> None:
    tests = ["x = add(1, 2)\nassert x == 3\nassert x != 4", "assert add(1, 2) == 3\nassert add(1, 1) == 3", ASSERTS[0]]
    assert post(client, "/test_program", {"program": ADD, "tests": tests})["results"] == [1, 0, 1]
    assert post(client, "/test_program", {"program": ADD, "tests": tests[1:2]})["results"] == [0]
    assert post(client, "/test_program", {"program": "def add(", "tests": ASSERTS})["results"] == [0, 0]
    assert post(client, "/test_program", {"program": ADD, "tests": []}) == {"results": [], "runtimes": []}


def test_open_instruct_runs_programs(client: httpx.Client) -> None:
    tests = [{"input": "1 2 3\n", "output": "6.0\n"}, {"input": "1", "output": "2"}]
    told = post(client, "/test_program_stdio", {"program": "print(sum(map(int, input().split())))", "tests": tests})
    assert (told["results"], told["runtimes"][1]) == ([1, 0], -1.0)
    assert post(client, "/test_program_stdio", {"program": "print(", "tests": tests})["results"] == [0, 0]
    assert post(client, "/test_program_stdio", {"program": "", "tests": []}) == {"results": [], "runtimes": []}


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/evil",)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tests": 1}, "tests 1: it must be a list of strings"),
        ({"tests": packed(Evil())}, "the pickle must contain a single string"),
        ({"tests": packed(["x"])}, "the pickle must contain a single string"),
        ({"tests": "eA=="}, "base64(zlib(...))"),
        (
            {"tests": ["assert 1"], "max_execution_time": 1e9},
            "max_execution_time 1000000000.0: it must be above 0 and at most",
        ),
    ],
)
def test_open_instruct_hears_what_cannot_be_had(client: httpx.Client, more: dict[str, Any], said: str) -> None:
    status, told = refused(client, "/test_program", {"program": ADD, **more})
    assert status in (400, 422)
    assert said in told["detail"]


# Piston


def execute(client: httpx.Client, language: str, source: str, **more: Any) -> dict[str, Any]:
    told = post(
        client, "/api/v2/execute", {"language": language, "version": "*", "files": [{"content": source}], **more}
    )
    for stage in (told["run"], told.get("compile")):
        if stage is not None:
            assert all(stage.pop(name) >= 0 for name in ("cpu_time", "wall_time", "memory"))
    return told


def stage(stdout: str = "", stderr: str = "", **more: Any) -> dict[str, Any]:
    nothing = {"code": 0, "signal": None, "message": None, "status": None}
    return {"stdout": stdout, "stderr": stderr, "output": stdout + stderr, **nothing, **more}


def test_piston_lists_what_it_can_run(client: httpx.Client) -> None:
    (python,) = [one for one in client.get("/api/v2/runtimes").json() if one["language"] == "python"]
    assert python["version"].count(".") == 2
    assert {"py", "python3", "cf_python3"} <= set(python["aliases"])


def test_piston_runs_a_program(client: httpx.Client) -> None:
    told = execute(client, "py", "print(input()[::-1])", stdin="abc", run_timeout=2000)
    assert (told["language"], told["run"]) == ("python", stage("cba\n"))
    assert "compile" not in told
    exits = stage(code=3, status="RE", message="Exited with error status 3")
    assert execute(client, "python", "import sys\nsys.exit(3)")["run"] == exits
    late = stage(code=None, signal="SIGKILL", status="TO", message="Time limit exceeded")
    assert execute(client, "python", "while True: pass", run_timeout=200)["run"] == late
    dies = "import os\nos.kill(os.getpid(), 6)"
    assert execute(client, "python", dies)["run"]["signal"] == "SIGABRT"


def test_piston_places_files_and_arguments(client: httpx.Client) -> None:
    hexed = {"name": "b.bin", "content": b"\xff\x00".hex(), "encoding": "hex"}
    encoded = {"name": "d/a.txt", "content": base64.b64encode(b"A").decode(), "encoding": "base64"}
    main = {
        "name": "main.py",
        "content": "import sys\nprint(open('d/a.txt').read(), open('b.bin','rb').read(), sys.argv[1:])",
    }
    sent = {"language": "python", "version": "3.x", "files": [hexed, main, encoded], "args": ["x", "y"]}
    assert post(client, "/api/v2/execute", sent)["run"]["stdout"] == "A b'\\xff\\x00' ['x', 'y']\n"


def test_piston_repeats_a_failed_compile_as_the_run(client: httpx.Client) -> None:
    told = execute(client, "c++", "int main() { retrun 0; }")
    assert told["run"] == told["compile"]
    assert (told["run"]["code"], told["run"]["status"]) == (1, "RE")
    assert execute(client, "python", "def f(:")["run"]["code"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"language": 1}, "language is required as a string"),
        ({"version": None}, "version is required as a string"),
        ({"files": "x"}, "files is required as an array"),
        ({"files": []}, "files is required as an array"),
        ({"files": [{"name": "x"}]}, "files[0].content is required as a string"),
        ({"files": [{"content": "00", "encoding": "hex"}]}, "files must include at least one utf8 encoded file"),
        ({"files": [{"content": "1"}, {"content": "0g", "encoding": "hex"}]}, "files[1].content is not hex"),
        ({"language": "cobol", "version": "1.0"}, "cobol-1.0 runtime is unknown"),
        ({"version": "2.x"}, "python-2.x runtime is unknown"),
        ({"run_timeout": 10**9}, "run_timeout cannot exceed the configured limit of 119000"),
        ({"run_timeout": -1}, "run_timeout must be above 0"),
        ({"run_memory_limit": 10**12}, "run_memory_limit cannot exceed the configured limit of "),
        ({"compile_memory_limit": 10**9}, "compile_memory_limit cannot be set here"),
    ],
)
def test_piston_refuses_in_its_own_words(client: httpx.Client, change: dict[str, Any], said: str) -> None:
    sent = {"language": "python", "version": "*", "files": [{"content": "1"}], **change}
    status, told = refused(client, "/api/v2/execute", sent)
    assert (status, told["message"][: len(said)]) == (400, said)


def test_piston_wants_json(client: httpx.Client) -> None:
    broken = client.post("/api/v2/execute", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, list(broken.json())) == (400, ["stack"])
    other = client.post("/api/v2/execute", content=b"{}", headers={"Content-Type": "application/xml"})
    assert (other.status_code, other.json()) == (415, {"message": "requests must be of type application/json"})


CHECKER = "import sys\nprint(int(sorted(open(sys.argv[2]).read()) == sorted(open(sys.argv[3]).read())))"


@pytest.mark.parametrize(
    ("language", "program", "mode", "checker", "said"),
    [
        ("cf_python3", "a,b=map(int,input().split())\nprint(a+b)", "stdio", None, "1"),
        ("cf_python3", "print(6)", "stdio", None, "0"),
        (
            "cf_python3",
            "open('output.txt','w').write(str(sum(map(int,open('input.txt').read().split()))))",
            "file",
            None,
            "1",
        ),
        ("cf_python3", "print('21')", "stdio", CHECKER, "1"),
    ],
)
def test_piston_judges_as_the_runtimes_for_codeforces_do(
    client: httpx.Client, language: str, program: str, mode: str, checker: str | None, said: str
) -> None:
    expected = "5\n" if checker is None else "12\n"
    files = {"input.txt": "2 3\n", "correct_output.txt": expected}
    files |= {"grader_config": f"TIME_LIMIT=2.0\nMEMORY_LIMIT=256.0\nINPUT_MODE={mode}"}
    files |= {} if checker is None else {"checker.py": checker}
    sent = [{"name": "main", "content": program}, *({"name": name, "content": text} for name, text in files.items())]
    told = post(client, "/api/v2/execute", {"language": language, "version": "*", "run_timeout": 12000, "files": sent})
    assert (told["language"], told["compile"]["code"], told["run"]["code"]) == (language, 0, 0)
    assert told["run"]["stdout"].strip() == said


def test_piston_ends_what_is_read_with_a_newline(client: httpx.Client) -> None:
    source = "import sys\nprint([sys.stdin.read()])"
    for sent, read in (("a", "['a\\n']"), ("a\n", "['a\\n']"), ("", "['']")):
        assert execute(client, "python", source, stdin=sent)["run"]["stdout"] == read + "\n"


def test_piston_counts_files_as_they_were_sent(client: httpx.Client) -> None:
    job: dict[str, Any] = {"language": "python", "version": "*"}
    hexes = [{"content": "x", "encoding": "hex"}, {"content": "print(1)"}]
    status, told = refused(client, "/api/v2/execute", job | {"files": hexes})
    assert (status, told["message"].startswith("files[0].content is not hex")) == (400, True)
    status, told = refused(client, "/api/v2/execute", job | {"files": [{"content": "x", "encoding": "utf-16"}]})
    assert (status, "content is required" in told["message"], "utf-16" in told["message"]) == (400, False, True)


# open-r1


def test_open_r1_gets_the_value_of_the_last_expression(client: httpx.Client) -> None:
    scripts = [
        "1 + 1",
        "print('hi')\n0.5",
        "x = 1",
        "1/0",
        "import time\ntime.sleep(99)",
        "2",
        "import os\nos._exit(3)",
    ]
    languages = ["python"] * 5 + ["r", "python"]
    sent = {"scripts": scripts, "languages": languages, "timeout": 1, "request_timeout": 28}
    two, half, none, error, late, other, ended = post(client, "/execute_batch", sent)
    assert two["execution"] == {
        "results": [{"text": "2", "is_main_result": True}],
        "logs": {"stdout": [], "stderr": []},
        "error": None,
        "execution_count": 1,
    }
    assert (two["text"], two["exception_str"]) == ("2", None)
    assert (half["text"], half["execution"]["logs"]["stdout"]) == ("0.5", ["hi\n"])
    assert (none["text"], none["execution"]["results"]) == (None, [])
    assert (error["text"], error["execution"]["error"]["name"]) == (None, "ZeroDivisionError")
    assert late == {"execution": None, "text": None, "exception_str": "execution timed out after 1 s"}
    assert other["exception_str"] == "language 'r': it must be python"
    assert (ended["execution"], ended["exception_str"][:21]) == (None, "the script was ended:")


def test_open_r1_refuses_by_name(client: httpx.Client) -> None:
    sent = {"scripts": ["1"], "languages": ["python"], "timeout": 30, "request_timeout": 28}
    assert refused(client, "/execute_batch", sent | {"languages": []})[0] == 422
    assert refused(client, "/execute_batch", sent | {"timeout": 1000})[1]["detail"].startswith(
        "timeout 1000: it must be above 0"
    )
    assert post(client, "/execute_batch", sent | {"scripts": [], "languages": []}) == []
    del sent["timeout"]
    assert refused(client, "/execute_batch", sent)[1]["detail"][0]["loc"] == ["body", "timeout"]


# code-judge


def test_code_judge_runs_and_judges_a_batch(client: httpx.Client) -> None:
    sent = [
        {"sub_id": "a", "type": "python", "solution": "print(1)", "expected_output": "1\n"},
        {"sub_id": "b", "type": "python", "solution": "1/0"},
        {"sub_id": "c", "type": "python", "solution": "print(input())", "input": "x", "expected_output": "y"},
        {"sub_id": "d", "type": "math", "solution": "\\boxed{0.5}", "expected_output": "1/2"},
        {"sub_id": "f", "type": "math", "solution": "\\boxed{0.5}"},
    ]
    told = post(client, "/judge/batch", {"sub_id": "all", "type": "batch", "submissions": sent})
    assert told["sub_id"] == "all"
    assert all(one.pop("cost") >= 0 for one in told["results"])
    assert told["results"] == [
        {"sub_id": name, "success": success, "run_success": ran, "reason": reason}
        for name, success, ran, reason in [
            ("a", True, True, ""),
            ("b", False, False, ""),
            ("c", False, True, ""),
            ("d", True, True, ""),
            ("f", False, False, "invalid_input"),
        ]
    ]


def test_code_judge_refuses_as_fastapi_does(client: httpx.Client) -> None:
    for sent, place in [
        ({"type": "batch", "submissions": []}, ["body", "submissions"]),
        ({"type": "batch", "submissions": [{"type": "java", "solution": ""}]}, ["body", "submissions", 0, "type"]),
        ({"submissions": [{"type": "math", "solution": ""}]}, ["body", "type"]),
    ]:
        status, told = refused(client, "/judge/batch", sent)
        assert (status, told["detail"][0]["loc"]) == (422, place)


# NeMo-Skills


def skills(client: httpx.Client, code: str, language: str = "python", **more: Any) -> dict[str, Any]:
    return post(client, "/execute", {"generated_code": code, "timeout": 5, "language": language, **more})


def test_nemo_skills_runs_a_program(client: httpx.Client) -> None:
    assert skills(client, "print(input() * 2)", std_input="ab") == {
        "process_status": "completed",
        "stdout": "abab\n",
        "stderr": "",
    }
    assert skills(client, "print('x' * 20)", max_output_characters=5)["stdout"] == "xxxxx<output cut>"
    told = skills(client, "1/0", "python3")
    assert (told["process_status"], "ZeroDivisionError" in told["stderr"]) == ("completed", True)
    assert skills(client, "def f(:")["process_status"] == "completed"
    assert skills(client, "echo hi; exit 3", "shell") == {"process_status": "error", "stdout": "hi\n", "stderr": ""}
    assert skills(client, "while True: pass", timeout=0.5) == {
        "process_status": "timeout",
        "stdout": "",
        "stderr": "Execution timed out after 0.5 seconds\n",
    }


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"generated_code": "1", "timeout": 1}, "X-Session-ID header required for ipython sessions"),
        ({"generated_code": "1", "timeout": 1, "language": "lean4"}, "language 'lean4': it must be one of"),
        (
            {"generated_code": "1", "timeout": 1000, "language": "python"},
            "timeout 1000.0: it must be above 0 and at most 30 s",
        ),
        ({"generated_code": "1", "language": "python"}, "timeout: this field is required"),
        ([], "it must be an object"),
    ],
)
def test_nemo_skills_refuses_by_name(client: httpx.Client, sent: Any, said: str) -> None:
    status, told = refused(client, "/execute", sent)
    assert status == 400
    assert said in told["error"]
