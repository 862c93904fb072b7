"""An installed wheel works away from the repository: the commands, their completion, and judging.

The wheel is built from an sdist, so both must be complete. Its environment is fresh, but borrows the dependencies of
this one, and programs run in bubblewrap without any preparation.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.conftest import WARM_UP_S, free_port
from tests.manual.conftest import build as build_manual
from verifier_service import __version__

ROOT = Path(__file__).parent.parent
BUILT_OF = ("verifier_service", "trainer", "sandboxes", "docs", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
BUILD = "import setuptools.build_meta as made, sys; print(getattr(made, sys.argv[1])(sys.argv[2]))"
ADD = {"kind": "call", "entry_point": "add", "cases": [{"args": [1, 2], "expected": 3}]}
SUBMISSIONS = [
    {"kind": "math", "id": "m", "completion": "\\boxed{\\frac{1}{2}}", "reference": "0.5"},
    {"kind": "code", "id": "right", "completion": "def add(a, b):\n    return a + b", "tests": ADD},
    {"kind": "code", "id": "wrong", "completion": "def add(a, b):\n    return a - b", "tests": ADD},
]
VERDICTS = ["accepted", "accepted", "wrong_answer"]


class Installed:
    """An environment in which only the wheel is ours, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "venv" / "bin"
        self.folder = folder / "elsewhere"
        self.folder.mkdir()
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        own = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200", "NO_PROXY": "*"}
        self.env = kept | own | {"VERIFIER_RUNNER": "bubblewrap", "VERIFIER_LIBRARIES": "none", "VERIFIER_BOXES": "1"}

    def run(self, *command: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        """Run one of its commands."""
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def build(what: str, source: Path, output: Path) -> Path:
    """Build an sdist or a wheel with the build backend."""
    command = [sys.executable, "-c", BUILD, f"build_{what}", str(output)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return output / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an sdist, as installers do if there is no wheel."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_OF:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(path, source)
    if not (source / "verifier_service" / "manual").is_dir():  # as in a clone where `make docs` has not run
        made = build_manual(ROOT, source / "verifier_service" / "manual")
        assert made.returncode == 0, made.stderr
    sdist = build("sdist", source, folder)
    with tarfile.open(sdist) as packed:
        packed.extractall(folder, filter="data")
    return build("wheel", folder / f"grpo_verifier-{__version__}", folder)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A fresh environment with that wheel."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=120)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True, timeout=300)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # Searched after the fresh environment, and without the editable project: Python reads no .pth in such a folder.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return Installed(folder)


def test_the_wheel_holds_the_package_and_what_it_reads(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "verifier_service",
        "trainer",
        "sandboxes",
        f"grpo_verifier-{__version__}.dist-info",
    }
    held = {name for name in names if not name.startswith("grpo_verifier-")}
    there = {
        str(path.relative_to(ROOT))
        for package in ("verifier_service", "trainer", "sandboxes")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there - held == set()
    (build_script,) = [one for one in ZipFile(wheel).infolist() if one.filename == "sandboxes/build"]
    assert build_script.external_attr >> 16 & 0o111, "it can be executed"


def test_its_code_is_its_own_and_its_commands_know_their_version(installed: Installed) -> None:
    where = installed.run("python", "-c", "import verifier_service, trainer; print(verifier_service.__file__)")
    assert where.stdout.startswith(str(installed.bin.parent)), where.stderr
    for command in ("grpo-verifier", "grpo-trainer"):
        assert installed.run(command, "--version").stdout == f"grpo-verifier {__version__}\n"
    assert "demo-smollm2" in installed.run("grpo-trainer", "recipes").stdout


@pytest.mark.parametrize(
    ("command", "begun", "offered"),
    [
        ("grpo-verifier", "sandboxes c", ["c", "cpp"]),
        ("grpo-trainer", "check demo-s", ["demo-smollm2"]),
    ],
)
def test_a_shell_completes_what_was_begun(installed: Installed, command: str, begun: str, offered: list[str]) -> None:
    words = f"{command} {begun}"
    asked = {f"_{command.upper().replace('-', '_')}_COMPLETE": "complete_bash", "COMP_WORDS": words}
    done = installed.run(command, env=asked | {"COMP_CWORD": str(len(words.split()) - 1)})
    assert done.stdout.split() == offered, done.stderr


def test_hints_are_for_whoever_has_no_makefile(installed: Installed) -> None:
    done = installed.run("grpo-verifier", "doctor", env={"VERIFIER_LIBRARIES": "pinned", "PATH": "/usr/bin:/bin"})
    assert done.returncode == 1
    assert "`grpo-verifier sandboxes` installs them" in done.stdout
    assert "make " not in done.stdout


@pytest.mark.bubblewrap
def test_it_judges_math_and_code_where_nothing_was_prepared(installed: Installed) -> None:
    doctor = installed.run("grpo-verifier", "doctor")
    if "no sandbox can be started here" in doctor.stdout:
        pytest.skip(doctor.stdout)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    file = installed.folder / "submissions.jsonl"
    file.write_text("\n".join(map(json.dumps, SUBMISSIONS)), encoding="utf-8")
    judged = installed.run("grpo-verifier", "verify", str(file))
    assert [json.loads(line)["verdict"] for line in judged.stdout.splitlines()] == VERDICTS, judged.stderr
    served = _served(installed)
    assert [one["verdict"] for one in served] == VERDICTS
    assert list(installed.folder.iterdir()) == [file], "nothing is written to where it was started"


def _served(installed: Installed) -> list[dict[str, object]]:
    """Start the service, look at its pages, and let it judge."""
    port = free_port()
    log = installed.folder.parent / "serve.log"
    with log.open("wb") as written:
        command = [str(installed.bin / "grpo-verifier"), "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=installed.folder, env=installed.env, stdout=written, stderr=written)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http:
            given_up_s = time.monotonic() + WARM_UP_S
            while not _is_ready(http):
                assert process.poll() is None and time.monotonic() < given_up_s, log.read_text()  # noqa: PT018
                time.sleep(0.1)
            assert http.get("/static/swagger-ui/swagger-ui-bundle.js").status_code == 200
            assert http.get("/manual/assets/katex/katex.min.js").status_code == 200
            python = next(one for one in http.get("/v1/info").json()["languages"] if one["name"] == "python")
            assert python["version"].endswith("the standard library alone")
            return http.post("/v1/verify", json={"submissions": SUBMISSIONS}).json()["results"]
    finally:
        process.terminate()
        process.wait(timeout=60)


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
