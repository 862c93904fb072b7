"""The words of the project: one term for each thing, and none of the phrases that strangers stumble over.

`docs/glossary.md` decides about terms. The tests read the Markdown files, and in Python the docstrings, comments and
strings that contain a sentence.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
SELF = Path(__file__).relative_to(ROOT).as_posix()
WITHOUT_WORDS = ("tests/cases/", "CHANGELOG.md", "verifier_service/api/static/swagger-ui", "docs/glossary.md", SELF)
"""Data, history, other people's files, and the two files that have to name the refused words."""
ODD = {
    r"\bmaths\b": "math",
    r"(?<!\b[Tt]here )\bis no (?!longer|more|better|worse|less|different|need)\w+": "is not a ...",
    r"(?<!\b[Tt]here )\bare no (?!longer|more|better|worse|less|different)\w+": "are not ...",
    r"\bwhat it is that\b": "what",
    r"\bthat which\b": "what",
    r"\bhold(s|ing)? for equal\b": "considers equal",
    r"\bstood in line\b": "waited in the queue",
    r"\basks? for what cannot be had\b": "cannot be granted",
    r"\bbefore a GPU is paid for\b": "before renting a GPU",
    r"\bfor want of\b": "because ... is missing",
    r"\bof (its|their|his) own accord\b": "by itself",
    r"\bmakes? of it\b": "does with it",
}
"""Regular expressions of refused phrases, with what to write instead."""
BRITISH = {
    r"\b[Nn]eighbour": "neighbor",
    r"\b[Bb]ehaviour": "behavior",
    r"\b[Cc]olour": "color",
    r"\b(?:[Dd]is)?[Hh]onour": "honor",
    r"\b[Ff]avour": "favor",
    r"\b[Jj]udgement": "judgment",
    r"\b[Ll]icence": "license",
    r"\b(?:[Rr]ecogn|[Oo]rgan|[Nn]ormal|[Oo]ptim|[Mm]inim|[Ss]erial)is(?:e|ed|es|ing)\b": "-ize",
    r"\b[Ll]abelled\b": "labeled",
    r"\b[Mm]isspelt\b": "misspelled",
    r"\b[Mm]odelling\b": "modeling",
}
"""The manual is written in American English."""


def _terms() -> dict[str, str]:
    """Return the glossary's terms, each with its meaning."""
    rows = re.findall(r"^\| (?!term|---)([^|]+?) \| ([^|]+?) \| ([^|]*?) ?\|$", GLOSSARY.read_text("utf-8"), re.M)
    return {term: meaning for term, meaning, _ in rows}


def _refused() -> dict[str, str]:
    """Return the words that the glossary refuses, each with the term to use."""
    rows = re.findall(r"^\| (?!term|---)([^|]+?) \| [^|]+? \| ([^|]+?) \|$", GLOSSARY.read_text("utf-8"), re.M)
    return {rf"\b{re.escape(word)}s?\b": term for term, words in rows for word in words.split(", ")}


@cache
def _files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        name
        for name in listed.stdout.splitlines()
        if name.endswith((".py", ".md")) and not name.startswith(WITHOUT_WORDS) and (ROOT / name).is_file()
    ]


def _words(name: str) -> Iterator[tuple[int, str]]:
    """Yield each passage of prose in a file, on one line, with its line number."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".md"):
        prose = re.sub(
            r"^ *```.*?^ *```$|<!--.*?-->|`[^`\n]*`", lambda match: "\n" * match[0].count("\n"), text, flags=re.M | re.S
        )
        yield from enumerate(prose.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, re.sub(r"`[^`\n]*`|\s+", " ", node.value)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _found(patterns: dict[str, str], ending: str = "") -> list[str]:
    compiled = {re.compile(pattern): instead for pattern, instead in patterns.items()}
    return [
        f"{name}:{line}: {match[0]!r}: write {instead!r}"
        for name in _files()
        if name.endswith(ending)
        for line, words in _words(name)
        for pattern, instead in compiled.items()
        if (match := pattern.search(words))
    ]


def test_each_thing_has_one_name() -> None:
    refused = _refused()
    assert len(refused) >= 5
    assert _found(refused) == []


def test_phrases_are_those_of_a_native_engineer() -> None:
    assert _found(ODD) == []


def test_the_manual_is_in_american_english() -> None:
    assert _found(BRITISH, ".md") == []


@pytest.mark.parametrize(
    "term", ["submission", "candidate process", "tester process", "checker", "verdict", "reward component"]
)
def test_the_glossary_has_the_terms_that_everything_else_stands_on(term: str) -> None:
    assert _terms()[term]
