"""Rules of the project that our linters cannot check."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from sandboxes.protocol.constants import FOLDER, HARNESS_FOLDER, HARNESS_PARTS, TESTER_FOLDER
from verifier_service.languages import SANDBOXES

ROOT = Path(__file__).parent.parent
BOX = sorted(path for part in ("protocol", "harness") for path in (SANDBOXES / part).rglob("*.py"))
GPU_EXTRAS = {"vllm", "qlora", "deepspeed", "tensorboard", "flash"}
OWN_PACKAGES = ("verifier_service", "trainer", "sandboxes")
THERE_ONLY_WHEN_ASKED_FOR = {
    "pytest_files.py": {"pytest", "_pytest"},
    "extras.py": {"numpy"},
    "inner_world.py": {"numpy"},
}
"""Modules that are imported only if a test file or a value needs them."""


def _imports(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


@pytest.mark.parametrize("path", BOX, ids=lambda path: str(path.relative_to(SANDBOXES)))
def test_what_is_in_a_box_imports_the_standard_library_only(path: Path) -> None:
    allowed = THERE_ONLY_WHEN_ASKED_FOR.get(path.name, set())
    foreign = {
        name
        for name in _imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names | allowed and not name.startswith("sandboxes.")
    }
    assert foreign == set()


def test_the_images_hold_what_the_digest_covers() -> None:
    """Runners with and without images put the same parts of the harness in the same place."""
    dockerfile = (SANDBOXES / "python" / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (\S+) (/opt/\S+)$", dockerfile, re.MULTILINE)
    assert copied == [(part, f"{HARNESS_FOLDER}/sandboxes/{part}") for part in HARNESS_PARTS]
    assert f"mkdir -p {FOLDER} {TESTER_FOLDER} " in dockerfile
    others = [path for path in SANDBOXES.glob("*/Dockerfile") if path.parent.name not in ("python", "base")]
    assert [path for path in others if HARNESS_FOLDER in path.read_text(encoding="utf-8")] == []


def test_only_the_settings_read_the_environment_of_the_service_and_the_client_that_of_its_user() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "verifier_service").rglob("*.py")
        if re.search(r"os\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    }
    assert readers <= {"verifier_service/settings.py", "verifier_service/client/options.py"}


@pytest.mark.parametrize("package", ["verifier_service.__main__", "trainer.__main__"])
def test_a_command_line_starts_without_the_libraries_of_the_other_side(package: str) -> None:
    """A service host has no torch and a trainer host has no docker: `--help` must not need them."""
    blocked = "torch,transformers,trl,datasets" if package.startswith("verifier") else "docker,fastapi,uvicorn,sympy"
    program = (
        "import sys, runpy\n"
        f"for name in {blocked!r}.split(','): sys.modules[name] = None\n"
        f"sys.argv = ['program', '--help']\nrunpy.run_module({package!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_constraints_hold_what_the_project_requires() -> None:
    """An environment built with them has the tested version of every direct requirement."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    files = {"constraints.txt": extras.keys() - GPU_EXTRAS, "constraints-gpu.txt": GPU_EXTRAS | {"trainer"}}
    for file, names in files.items():
        wanted = [line for name in names for line in extras[name]] + project["dependencies"]
        pinned = re.findall(r"^([\w.-]+)==", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert {_canonical(line) for line in wanted} - {_canonical(line) for line in pinned} <= {project["name"]}, file


def test_a_gpu_host_has_the_versions_that_the_tests_ran_with() -> None:
    """Except for two packages, of which vLLM requires other versions."""
    tested, gpu = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE))
        for file in ("constraints.txt", "constraints-gpu.txt")
    )
    tested = {_canonical(name): version for name, version in tested.items()}
    differing = {name for name, version in gpu.items() if tested.get(_canonical(name), version) != version}
    assert differing == {"fastapi", "numpy"}


def _canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip())[0]).lower()


def test_the_oldest_python_that_is_promised_can_install_every_version() -> None:
    """Debian 12 has 3.11.2, and the newest release of a package can need a newer one."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    oldest = declared.removeprefix(">=") + ".0"
    too_new = {
        f"{one.name} {one.version}": wanted
        for one in importlib.metadata.distributions()
        if (wanted := one.metadata["Requires-Python"]) and not SpecifierSet(wanted).contains(oldest)
    }
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert not {name: wanted for name, wanted in too_new.items() if name.replace(" ", "==") in pinned}


def test_every_script_can_be_executed() -> None:
    scripts = [ROOT / ".ci/run", *(path for path in (ROOT / "scripts").iterdir() if path.is_file())]
    assert [str(path) for path in scripts if not os.access(path, os.X_OK)] == []


def test_every_script_is_valid_bash() -> None:
    scripts = [ROOT / ".ci/run", *(path for path in (ROOT / "scripts").iterdir() if path.is_file())]
    for path in scripts:
        assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash"), path
        subprocess.run(["bash", "-n", str(path)], check=True)


def test_the_package_carries_what_it_reads_when_it_runs() -> None:
    """Recipes, sandboxes and pages are data: a wheel without them would only work in the repository."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    for package in OWN_PACKAGES:
        held = {path for pattern in data[package] for path in (ROOT / package).glob(pattern)}
        read = {
            path
            for path in (ROOT / package).rglob("*")
            if path.suffix in {".toml", ".yaml", ".html", ".css", ".js", ".jinja", ".json"}
            and "__pycache__" not in path.parts
        }
        assert {str(path.relative_to(ROOT)) for path in read - held} == set()
