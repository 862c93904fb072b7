"""docs/architecture.md names files that are there, and every room of the three packages."""

import re

from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("verifier_service", "trainer", "sandboxes")
AREAS = "verifier_service|trainer|sandboxes|tests|docs|deploy|docker"
PATHS = set(re.findall(rf"(?<![\w/])((?:{AREAS})/[\w./-]*\w/?)", PAGE))


def test_every_path_that_the_page_names_is_there() -> None:
    assert len(PATHS) > 60
    assert [path for path in sorted(PATHS) if not (ROOT / path).exists()] == []


def test_every_room_is_named() -> None:
    rooms = {
        f"{package}/{room.name}/"
        for package in PACKAGES
        for room in (ROOT / package).iterdir()
        if room.is_dir() and any(one.suffix != ".pyc" and one.is_file() for one in room.rglob("*"))
    }
    assert sorted(rooms - PATHS) == []
