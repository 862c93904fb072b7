"""What compose starts: existing settings, limits, time to stop, and packages with a hash for every file."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from verifier_service.settings import Settings

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
VERIFIER: dict[str, Any] = COMPOSE["services"]["verifier"]
REQUIREMENTS = (ROOT / "docker" / "verifier" / "requirements.txt").read_text(encoding="utf-8")
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def _environment() -> dict[str, str | None]:
    pairs = (line.partition("=") for line in VERIFIER["environment"])
    return {name: value if equals else None for name, equals, value in pairs}


def test_what_compose_sets_are_settings_of_the_service() -> None:
    known = {f"VERIFIER_{name.upper()}" for name in Settings.model_fields}
    others = {"DOCKER_HOST", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    assert _environment().keys() - known == others


def test_a_service_that_is_published_to_others_asks_for_a_key() -> None:
    """The container listens on 0.0.0.0, so it matters where its port is published."""
    assert _environment()["VERIFIER_PUBLISHED_ON"] == "${VERIFIER_BIND:-127.0.0.1}"
    assert VERIFIER["ports"] == ["${VERIFIER_BIND:-127.0.0.1}:${VERIFIER_PORT:-8000}:8000"]
    assert _environment()["VERIFIER_INSECURE"] is None, "only whoever starts it may say so"
    assert (_environment()["VERIFIER_ALLOWED_HOSTS"] or "").startswith("verifier,"), "the trainer calls it by this name"


@pytest.mark.parametrize("name", ["verifier", "docker-filter"])
def test_what_runs_for_long_has_limits_and_few_rights(name: str) -> None:
    service = COMPOSE["services"][name]
    assert {"mem_limit", "pids_limit"} <= service.keys()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["trainer-demo", "trainer-gpu"])
def test_a_signal_reaches_the_trainer_and_it_has_time_to_save(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["init"], "as process 1 it would not hear of Ctrl-C outside of the steps"
    assert service["stop_grace_period"] == "120s"


def test_docker_waits_longer_than_the_service_drains() -> None:
    seconds = int(re.fullmatch(r"(\d+)s", VERIFIER["stop_grace_period"])[1])  # type: ignore[index]
    drain_s = getattr(Settings(), "drain_s", 30.0)
    assert seconds >= drain_s + 20


def test_the_image_installs_known_files_in_the_versions_of_the_tests() -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", CONSTRAINTS, re.MULTILINE))
    installed = dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)", REQUIREMENTS, re.MULTILINE))
    pinned, installed = ({_canonical(name): version for name, version in one.items()} for one in (pinned, installed))
    assert {name: version for name, version in installed.items() if pinned.get(name, version) != version} == {}
    blocks = re.split(r"\n(?=[\w])", REQUIREMENTS.partition("\n")[2].strip())
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_the_image_installs_all_that_the_service_requires() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = ("service", "postgres", "telemetry")
    wanted = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    named = {_canonical(re.split(r"[^\w.-]", line)[0]) for line in wanted}
    installed = {_canonical(name) for name in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==", REQUIREMENTS, re.MULTILINE)}
    assert named - installed == set(), "run: make constraints"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
