"""docs/architecture.md names only existing files, and every package in the three folders."""

import re
import subprocess

from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("verifier_service", "trainer", "sandboxes")
AREAS = "verifier_service|trainer|sandboxes|tests|docs|deploy|docker"
PATHS = set(re.findall(rf"(?<![\w/])((?:{AREAS})/[\w./-]*\w/?)", PAGE))


def test_every_path_that_the_page_names_is_there() -> None:
    assert len(PATHS) > 60
    assert [path for path in sorted(PATHS) if not (ROOT / path).exists()] == []


def test_every_package_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    packages = {"/".join(path.split("/")[:2]) + "/" for path in tracked.stdout.splitlines() if path.count("/") > 1}
    assert sorted(packages - PATHS) == []
