r"""Find a final answer announced after a box with another value: `\boxed{12}. After the fix the answer is 10`.

The author commits to the last one. It has to be as plain as the box (a number, the letter of a choice, a formula), and
unconditional: `with n = 2 the answer is 4` only checks the box. An answer that merely rewrites or rounds the value in
the box replaces nothing.
"""

import re
from collections import deque
from fractions import Fraction

from verifier_service.extract.math import denial
from verifier_service.extract.math.found import Found
from verifier_service.extract.math.sentence import sentence_before
from verifier_service.extract.math.statement import statement
from verifier_service.extract.math.wording import any_of, words_of

_IS = r"(?:\s{1,3}(?:is|should\sbe|must\sbe|equals)\b(?:\s(?:actually|really|in\sfact|therefore|thus))?|\s{0,2}[:：])"
_SURE = any_of("final | correct | right | actual | real | true | corrected | new | revised | proper")
_ANNOUNCED = re.compile(
    rf"\b(?P<surely>{_SURE})\s{{1,3}}"
    rf"(?:final\s{{1,3}})?(?:answer|result|value){_IS}"
    r"|(?P<must>\b(?:so|thus|hence|therefore|then|and|making\sit|which\smeans)\b,?\s(?:it|that|this|x|n|the\s(?:\w{1,20}\s)?"
    r"(?:answer|value|result|number|total|count))\s(?:(?:must|should|has\sto|ought\sto)\s(?:actually\s|really\s|instead\s|in\sfact\s)?(?:be|equal)"
    r"|(?:is|equals)\s(?:actually|really|in\sfact|instead)))"
    rf"|(?P<thus>\b(?:so|thus|hence|therefore|and|then)\b,?\s{{1,3}})?(?:\b(?:the|my|our)\s{{1,3}})?\banswer{_IS}",
    re.IGNORECASE,
)
"""`the final answer is`, `so the answer is`; `the answer is` only if the sentence corrects something."""
_CORRECTS = re.compile(
    words_of(
        "wait | oops | sorry | actually | however | but | correction | edit | mistake | error | fix(?:ed)? | instead"
    ),
    re.IGNORECASE,
    # Interjections between an answer and `so it must be 5`.
)
_OOPS = re.compile(
    words_of("wait | oops | whoops | sorry | hmm+ | mistake | error | hold on | ah | oh no | no"), re.IGNORECASE
)
"""What makes `so it must be 5` after an answer a correction."""
_NOT_MINE = re.compile(
    words_of(
        "if | when | for | case | cases | check | example | with | unless | were | would | had | some | says? | key"
        "| book | part"
    ),
    re.IGNORECASE,
)
"""In the sentence before an announcement, one of these means that it announces something else."""
# After an announced answer, one of these makes it conditional.
_CONDITION = re.compile(words_of("if | when | unless | otherwise | would | instead of | compared"), re.IGNORECASE)

# What is removed before two values are compared: text commands, spacing, brackets, blanks, emphasis, currency.
_DRESS = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s?\{[^{}]{0,40}\}|\\[,;:! ]|\\(?:left|right|[()\[\]])|[\s$*_€£¥]")
_NUMBER = re.compile(
    r"(?P<sign>[-−]?)(?:(?:\\[dt]?frac\{(?P<top>\d{1,30})\}\{(?P<low>\d{1,30})\}|\\[dt]?frac(?P<top1>\d)(?P<low1>\d))"
    r"|(?P<whole>\d{1,30}|\d{1,3}(?:,\d{3}){1,9})(?P<part>\.\d{1,30})?(?:/(?P<by>\d{1,30}))?)(?:\\?%)?(?:[A-Za-z]{0,30}[.]?)"
)
"""`-\\frac{1}{2}`, `1,234.5`, `3/4`, `20\\%`, `12apples` (blanks were removed); not `2+3`, `x`."""
_LETTER = re.compile(r"\(?([A-J])\)?\.?")  # `B`, `(B)`, `B.`
_MAX_STATEMENT = 300  # how much of a statement is read
_MAX_TRIED = 10  # how many announcements are examined, from the last


def announced(text: str, end: int, answer: str) -> Found | None:
    """Return the last final answer announced after `answer`, which ended at `end`, if it has another value."""
    for match in reversed(deque(_ANNOUNCED.finditer(text, max(0, end - 1)), maxlen=_MAX_TRIED)):
        before = sentence_before(text, match.start())
        if not _is_meant(text[max(end, match.start() - _MAX_STATEMENT) : match.start()], match, before):
            continue
        rest = text[match.end() : match.end() + _MAX_STATEMENT].lstrip(" *_:\n\t")
        said, is_meant = statement(rest)
        place = text.find(said, match.end())
        found = Found(said, place + len(said))
        if (
            not is_meant
            or place < 0
            or denial.is_denied(text, place, found.end)
            or denial.is_denied_before(text, match.start())
        ):
            continue
        if _CONDITION.search(rest[len(said) :].split("\n", 1)[0].split(". ", 1)[0]):
            continue
        return found if _is_another(said, answer, is_sure=match["surely"] is not None) else None
    return None


def _is_meant(since: str, match: re.Match[str], before: str) -> bool:
    """Return whether a final answer is announced: the words say so, or the text since the box corrects it."""
    corrects = _OOPS.search(since) if match["must"] else match["surely"] or match["thus"] or _CORRECTS.search(before)
    return bool(corrects) and not _NOT_MINE.search(before)


def _is_another(said: str, answer: str, *, is_sure: bool) -> bool:
    """Return whether an announced value is as plain as the one in a box, and different."""
    one, other = _plain(said), _plain(answer)
    if isinstance(one, str) and isinstance(other, str):
        return one != other
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        is_same = one in (other, 100 * other) or 100 * one == other
        return not is_same and not ("." in said + answer and abs(one - other) * 100 <= abs(other))
    if isinstance(one, Fraction) and other is None:
        return is_sure and "." not in said and not re.search(r"\d", _DRESS.sub("", answer))
    return False


def _plain(said: str) -> Fraction | str | None:
    """Return an answer as a number, or as the letter of a choice; None if it is neither."""
    bare = _DRESS.sub("", said[:_MAX_STATEMENT]).rsplit("=", 1)[-1]
    letter = _LETTER.fullmatch(bare)
    if letter:
        return letter.group(1)
    number = _NUMBER.fullmatch(bare)
    if number is None:
        return None
    top = number["top"] or number["top1"] or number["whole"].replace(",", "") + (number["part"] or "")
    low = int(number["low"] or number["low1"] or number["by"] or 1)
    return Fraction(top) / low * (-1 if number["sign"] else 1) if low else None
