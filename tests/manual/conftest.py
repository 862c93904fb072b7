"""The manual as `make docs` builds it, from the repository or from a copy that a test can break."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COPIED = {"docs", "CONTRIBUTING.md"}
"""What a test may change; the rest of a copy is links to the repository."""


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the manual of a folder, with warnings as errors."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    env = {**os.environ, "PYTHONPATH": str(source), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, timeout=300, check=False)


def copy(folder: Path) -> Path:
    """Return a copy of the repository with its own pages."""
    for path in ROOT.iterdir():
        if path.name not in COPIED:
            (folder / path.name).symlink_to(path)
        elif path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual of the repository."""
    folder = tmp_path_factory.mktemp("manual")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder
