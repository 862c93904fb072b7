"""What a rule finds: the answer, and where in the text it ends."""

from typing import NamedTuple

MAX_EXTRACTED_CHARS = 100_000


class Found(NamedTuple):
    """An answer as it stands in the text, which goes on at `end`. An empty `text`: what was found is no answer."""

    text: str
    end: int
