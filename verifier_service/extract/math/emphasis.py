"""Find a value in bold, which is taken whole: `**5:00 AM**`, `**1, 2, 3, and 6**`, `**x = 1 + √2 ≈ 2.414**`."""

import re

from verifier_service.extract.math.formula import is_formula
from verifier_service.extract.math.wording import any_of, words_of

_MAX_LINE = 2_000  # how far back the beginning of a line is searched
_MAX_SAID = 200  # longer bold text is not a value
_MAX_WORDS = 3  # a value with more words is a sentence
_VALUE_FIRST = re.compile(
    r"(?:[A-Za-z]\w{0,3}\s?(?:=|≈)\s?)?[(\[{]{0,2}(?:[-−+±]\s?)?(?:\\?[$€£¥₹]\s?|[A-Z]{2,3}\s)?"
    r"(?:\.?\d|[√π]|\\(?:d?frac|sqrt|pi))"
)
"""The beginning of a value: `5 apples`, `-$3.50`, `x = 4`; not the `5` of `Step 5`."""
# A word that is neither a joiner nor part of a time or rate.
_WORD = re.compile(r"(?<![\\A-Za-z])(?!(?:and|or|per|AM|PM|am|pm)\b)[^\W\d_]{2,}")
_CHANGES = re.compile(
    words_of("is | are | was | not | of | than | after | before | more | less | fewer | from | since | because")
    + r"|\s\([A-Za-z]|\s[a-z]{3,20}ed$",
    re.IGNORECASE,
)
"""What turns a value into a sentence or another value, or repeats it: `5 students passed`, `12 (twelve)`."""
_OPERATION = re.compile(r"[=√]|\\[A-Za-z]|\d\s?[+^·×]\s?\d")  # `x = 5`, `1 + √2`; not `5`
_END = re.compile(r"\*{1,3}[.!。\s]{0,4}$")
_CLAUSE = re.compile(
    r"(?:^|[\s,:;])\*{2,3}(?P<said>(?:the|this|that|there|it|no|so|thus)\s[^*\n\d$\\]{3,80})\*{2,3}[.!\s]{0,4}$",
    re.IGNORECASE,
)
"""`since they differ, **the limit does not exist**.`"""
_STATES = re.compile(
    words_of("does not exist | doesn't exist | do not exist | diverges | converges")
    + r"$|\b(?:is|are)\s(?:no\s(?!other|more|further)(?:(?:real|such|integer|positive|valid)\s)?"
    + any_of("solutions? | answers? | numbers? | integers? | values? | limit | maximum | minimum | points? | roots?")
    + r"|(?:not\s)?(?:defined|bounded|consistent|convergent|continuous)"
    r"|undefined|unbounded|infinite|inconsistent|divergent|empty)$",
    re.IGNORECASE,
)
"""The end of a clause that states something by itself: `does not exist`, `there is no solution`."""


def around(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where the bold value around a number begins and ends, or None if the number is not in one."""
    line = max(text.rfind("\n", 0, start) + 1, start - _MAX_LINE)
    opened = text.rfind("**", line, start)
    closed = text.find("**", end, end + _MAX_SAID)
    if opened < 0 or closed < 0 or text.count("**", line, start) % 2 == 0:
        return None
    said = text[opened + 2 : closed]
    bare = said.strip(" *.:")
    if "\n" in said or len(said) > _MAX_SAID or not _is_value(bare):
        return None
    place = opened + 2 + said.find(bare)
    return place, place + len(bare)


def _is_value(said: str) -> bool:
    """Return whether bold text is a value with its unit, a list of values, or a formula."""
    if not _VALUE_FIRST.match(said):
        return False
    return is_formula(said) or (len(_WORD.findall(said)) <= _MAX_WORDS and not _CHANGES.search(said))


def formula_at_end(line: str) -> tuple[int, int] | None:
    """Return where a bold formula at the end of a line begins and ends: `since x > 0, **x = 1 + √2 ≈ 2.414**.`"""
    closing = _END.search(line[-8:])
    end = len(line[:-8]) + closing.start() if closing else -1
    opened = line.rfind("**", max(0, end - _MAX_SAID), end) if closing else -1
    said = line[opened + 2 : end] if opened >= 0 else ""
    is_whole = "$" not in said and bool(_OPERATION.search(said)) and is_formula(said) and bool(_VALUE_FIRST.match(said))
    return (opened + 2, end) if is_whole else None


def clause_at_end(line: str) -> tuple[int, str] | None:
    """Return the bold clause at the end of a line, if it states something, and where it begins."""
    clause = _CLAUSE.search(line[-200:])
    if clause is None or not _STATES.search(clause["said"].strip(" .")):
        return None
    return len(line[:-200]) + clause.start("said"), clause["said"].strip(" .")
