"""Split a cleaned answer into tokens: numbers, commands, letters, words, signs, and the contents of text commands."""

import re
from typing import NamedTuple

from verifier_service.answers.read import measures, words
from verifier_service.answers.tree.bounds import MAX_DIGITS, MAX_TOKENS, NotMath, TooComplex
from verifier_service.answers.tree.greek import GREEK


class Token(NamedTuple):
    """One token.

    `kind` is num, digits, cmd, sym, word, text, begin, end or op; `spaced` says that a blank precedes it.
    """

    kind: str
    value: str
    spaced: bool


_EAST = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Characters of Chinese, Japanese and Korean, which need no blanks between words: `x=2或x=3`, `3个和4个`."""

# The subscript of a base above ten: `_{16}`, `_{12}`, `_\text{hex}`.
_BASE = r"(?=_\{?\s?(?:(?:1[1-9]|2[0-9]|3[0-6])(?![0-9,])|\\text\{(?:hex|sixteen)))"
# `digits` takes `1A_{16}`, `2B_{12}`, `FF_{16}`; not `A_{16}`, `AB_{12}`, `2A_n`

_PATTERN = re.compile(
    rf"""(?P<blank>\s+)
      |(?P<digits>(?:[0-9]{{1,20}}[A-Z][0-9A-Z]{{0,20}}|[A-F][0-9A-F]{{1,20}}(?=_\{{?\s?(?:16|\\text))){_BASE})
      |(?P<num>\d+(?:\.\d+|\.(?=/))?(?!\d)(?:[eE][-+]?\d{{1,3}}(?![\w^{{.]))?|\.\d+)
      |\\(?P<cmd>[A-Za-z]+\*?|[{{}}|%\#&_ $\\])
      |(?P<word>(?>[A-Za-z]+)(?![^\W\d_{_EAST}]))
      |(?P<op>\.\.\.|<=|>=|!=|==|=<|=>|->|:=|<>|\^|[-+*/=<>(){{}}\[\],;:|!'_&%."?@`~\#])
      |(?P<letters>或者|或是|以及|[或和与及且]|(?:(?![或和与及且])[{_EAST}])+|[^\W\d_]+)
      |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

_UNIT_LETTERS = frozenset("mgshLNJWVAKtlCFTHBMSΩ")
"""After a value, a text command with one of these is a unit, as in `5 \\mathrm{V}`."""

_UNIT_NAMES = frozenset({"min", "sec", "in"})
"""Units that are also a function or a relation: `5 min` and `\\min(x, y)`, `5 in` and `x in Z`."""

# After a unit: the end, `. `, `,`, `)`, `/hour`, `^2`, ` later`; not `(x`, ` x`, ` [0, 1]`, `^2 x`.
_AFTER_UNIT = re.compile(r"\s*(?:$|[.,;)\]}&/*-]|\^\s?\{?\s?-?[1-3]\s?\}?\s*(?:$|[.,;)])|(?P<word>[A-Za-z]{2,}))")
# After `5 of`, `1 in`, `5 to`: ` 6`, ` the`, ` a mile`; not ` Z`, ` [0, 1]`.
_AFTER_SMALL_WORD = re.compile(r"\s+(?:\d|[A-Za-z]{2}|a )")
_SMALL_WORDS = frozenset({"of", "to", "in", "at", "on", "by", "fl"})

_SIGNS = {"vert": ("op", "|"), "Vert": ("cmd", "|"), "lbrace": ("cmd", "{"), "rbrace": ("cmd", "}")}
"""Commands that name a sign, with the sign's token."""

_TEXT_COMMANDS = frozenset(
    [
        "text",
        "mathrm",
        "textrm",
        "textbf",
        "mbox",
        "hbox",
        "textit",
        "texttt",
        "textsf",
        "textnormal",
        "operatorname",
        "operatorname*",
        "mathit",
        "mathsf",
        "mathtt",
        "textsc",
        "emph",
        "unit",
        "rm",
    ]
)
_WRAPPERS = frozenset(
    [
        "mathbf",
        "boldsymbol",
        "bm",
        "vec",
        "mathbb",
        "mathcal",
        "mathfrak",
        "mathscr",
        "pmb",
        "displaylines",
        "ensuremath",
        "underline",
        "boxed",
        "fbox",
        "cancel",
        "color",
        "textcolor",
        "mathop",
        "mathord",
        "mathbin",
        "mathrel",
        "mathopen",
        "mathclose",
        "mathpunct",
        "vphantom",
        "smash",
    ]
)

_CODE_WORDS = {"pi": ("cmd", "pi"), "infty": ("cmd", "infty"), "infinity": ("cmd", "infty"),
               "oo": ("cmd", "infty"),
               "inf": ("cmd", "infty"), "union": ("cmd", "cup"), "Infinity": ("cmd", "infty"), "Pi": ("cmd", "pi"),
               "in": ("cmd", "in"), "mod": ("cmd", "mod"), "intersect": ("cmd", "cap"),
               "pm": ("cmd", "pm")}  # fmt: skip


def _braced(text: str, start: int) -> tuple[str, int] | None:
    """Return the text between the brace at `start` and its partner, and the index after it."""
    if start >= len(text) or text[start] != "{":
        return None
    depth = 0
    for index in range(start, len(text)):
        if text[index] == "\\":
            continue
        if text[index] == "{" and text[index - 1 : index] != "\\":
            depth += 1
        elif text[index] == "}" and text[index - 1 : index] != "\\":
            depth -= 1
            if depth == 0:
                return text[start + 1 : index], index + 1
    return None


def _text_tokens(content: str, spaced: bool, tokens: list[Token], following: str) -> list[Token]:
    """Tokenize the content of a text command: a letter is a symbol, a function's name the function, the rest text."""
    content = content.strip()
    bare = content.strip(" .")
    if not content:
        return []
    after_value = _ends_value(tokens)
    if len(bare) == 1 and bare.isalpha() and bare != "a" and bare not in words.JOINERS:
        is_unit = after_value and bare in _UNIT_LETTERS and following[:1] not in ("_", "(")
        is_unit = is_unit or (not bare.isascii() and measures.known(bare) is not None) or _after_unit_slash(tokens)
        return [Token("text" if is_unit else "sym", bare, spaced)]
    name = words.RENAMED_FUNCTIONS.get(bare, bare)
    if name in words.FUNCTIONS and name not in ("min", "max") and not _names_unit(bare, tokens, following):
        return [Token("cmd", name, spaced)]
    if bare == "mod":
        return [Token("cmd", "mod", spaced)]
    if re.fullmatch(r"[-+]?[\d.,/ ]*\d", bare):
        return tokenize(bare)
    return [Token("text", content, spaced)]


def tokenize(text: str) -> list[Token]:
    """Split the text into tokens.

    Raises:
        NotMath: a character has no meaning in math, or a command's braces are not closed.
        TooComplex: there are more tokens or digits than the limits allow.
    """
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise NotMath(f"unexpected {text[position]!r}")
        kind = match.lastgroup or "other"
        value = match.group(kind)
        position = match.end()
        if kind == "blank":
            spaced = True
            continue
        if kind == "letters" and value.lower() in words.JOINERS:
            tokens.append(Token("word", value.lower(), spaced))
            spaced = False
            continue
        if kind == "other":
            raise NotMath(f"unexpected {value!r}")
        if kind == "num":
            if len(value) > MAX_DIGITS:
                raise TooComplex(f"a number of {len(value)} digits, above the limit of {MAX_DIGITS}")
            tokens.append(Token("num", value.removesuffix("."), spaced))
        elif kind == "cmd":
            position = _command(text, position, value, spaced, tokens)
        elif kind == "letters":
            _foreign(value, spaced, tokens)
        elif kind == "word":
            _word(value, spaced, tokens, text[position : position + 12])
        else:
            tokens.append(Token("digits" if kind == "digits" else "op", value, spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise TooComplex(f"more than {MAX_TOKENS} tokens")
    return tokens


def _command(text: str, position: int, name: str, spaced: bool, tokens: list[Token]) -> int:
    """Add the tokens of a command, and return the index after it."""
    if name in _TEXT_COMMANDS:
        start = position
        while start < len(text) and text[start] == " ":
            start += 1
        braced = _braced(text, start)
        if braced is None:
            if text[start : start + 1] == "{":
                raise NotMath(f"the braces of \\{name} are not closed")
            return position
        content, end = braced
        if name in ("operatorname", "operatorname*"):
            content = content.replace(" ", "")
        tokens.extend(_text_tokens(content, spaced, tokens, text[end : end + 12]))
        return end
    if name in ("begin", "end"):
        braced = _braced(text, position)
        if braced is None:
            raise NotMath(f"\\{name} without a name")
        environment, end = braced
        # `\begin{array}{cc}`: the columns are only layout.
        if name == "begin" and environment in ("array", "tabular"):
            columns = _braced(text, end + len(text[end:]) - len(text[end:].lstrip()))
            if columns is not None:
                end = columns[1]
        tokens.append(Token(name, environment.strip("* "), spaced))
        return end
    if name in ("color", "textcolor"):
        braced = _braced(text, position)
        return braced[1] if braced else position
    if name in _WRAPPERS:
        tokens.append(Token("cmd", name, spaced))
        return position
    kind, value = _SIGNS.get(name, ("cmd", words.RENAMED_FUNCTIONS.get(name, name)))
    tokens.append(Token(kind, value, spaced))
    is_name = name in GREEK or name in ("pi", "infty")
    return position + 2 if is_name and text.startswith("{}", position) else position


def letters_of(digits: Token) -> list[Token]:
    """Split digits above nine into a number and letters: `2B` can mean twice B."""
    found = [Token("num" if part.isdigit() else "sym", part, False) for part in re.findall(r"\d+|[A-Z]", digits.value)]
    return [found[0]._replace(spaced=digits.spaced), *found[1:]]


def _ends_value(tokens: list[Token]) -> bool:
    return bool(tokens) and (
        tokens[-1].kind in ("num", "sym", "word", "text") or tokens[-1].value in (")", "]", "}", "%", "pi")
    )


_GLUED_JOINER = re.compile(r"(or|and)([A-Za-z]?)")  # x=1or x=2, x=1orx=2; not 5order


def _ends_item(token: Token) -> bool:
    return token.kind == "num" or token.value in (")", "]", "}")


def _foreign(value: str, spaced: bool, tokens: list[Token]) -> None:
    """Add the tokens of letters outside ASCII: multipliers such as `万`, and a unit or a counter."""
    while len(value) > 1 and value[0] in measures.TIMES:
        tokens.append(Token("word", value[0], spaced))
        value = value[1:]
    if value not in measures.TIMES and not measures.is_foreign(value):
        raise NotMath(f"unexpected {value[0]!r}")
    tokens.append(Token("word", value, spaced))


def _after_unit_slash(tokens: list[Token]) -> bool:
    """Return whether a unit with a slash or a hyphen precedes: `ft/`, `\\mathrm{m}/`, `5 g/`."""
    if len(tokens) < 2 or tokens[-1].value not in ("/", "-"):
        return False
    before = tokens[-2]
    if before.kind == "sym" and tokens[-1].value == "/" and before.spaced and before.value in _UNIT_LETTERS:
        return len(tokens) > 2 and tokens[-3].kind == "num"
    return before.kind in ("word", "text")


def _names_unit(word: str, tokens: list[Token], following: str) -> bool:
    """Return whether `min`, `sec` or `in` is a unit here.

    It is if it follows a value or a unit, and nothing follows that it could apply to.
    """
    if word not in _UNIT_NAMES or not tokens:
        return False
    before = tokens[-1]
    if _after_unit_slash(tokens) or (before.value == "/" and len(tokens) > 1 and tokens[-2].kind == "sym"):
        return True
    if before.kind not in ("num", "word", "text") and before.value not in (")", "}", "/"):
        return False
    if word == "min" and following.lstrip()[:1].isdigit():
        return True
    match = _AFTER_UNIT.match(following)
    return match is not None and match["word"] not in words.PLAIN_GREEK and match["word"] not in words.FUNCTIONS


def _in_unit_bracket(word: str, tokens: list[Token], following: str) -> bool:
    """Return whether a bracket after a value or a point after a unit precedes a word: `5 (`, `5 J/(`, `5 sq.`."""
    if len(tokens) < 2:
        return False
    before, bracket = tokens[-2:]
    if bracket.value == "(":
        return before.value == "/" or (before.kind == "num" and (following[:1] == ")" or len(word) > 3))
    return bracket.value == "." and before.kind == "word"


def _joins_numbers(word: str, tokens: list[Token], following: str) -> bool:
    """Return whether a small word stands between a number and a number or a noun: `5 of the`, `1 in 6`, `5 to 6`."""
    after_number = bool(tokens) and tokens[-1].kind == "num"
    return word in _SMALL_WORDS and after_number and _AFTER_SMALL_WORD.match(following) is not None


def _word(word: str, spaced: bool, tokens: list[Token], following: str) -> None:
    """Add the tokens of a run of letters: a known word, a unit after a value, or single letters."""
    if len(word) == 1:
        tokens.append(Token("sym", word, spaced))
        return
    if _names_unit(word, tokens, following) or _joins_numbers(word, tokens, following):
        tokens.append(Token("word", word, spaced))
        return
    if word in _CODE_WORDS:
        kind, value = _CODE_WORDS[word]
        tokens.append(Token(kind, value, spaced))
        return
    if word in words.NAMED and following.startswith(("(", "[")):
        tokens.append(Token("text", word, spaced))
        return
    name = words.RENAMED_FUNCTIONS.get(word, word)
    if name in words.FUNCTIONS:
        tokens.append(Token("cmd", name, spaced))
        return
    joiner = _GLUED_JOINER.fullmatch(word) if not spaced and tokens and _ends_item(tokens[-1]) else None
    if joiner is not None:
        tokens.append(Token("word", joiner.group(1), False))
        tokens.extend(Token("sym", letter, False) for letter in joiner.group(2))
        return
    if word.lower() in words.JOINERS and spaced:
        tokens.append(Token("word", word.lower(), spaced))
        return
    if word in words.PLAIN_GREEK:
        tokens.append(Token("cmd", word, spaced))
        return
    if spaced and tokens and tokens[-1].kind == "word":
        tokens.append(Token("word", word, spaced))
        return
    if len(word) > 2 and word.isupper() and not measures.is_unit(word):
        tokens.append(Token("sym", word, spaced))
        return
    in_unit = _ends_value(tokens) or _after_unit_slash(tokens) or _in_unit_bracket(word, tokens, following)
    if (
        (in_unit and (measures.is_unit(word) or word == "base" or word in measures.BASES))
        or len(word) > 4
        or (spaced and len(word) > 2)
    ):
        tokens.append(Token("word", word, spaced))
        return
    tokens.extend(Token("sym", letter, spaced and index == 0) for index, letter in enumerate(word))
