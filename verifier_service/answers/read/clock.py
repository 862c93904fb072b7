"""Times of day, durations and dates.

`3:30 PM`, `3:30 p.m.` and `15:30` are one time; `12:00` is not `1:00`; a time without am or pm equals one with it if
the figures agree. `January 5, 2020`, `5 January 2020` and `2020-01-05` are one date; `12/25/2020` is read as
month/day/year. Two texts that both look like times are compared as times, never as ratios.
"""

import re

from verifier_service.answers.read.words import MONTHS

_TIME = re.compile(
    r"(\d{1,2})\s?(?::\s?(\d{2})(?::(\d{2}))?)?\s?(a\.?m\.?|p\.?m\.?|o'?clock|noon|midnight|h)?", re.IGNORECASE
)
_FORMAT = re.compile(r"\\(?:text|mathrm|mbox|textrm|textbf)\s*|[{}~]|\\(?=[: ])")
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH = r"([a-z]{3,9})\.?"
_DATES = (
    (re.compile(_MONTH + r"\s+" + _DAY + r"(?:\s*,?\s+(\d{4}))?"), "mdy"),
    (re.compile(_DAY + r"\s+(?:of\s+)?" + _MONTH + r"(?:\s*,?\s+(\d{4}))?"), "dmy"),
    (re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})"), "ymd"),
    (re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})"), "slash"),
)

Moment = tuple[str, tuple[int | str | None, ...]]


def read_moment(cleaned: str) -> Moment | None:
    """Read a text as a time or a date, or None."""
    if len(cleaned) > 60:
        return None
    text = re.sub(r"\s+", " ", _FORMAT.sub(" ", cleaned)).strip(" .").lower()
    return _time(text) or _date(text)


def same_moment(one: Moment, other: Moment) -> bool:
    """Compare two moments; what one of them leaves open (am or pm, the year) does not matter."""
    if one[0] != other[0]:
        return False
    if one[0] == "time":
        return _same_time(one[1], other[1])
    return all(a == b or a is None or b is None for a, b in zip(one[1], other[1], strict=True))


def _time(text: str) -> Moment | None:
    match = _TIME.fullmatch(text)
    if match is None or (match.group(2) is None and match.group(4) is None):
        return None
    hour, minute, second = (int(part or 0) for part in match.groups()[:3])
    if match.group(2) is None and match.group(4) in ("h", "m"):
        return None
    if hour > 24 or minute > 59 or second > 59:
        return None
    half = (match.group(4) or "").replace(".", "")
    half = {"am": "am", "pm": "pm", "noon": "pm", "midnight": "am"}.get(half)
    return "time", (hour, minute, second, half)


def _same_time(one: tuple[int | str | None, ...], other: tuple[int | str | None, ...]) -> bool:
    if (one[3] is not None and other[3] is not None) or one[3] == other[3]:
        return _on_24(one) == _on_24(other)
    marked, bare = (one, other) if one[3] is not None else (other, one)
    return bare[:3] == marked[:3] or (int(bare[0] or 0) > 12 and bare[:3] == _on_24(marked))


def _on_24(time: tuple[int | str | None, ...]) -> tuple[int, int, int]:
    hour, minute, second, half = time
    hour = int(hour or 0)
    if half == "am" and hour == 12:
        hour = 0
    if half == "pm" and hour < 12:
        hour += 12
    return hour, int(minute or 0), int(second or 0)


def _date(text: str) -> Moment | None:
    for pattern, order in _DATES:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        first, second, third = match.groups()
        if order in ("mdy", "dmy"):
            name, day = (first, second) if order == "mdy" else (second, first)
            if name not in MONTHS:
                continue
            return "date", (int(third) if third else None, MONTHS[name], int(day))
        if order == "ymd":
            return "date", (int(first), int(second), int(third))
        return "date", (int(third), int(first), int(second))
    return None
