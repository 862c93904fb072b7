r"""Multiple choice: one letter A to J, with or without brackets, formatting, the word "option", or the option's text.

`(D)`, `\textbf{(D)}`, `D.`, `D) 42` and `option D` equal `D`. Two answers with different letters differ, whatever
text follows. A lower-case letter counts only in brackets, because bare it is a variable. If one side gives the letter
with its text and the other only the text, the texts are compared.
"""

import re
from typing import NamedTuple

_FORMAT = re.compile(
    r"\\(?:text|mathrm|textbf|textit|mbox|textrm|operatorname|mathbf|textsf|boldsymbol|bf|rm)(?![A-Za-z])\s*|[{}*$]|\\(?=[()\[\]])"
)
_CHOICE = re.compile(
    r"(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)\s*(?:is\s*)?:?\s*)?"
    r"(?:\(\s*(?P<round>[A-Ja-j])\s*\)|\[\s*(?P<square>[A-J])\s*\]|(?P<bare>[A-J])(?=\s*$|\s*[.):,。]|\s+is\b|\s*\(|\s+[A-Z][a-z]{2}|[^\x00-\x7f]))"
    r"[.):]?(?P<text>.*)",
    re.DOTALL,
)


class Choice(NamedTuple):
    """The letter, and the text of the option if it was given."""

    letter: str
    text: str


def read_choice(cleaned: str) -> Choice | None:
    """Read an answer as a choice, or None."""
    if len(cleaned) > 400:
        return None
    text = _FORMAT.sub("", cleaned).replace("\\ ", " ").strip(" .")
    match = _CHOICE.fullmatch(text)
    if match is None:
        return None
    bare = match.group("bare")
    letter = (match.group("round") or match.group("square") or bare or "").upper()
    rest = match.group("text").strip(" .,:;\t\n")
    if (
        rest
        and bare
        and not re.match(r"[A-J](?:\s*[.):。(]|\s[A-Z][a-z]{2}|[^\x00-\x7f])", text[match.start("bare") :])
    ):
        return None
    if rest and re.match(r"[-+*/^=<>_!']", rest):
        return None
    if rest.startswith(",") or re.match(r"(?:and|or)\b", rest) or re.search(r"\(\s*[A-J]\s*\)", rest):
        return None
    return Choice(letter, rest)
