r"""Read tokens into a tree: a hand-written, bounded recursive descent over LaTeX and plain-text math.

The levels, loosest first: list (, ; and or), relation (= < \in), set operation (\cup \cap \setminus), sum (+ - \pm),
product (\cdot \times / and juxtaposition), sign, power and postfix (! ^\circ %), atom. A hand-written parser was chosen
over latex2sympy2_extended's ANTLR grammar because it is about fifty times faster in pure Python, rejects what it does
not understand instead of skipping it, and builds no sympy object before the limits are checked.

The modules build on each other. `Cursor` is the position in the tokens and declares the levels. `Brackets` and
`Scripts` read what surrounds and follows a value. Five modules side by side read the kinds of values, and `Atoms`,
`Arithmetic`, `Relations`, `Statements` and `Lists` are the levels above them.
"""

from verifier_service.answers.read.grammar.glued import unglued
from verifier_service.answers.read.grammar.lists import Lists
from verifier_service.answers.read.grammar.signs import END
from verifier_service.answers.read.tokens import Token, letters_of, tokenize
from verifier_service.answers.tree.bounds import NotMath, TooComplex
from verifier_service.answers.tree.nodes import Node


class _Parser(Lists):
    """The whole grammar: `Lists` builds on all other modules."""


def parse(text: str) -> Node:
    """Read a whole cleaned answer in its likeliest reading.

    Raises:
        NotMath: the text is not math; it can still be an answer in words.
        TooComplex: a limit of `bounds` is exceeded; nothing was computed.
    """
    return readings(text)[0]


def readings(text: str) -> tuple[Node, ...]:
    """Read a whole cleaned answer, the likeliest reading first. `5 m` can be five meters or a product.

    Raises:
        NotMath: the text is not math; it can still be an answer in words.
        TooComplex: a limit of `bounds` is exceeded; nothing was computed.
    """
    tokens = unglued(tokenize(text))
    try:
        return _readings(tokens)
    except NotMath as error:
        found = None if isinstance(error, TooComplex) else _with_inner_bars(tokens)
        if found is None:
            raise
        return (found,)


def _with_inner_bars(tokens: list[Token]) -> Node | None:
    """Read `|x|y||`, where a bar after a letter opens an inner pair. Return None if no bar can."""
    places = [place for place, token in enumerate(tokens) if token.kind == "op" and token.value == "|"]
    if len(places) % 2 or not 4 <= len(places) <= _MAX_BARS:
        return None
    for place in places[1:-2]:
        parser = _Parser(list(tokens))
        parser.opening = place
        try:
            return _whole(parser)
        except NotMath:
            continue
    return None


_MAX_BARS = 8
"""With more bars than this, people cannot see which ones belong together either."""


def _readings(tokens: list[Token]) -> tuple[Node, ...]:
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
    """Treat each single letter in a text command or a numeral as a variable."""
    return [letter for token in tokens for letter in _in_letters(token)]


def _in_letters(token: Token) -> list[Token]:
    text = token.value.strip()
    if token.kind == "text" and len(text) == 1 and text.isalpha():
        return [Token("sym", text, token.spaced)]
    return letters_of(token) if token.kind == "digits" else [token]
