"""Find what follows the last "the answer is", "Final Answer:", "答案是" and the like."""

import re
from collections import deque

from verifier_service.extract.math import correction, denial, dependent, lines
from verifier_service.extract.math.found import MAX_EXTRACTED_CHARS, Found
from verifier_service.extract.math.statement import statement
from verifier_service.extract.math.supposition import is_its_own_condition

_ENGLISH = (
    r"\bfinal\s{1,3}answer(?:\s{1,3}(?:is|to\s{1,3}[^.\n]{1,80}?\s{1,3}is))?"  # the final answer to question 3 is
    r"|\b(?:correct|right|best|desired|required|overall|resulting)\s{1,3}(?:answer|option|choice|result)(?:\s{1,3}(?:is|are))?"
    r"|\banswer\s{1,3}(?:choice\s{1,3})?(?:is|are|will be|would be|should be|must be|equals|=)|answer\s{0,3}[:：]"
    r"|\banswer="
    r"|\b(?:answers|solutions|result|solution)\s{1,3}(?:is|are)"
    r"|\bi(?:\s(?:would|will)|['’](?:d|ll))?\s(?:choose|pick|select|go\swith)|\bans(?:\s{0,3}[:=]|\.(?=\s))|(?:^|\n)\s{0,5}A\s{0,2}:"
    r"|\b(?:selected|chosen|correct|my|final)\s(?:option|choice|answer)\s{0,3}[:：—–]"
    r"|(?:^|\n)[\s*_#>]{0,6}(?:the\s)?(?:option|choice)\s{0,2}[:：]",
)
# Chinese, Japanese, French, Spanish, Italian, Portuguese, German, Russian, Korean, Arabic and Hindi.
_OTHERS = (
    r"|答案(?:就是|应该是|是|为|為|选|：|:)|(?:故|应|所以|因此|我|(?:^|[\s，。,]))选(?:择)?[:：]?(?=\s{0,2}[(（]?[A-J])|正确的?(?:选项|答案|结论|命题|说法|判断|序号|叙述|描述)?(?:的?(?:序号|编号|个数))?(?:是|为|：|:|有(?=\s{0,2}[①-⑩(（]?[①-⑩\dA-J]))|答え(?:は|：|:)"
    r"|r[ée]ponse(?:\s{1,2}(?:finale\s{1,2})?(?:est|:)|\s?:)|respuesta(?:\s{1,2}(?:final\s{1,2})?(?:es|:)|\s?:)"
    r"|risposta(?:\s{1,2}(?:è|:)|\s?:)|resposta(?:\s{1,2}(?:é|:)|\s?:)|antwort(?:\s{1,2}(?:ist|lautet|:)|\s?:)"
    r"|ответ\s?(?::|—|-|равен)|정답(?:은|:)|답(?:은|:)|الإجابة(?:\s{1,2}(?:هي|:)|\s?:)|उत्तर(?:\s?:|\s{1,2}है)"
)
PHRASE = re.compile(
    "(?:" + "".join(_ENGLISH) + _OTHERS + r")"
    r"\s{0,3}(?:(?:is|are|therefore|thus|simply|option|choice|then|clearly|definitely|surely|for sure|probably"
    r"|most likely|likely)\b"
    r"\s{0,3}){0,3}[:：=]?",
    re.IGNORECASE,
)
"""`the answer is`, `Final Answer:`, `I choose option`; not `answers` alone."""

_DASH = re.compile(
    r"(?:^|\n)[\s*_#>]{0,6}(?:(?:the|final|my|correct)\s){0,2}answer[\s*_]{0,4}(?:—|[–-](?=\s))", re.IGNORECASE
)
"""`Answer — C`; `Answer - D`, but not `Answer -5`."""

_MAX_TRIED = 8  # how many phrases are examined, from the last
_MAX_STATEMENT = 3_000  # how much of a statement is read
_MAX_AHEAD = 200  # how far an answer can follow its phrase
_EMPTY = " \n*:$.\"'"


def find(text: str) -> Found | None:
    """Return what the last phrase that is not denied says.

    A denied phrase ("I doubt that the answer is 5") does not count, and neither does the same answer before it.
    """
    start = max(0, len(text) - MAX_EXTRACTED_CHARS)
    phrases = deque((one for one in PHRASE.finditer(text, start) if _is_followed(text, one)), maxlen=_MAX_TRIED)
    if not phrases:
        phrases.extend(one for one in _DASH.finditer(text, start) if _is_followed(text, one))
    denied: list[Found] = []
    for match in reversed(phrases):
        at = (
            match.end()
            + len(text[match.end() : match.end() + 50])
            - len(text[match.end() : match.end() + 50].lstrip(" *:\n\t"))
        )
        listed = lines.values(match.group(), text[at : at + _MAX_STATEMENT])
        if listed and not denial.is_denied_before(text, match.start()):
            return Found(listed[0], at + listed[1])
        said, is_meant = statement(text[at : at + _MAX_STATEMENT])
        place = text.find(said, at, at + _MAX_STATEMENT) if said else -1
        found = Found(said, place + len(said) if place >= 0 else at)
        if (
            is_meant
            and not dependent.is_one_of_two(text, found.end)
            and not is_its_own_condition(text, match.start(), said, found.end)
            and not denial.is_denied_before(text, match.start())
            and not _is_denied_after(text, place, found.end)
        ):
            return Found("", found.end) if found.text in [one.text for one in denied] else found
        denied.append(found)
    if not denied:
        return None
    others = denial.is_of_others(text, phrases[-1].start())
    return (correction.own(text, denied[0].end) if others else None) or Found("", denied[0].end)


def _is_followed(text: str, phrase: re.Match[str]) -> bool:
    """Return whether an answer can follow a phrase, unlike in `5 is our final answer, since`."""
    ahead = text[phrase.end() : phrase.end() + _MAX_AHEAD]
    return bool(ahead.strip(_EMPTY)) and (ahead[0] not in ",.;)" or ahead[1:2].isdigit())


def _is_denied_after(text: str, start: int, end: int) -> bool:
    return start >= 0 and denial.is_denied(text, start, end)
