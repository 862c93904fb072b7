"""Find the answer that replaces a retracted one: `it should be 6`, `Correction: 6`."""

import re
from collections import deque

from verifier_service.extract.math import denial
from verifier_service.extract.math.found import Found
from verifier_service.extract.math.statement import statement

_CORRECTED = re.compile(
    r"\b(?:should|must|has\sto|ought\sto)\s(?:instead\s|actually\s|really\s|in\sfact\s)?(?:be|have\sbeen|read)\s{0,2}:?"
    r"|\b(?:it|that|this|answer|result|value|total|[a-z])(?:['’]s|\s(?:is|equals|=))(?:\s(?:actually|really|in\sfact|instead))?"
    r"|\b(?:correction|sorry|oops|make\sthat|I\smeant?)\b\s?[:,.!]?|\bcorrect(?:ed)?\s(?:one|value|number|result|total|answer)(?:\s(?:is|would\sbe)|\s?:)|\bI\s(?:now\s)?get",
    re.IGNORECASE,
)
"""`it should be`, `Correction:`."""
_VALUE = re.compile(
    r"[\s:*$(\\]{0,6}(?:[A-Za-z]\s?=\s?)?(?:[-−+]?\s?[$€£]?\d|\\?(?:frac|sqrt|pi|text)|[-−]?\\)"
)  # ` $-6$`
_OWN = re.compile(
    r"\bI\s(?:\w{1,12}ly\s|do\s|now\s)?(?:get|got|find|found|obtain|obtained)(?=[\s:]{1,3}(?:[$\\]|[-−+]?\d))",
    re.IGNORECASE,
)
"""`I get 6`, `I only found $x$`; not `I get it`."""
_AHEAD = 300  # how far after a retraction the author's own value is searched


def own(text: str, start: int) -> Found | None:
    """Return the author's own value after someone else's: `the book says 5; I get 6`."""
    said_so = _OWN.search(text, start, start + _AHEAD)
    if said_so is None:
        return None
    said, is_meant = statement(text[said_so.end() : said_so.end() + 500].lstrip(" :*"))
    place = text.find(said, said_so.end())
    if not is_meant or place < 0 or denial.is_denied(text, place, place + len(said)):
        return None
    return Found(said, place + len(said))


def find(text: str) -> Found | None:
    """Return the last value that replaces a retracted answer."""
    matches = (one for one in _CORRECTED.finditer(text) if _VALUE.match(text, one.end()))
    for match in deque(matches, maxlen=1):
        said, is_meant = statement(text[match.end() : match.end() + 500].lstrip(" :*"))
        if is_meant and not denial.is_denied_before(text, match.start()):
            place = text.find(said, match.end())
            return Found(said, place + len(said) if place >= 0 else match.end())
    return None
