r"""Reduce a text to what a reader sees: no comments, nothing struck out, one form of emphasis.

A character that overrides the writing direction makes a reader see other digits than are written. What it governs is
not an answer.
"""

import re

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|\\begin\{comment\}.*?(?:\\end\{comment\}|\Z)", re.DOTALL)
"""`<!-- 7 -->`; a comment that is never closed hides the rest."""
_STRUCK_OUT = re.compile(r"(?<![^\s(*])~~(?=[^\s~])[^~\n]{1,200}~~(?![\w\\~])|<(s|del|strike)>[^<\n]{1,200}</\1>")
"""`~~5~~`; not the blanks of `5~~\\text{and}~~6`."""
_TAGGED = re.compile(r"<(b|strong|i|em|u|ins|mark)>([^<>\n]{1,200})</\1>", re.IGNORECASE)  # `<b>5</b>`; not `a<b>c`
_UNDERLINED = re.compile(r"(?<![\w\\})\]_])(_{1,3})(?=[^\s_{])([^_$\n]{1,200})(?<=[^\s\\])\1(?![\w{])")
"""`__5__`, `_Friday_`; not `a_1 + b_1`, `_{n}C_{r}`, `____`."""

_OVERRIDES = frozenset("\u202d\u202e")
_EMBEDDING = re.compile("[\u202a-\u202e]")  # opens another direction, or closes it
_CLOSES = "\u202c"
_RIGHT_TO_LEFT = frozenset("\u202b\u2067")
# All characters that control the writing direction.
_CONTROLS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MAX_LINE = 10_000
_MAX_DEPTH = 125  # the limit of Unicode's bidirectional algorithm (UAX #9)


def seen(text: str) -> str:
    """Return a text without comments and struck-out parts, and with `**` for every kind of emphasis."""
    if "<!--" in text or "{comment}" in text:
        text = _COMMENT.sub("", text)
    if "~~" in text or "</" in text:
        text = _TAGGED.sub(r"**\2**", _STRUCK_OUT.sub(" ", text))
    return _UNDERLINED.sub(r"**\2**", text) if "_" in text else text


def is_turned(text: str, end: int, answer: str) -> bool:
    """Return whether an answer that ends at a place is displayed in another order than it is written.

    One digit, or one word after signs that only embed it, looks the same either way.
    """
    if text.isascii():
        return False
    word = _CONTROLS.sub("", answer)
    if word == word[::-1] and word.isalnum():
        return False
    line = text[max(0, end - _MAX_LINE) : end].rsplit("\n", 1)[-1]
    opened: list[str] = []
    for sign in _EMBEDDING.findall(line):
        opened = opened[:-1] if sign == _CLOSES else [*opened[-_MAX_DEPTH:], sign]
    signs = _OVERRIDES.union(_RIGHT_TO_LEFT if not word.isalnum() else ())
    return not signs.isdisjoint(opened) or not signs.isdisjoint(answer)
