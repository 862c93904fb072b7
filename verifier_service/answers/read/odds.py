r"""Read odds: `1:4 odds in favour`, `odds of 1 to 4`, `4 to 1 against`. They are a ratio, not a probability."""

import re

from verifier_service.answers.tree.nodes import Call, Node, Ratio, number

_MAX_CHARS = 120  # a longer text does not state odds
_TEXT = re.compile(r"\\(?:text|mathrm|textrm|mbox)\s?\{([^{}]*)\}")  # `\text{odds of}`
_RATIO = r"(?P<{0}a>\d{{1,6}})\s?(?::|to|-to-|-|/)\s?(?P<{0}b>\d{{1,6}})"
_SIDE = r"(?P<{0}side>in favou?r|for|against|on)(?: of [a-z ]{{1,40}})?"
# matches `odds of 1 to 4`, `the odds in favor are 1:4`, `1:4 odds`, `4 to 1 against`; not `1:4`, `odd`
_ODDS = re.compile(
    rf"(?:the )?odds ?(?:{_SIDE.format('x')} ?|of [a-z ]{{1,40}} )?(?:are|of|is|:|=)? ?"
    rf"{_RATIO.format('x')}(?: {_SIDE.format('y')})?|"
    rf"{_RATIO.format('z')} (?:odds|(?=in fav|against))(?: ?{_SIDE.format('z')})?"
)


def read_odds(cleaned: str) -> Node | None:
    """Read odds as a call with their ratio, in favour if the side is given. Return None for anything else."""
    lower = cleaned.lower()
    if len(cleaned) > _MAX_CHARS or not ("odds" in lower or "against" in lower or "in fav" in lower):
        return None
    match = _ODDS.fullmatch(" ".join(_TEXT.sub(r" \1 ", lower).split()))
    if match is None:
        return None
    first, second = int(match["xa"] or match["za"]), int(match["xb"] or match["zb"])
    side = match["xside"] or match["yside"] or match["zside"]
    if side == "against":
        first, second = second, first
    return Call("odds in favour" if side else "odds", (Ratio((number(first), number(second))),))
