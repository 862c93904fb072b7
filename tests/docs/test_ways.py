"""A stranger finds every page: README leads to each in two clicks, and strangers' questions have answers."""

import posixpath
import re
from collections import deque
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
MOST_CLICKS = 2
MOST_README_LINES = 120
FENCED = re.compile(r"^ *```.*?^ *```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _linked(page: str) -> list[str]:
    """Return the Markdown pages that a page links to, as paths from the repository's root."""
    prose = FENCED.sub("", (ROOT / page).read_text(encoding="utf-8"))
    targets = [target for target in LINK.findall(prose) if "://" not in target and target.endswith(".md")]
    return [posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) for target in targets]


def _clicks() -> dict[str, int]:
    """Return how many links away from README.md each page is."""
    found = {"README.md": 0}
    waiting = deque(found)
    while waiting:
        page = waiting.popleft()
        for linked in _linked(page):
            if linked not in found and (ROOT / linked).is_file():
                found[linked] = found[page] + 1
                waiting.append(linked)
    return found


CLICKS = _clicks()


@pytest.mark.parametrize("page", PAGES)
def test_readme_leads_to_every_page_in_two_clicks(page: str) -> None:
    assert CLICKS.get(page, MOST_CLICKS + 1) <= MOST_CLICKS, f"{page}: the index of its folder should link to it"


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_README_LINES


def test_each_question_names_the_page_that_answers_it() -> None:
    _, *questions = re.split(r"^## ", (ROOT / "docs" / "questions.md").read_text(encoding="utf-8"), flags=re.M)
    assert len(questions) >= 10
    unanswered = [question.partition("\n")[0] for question in questions if not LINK.search(question)]
    assert unanswered == []
