"""The result of a rule: the answer, and where it ends in the text."""

from typing import NamedTuple

MAX_EXTRACTED_CHARS = 100_000


class Found(NamedTuple):
    """An answer as written in the text, which continues at `end`.

    If `text` is empty, what was found is not an answer.
    """

    text: str
    end: int
