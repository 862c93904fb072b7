r"""Read sentences that state a value: `The two numbers are 8 and 15`, `It takes 45 minutes`, `The slope is undefined`.

They state what follows the verb. A subject that denies or chooses (`Neither number is 5`), an unknown verb and a second
clause disqualify a sentence; it is then read as a whole.
"""

import re
from typing import NamedTuple

_MAX_CHARS = 300  # a longer sentence does not just state a value

_VERB = (
    r"(?:(?:is|are)(?: located)? at(?= ?\()|(?:falls|lands|is|was|will be) on|(?:is|are) (?:equal to|given by)|"
    r"is|are|was|were|will be|must be|equals?|comes? to|amounts? to|turns? out to be|takes?|took|costs?|weighs?|has|"
    r"have|contains?|needs?|earns?|pays?|travels?)"
)
# matches `the ratio is`, `There are exactly`, `\text{It takes }`, `Anna has`; not `x is`, `The first of which is`
_FRAME = re.compile(
    r"(?P<text>\\(?:text|mathrm|textrm|mbox)\s?\{\s{0,3})?(?:(?:so|thus|hence|therefore),? )?"
    r"(?P<subject>(?P<dummy>it|this|that|there|he|she|they|we|the (?:answer|result|value|day))|"
    r"(?:the|its|his|her|their|our|this|these|those|an?) [\w'-]{1,20}(?: [\w'-]{1,20}){0,9}?|[A-Z][a-z]{2,15}) "
    rf"(?P<verb>{_VERB})(?: (?:exactly|precisely|simply|therefore|thus|indeed))?"
    r"(?:\s{0,3}(?P<close>\})\s{0,3}|\s{1,3})(?P<said>.+)",
    re.IGNORECASE | re.DOTALL,
)
# words of a subject that deny, choose among several things, or begin a clause of their own
_NO_SUBJECT = re.compile(
    r"\b(?:no|not|nor|none|neither|either|never|nobody|nothing|few|only|that|which|who|whose|if|when|unless|and|or|but|"
    r"because|odds|is|are|was|were|has|have|than)\b|n't\b",
    re.IGNORECASE,
)
# with one of these as its subject, a predicate is not an answer on its own: it matters which one is meant
_ONE_OF_SEVERAL = re.compile(
    r"\b(?:first|second|third|fourth|last|other|others|former|latter|left|right|one|two|larger|smaller|upper|lower)\b|\b[A-Z]\b|\d"
)
_LINKING = ("is", "are", "was", "were", "falls on", "lands on", "is on", "was on", "will be on", "will be")
_NAMED = re.compile(r"([A-Za-z]) (?:is|equals|is equal to) (?=[-\d\\(])")  # x is 5; not `a is b`
_POINT = re.compile(r"(?:the )?point (?=[A-Z]?\s?\()", re.IGNORECASE)  # the point A(1, 2); not `point`, `points (1, 2)`
_SUCH = re.compile(r"(\d{1,9}) such (?=[a-z]{3,20}$)")  # 15 such numbers


# matches the words of `9 is to 4`, `9\text{ is to }4`; not of `x is to be`
_IS_TO = re.compile(r"(?<=\d)\s{0,3}(?:\\text\s?\{\s{0,3}is to\s{0,3}\}|\bis to\b)\s{0,3}(?=\d)")


# matches `dy/dx`, `d^2y/dx^2`; not `dy/dxz`, `ad/dx`
_SLASHED = re.compile(r"(?<![A-Za-z\\])d(\^\d)?\s?([a-zA-Z])\s?/\s?d\s?([a-zA-Z])(\^\d)?(?![A-Za-z^])")


_ORDERS = {
    "at least": r"\ge", "at most": r"\le", "greater than or equal to": r"\ge", "less than or equal to": r"\le",
    "greater than": ">", "more than": ">", "less than": "<", "smaller than": "<",
}  # fmt: skip
# matches the words of `x is at least 5`; not of `it is less than 5`
_ORDERED = re.compile(rf"(?<![A-Za-z\\])([A-Za-z]) is ({'|'.join(_ORDERS)}) (?=[-\d\\])")


class Statement(NamedTuple):
    """What a sentence states, whether its verb only links, and whether its subject is a placeholder like `it`."""

    said: str
    links: bool
    dummy: bool


def stated(cleaned: str) -> Statement | None:
    """Return what a sentence states, or None if it is not such a sentence."""
    if len(cleaned) > _MAX_CHARS or " " not in cleaned:
        return None
    match = _FRAME.fullmatch(cleaned)
    if match is None:
        return None
    subject, said = match["subject"], match["said"].strip()
    if not match["dummy"] and (_NO_SUBJECT.search(subject) or (subject[0].islower() and " " not in subject)):
        return None
    if bool(match["text"]) and not match["close"]:
        said = match["text"] + said
    elif match["close"] and not match["text"]:
        return None
    links = match["verb"].lower() in _LINKING and not _ONE_OF_SEVERAL.search(subject)
    return Statement(said, links, bool(match["dummy"]))


def in_symbols(cleaned: str) -> str:
    """Write phrases as symbols.

    `x is 5` becomes an equation, `9 is to 4` a ratio, `dy/dx` a fraction, and `15 such numbers` loses its reference to
    the question.
    """
    if " is " in cleaned or " equals " in cleaned:
        named = _NAMED.match(cleaned)
        cleaned = f"{named[1]} = {cleaned[named.end() :]}" if named else cleaned
        cleaned = _ORDERED.sub(lambda match: f"{match[1]} {_ORDERS[match[2]]} ", cleaned)
    if "point " in cleaned.lower():
        cleaned = _POINT.sub("", cleaned, count=1)
    if "/" in cleaned and "d" in cleaned:
        cleaned = _SLASHED.sub(r"\\frac{d\1 \2}{d\3\4}", cleaned)
    if "is to" in cleaned:
        cleaned = _IS_TO.sub(" to ", cleaned)
    return _SUCH.sub(r"\1 ", cleaned) if " such " in cleaned else cleaned
