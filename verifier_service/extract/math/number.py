"""Find numbers in a text, with sign, currency and percent sign."""

import re
from collections import deque

NUMBER = re.compile(
    r"(?<![A-Za-z0-9.\\^{_/])(?:[-−–]\s?)?(?:\\?[$€£¥₹]\s?)?[-−]?"
    r"(?:(?:\d{1,3}(?:(?:,|\\,|\{,\}|,\\!|\s|'|’|\u202f|\xa0)\d{3})+(?!\d)|\d+)(?:[.,]\d+)*|\.\d+)"
    r"(?:\s?/\s?\d+)?(?:\s{0,2}(?:\\%|%|percent\b|pct\b))?"
)
"""`-5`, `$1,234.50`, `12 345`, `3/4`, `20\\%`; not the 2 of `x_2` nor of `x^2`."""

_MONEY = re.compile(r"(?:[$€£¥]\s?(\d[\d.,]*)|(\d[\d.,]*)\s?[$€£¥])")  # `$18.50`, `20 €`


def last_number(text: str) -> re.Match[str] | None:
    """Return the last number of a text without storing the others."""
    last = deque(NUMBER.finditer(text), maxlen=1)
    return last[0] if last else None


def amount(sentence: str) -> tuple[str, int] | None:
    """Return a sentence's number and its position: its only sum of money, or else its last number."""
    money = list(_MONEY.finditer(sentence))
    if len(money) == 1:
        return money[0].group(1) or money[0].group(2), money[0].start()
    last = last_number(sentence)
    return (last.group().strip(), last.start()) if last else None
