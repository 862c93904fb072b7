"""Every code block of README.md, CONTRIBUTING.md, docs/ and the other pages runs, or says why it cannot.

VERIFIER_E2E_URL names a service that already runs, for instance the composed one; otherwise one is started.
"""

import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.docs import answers, bodies, commands
from tests.docs.blocks import DRAWINGS, PAGES, ROOT, RUN, Block, Mode, WrongComment, blocks_of
from tests.docs.folder import Folder, Ran, shows

LONG_S = 1100


class Pages:
    """Runs each block once, after those before it on its page."""

    def __init__(self, url: str, tmp: pytest.TempPathFactory) -> None:
        self.url = url
        self._tmp = tmp
        self._page: Path | None = None
        self._folder: Folder | None = None
        self._done: dict[Block, str | None] = {}
        self._printed: Ran | None = None

    def close(self) -> None:
        """Leave the current page."""
        if self._folder is not None:
            self._folder.__exit__()
        self._folder = None

    def problem_of(self, block: Block, long: bool) -> str | None:
        """Return the problem of a block, or None; `long` also runs blocks that take minutes."""
        folder = self._turn_to(block.page)
        for one in blocks_of(block.page):
            if one not in self._done and (one.mode is not Mode.LONG or (one == block and long)):
                self._done[one] = self._problem(one, folder)
            if one == block:
                break
        return self._done[block]

    def _turn_to(self, page: Path) -> Folder:
        if page != self._page or self._folder is None:
            self.close()
            self._page, self._printed, self._done = page, None, {}
            self._folder = Folder(self._tmp.mktemp("page"), self.url)
        return self._folder

    def _problem(self, block: Block, folder: Folder) -> str | None:
        mode, language = block.mode, block.language
        if language in DRAWINGS and mode is Mode.PLAIN:
            return None
        if mode is Mode.OUTPUT:
            return self._differs(block)
        if mode is Mode.FILE:
            folder.write(block.argument, block.body)
            return None if language in DRAWINGS else "\n".join(bodies.complaints(block)) or None
        wrong = bodies.complaints(block) if language not in DRAWINGS else [f"`{mode}` is for code"]
        if wrong:
            return "\n".join(wrong)
        if mode is Mode.PARSED_ONLY:
            return "\n".join(commands.missing_paths(block.body)) or None if language == "bash" else None
        if mode is Mode.TYPE:
            return "\n".join(bodies.complaints_of_type(block)) or None
        if mode in (Mode.ELSEWHERE, Mode.SAME):
            return elsewhere(block) if mode is Mode.ELSEWHERE else same_as(block)
        if language in RUN:
            wrong = commands.forbidden(block.body) if language == "bash" else []
            if wrong:
                return "\n".join(wrong)
            return self._run(block, folder)
        if language == "json":
            return self._differs(block)
        if language == "yaml":
            return "\n".join(bodies.recipe(block.body)) or None
        return "nothing here reads it: say `<!-- test: file: NAME -->` or `<!-- test: type: NAME -->` before it"

    def _run(self, block: Block, folder: Folder) -> str | None:
        if block.mode is Mode.SERVES:
            ended = folder.serve(block)
            return ended and ended.shown
        ran = self._printed = folder.run(block, LONG_S if block.mode is Mode.LONG else 300)
        expected = int(block.argument) if block.mode is Mode.EXITS else 0
        return None if ran.status == expected else ran.shown

    def _differs(self, block: Block) -> str | None:
        if self._printed is None:
            return "it shows an answer, and no block before it was run"
        printed = self._printed
        if block.language != "json":
            same = shows(block.body, printed.stdout) or shows(block.body, printed.stdout + printed.stderr)
            return None if same else f"the block before printed something else:\n{printed.shown}"
        try:
            shown, real = answers.texts(block.body), answers.texts(printed.stdout)
        except answers.NotJson as error:
            return f"{error}\n{printed.shown}"
        found = answers.difference(shown, real)
        return found and f"{found}\n{printed.shown}"


def elsewhere(block: Block) -> str | None:
    """Return the problem of a block that another file runs: each of its commands must be in that file."""
    path = ROOT / block.argument
    if not path.is_file():
        return f"{block.argument}: there is no such file"
    there = " ".join(path.read_text(encoding="utf-8").split())
    lines = [" ".join(words).removeprefix("docker ") for words in commands.commands_of(block.body)]
    missing = [line for line in lines if line not in there]
    return f"{block.argument} does not run {missing}" if missing else None


def same_as(block: Block) -> str | None:
    """Return the problem of a block that shows a file of the repository: it has to be the whole file."""
    path = ROOT / block.argument
    if not path.is_file():
        return f"{block.argument}: there is no such file"
    pairs = zip_longest(block.body.splitlines(), path.read_text(encoding="utf-8").splitlines())
    differing = next((f"the page has {shown!r}, the file {real!r}" for shown, real in pairs if shown != real), None)
    return differing and f"{block.argument}: {differing}"


def _marks(block: Block) -> list[pytest.MarkDecorator]:
    return [pytest.mark.long] if block.comment == Mode.LONG else []


BLOCKS = [
    pytest.param(block, id=f"{block.name}-{block.language or 'no language'}", marks=_marks(block))
    for page in PAGES
    for block in blocks_of(page)
]


@pytest.fixture(scope="session")
def pages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The pages, one at a time, and the service that answers them."""
    url = os.environ.get("VERIFIER_E2E_URL") or request.getfixturevalue("verifier_url")
    found = Pages(url, tmp_path_factory)
    yield found
    found.close()


@pytest.mark.parametrize("block", BLOCKS)
def test_a_code_block_does_what_its_page_says(block: Block, pages: Pages) -> None:
    try:
        problem = pages.problem_of(block, long=True)
    except WrongComment as error:
        problem = str(error)
    if problem:
        pytest.fail(f"{block.name}: {problem}\n--- the block\n{block.body}", pytrace=False)
