"""Find the value that a number belongs to: `2x + 5`, `3:45`, `3 million`, `(3, 4)`, `x > 5`, `7 or 8`."""

import re

from verifier_service.extract.math.wording import any_of, words_of

_BEFORE = 120
_AFTER = 60

_OPERAND = r"(?:(?<![\w.])(?:\d[\d.,]{0,30}[A-Za-z]{0,2}|[A-Za-z])(?:\^\{?\d{1,9}\}?)?|\))"
_RELATION = r"(?<![A-Za-z])[A-Za-z]\w{0,3}\s?(?:[<>≤≥≠]=?|!=|\\(?:leq?|geq?|neq?|lt|gt)(?![A-Za-z]))\s?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?\s(?:\d{1,2},?\s)?"
_LEFT = re.compile(
    rf"(?:(?:{_OPERAND}(?:\s?[+*/×·÷^−–-]\s?|:|_))+|{_RELATION}|\d{{1,6}}\s|\d[\d.]{{0,20}}\s(?:to|through|out\sof|times|plus|minus"
    rf"|divided\sby|multiplied\sby)\s|(?:(?<=\ba\s)|(?<=is\s))1\sin\s"
    rf"|\d\w{{0,30}}\s?[(\\]{{0,2}}(?:base|mod|pmod\{{?)\s?|{_MONTH}"
    r"|(?<=(?:is|as|of|in|to|be)\s)(?:\d[\d.]{0,20}\s:\s){1,4})$"
)
"""What precedes the last number of an expression: `2x + `, `3:`, `x > `, `is 3 : `; not `= ` nor `Day 3: `."""

_SCALE = (
    words_of(
        "hundred | thousand | million | billion | trillion | dozen | squared | cubed | factorial | repeating| recurring"
    )
    + "|"
    + words_of(
        "thirds? | fourths | fifths? | sixths? | sevenths? | eighths? | ninths? | tenths? | hundredths? | thousandths?"
    )
)
_RIGHT = re.compile(
    r"(?!s\b)(?:(?:(?![mgshlLVAWKCFJNM])[A-Za-z]|[abcnxyz]{2,3})(?![A-Za-z])|[\^_²³π°]|!(?=[.\w*/+^)]))[\w^{}²³°]{0,30}|\s?[+×·÷]\s?[A-Za-z](?![A-Za-z])"
    rf"|[\s-](?:{_SCALE})|\s(?:or"
    rf"|and)\s{any_of('more | less | fewer | above | below | up | over | under | a half | a quarter')}\b"
)
"""What follows a number in an expression: `x`, `^2`, ` million`, ` or more`; not the `th` of `7th` nor `m`, `kg`."""

_OF_DAY = re.compile(
    r"\s?(?:[ap]\.\s?m\.|[ap]m\b)|\s(?:noon|midnight|o['’]clock)\b", re.IGNORECASE
)  # after a time: ` AM`, ` p.m.`

_JOINED = re.compile(
    r"(?:(?<![^\s$(=:])[-−]?\$?\d[\d,.]{0,20}%?\$?(?:\s[a-zA-Z]{1,15}){0,2}\s{0,2}"
    r"(?:,\s{0,2}(?:or|and)|,(?=\s)|\bor|\band|\band/or)\s{1,2}\$?){1,20}(?:[A-Za-z]\s?=\s?)?$"
)
"""What precedes the last number of a list: `7 or `, `3, 4 and `."""
_OF_LIST = re.compile(
    r"(?:^|[=:]|\b"
    + any_of(
        "is | are | be | was | were | equals? | gets? | gives? | get | either | values? | answers? | solutions?"
        "| roots?"
        "| have | obtain"
    )
    + r")[\s$:]{0,4}$",
    re.IGNORECASE,
)
"""What precedes a list of values: `x is `; not what precedes the numbers of a sum."""

_MEASURE = any_of(
    "years? | months? | weeks? | days? | hours? | hrs? | minutes? | mins? | seconds? | secs? | feet | foot | ft"
    "| yards? | miles? | inch(?:es)? | pounds? | lbs? | ounces? | oz | dollars? | cents? | degrees?"
)
_METRIC = any_of(
    "(?:kilo|centi|milli|deci)?(?:meters?|metres?|grams?|lit(?:er|re)s?) | km | cm | mm | kg | mg | ml | mph | km/h"
    "| kph | watts? | joules? | newtons? | volts? | amps? | ohms? | euros?"
)
# The larger parts of a quantity before its last: `3 hours and `
_PARTS = re.compile(rf"(?<![\w.])(?:\d[\d.,]{{0,12}}\s{_MEASURE}(?:,?\sand|,)?\s){{1,3}}$", re.IGNORECASE)
_LAST_PART = re.compile(rf"\s{_MEASURE}\b", re.IGNORECASE)
"""`3 hours and ` before `15 minutes`."""

_UNIT = re.compile(
    rf"\s(?:(?:square|cubic)\s)?(?:{_MEASURE}|{_METRIC})(?:\^?[23²³]|\s(?:squared|cubed)|\sper\s\w{{1,10}}|/[a-z]{{1,3}})?(?![\w-])",
    re.IGNORECASE,
)
"""After `5`: ` km`, ` square meters`, ` miles per hour`; not ` second graders`."""

_CLOSING = {")": "(", "]": "[", "}": "{"}
_CLOSED = re.compile(r"\s{0,2}\\?([)\]}])")  # a closing bracket, perhaps escaped
_GROUP = re.compile(r"[(\[{][^()\[\]{}\n=]{0,80},[^()\[\]{}\n=]{0,80}$")  # `(3, 4`; not `(see page 4`


def unit_after(text: str, end: int) -> str:
    """Return the unit, AM or PM that follows a place, like ` km` after `$5$`, or ""."""
    unit = _UNIT.match(text, end, end + _AFTER) or _OF_DAY.match(text, end, end + _AFTER)
    return unit.group() if unit else ""


def around(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the value that the number at a place belongs to begins and ends."""
    right = _OF_DAY.match(text, end, end + _AFTER) or _RIGHT.match(text, end, end + _AFTER)
    if right:
        end = right.end()
    unit = _UNIT.match(text, end, end + _AFTER)
    part = _LAST_PART.match(text, end)
    parts = _PARTS.search(text[max(0, start - _BEFORE) : start]) if part else None
    if part and parts:
        return start - len(parts.group()), part.end()
    end = unit.end() if unit else end
    start = _left(text, start)
    closed = _CLOSED.match(text, end)
    if closed:
        window = text[max(0, start - _BEFORE) : end]
        group = _GROUP.search(window)
        opener = _CLOSING[closed.group(1)]
        if group and group.group()[0] == opener:
            return end - len(group.group()), closed.end()
        if text[start:end].count(opener) > text[start:end].count(closed.group(1)):
            end = closed.end()
    return _list_start(text, start), end


def _left(text: str, start: int) -> int:
    left = _LEFT.search(text[max(0, start - _BEFORE) : start])
    return start - len(left.group()) if left else start


def _list_start(text: str, start: int) -> int:
    window = text[max(0, start - _BEFORE) : start]
    joined = _JOINED.search(window)
    if joined and (" or" in joined.group() or _OF_LIST.search(window[: joined.start()])):
        return start - len(joined.group())
    return start
