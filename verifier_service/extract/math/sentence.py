"""Find the beginning of the sentence and of the clause around a place."""

import re

SPECIAL = re.compile(r"<\|(?:im_start|im_end|endoftext|eot_id|end_of_text|assistant|user|start_header_id)\|>|</s>")
"""A token that ends the turn."""

BEFORE = 240
"""How much text before a place is searched."""

_SENTENCE_END = re.compile(r"[.!?][\"')\]*]{0,3}\s|[。！？]|\n")  # `. `, the end of a line; not the point of `3.5`
_CLAUSE_END = re.compile(
    r"[;；，]|:\s|,\s{1,3}(?!(?:or|and|nor)\b)(?=[A-Za-z])|\b(?:so|but|hence|thus|therefore|then|because|since)\b",
    re.IGNORECASE,
)
"""`, we get`, ` so `; not the commas of `3, 4, or 5`."""


def sentence_before(text: str, start: int) -> str:
    """Return what stands before a place in its own sentence, at most `BEFORE` characters."""
    window = text[max(0, start - BEFORE) : start]
    return window[_last_end(_SENTENCE_END, window.rstrip()) :]


def clause_before(text: str, start: int) -> str:
    """Return what stands before a place in its own clause."""
    window = sentence_before(text, start)
    return window[_last_end(_CLAUSE_END, window) :]


def _last_end(pattern: re.Pattern[str], window: str) -> int:
    end = 0
    for match in pattern.finditer(window):
        end = match.end()
    return end
