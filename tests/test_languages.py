"""Every program under `cases/languages/` gets the verdict that its folder is named after, from a real service.

The task of all of them is to read integers and to write their sum.
"""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.errors import DockerException, ImageNotFound

import docker
from tests.conftest import ServiceProcess
from verifier_service.languages import SANDBOXES, load_languages
from verifier_service.schema import Verdict
from verifier_service.settings import Settings

CASES = Path(__file__).parent / "cases" / "languages"
PROGRAMS = sorted(path for path in CASES.glob("*/*/*") if path.is_file())
NEWER_CASES = CASES.parent / "newer_languages"
NEWER_PROGRAMS = sorted(path for path in NEWER_CASES.glob("*/*/*") if path.is_file())
NEWER = {"cpp": (14, 0), "go": (1, 22), "java": (21, 0), "javascript": (20, 0), "rust": (1, 65)}
"""The version from which on a compiler knows what `NEWER_PROGRAMS` use; Debian 13 has it."""
TESTS = {
    "kind": "stdio",
    "stop_on_failure": True,
    "cases": [
        {"stdin": "1 2\n", "stdout": "3\n"},
        {"stdin": "", "stdout": "0\n"},
        {"stdin": "4000000000 6000000000\n-1\n", "stdout": "9999999999\n"},
    ],
}
# A wall limit far above the CPU limit: the verdicts must not depend on the machine's other work.
LIMITS = {"time_limit_s": 2, "wall_limit_s": 60, "memory_limit_mb": 256, "output_limit_kb": 256}


def _case_name(path: Path) -> str:
    return "/".join(path.parts[-3:])


def _submission(path: Path) -> dict[str, Any]:
    language = path.parts[-3]
    return {
        "kind": "code",
        "language": language,
        "completion": f"```{language}\n{path.read_text(encoding='utf-8')}\n```",
        "tests": TESTS,
        "limits": LIMITS,
    }


def _judge(client: httpx.Client, path: Path) -> dict[str, Any]:
    answer = client.post("/v1/verify", json={"submissions": [_submission(path)]})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]


@pytest.fixture(scope="session")
def available(client: httpx.Client) -> dict[str, tuple[int, ...]]:
    """The languages that the service reports as available, with their versions."""
    known = client.get("/v1/info").json()["languages"]
    return {one["name"]: _version(one["version"]) for one in known if one["available"]}


def _version(text: str) -> tuple[int, ...]:
    """Return the first two numbers: (14, 2) of `g++ (Debian 14.2.0-19) 14.2.0`."""
    return tuple(map(int, re.findall(r"\d+", text)[:2]))


def test_every_language_has_a_program_for_every_verdict_that_a_program_can_get() -> None:
    verdicts = set(Verdict) - {Verdict.JUDGE_ERROR, Verdict.NO_ANSWER}
    assert {(path.parts[-3], path.parts[-2]) for path in PROGRAMS} == {
        (language, verdict.value) for language in load_languages() for verdict in verdicts
    }


def test_every_language_has_an_image() -> None:
    assert {path.parent.name for path in SANDBOXES.glob("*/Dockerfile")} - {"base"} == set(load_languages())


@pytest.mark.parametrize("path", [*PROGRAMS, *NEWER_PROGRAMS], ids=_case_name)
def test_the_verdict_is_the_name_of_the_folder(
    client: httpx.Client, available: dict[str, tuple[int, ...]], path: Path
) -> None:
    language, expected = path.parts[-3], path.parts[-2]
    if language not in available:
        pytest.skip(f"the service cannot run {language} here: make sandboxes LANGUAGES={language}")
    if path in NEWER_PROGRAMS and available[language] < NEWER[language]:
        pytest.skip(f"{language} is of version {available[language]} here, and this needs {NEWER[language]}")
    result = _judge(client, path)
    assert result["verdict"] == expected, result
    assert (result["score"] == 1.0) == (expected == "accepted"), result


@pytest.mark.docker
def test_a_language_without_an_image_is_a_judge_error_that_says_what_to_do(tmp_path: Path) -> None:
    prefix = "grpo-verifier-test-few"
    try:
        daemon = docker.from_env()
        daemon.images.get(f"{Settings().image_prefix}/python").tag(f"{prefix}/python")
    except (DockerException, ImageNotFound) as reason:
        pytest.skip(f"needs a Docker daemon and the image of Python: {reason}")
    service = ServiceProcess(tmp_path / "log", {"VERIFIER_IMAGE_PREFIX": prefix, "VERIFIER_RUNNER": "docker"})
    try:
        service.start()
        path = CASES / "cpp/accepted/own_headers.cpp"
        answer = httpx.post(f"{service.url}/v1/verify", json={"submissions": [_submission(path)]}, timeout=600)
    finally:
        service.stop()
        daemon.images.remove(f"{prefix}/python")
        daemon.close()
    (result,) = answer.json()["results"]
    assert (result["verdict"], result["score"]) == ("judge_error", None)
    assert result["message"].startswith("language 'cpp': it is not available here; available: python; ")
    assert "make sandboxes LANGUAGES=cpp" in result["message"]
