"""Read times of day, durations and dates.

`3:30 PM`, `3:30 p.m.`, `15h30` and `15:30` are the same time; so are `12:30 AM` and `00:30`, and `midnight` and
`24:00`. `12:00` is not `1:00`. A time without am or pm equals one with it if the figures agree. `January 5, 2020`, `5
January 2020`, `2020/01/05` and `05.01.2020` are the same date; `12/25/2020` is month/day/year. Two texts that both look
like times are compared as times, never as ratios.
"""

import re

from verifier_service.answers.read.words import MONTHS

# matches `3:30 PM`, `3:30:15`, `5 p.m.`, `12 noon`, `15:30 h`; not `3.30`
_TIME = re.compile(
    r"(\d{1,2})\s?(?::\s?(\d{2})(?::(\d{2}))?)?\s?(a\.?m\.?|p\.?m\.?|o'?clock|noon|midnight|h|uhr)?", re.IGNORECASE
)
# matches `15h30`, `15時30分`, `3点30分`, `15.30 uhr`
_OTHER_TIME = re.compile(r"(\d{1,2})\s?(?:h\s?(\d{2})|[時时点]\s?(?:(\d{1,2})\s?分)?|\.(\d{2})\s?uhr)")
# Commands and signs that only format a text.
_FORMAT = re.compile(r"\\(?:text|mathrm|mbox|textrm|textbf)\s*|[{}~]|\\(?=[: ])")
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH = r"([a-z]{3,9})\.?"
# January 5, 2020; 5 January 2020; 2020-01-05; 1月5日; 5.1.2020; 1/5/2020.
_DATES = (
    (re.compile(_MONTH + r"\s+" + _DAY + r"(?:\s*,?\s+(\d{4}))?"), "mdy"),
    (re.compile(_DAY + r"\s+(?:of\s+)?" + _MONTH + r"(?:\s*,?\s+(\d{4}))?"), "dmy"),
    (re.compile(r"(\d{4})(?:-(\d{1,2})-|/(\d{1,2})/|\.\s?(\d{1,2})\.\s?|年(\d{1,2})月)(\d{1,2})日?"), "ymd"),
    (re.compile(r"(\d{1,2})月(\d{1,2})日"), "md"),
    (re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})"), "dots"),
    (re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})"), "slash"),
)
# matches the day of `Sunday, January 5`, the article of `the 5th of January`
_WEEKDAY = re.compile(r"^(?:(?:on\s)?(?:mon|tues|wednes|thurs|fri|satur|sun)day\s?,?\s)?(?:the\s)?")

Moment = tuple[str, tuple[int | str | None, ...]]


def read_moment(cleaned: str) -> Moment | None:
    """Read a text as a time or a date, or return None."""
    if len(cleaned) > 60:
        return None
    text = re.sub(r"\s+", " ", _FORMAT.sub(" ", cleaned)).strip(" .").lower()
    return _time(text) or _date(_WEEKDAY.sub("", text))


def same_moment(one: Moment, other: Moment) -> bool:
    """Compare two moments. What one of them omits (am or pm, the year) does not matter."""
    if one[0] != other[0]:
        return False
    if one[0] == "time":
        return _same_time(one[1], other[1])
    return all(a == b or a is None or b is None for a, b in zip(one[1], other[1], strict=True))


def _time(text: str) -> Moment | None:
    if text in ("noon", "midday"):
        return "time", (12, 0, 0, "pm")
    if text == "midnight":
        return "time", (0, 0, 0, None)
    other = _OTHER_TIME.fullmatch(text)
    if other is not None:
        minute = next((part for part in other.groups()[1:] if part is not None), "0")
        return _valid(int(other.group(1)), int(minute), 0, None)
    match = _TIME.fullmatch(text)
    if match is None or (match.group(2) is None and match.group(4) in (None, "h")):
        return None
    hour, minute, second = (int(part or 0) for part in match.groups()[:3])
    mark = (match.group(4) or "").replace(".", "")
    if mark in ("noon", "midnight") and hour != 12:
        return None
    if mark == "midnight":
        return _valid(0, minute, second, None)
    return _valid(hour, minute, second, {"am": "am", "pm": "pm", "noon": "pm"}.get(mark))


def _valid(hour: int, minute: int, second: int, half: str | None) -> Moment | None:
    """Return a time of day if it is valid, or None. 24:00 is 0:00."""
    if hour > 24 or minute > 59 or second > 59:
        return None
    return "time", (hour % 24, minute, second, half)


def _same_time(one: tuple[int | str | None, ...], other: tuple[int | str | None, ...]) -> bool:
    """Compare two times. A bare hour of 0 or above 12 must be on a 24-hour clock."""
    if (one[3] is not None and other[3] is not None) or one[3] == other[3]:
        return _on_24(one) == _on_24(other)
    marked, bare = (one, other) if one[3] is not None else (other, one)
    if not 0 < int(bare[0] or 0) <= 12:
        return bare[:3] == _on_24(marked)
    return bare[:3] == marked[:3]


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
        parts = [part for part in match.groups() if part is not None]
        day = _day(parts, order)
        if day is not None:
            return "date", day
    return None


def _day(parts: list[str], order: str) -> tuple[int | str | None, ...] | None:
    """Return year (None if missing), month and day, or None for an invalid date."""
    if order in ("mdy", "dmy"):
        name, day = parts[:2] if order == "mdy" else (parts[1], parts[0])
        if name not in MONTHS:
            return None
        year, month = (int(parts[2]) if len(parts) > 2 else None), MONTHS[name]
    else:
        numbers = [int(part) for part in parts]
        # 25/12/2020 can only be day/month/year.
        if order == "slash":
            order = "dots" if numbers[0] > 12 else "mdy"
        year, month, day = {
            "ymd": lambda: numbers,
            "md": lambda: [None, *numbers],
            "mdy": lambda: [numbers[2], numbers[0], numbers[1]],
            "dots": lambda: numbers[::-1],
        }[order]()
    return (year, month, int(day)) if 1 <= int(month) <= 12 and 1 <= int(day) <= 31 else None
