"""Literals in the text of tests, and what to write in their place: another value, of the same type and look.

`1024` becomes another number of four digits, `"red"` another word of three letters, `True` becomes `False`. A new
number is far from the old one, a new text is another one also for who ignores case. Only the characters of the literal
change, never the number of lines.
"""

import ast
import io
import re
import string
import tokenize
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random

NAN = 'float("nan")'

_PIECE = re.compile(  # one character of a text as it is written: \n, \x41, \u00e9, \N{BULLET}, or itself
    r"\\(?:N\{[^}]*\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|\r\n|.)|.", re.DOTALL
)
_RAW_PIECE = re.compile(r"\\.|.", re.DOTALL)
_QUOTES = re.compile(r"([A-Za-z]*)(\"\"\"|'''|\"|')")  # rb"""
_SIGNS = "!#$%&*+-/:;<=>?@^_|~"
_KINDS = ("aeiou", "bcdfghjklmnpqrstvwxyz", string.digits)


@dataclass(frozen=True)
class Edit:
    """A place in a text, and what to write there; two calls of `write` need not agree."""

    start: int
    end: int
    write: Callable[[Random], str]


class Source:
    """The text of a file with its tree: where a node stands, in characters.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: this is no Python.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._bom = text.startswith("\ufeff")
        self.tree = ast.parse(text[1:] if self._bom else text)
        self._lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text[1:] if self._bom else text)
        self._starts = [int(self._bom)]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return the first character of `node`, and the one after its last."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._offset(node.lineno, node.col_offset), self._offset(end_line, end_column)

    def _offset(self, line_number: int, column: int) -> int:
        line = self._lines[line_number - 1]
        if not line.isascii():  # columns count bytes of UTF-8
            column = len(line.encode()[:column].decode(errors="ignore"))
        return self._starts[line_number - 1] + column

    def written(self, node: ast.expr) -> str:
        """Return `node` as it is written."""
        start, end = self.span(node)
        return self.text[start:end]


def apply_edits(text: str, edits: Collection[Edit], rng: Random) -> str:
    """Return `text` with the edits carried out; of two that overlap, the wider one."""
    parts, position = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start < position:
            continue
        parts += [text[position : edit.start], edit.write(rng)]
        position = edit.end
    return "".join([*parts, text[position:]])


def number_of(node: ast.expr) -> complex | None:
    """Return the value of a number as the tests write it: `5`, `-2.5`; None for everything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = number_of(node.operand)
        return None if value is None else -value if isinstance(node.op, ast.USub) else value
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float | complex) and not isinstance(value, bool) else None


def change(source: Source, node: ast.Constant, avoid: Collection[object], least: float, brief: bool) -> Edit | None:
    """Return an edit that makes another value of a literal; None if it has none, as `...`.

    Args:
        avoid: values that it must not become.
        least: what a number must differ by, at least.
        brief: change one character of a text only, so that no two changes can make up for each other.
    """
    start, end = source.span(node)
    written, value = source.text[start:end], node.value
    if isinstance(value, bool):
        return Edit(start, end, lambda rng: str(not value))
    if value is None:
        return Edit(start, end, lambda rng: "False")
    if isinstance(value, int):
        return Edit(start, end, lambda rng: _other_int(written, value, avoid, least, rng))
    if isinstance(value, float):
        return Edit(start, end, lambda rng: _other_float(written, value, least, rng))
    if isinstance(value, complex):
        return Edit(start, end, lambda rng: _other_float(written[:-1], value.imag, least, rng) + "j")
    if isinstance(value, str | bytes):
        return Edit(start, end, lambda rng: other_text(written, avoid, 1 if brief else 3, rng))
    return None


def _other_int(written: str, value: int, avoid: Collection[object], least: float, rng: Random) -> str:
    digits = f"{value:d}" if value.bit_length() < 10_000 else None
    if digits is None:
        return f"0x{value ^ (rng.randrange(1, 1 << 30) << value.bit_length() - 32):x}"
    zeros = len(digits) - len(digits.rstrip("0")) if value else 0
    size, unit = len(digits) - zeros, 10**zeros
    for attempt in range(200):
        other = rng.randrange(10 ** (size - 1), 10**size) * unit
        far = abs(other - value) > max(least, 0.2 * value if value < 1 << 900 else 0, min(2, value))
        if other % 10 ** (zeros + 1) and far and other not in avoid:
            break
        size += attempt % 40 == 39  # no such number of this length
    else:
        other = max([value, int(least), *(item for item in avoid if isinstance(item, int))]) * 10 + 7
    return _in_base(written, other)


def _in_base(written: str, value: int) -> str:
    for prefix, kind in (("0x", "x"), ("0o", "o"), ("0b", "b")):
        if written.lower().startswith(prefix):
            return prefix + format(value, kind)
    return f"{value:_d}" if "_" in written else str(value)


def _other_float(written: str, value: float, least: float, rng: Random) -> str:
    if not abs(value) < float("inf"):  # 1e999
        return "7.5"
    mantissa, mark, exponent = written.replace("_", "").lower().partition("e")
    whole, point, part = mantissa.partition(".")
    if abs(value) < 1 or (mark and exponent.startswith("-")):  # 0.25: what it differs by must not be small
        mark, exponent = "", ""
        whole, point, part = "0", ".", (f"{value:.20f}".rstrip("0").partition(".")[2] or "0")
    size = max(1, len(whole))
    for attempt in range(200):
        other_whole = str(rng.randrange(10 ** (size - 1), 10**size))
        other_part = "".join(rng.choice(string.digits) for _ in part[:-1]) + (part[-1:] if part[-1:] in "05" else "3")
        text = other_whole + point + other_part + mark + exponent
        if abs(float(text) - value) > max(least, 0.3 * abs(value), 1.5):
            return text
        size += attempt % 40 == 39
    return repr(abs(value) * 3 + least * 3 + 7)


def other_text(written: str, avoid: Collection[object], most: int, rng: Random) -> str:
    """Return a text literal, its adjacent parts included, as `written` with up to `most` characters changed."""
    for attempt in range(20):
        made = _changed_text(written, most + attempt, rng)
        try:
            value = ast.literal_eval(f"({made})")
        except (SyntaxError, ValueError):
            continue
        if value not in avoid:
            return made
    return "b'twin'" if _QUOTES.match(written) and "b" in written[:2].lower() else "'twin'"


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
    """Return where characters stand that can be exchanged for others without a look at their neighbours."""
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
