"""The packages for machines with GPUs: versions that fit by their metadata, and an image whose user can write."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "docker" / "trainer" / "Dockerfile").read_text(encoding="utf-8")
EXTRAS = ("trainer", "vllm", "qlora", "deepspeed", "tensorboard")
INDEX_S = 120


@pytest.fixture
def uv(tmp_path: Path) -> list[str]:
    """uv, which resolves from metadata alone; from the environment or, only for this test, from the package index."""
    if found := shutil.which("uv"):
        return [found]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tmp_path / "uv"), "uv"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INDEX_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the package index gave no uv within {INDEX_S} s")
    if done.returncode:
        pytest.skip(f"uv is not installed, and cannot be had: {done.stderr.strip()[-200:]}")
    return [str(tmp_path / "uv" / "bin" / "uv")]


@pytest.mark.long
def test_the_gpu_stack_fits_by_the_packages_own_metadata(uv: list[str]) -> None:
    """Only metadata is downloaded. Under the pins, the resolved versions are exactly the pins."""
    extras = [word for name in EXTRAS for word in ("--extra", name)]
    command = [*uv, "pip", "compile", "pyproject.toml", *extras, "--constraint", "constraints-gpu.txt", "--no-header"]
    command += ["--no-annotate", "--no-config", "--python-version", "3.12"]
    command += ["--python-platform", "x86_64-manylinux_2_31", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "UV_FIND_LINKS"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, env=environment, check=False)
    if done.returncode and re.search(r"Failed to fetch|error sending request|dns error|timed out", done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= set(_lines("constraints-gpu.txt"))


def test_trl_takes_the_vllm_that_is_pinned() -> None:
    """TRL warns, and can break, with versions outside the range in its own extra."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement
    from packaging.version import Version

    pinned = dict(line.split("==") for line in _lines("constraints-gpu.txt"))
    asked = [Requirement(line) for line in requires("trl") or () if line.startswith("vllm")]
    assert [r.specifier.contains(Version(pinned["vllm"])) for r in asked if "vllm" in str(r.marker)][:1] == [True]


def test_compose_reads_its_file_with_every_profile() -> None:
    command = [["docker-compose"], ["docker", "compose"]][shutil.which("docker-compose") is None]
    if shutil.which(command[0]) is None:
        pytest.skip("needs docker-compose or docker compose")
    profiles = [word for name in ("demo", "gpu", "docker-filter") for word in ("--profile", name)]
    done = subprocess.run([*command, *profiles, "config"], cwd=ROOT, capture_output=True, text=True, check=False)
    if "is not a docker command" in done.stderr or "unknown flag: --profile" in done.stderr:
        pytest.skip("docker has no compose")
    assert done.returncode == 0, done.stderr
    gpu = yaml.safe_load(done.stdout)["services"]["trainer-gpu"]
    assert gpu["build"]["args"]["TORCH"] == "gpu"
    assert "-devel-" in gpu["build"]["args"]["BASE_IMAGE"], "Triton and vLLM compile kernels when they run"


@pytest.mark.parametrize("name", ["trainer-demo", "trainer-gpu"])
def test_volumes_of_the_trainer_are_folders_that_its_user_owns(name: str) -> None:
    """Docker gives a new volume the owner of the image's folder, or root if the image does not have the folder."""
    mounted = {volume.split(":")[1] for volume in COMPOSE["services"][name]["volumes"]}
    made = re.search(r"mkdir -p (.+) && chown -R trainer (.+)", DOCKERFILE)
    assert made is not None
    folders = {str(parent) for folder in made[1].split() for parent in (Path(folder), *Path(folder).parents)}
    assert mounted <= folders
    assert all(any(Path(volume).is_relative_to(owned) for owned in made[2].split()) for volume in mounted)


def test_what_a_recipe_writes_lies_in_a_volume() -> None:
    """A trained adapter outlives the container: relative folders of recipes are below the working directory."""
    workdir = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.MULTILINE)[-1]
    cache = re.search(r"^ENV HF_HOME=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert cache is not None
    for name in ("trainer-demo", "trainer-gpu"):
        assert workdir in {volume.split(":")[1] for volume in COMPOSE["services"][name]["volumes"]}
    targets = [volume.split(":")[1] for volume in COMPOSE["services"]["trainer-gpu"]["volumes"]]
    assert any(Path(cache[1]).is_relative_to(target) for target in targets)


def _lines(file: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return [line.split(" #")[0].strip() for line in text.splitlines() if line and not line.startswith("#")]
