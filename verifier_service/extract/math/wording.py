"""Patterns for English phrases, so that a list of them can be read."""

import re

_BLANKS = re.compile(r"\s+")


def any_of(phrases: str) -> str:
    """Return a pattern that takes any of some phrases, which a bar separates: `any_of("is | turns out to be")`.

    A blank takes up to three blanks or line ends, an apostrophe its curved form too; the rest is a regular expression.
    """
    return "(?:" + "|".join(_pattern(phrase) for phrase in listed(phrases)) + ")"


def listed(phrases: str) -> tuple[str, ...]:
    """Return some phrases that a bar separates."""
    return tuple(phrase.strip() for phrase in phrases.split("|"))


def words_of(phrases: str) -> str:
    """Return such a pattern that begins and ends with a word."""
    return rf"\b{any_of(phrases)}\b"


def _pattern(phrase: str) -> str:
    return _BLANKS.sub(r"\\s{1,3}", phrase).replace("'", "['’]")
