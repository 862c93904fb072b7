"""POST /v1/run as a stranger would use it: it reports how a program ran, without judging it."""

import base64
from typing import Any

import httpx
import pytest


def run(client: httpx.Client, *runs: dict[str, Any], **envelope: Any) -> list[dict[str, Any]]:
    response = client.post("/v1/run", json={"runs": list(runs), **envelope})
    assert response.status_code == 200, response.text
    return response.json()["results"]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="session")
def languages(client: httpx.Client) -> set[str]:
    return {one["name"] for one in client.get("/v1/info").json()["languages"] if one["available"]}


def test_the_documented_run_gets_the_documented_answer(client: httpx.Client) -> None:
    (result,) = run(
        client, {"id": "a", "source": "print(input())", "stdin": "hi\n", "limits": {"time_limit_s": 2}}, deadline_s=60
    )
    measured = {name: result.pop(name) for name in ("time_s", "wall_s", "memory_mb", "queue_s", "start_s")}
    assert all(value >= 0 for value in measured.values())
    assert result.pop("made_by")["verifier"] == client.get("/v1/info").json()["build"]
    assert result == {
        "id": "a",
        "end": "exited",
        "exit_code": 0,
        "signal": None,
        "stdout": "hi\n",
        "stderr": "",
        "compile": None,
        "files": {},
        "signals": [],
        "error": None,
        "retryable": False,
    }


def test_files_and_arguments_go_in_and_files_come_out(client: httpx.Client) -> None:
    source = (
        "import pathlib, sys\n"
        "text = pathlib.Path('d/e/in.txt').read_text()\n"
        "pathlib.Path('out.txt').write_text(text.upper())\n"
        "pathlib.Path('new').mkdir()\n"
        "pathlib.Path('new/raw').write_bytes(bytes(range(256)))\n"
        "print(sys.argv[1:])"
    )
    (result,) = run(
        client,
        {
            "source": source,
            "files": {"d/e/in.txt": encoded("héllo")},
            "argv": ["-n", "1 2"],
            "fetch_files": ["out.txt", "new/raw", "d/e/in.txt", "missing"],
        },
    )
    assert (result["end"], result["stdout"]) == ("exited", "['-n', '1 2']\n")
    files = {name: base64.b64decode(content) for name, content in result["files"].items()}
    assert files == {"out.txt": "HÉLLO".encode(), "new/raw": bytes(range(256)), "d/e/in.txt": "héllo".encode()}


@pytest.mark.parametrize(
    ("source", "limits", "end", "more"),
    [
        ("import sys; sys.exit(3)", {}, "exited", {"exit_code": 3, "signal": None}),
        ("1 / 0", {}, "exited", {"exit_code": 1}),
        ("import os; os.kill(os.getpid(), 11)", {}, "signaled", {"signal": 11, "exit_code": None}),
        ("while True: pass", {"time_limit_s": 0.3}, "time_limit", {"exit_code": None}),
        ("import time; time.sleep(60)", {"time_limit_s": 0.3, "wall_limit_s": 0.5}, "wall_limit", {}),
        ("x = bytearray(900_000_000)\nx[::4096] = b'1' * len(x[::4096])", {"memory_limit_mb": 64}, "memory_limit", {}),
        ("while True: print('x' * 1000)", {"output_limit_kb": 10}, "output_limit", {}),
        ("def f(:", {}, "not_compiled", {"stdout": None, "exit_code": None}),
    ],
)
def test_each_way_to_end_has_a_word(
    client: httpx.Client, source: str, limits: dict[str, Any], end: str, more: dict[str, Any]
) -> None:
    (result,) = run(client, {"source": source, "limits": limits})
    assert (result["end"], result["error"]) == (end, None), result
    assert {name: result[name] for name in more} == more
    if end == "not_compiled":
        assert "SyntaxError" in result["compile"]["stderr"]


def test_stdout_and_stderr_are_whole_and_apart(client: httpx.Client) -> None:
    source = "import sys\nfor n in range(20000): print(n); print(-n, file=sys.stderr)"
    (result,) = run(client, {"source": source})
    assert result["stdout"] == "".join(f"{n}\n" for n in range(20000))
    assert result["stderr"] == "".join(f"{-n}\n" for n in range(20000))


def test_of_too_much_output_the_beginning_comes(client: httpx.Client) -> None:
    source = "import sys\nprint('e' * 100, file=sys.stderr, flush=True)\nfor n in range(10**6): print(n)"
    (result,) = run(client, {"source": source, "limits": {"output_limit_kb": 20}})
    assert result["end"] == "output_limit"
    whole = "".join(f"{n}\n" for n in range(10000))
    assert whole.startswith(result["stdout"])
    assert 19_000 < len(result["stdout"] + result["stderr"]) <= 20 * 1024
    assert result["stderr"] in ("e" * 100 + "\n", "")


def test_bytes_that_are_not_text_are_written_out(client: httpx.Client) -> None:
    (result,) = run(client, {"source": "import os; os.write(1, b'a\\xff\\n')"})
    assert result["stdout"] == "a\\xff\n"


def test_one_bad_run_never_touches_its_neighbours_and_order_is_kept(client: httpx.Client) -> None:
    runs: list[Any] = [
        {"id": "0", "source": "print(0)"},
        {"id": "1", "sauce": ""},
        {"id": "2", "source": "print(2)"},
        {"id": "3", "source": "", "language": "cobol"},
        {"id": "4", "source": "", "files": {"../x": ""}},
        {"id": "5", "source": "", "files": {"x": "%%%"}},
        {"id": "6", "source": "", "limits": {"time_limit_s": 1000}},
        {"id": "7", "source": "", "files": {"solution.py": ""}},
        {"id": "8", "source": "print(8)"},
    ]
    results = run(client, *runs)
    assert [one["id"] for one in results] == [str(n) for n in range(9)]
    assert [one["end"] for one in results] == ["exited"] + ["judge_error", "exited"] + ["judge_error"] * 5 + ["exited"]
    errors = {one["id"]: one["error"] for one in results if one["error"]}
    assert "source: this field is required" in errors["1"]
    assert errors["3"].startswith("language 'cobol': it must be one of")
    assert "a relative path" in errors["4"]
    assert "it must be base64" in errors["5"]
    assert errors["6"] == "limits.time_limit_s 1000.0: the maximum is 30 (VERIFIER_MAX_TIME_LIMIT_S)"
    assert errors["7"].endswith("this name is reserved for the program itself; choose another")
    assert all(
        one[name] is None for one in results if one["error"] for name in ("stdout", "time_s", "files", "compile")
    )


def test_what_the_deadline_cuts_off_is_an_error_of_ours(client: httpx.Client) -> None:
    (result,) = run(client, {"source": "import time; time.sleep(30)", "limits": {"wall_limit_s": 30}}, deadline_s=0.5)
    assert (result["end"], "deadline_s is 0.5" in result["error"]) == ("judge_error", True)


def test_a_body_that_is_not_a_batch_of_runs_is_a_422(client: httpx.Client) -> None:
    for body in ({}, {"runs": []}, {"runs": [{"source": ""}], "suites": {}}):
        assert client.post("/v1/run", json=body).status_code == 422


def test_a_compiled_program_is_compiled_once(client: httpx.Client, languages: set[str]) -> None:
    if "c" not in languages:
        pytest.skip("the image for c is not built: make sandboxes LANGUAGES=c")
    source = '#include <stdio.h>\nint main() { int n; scanf("%d", &n); printf("%d\\n", n * 3); fputs("e", stderr); }'
    for number, cached in ((14, False), (5, True)):
        (result,) = run(client, {"language": "c", "source": f"{source} // once", "stdin": str(number)})
        assert (result["end"], result["stdout"], result["stderr"]) == ("exited", f"{3 * number}\n", "e")
        assert (result["compile"]["end"], result["compile"]["exit_code"]) == ("exited", 0)
        assert result["compile"]["cached"] is cached
    (result,) = run(client, {"language": "c", "source": "int main() { return x; }"})
    assert (result["end"], result["stdout"], result["compile"]["exit_code"]) == ("not_compiled", None, 1)
    assert "error:" in result["compile"]["stderr"]
