"""Build patterns for English phrases from readable lists."""

import re

_BLANKS = re.compile(r"\s+")


def any_of(phrases: str) -> str:
    """Return a pattern that matches any of some phrases, separated by bars: `any_of("is | turns out to be")`.

    A blank matches one to three blanks or line breaks, and an apostrophe also its curved form. The rest is a regular
    expression.
    """
    return "(?:" + "|".join(_pattern(phrase) for phrase in listed(phrases)) + ")"


def listed(phrases: str) -> tuple[str, ...]:
    """Return the phrases of a list separated by bars."""
    return tuple(phrase.strip() for phrase in phrases.split("|"))


def words_of(phrases: str) -> str:
    """Return the pattern of `any_of`, delimited by word boundaries."""
    return rf"\b{any_of(phrases)}\b"


def _pattern(phrase: str) -> str:
    return _BLANKS.sub(r"\\s{1,3}", phrase).replace("'", "['’]")
