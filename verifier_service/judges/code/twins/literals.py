"""Literals in test code, and what to replace them with: another value of the same type and look.

`1024` becomes another number of four digits, `"red"` another word of three letters, `True` becomes `False`. A new
number is far from the old one; a new text differs even if case is ignored. Only the characters of the literal change,
never the number of lines.
"""

import ast
import io
import re
import string
import tokenize
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random

NAN = 'float("nan")'

# one character of a text literal as written: \n, \x41, \u00e9, \N{BULLET}, or the character itself
_PIECE = re.compile(r"\\(?:N\{[^}]*\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|\r\n|.)|.", re.DOTALL)
# One character of a raw literal as written; a backslash keeps its successor with it.
_RAW_PIECE = re.compile(r"\\.|.", re.DOTALL)
_QUOTES = re.compile(r"([A-Za-z]*)(\"\"\"|'''|\"|')")  # the prefix and quotes of a literal: rb"""
_SIGNS = "!#$%&*+-/:;<=>?@^_|~"
_KINDS = ("aeiou", "bcdfghjklmnpqrstvwxyz", string.digits)


@dataclass(frozen=True)
class Edit:
    """A place in a text, and what to write there. Two calls of `write` can return different texts."""

    start: int
    end: int
    write: Callable[[Random], str]


class Source:
    """A file's text with its tree: maps nodes to character positions.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the text is not valid Python.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._bom = text.startswith("\ufeff")
        self.tree = ast.parse(text[1:] if self._bom else text)
        # Lines as Python counts them: `splitlines` would also split at form feeds.
        self._lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text[1:] if self._bom else text)
        self._starts = [int(self._bom)]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return the position of the first character of `node`, and the one after its last."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._offset(node.lineno, node.col_offset), self._offset(end_line, end_column)

    def _offset(self, line_number: int, column: int) -> int:
        line = self._lines[line_number - 1]
        if not line.isascii():  # columns count bytes of UTF-8
            column = len(line.encode()[:column].decode(errors="ignore"))
        return self._starts[line_number - 1] + column

    def written(self, node: ast.expr) -> str:
        """Return `node` as written."""
        start, end = self.span(node)
        return self.text[start:end]


def apply_edits(text: str, edits: Collection[Edit], rng: Random) -> str:
    """Return `text` with the edits applied. Of two that overlap, the wider wins."""
    parts, position = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start < position:
            continue
        parts += [text[position : edit.start], edit.write(rng)]
        position = edit.end
    return "".join([*parts, text[position:]])


def number_of(node: ast.expr) -> complex | None:
    """Return the value of a number as tests write it (`5`, `-2.5`), or None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = number_of(node.operand)
        return None if value is None else -value if isinstance(node.op, ast.USub) else value
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float | complex) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Demand:
    """What the new value of a literal must satisfy.

    Attributes:
        avoid: values it must not become.
        least: the least difference from the old number.
        above: a number must become greater, so that sorted numbers stay sorted.
        brief: change only one character of a text, so that two changes cannot cancel out.
        texts: texts that the same tests expect elsewhere, which make the most plausible replacements.
    """

    avoid: Collection[object] = ()
    least: float = 0.0
    above: bool = False
    brief: bool = False
    texts: Sequence[str] = ()


def change(source: Source, node: ast.Constant, demand: Demand) -> Edit | None:
    """Return an edit that gives a literal another value, or None for one without other values, like `...`."""
    start, end = source.span(node)
    written, value = source.text[start:end], node.value
    if isinstance(value, bool):
        return Edit(start, end, lambda rng: str(not value))
    if value is None:
        return Edit(start, end, lambda rng: "False")
    if isinstance(value, int):
        return Edit(start, end, lambda rng: _other_int(written, value, demand, rng))
    if isinstance(value, float):
        return Edit(start, end, lambda rng: _other_float(written, value, demand, rng))
    if isinstance(value, complex):
        return Edit(start, end, lambda rng: _other_float(written[:-1], value.imag, demand, rng) + "j")
    if isinstance(value, str | bytes):
        return Edit(start, end, lambda rng: other_text(written, demand, rng))
    return None


def _other_int(written: str, value: int, demand: Demand, rng: Random) -> str:
    if value.bit_length() > 10_000:  # Python refuses to print it in decimal
        return f"0x{value ^ (rng.randrange(1, 1 << 30) << value.bit_length() - 32):x}"
    digits = str(value)
    zeros = len(digits) - len(digits.rstrip("0")) if value else 0
    size = len(digits) - zeros
    for attempt in range(200):
        other = rng.randrange(10 ** (size - 1), 10**size) * 10**zeros
        if other % 10 ** (zeros + 1) and _is_far(other, value, min(2, value), demand) and other not in demand.avoid:
            return _in_base(written, other)
        size += attempt % 40 == 39  # no number of this length fits: try longer ones
    numbers = [item for item in demand.avoid if isinstance(item, int)]
    return _in_base(written, max([value, int(demand.least), *numbers]) * 10 + 7)


def _is_far(other: float, value: float, least: float, demand: Demand) -> bool:
    if demand.above and other < value:
        return False
    share = abs(value) // 5 if isinstance(value, int) else 0.3 * abs(value)
    return abs(other - value) > max(demand.least, share, least)


def _in_base(written: str, value: int) -> str:
    for prefix, kind in (("0x", "x"), ("0o", "o"), ("0b", "b")):
        if written.lower().startswith(prefix):
            return prefix + format(value, kind)
    return f"{value:_d}" if "_" in written else str(value)


def _other_float(written: str, value: float, demand: Demand, rng: Random) -> str:
    if not abs(value) < float("inf"):  # 1e999 is infinite
        return "7.5"
    mantissa, mark, exponent = written.replace("_", "").lower().partition("e")
    whole, point, part = mantissa.partition(".")
    # e.g. 0.25: the absolute change must not be small, so drop the exponent and count from 1 up
    if abs(value) < 1 or (mark and exponent.startswith("-")):
        mark, exponent = "", ""
        whole, point, part = "0", ".", (f"{value:.20f}".rstrip("0").partition(".")[2] or "0")
    size = max(1, len(whole))
    for attempt in range(200):
        other_whole = str(rng.randrange(10 ** (size - 1), 10**size))
        other_part = "".join(rng.choice(string.digits) for _ in part[:-1]) + (part[-1:] if part[-1:] in "05" else "3")
        text = other_whole + point + other_part + mark + exponent
        if _is_far(float(text), value, 1.5, demand) and float(text) not in demand.avoid:
            return text
        size += attempt % 40 == 39
    return repr(abs(value) * 3 + demand.least * 3 + 7)


def other_text(written: str, demand: Demand, rng: Random) -> str:
    """Return a text literal, its adjacent parts included, with some characters changed, or one of `demand.texts`."""
    value = ast.literal_eval(f"({written})")
    others = [text for text in demand.texts if "\n" not in written and _is_other(text, value, demand)]
    if others and rng.random() < 0.8:
        return rng.choice(others)
    for attempt in range(20):
        made = _changed_text(written, (1 if demand.brief else 3) + attempt, rng)
        if _is_other(made, value, demand, ordered=True):
            return made
    return "b'twin'" if isinstance(value, bytes) else "'twin'"


def _is_other(written: str, value: str | bytes, demand: Demand, ordered: bool = False) -> bool:
    """Return whether `written` is another text even if case and punctuation are ignored, and order unless `ordered`."""
    try:
        other = ast.literal_eval(f"({written})")
    except (SyntaxError, ValueError):
        return False
    if type(other) is not type(value) or other in demand.avoid:
        return False
    return ordered or sorted(_letters(other)) != sorted(_letters(value))


def _letters(text: str | bytes) -> str:
    folded = text.decode("latin-1").casefold() if isinstance(text, bytes) else text.casefold()
    return "".join(char for char in folded if char.isalnum())


def _changed_text(written: str, most: int, rng: Random) -> str:
    tokens = _text_tokens(written)
    spots = [spot for start, end in tokens for spot in _spots(written, start, end)]
    words = [spot for spot in spots if written[spot].isalnum()]
    if not spots:
        start = tokens[0][0]
        quotes = _QUOTES.match(written, start)
        at = quotes.end() if quotes else start + 1
        return written[:at] + rng.choice(string.ascii_lowercase) + written[at:]
    chosen = rng.sample(words, min(len(words), rng.randint(1, most))) if words else [rng.choice(spots)]
    chars = list(written)
    for spot in chosen:
        chars[spot] = _other_char(chars[spot], rng)
    return "".join(chars)


def _text_tokens(written: str) -> list[tuple[int, int]]:
    """Return where the adjacent texts of one literal begin and end."""
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", f"({written})")
    starts = [-1]
    for line in lines:
        starts.append(starts[-1] + len(line))
    tokens = tokenize.generate_tokens(io.StringIO(f"({written})", newline="").readline)
    return [
        (starts[token.start[0] - 1] + token.start[1], starts[token.end[0] - 1] + token.end[1])
        for token in tokens
        if token.type == tokenize.STRING
    ]


def _spots(written: str, start: int, end: int) -> list[int]:
    """Return the positions of characters that can be replaced independently of their neighbours."""
    quotes = _QUOTES.match(written, start)
    if quotes is None:
        return []
    piece = _RAW_PIECE if "r" in quotes[1].lower() else _PIECE
    body = piece.finditer(written, quotes.end(), end - len(quotes[2]))
    return [
        match.start() for match in body if len(match[0]) == 1 and match[0].isprintable() and match[0] not in "\\'\""
    ]


def _other_char(char: str, rng: Random) -> str:
    for kind in _KINDS:
        if char.lower() in kind:
            other = rng.choice([other for other in kind if other not in (char.lower(), "0")])
            return other.upper() if char.isupper() else other
    if char.isascii():
        return rng.choice([other for other in _SIGNS if other != char])
    category = unicodedata.category(char)
    near = [chr(code) for code in range(ord(char) - 40, ord(char) + 40) if code > 0x7F]
    alike = [other for other in near if unicodedata.category(other) == category and other.lower() != char.lower()]
    return rng.choice([other for other in alike if other.isprintable()] or ["é"])
