r"""Read a multiple choice: one letter from A to J, perhaps with the word "option" or the option's text.

`D`, `(D)`, `\textbf{(D)}`, `D.`, `__D__`, `option d`, `选 D` name the letter. `D) 42`, `(D) -5`, `D: 42`, `D - none of
them`, `D is correct` also give the option's text. A letter followed by math is a name: `C(10,3)`, `E(X) = 5`, `A - 5`,
`D!`, `B (t+1)`; so is a lower-case letter alone. Text with several letters, like `A: 5, B: 6`, is not a choice.
"""

import re
from typing import NamedTuple

from verifier_service.answers.read import words

_MAX_CHARS = 400  # a longer text is not a choice

# matches `\text`, `\box`, `{`, `$`, and the backslash of `\(`; not `\overline`
_DRESS = re.compile(
    r"\\(?:text|mathrm|textbf|textit|mbox|textrm|operatorname|mathbf|mathit|mathsf|textsf|texttt|boldsymbol|bm|bf|rm|box|"
    r"boxed|fbox|framebox|underline|circled|textcircled|emph)(?![A-Za-z])\s*|"
    r"\\(?:text)?color\s*\{[a-z]{1,12}\}|[{}$`]|\\(?=[()\[\]])"
)
# matches `the correct option is`, `Answer -`, `choice:`, `综上,故选`, `正确答案为:`; not the article alone
_HEADING = re.compile(
    r"(?:(?:thus|hence|so|therefore),?\s+)?(?:(?:the|my)\s+)?(?:(?:correct|right|best|final|selected|chosen)\s+)?"
    r"(?:option|choice|answer|letter|ans)\s*(?:is\s+|are\s+)?(?:(?:option|choice)\s+)?[:=-]?\s*(?:(?<=[\s:=-])|(?=[(\[]))|"
    r"(?:综上所述|综上|因此|所以|故)?\s*,?\s*(?:正确)?(?:答案|选项|应选|故选|选择|选)(?:是|为|应为|应选)?\s*:?\s*(?=[A-J([])",
    re.IGNORECASE,
)
# matches `(D)`, `[D]`, `D)`, `D.`, `D:`, `D` and the text after it; not `x`, `D+1`
_LETTER = re.compile(
    r"(?:\(\s*(?P<round>[A-Ja-j])\s*\)|\[\s*(?P<square>[A-J])\s*\]|(?P<closed>[A-Ja-j])\s?\)|(?P<bare>[A-Ja-j]))"
    r"(?P<mark>[.:,]?)(?P<text>.*)",
    re.DOTALL,
)
# matches a further letter in `5, B: 6`, `x (C) y`, `5 B) 6`; not the B of `AB)`
_ANOTHER = re.compile(
    r"(?<![A-Za-z])\(\s*[A-Ja-j]\s*\)|(?<![A-Za-z(])(?:[A-J]\s?[:.]|[A-Ja-j]\s?\))(?=\s|$)|^\s*[A-Ja-j]\s*$"
)
# matches `and (C)`, `or 5`, `= 5`, `^2`, `, 3`; not `5`, `-5`
_NO_OPTION = re.compile(
    r"\s*(?:(?:and|or|et|und|ou|oder)\b|[+*/^=<>_!',&|)]|-\s|\\(?:le|ge|in|to|cdot|times|pm|cup|cap)\b)"
)
# matches the text of `D is correct`, `D is the right answer`; not of `D is 5`
_VERDICT = re.compile(r"\s+is\s+(?:the\s+)?(?:correct|right|best|true|answer)\b.*", re.DOTALL | re.IGNORECASE)
# matches the text of `D - none of them`, `D Clara`, `D (none of them)`; not of `D - x`, `D (t+1)`
_REMARK = re.compile(r"\s+-{1,2}\s+(?P<dash>[^()]*)|\s+(?P<name>[A-Z][a-z]{2}[^()]*)|\s+\((?P<round>[^()]*)\)")
_ENDS = ' .,:;*_"\t\n'
# The letter in quotation marks: `'B'`.
_QUOTED = re.compile(r"\s*'\s*([A-J])\s*'\s*")


class Choice(NamedTuple):
    """The letter, and the text of the option if it is given."""

    letter: str
    text: str


def read_choice(cleaned: str) -> Choice | None:
    """Read an answer as a choice, or return None."""
    if len(cleaned) > _MAX_CHARS:
        return None
    text = _DRESS.sub("", cleaned).replace("\\ ", " ").replace("\\quad", " ").strip(_ENDS)
    text = _QUOTED.sub(r"\1", text) if text.startswith("'") else text
    heading = _HEADING.match(text)
    start = heading.end() if heading else 0
    if start:
        text = text[start:].lstrip("*_'\" ")
    match = _LETTER.match(text)
    if match is None:
        return None
    groups = match.groupdict()
    letter = groups["round"] or groups["square"] or groups["closed"] or groups["bare"]
    if groups["bare"] and letter.islower() and not start:
        return None
    option = _option(groups, text[match.start("mark") :])
    return None if option is None else Choice(letter.upper(), option)


class Letters(NamedTuple):
    """Several choices, and whether they are written as one word, like `ACD`."""

    glued: bool
    chosen: frozenset[str]


# matches `ACD`; not `CAD`, `A`
_GLUED = re.compile(r"(?=[A-J]{2})A?B?C?D?E?F?G?H?I?J?")
# matches `A, C, D`, `(A) and (C)`, `A C`; not `A`, `A + C`
_SEPARATED = re.compile(r"\(?[A-J]\)?(?:(?:\s?[,;&]\s?|\s)(?:(?:and|和|与)\s)?\(?[A-J]\)?){1,9}")


_LETTER_OF_CHOICE = re.compile("[A-J]")  # a quick test before the slower patterns
_MAX_LETTERS_CHARS = 120  # ten letters with words between them and formatting are shorter


def read_letters(cleaned: str) -> Letters | None:
    """Read the letters of several choices, or return None."""
    if len(cleaned) > _MAX_LETTERS_CHARS or len(cleaned) < 2 or not _LETTER_OF_CHOICE.search(cleaned):
        return None
    text = _DRESS.sub("", cleaned).replace("\\ ", " ").replace("\\quad", " ").strip(_ENDS)
    heading = _HEADING.match(text)
    text = text[heading.end() :] if heading else text
    if _GLUED.fullmatch(text):
        return Letters(True, frozenset(text))
    return Letters(False, frozenset(re.findall("[A-J]", text))) if _SEPARATED.fullmatch(text) else None


def _option(groups: dict[str, str | None], rest: str) -> str | None:
    """Return the option's text after a letter, "" if there is none, or None if the letter is not a choice."""
    text = (groups["text"] or "").strip(_ENDS)
    if not text:
        return "" if groups["mark"] != "," else None
    if _ANOTHER.search(text) or groups["mark"] == ",":
        return None
    if groups["bare"] and groups["mark"] != "." and not (groups["mark"] == ":" and not _glued_name(rest)):
        return _words_after(rest)
    if _NO_OPTION.match(groups["text"] or "") or (not groups["mark"] and re.match(r"[A-Za-z(\[]", rest)):
        return None
    return text


def _glued_name(rest: str) -> bool:
    """Return whether a colon stands between names, as in the ratio `A:B`."""
    return bool(re.match(r":[A-Za-z](?![A-Za-z])", rest))


def _words_after(rest: str) -> str | None:
    """Return the words after a bare letter, or None if they might be math."""
    if rest[0].isalpha() and not rest[0].isascii():
        return rest
    if _VERDICT.fullmatch(rest):
        return ""
    remark = _REMARK.fullmatch(rest)
    if remark is None:
        return None
    text = next(part for part in remark.groups() if part is not None).strip()
    known = re.findall(r"[A-Za-z]+", text)
    plain = re.fullmatch(r"[A-Za-z][A-Za-z ,.'-]*", text) and re.search(r"[A-Za-z]{3}", text)
    if not plain or any(word in words.FUNCTIONS or word in words.PLAIN_GREEK for word in known):
        return None
    return text
