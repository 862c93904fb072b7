"""Cut a cleaned answer into tokens: numbers, commands, letters, words, signs, and the contents of text commands."""

import re
from typing import NamedTuple

from verifier_service.answers.read import words
from verifier_service.answers.tree.bounds import MAX_DIGITS, MAX_TOKENS, NotMath, TooComplex


class Token(NamedTuple):
    """One token: `kind` is num, cmd, sym, word, text, begin, end or op; `spaced` says that a blank stands before it."""

    kind: str
    value: str
    spaced: bool


_PATTERN = re.compile(
    r"""(?P<blank>\s+)
      |(?P<num>\d+(?:\.\d+|\.(?=/))?(?!\d)(?:[eE][-+]?\d{1,3}(?![\w^{.]))?|\.\d+)
      |\\(?P<cmd>[A-Za-z]+\*?|[{}|%\#&_ $\\])
      |(?P<word>[A-Za-z]+)
      |(?P<op>\.\.\.|<=|>=|!=|==|=<|=>|->|:=|<>|\^|[-+*/=<>(){}\[\],;:|!'_&%."?@`~\#])
      |(?P<letters>[^\W\d_]+)
      |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

_UNIT_TAIL = re.compile(r"(?:\^?\{?[23]\}?)?(?:\s?/\s?[a-z]{1,6}(?:\^?\{?[23]\}?)?)?\s*[.]?")

_SIGNS = {"vert": ("op", "|"), "Vert": ("cmd", "|"), "lbrace": ("cmd", "{"), "rbrace": ("cmd", "}")}
"""Commands that spell a sign in words: the token of the sign."""

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
    """Return what stands between the brace at `start` and its partner, and the index after it."""
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


def _text_tokens(content: str, spaced: bool, after_value: bool) -> list[Token]:
    """Read the content of a text command: a letter is a symbol, a function's name is the function, the rest is text."""
    content = content.strip()
    bare = content.strip(" .")
    if not content:
        return []
    if len(bare) == 1 and bare.isalpha() and bare != "a" and bare not in words.JOINERS:
        is_unit = after_value and bare in words.SINGLE_LETTER_UNITS
        return [Token("text" if is_unit else "sym", bare, spaced)]
    name = words.RENAMED_FUNCTIONS.get(bare, bare)
    if name in words.FUNCTIONS and name not in ("min", "max"):
        return [Token("cmd", name, spaced)]
    if re.fullmatch(r"[-+]?[\d.,/ ]*\d", bare):
        return tokenize(bare)
    return [Token("text", content, spaced)]


def tokenize(text: str) -> list[Token]:
    """Cut the text into tokens.

    Raises:
        NotMath: a character has no place in mathematics, or a command's braces are not closed.
        TooComplex: more tokens or digits than the limits allow.
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
        if kind in ("other", "letters"):
            raise NotMath(f"unexpected {value!r}")
        if kind == "num":
            if len(value) > MAX_DIGITS:
                raise TooComplex(f"a number of {len(value)} digits, above the limit of {MAX_DIGITS}")
            tokens.append(Token("num", value.removesuffix("."), spaced))
        elif kind == "cmd":
            position = _command(text, position, value, spaced, tokens)
        elif kind == "word":
            _word(value, spaced, tokens, text[position : position + 12])
        else:
            tokens.append(Token("op", value, spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise TooComplex(f"more than {MAX_TOKENS} tokens")
    return tokens


def _command(text: str, position: int, name: str, spaced: bool, tokens: list[Token]) -> int:
    """Add the tokens of a command and return the index after it."""
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
        tokens.extend(_text_tokens(content, spaced, _ends_value(tokens)))
        return end
    if name in ("begin", "end"):
        braced = _braced(text, position)
        if braced is None:
            raise NotMath(f"\\{name} without a name")
        environment, end = braced
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
    is_name = name in words.GREEK or name in ("pi", "infty")
    return position + 2 if is_name and text.startswith("{}", position) else position


def _ends_value(tokens: list[Token]) -> bool:
    return bool(tokens) and (
        tokens[-1].kind in ("num", "sym", "word", "text") or tokens[-1].value in (")", "]", "}", "%", "pi")
    )


_GLUED_JOINER = re.compile(r"(or|and)([A-Za-z]?)")  # x=1or x=2, x=1orx=2; not 5order


def _ends_item(token: Token) -> bool:
    return token.kind == "num" or token.value in (")", "]", "}")


def _word(word: str, spaced: bool, tokens: list[Token], following: str) -> None:
    """Add the tokens of a run of letters: a known word, a unit after a value, or single letters."""
    if len(word) == 1:
        stands_apart = spaced and word in words.SINGLE_LETTER_UNITS and bool(tokens) and tokens[-1].kind == "num"
        is_unit = stands_apart and _UNIT_TAIL.fullmatch(following)
        tokens.append(Token("word" if is_unit else "sym", word, spaced))
        return
    if word in _CODE_WORDS:
        kind, value = _CODE_WORDS[word]
        tokens.append(Token(kind, value, spaced))
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
    if len(word) > 2 and word.isupper() and not words.is_unit(word):
        tokens.append(Token("sym", word, spaced))
        return
    if (_ends_value(tokens) and words.is_unit(word)) or len(word) > 4 or (spaced and len(word) > 2):
        tokens.append(Token("word", word, spaced))
        return
    tokens.extend(Token("sym", letter, spaced and index == 0) for index, letter in enumerate(word))
