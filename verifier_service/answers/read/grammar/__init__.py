r"""Read tokens into a tree: a hand-written, bounded recursive descent over LaTeX and plain-text mathematics.

Levels, loosest first: list (, ; and or), relation (= < \in), set operation (\cup \cap \setminus), sum (+ - \pm),
product (\cdot \times / and juxtaposition), sign, power and postfix (! ^\circ %), atom. A hand-written parser was
chosen over latex2sympy2_extended's ANTLR grammar because it is some fifty times faster in pure Python, refuses what
it does not understand instead of skipping it, and builds no sympy object before the limits are checked.

The rooms stand on each other: `Cursor` is the place in the tokens and names the levels, `Brackets` and `Scripts` read
what surrounds and follows a value, five rooms side by side read the kinds of values, and `Atoms`, `Arithmetic`,
`Relations`, `Statements` and `Lists` are the levels above them.
"""

from verifier_service.answers.read.grammar.glued import unglued
from verifier_service.answers.read.grammar.lists import Lists
from verifier_service.answers.read.grammar.signs import END
from verifier_service.answers.read.tokens import Token, tokenize
from verifier_service.answers.tree.bounds import NotMath, TooComplex
from verifier_service.answers.tree.nodes import Node


class _Parser(Lists):
    """The whole grammar: `Lists` stands on all other rooms."""


def parse(text: str) -> Node:
    """Read a whole cleaned answer in its likeliest reading.

    Raises:
        NotMath: the text is not mathematics; it may still be an answer in words.
        TooComplex: a limit of `bounds` is exceeded; nothing was computed.
    """
    return readings(text)[0]


def readings(text: str) -> tuple[Node, ...]:
    """Read a whole cleaned answer: the likeliest reading first. `5 m` may be five metres or a product.

    Raises:
        NotMath: the text is not mathematics; it may still be an answer in words.
        TooComplex: a limit of `bounds` is exceeded; nothing was computed.
    """
    tokens = unglued(tokenize(text))
    parser = _Parser(list(tokens))
    try:
        first = _whole(parser)
    except NotMath as error:
        if isinstance(error, TooComplex) or not parser.ambiguous:
            raise
        return (_whole(_Parser(_as_letters(tokens), letters=True)),)
    if not parser.ambiguous:
        return (first,)
    try:
        return first, _whole(_Parser(_as_letters(tokens), letters=True))
    except NotMath:
        return (first,)


def _whole(parser: _Parser) -> Node:
    node = parser.sequence(top=True)
    if parser.peek() is not END:
        raise NotMath(f"unexpected {parser.peek().value!r}")
    return node


def _as_letters(tokens: list[Token]) -> list[Token]:
    """Take each single letter in a text command for a variable."""
    return [
        Token("sym", token.value.strip(), token.spaced)
        if token.kind == "text" and len(token.value.strip()) == 1 and token.value.strip().isalpha()
        else token
        for token in tokens
    ]
