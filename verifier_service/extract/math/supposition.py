r"""Recognize answers that are only supposed.

Examples: `Suppose \boxed{4} were the answer`, `it would be 30 if the coin were fair, but it is not`.
"""

import re

from verifier_service.extract.math.sentence import sentence_before
from verifier_service.extract.math.wording import words_of

_OPENING = r"[\s:$(\\\[{*_`\"'~]{0,12}(?:[A-Za-z]\w{0,3}\s?=\s?)?[$(\\\[{]{0,3}$"
_CLOSING = r"[\s$.,:;)\\\]}*_`\"']{0,12}"
_NEAR = 80
_AHEAD = 300

_SUPPOSE = re.compile(
    words_of("suppose | supposing | assume | assuming | imagine") + r"(?:,?\s{1,3}that)?" + _OPENING, re.IGNORECASE
)
"""`Suppose that $x = `; not `Suppose that $x = 2$. Then it is `."""
_IF = re.compile(r"(?<!only\s)\b(?:if|had)" + _OPENING, re.IGNORECASE)  # `If $x = `, `Had `; not `only if `
_WERE_THE_ANSWER = re.compile(
    _CLOSING + r"(?:is|was|were|be|been)\s(?:indeed\s)?(?:the|an?|our|my)\s(?:\w{1,20}\s)?"
    r"(?:answer|solution|result|value|root)\b",
    re.IGNORECASE,
)
"""` were the answer` after `If 4`, ` been a solution` after `Had 4`."""

# Before an answer: `it would be `
_WOULD_BE = re.compile(r"\bwould\s(?:then\s|just\s|only\s)?be" + _OPENING, re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|had|were)\b", re.IGNORECASE)
_IS_NOT = (
    r"(?:(?:but|yet|though|although)\s(?:\w{1,20}\s){0,2}?\w{1,20}|which\s\w{1,20}|however,?\s(?:\w{1,20}\s){0,2}?\w{1,20})"
    r"\s?(?:(?:is|was|are|were|do|does|did|has|have)\s?(?:not|n['’]t)|(?<=[a-z])n['’]t)"
)
_UNMET = re.compile(
    _CLOSING
    + r"(?P<condition>(?:if|had|were|provided|assuming)\b[^!?\n]{1,120}?[,;.]\s{1,3})?"
    + _IS_NOT
    + r"(?:\s\w{1,20})?(?P<end>\s?(?:[.,;!]|$))",
    re.IGNORECASE,
)
"""` if the coin were fair, but it is not.` after `30`; not `30, but it is not obvious why`."""
# `but it is not.`: denies the condition without naming it.
_BARE_NOT = re.compile(r"(?:not|n['’]t)\s?(?:[.,;!]|$)", re.IGNORECASE)
# The word that the denial names, as in `but it is not fair.`
_LAST_WORD = re.compile(r"(\w{1,20})\s?[.,;!]?$")


_IF_BEFORE = re.compile(
    r"\b(?:if|when|whenever|suppose|assuming)\b[^.!?\n]{1,60}?\b(?:is|be|was|were|equals|says|accepts)\s", re.I
)
"""`If the answer is ` before `100, then my answer is`."""
_OTHERWISE = re.compile(
    r"[;,.]\s(?:and\s)?(?:otherwise|or\selse|if\snot),?\s(?:it|the\sanswer|my\sanswer|I|that|this)\b"
    r"|[,\s]if\s(?:that|this|it)(?:['’]s|\sis)\s(?:right|correct|wrong|accepted|the\s(?:\w{1,20}\s)?answer)\b"
    r"|,\sunless\s(?:it|that|this|the\sanswer)\s(?:is|was)\b",
    re.IGNORECASE,
)
"""`; otherwise it is`, ` if that is right`; not `1 if n is even, otherwise 0`."""


def is_its_own_condition(text: str, start: int, said: str, end: int) -> bool:
    """Return whether an answer counts only if it is right: `if it is 5, my answer is 5`, `it is 5, unless it is 6`."""
    before = sentence_before(text, start)
    supposed = _IF_BEFORE.search(before)
    if supposed and said and before[supposed.end() :].lstrip("$(\\ ").startswith(said):
        return True
    return bool(_OTHERWISE.search(text[end : end + _NEAR].split("\n", 1)[0]))


def is_supposed(text: str, start: int, end: int) -> bool:
    """Return whether an answer is only supposed: to be the answer, or under a condition that does not hold."""
    near = text[max(0, start - _NEAR) : start]
    if _SUPPOSE.search(near) or (_IF.search(near) and _WERE_THE_ANSWER.match(text, end)):
        return True
    return bool(_WOULD_BE.search(near)) and _is_unmet(text, start, end)


def _is_unmet(text: str, start: int, end: int) -> bool:
    """Return whether an answer's condition is said not to hold: `if it were fair, but it is not`."""
    unmet = _UNMET.match(text, end, end + _AHEAD)
    if unmet is None or not (unmet["condition"] or _CONDITION.search(sentence_before(text, start))):
        return False
    said = unmet.group().strip()
    if _BARE_NOT.search(said[-8:]):
        return True
    last = _LAST_WORD.search(said)
    stated = (unmet["condition"] or sentence_before(text, start)).lower()
    return last is not None and last.group(1).lower() in re.findall(r"\w+", stated)
