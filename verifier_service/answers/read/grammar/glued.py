r"""Separate commands from letters glued to them, as in `x \leqy` and `a\cdotb`. TeX rejects these; people read them."""

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.atoms import COMMANDS
from verifier_service.answers.read.grammar.signs import NO_FACTOR
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.greek import GREEK

_ELSEWHERE = ("atop", "brace", "hline", "top", "intercal")
_KNOWN = frozenset(COMMANDS).union(words.FUNCTIONS, GREEK, NO_FACTOR, _ELSEWHERE)
_MAX_GLUED_LETTERS = 2  # more letters make a word, which is not split


def unglued(tokens: list[Token]) -> list[Token]:
    """Split each unknown command into a known one and the letters after it, if possible."""
    if all(token.kind != "cmd" or token.value in _KNOWN for token in tokens):
        return tokens
    parted: list[Token] = []
    for token in tokens:
        parted += _parted(token)
    return parted


def _parted(token: Token) -> list[Token]:
    name = token.value
    if token.kind == "cmd" and name not in _KNOWN:
        for count in range(1, _MAX_GLUED_LETTERS + 1):
            if name[:-count] in _KNOWN and name[-count:].isalpha():
                letters = [Token("sym", letter, False) for letter in name[-count:]]
                return [Token("cmd", name[:-count], token.spaced), *letters]
    return [token]
