"""The fenced code blocks of a Markdown page, each with the comment before it that says how it is tested."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "AGENTS.md")]
    + [ROOT / "sandboxes" / "README.md", ROOT / "examples" / "README.md"]
    + list((ROOT / "docs").rglob("*.md"))
)
COMMENT = re.compile(r"\s*<!--\s*test:\s*(.*?)\s*-->\s*", re.DOTALL)
DRAWINGS = ("text", "mermaid")
"""Languages whose blocks are not code: they are compared with output if a comment says so, else left alone."""
RUN = ("bash", "python")


class Mode(StrEnum):
    """How a block is tested; each value is the word in the comment."""

    PLAIN = ""
    """Run it; if it cannot run, compare it with what the block before printed, or have its reader parse it."""
    OUTPUT = "output"
    FILE = "file"
    TYPE = "type"
    SERVES = "serves"
    EXITS = "exits"
    LONG = "long"
    ELSEWHERE = "elsewhere"
    SAME = "same as"
    PARSED_ONLY = "parsed only"


SAID = re.compile(rf"(?P<mode>{'|'.join(one for one in Mode if one)}|)(?:: *| +|$)(?P<argument>.*)")
"""A mode, and after a colon its argument; the colon may be left out."""
WITHOUT_ARGUMENT = (Mode.PLAIN, Mode.OUTPUT, Mode.SERVES, Mode.LONG)


class WrongComment(Exception):
    """A comment that CONTRIBUTING.md does not list."""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    """Of the fence, counted from 1."""
    language: str
    body: str
    comment: str

    @property
    def name(self) -> str:
        """Page and line, as editors understand them."""
        inside = self.page.is_relative_to(ROOT)
        return f"{self.page.relative_to(ROOT) if inside else self.page.name}:{self.line}"

    @property
    def mode(self) -> Mode:
        """How it is tested.

        Raises:
            WrongComment: The comment is unknown, or its argument is missing.
        """
        said = SAID.fullmatch(self.comment)
        if said is None:
            known = ", ".join(one for one in Mode if one)
            raise WrongComment(f"{self.name}: `test: {self.comment}` is not known; known are {known}")
        mode = Mode(said["mode"])
        if bool(said["argument"]) == (mode in WITHOUT_ARGUMENT):
            needed = "takes no argument" if said["argument"] else "needs an argument after a colon"
            raise WrongComment(f"{self.name}: `test: {mode}` {needed}")
        return mode

    @property
    def argument(self) -> str:
        """What follows the colon of the comment."""
        said = SAID.fullmatch(self.comment)
        return said["argument"] if said else ""


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    found: list[Block] = []
    comment = ""
    for token in tokens:
        said = COMMENT.fullmatch(token.content) if token.type == "html_block" else None
        if token.type in ("fence", "code_block"):
            language = token.info.split()[0] if token.info.strip() else ""
            line = (token.map or [0])[0] + 1
            found.append(Block(page, line, language, token.content, comment))
        comment = said[1] if said else ""
    return found
