r"""Recognize two values under two conditions, with no choice: `7/12 (if disjoint) or 1/2 (if independent)`."""

import re

from verifier_service.extract.math.wording import any_of

_CLOSE = r"[\s$)\\\]}*,%]{0,10}"
_CASES = "if | when | assuming | provided | given that | in case | supposing | under the assumption | for the case"
_IF = any_of(_CASES)
_OTHER = any_of(f"{_CASES} | otherwise | in the other case")
_VALUE = (
    r"(?:(?:it|the\sanswer|this)\s(?:is|would\sbe)\s)?(?:[A-Za-z]\s?=\s?)?[$(\\\[*]{0,4}(?:boxed\{)?"
    r"[-−]?\\?(?:\d|[dt]?frac|sqrt|pi)[^!?\n]{0,80}?"
)
_FIRST_CASE = rf"{_CLOSE}[\s,(]{{1,3}}{_IF}\b[^!?\n]{{1,120}}?"
_TWO = re.compile(
    rf"{_FIRST_CASE}(?:[),;]\s?|\s)(?:,?\s?(?:or|and|but|else)\s)?{_VALUE}[\s,($]{{1,4}}{_OTHER}\b"
    rf"|{_FIRST_CASE}[),;\s]\s?(?:and\s|or\s|but\s)?(?:otherwise|or\selse|if\snot),?\s{_VALUE}",
    re.IGNORECASE,
)
"""` (if they are disjoint) or 1/2 (if they are independent)`, ` if A; otherwise 1/2`; not ` when n = 2`."""
_BETWEEN = re.compile(
    rf"{_FIRST_CASE}(?:\b(?:or|and|but|otherwise|else)\b|[),;])[^!?\n]{{0,30}}$",
    re.IGNORECASE,
)
"""What stands between two boxes if each has its own condition: `$ if A, or $`."""
_AFTER = re.compile(rf"{_CLOSE}[\s,(]{{1,3}}{_IF}\b", re.IGNORECASE)  # `$ if they are`
_FIRST = re.compile(r"[$(\\*\s]{0,4}(?:[A-Za-z]\s?=\s?)?[-−]?\d[\d./,]{0,30}")  # `$x = 7/12`
_AHEAD = 300


def is_one_of_two(text: str, end: int) -> bool:
    """Return whether the answer that ends at a place is followed by another, each under its own condition."""
    return bool(_TWO.match(text, end, end + _AHEAD))


def are_two(text: str, one: int, start: int, end: int) -> bool:
    """Return whether the answer that ended at `one` and that from `start` to `end` each have their own condition."""
    between = text[one:start] if start - one <= _AHEAD else ""
    return bool(_BETWEEN.match(between)) and ("otherwise" in between or bool(_AFTER.match(text, end)))


def begins_with_two(sentence: str) -> bool:
    """Return whether a sentence begins with two values, each under its own condition: `5 if they are, 6 if not`."""
    first = _FIRST.match(sentence)
    return first is not None and is_one_of_two(sentence, first.end())
