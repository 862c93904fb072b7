"""Parse untrusted JSON in small steps, including unusual values that standard parsers refuse.

Theory of operation. The parser sees the text through a window. A value that fits into it is read at once by the
standard library's fast parser; the parts of a larger value are read one after the other. So no step takes longer than
parsing one window, however large the text is, and the text is not copied. Integers of thousands of digits, lone
surrogates and deeply nested values are read too, or replaced by `TooMuch`: none of them is a reason to refuse the rest
of a batch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder, loads
from typing import Any

from pydantic_core import from_json

from verifier_service.errors import NotJson
from verifier_service.intake.slices import Steps
from verifier_service.schema import ProblemField

WINDOW_BYTES = 128 * 1024
MAX_INTEGER_DIGITS = 100_000
MAX_DEPTH = 200
MAX_FIELDS = 1000
"""The most fields in a structural object: a batch, an item, tests, a case. Values inside tests are not limited."""
_FIELDS_DEPTH = 4
_EASY_DIGITS = 4000  # Python's default limit for int()

_SPACE = re.compile(r"[ \t\n\r]*")
_PIECE = re.compile(rb'(?:[^"\\]++|\\u....|\\[^u])*+', re.DOTALL)  # part of a string: whole escapes and other bytes
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB]..\Z", re.DOTALL)
_SIMPLE_VALUES = re.compile(
    r'[ \t\n\r]*+(?:(?:-?[0-9][0-9.eE+\-]*+|\[\]|\{\}|true|false|null|"[^"\\\x00-\x1f]*+")[ \t\n\r]*+,[ \t\n\r]*+)++'
)
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]++|[\]}]++', re.DOTALL)  # whole strings; opening or closing brackets
_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(code for code in range(256) if code not in _BRACKETS)
_CUT_CHARS = 4  # a number this close to the window's end may continue: 1.5e+ would be read as 1.5
_WORD = re.compile(r"\w{1,20}|.", re.DOTALL)  # how much is quoted of what is not expected
_DOES_NOT_FIT = object()


@dataclass(frozen=True)
class TooMuch:
    """Replaces a value that is too large to read: `what` it is, and what is `allowed`."""

    what: str
    allowed: str

    def __repr__(self) -> str:
        return self.what


TOO_DEEP = TooMuch("a value", f"it may be nested at most {MAX_DEPTH} deep")
TOO_WIDE = TooMuch(f"an object of more than {MAX_FIELDS} fields", f"at most {MAX_FIELDS} fields")


class Unwanted(Exception):
    """A top-level field has more than `most` parts or is unknown, or the text is not an object (`field` is empty).

    The rest was not read.
    """

    def __init__(self, field: str, most: int) -> None:
        self.field = field
        self.most = most
        super().__init__(f"{field}: more than {most}")


@dataclass(frozen=True)
class Read:
    """A parsed text. `is_whole`: no part of it was replaced by `TooMuch`."""

    value: Any
    is_whole: bool = True

    def problem_of(self, part: object) -> ProblemField | None:
        """Return the first value inside a part that could not be read, or None."""
        return None if self.is_whole else _too_much_in(part)


def read_json(text: bytes, most: Mapping[str, int] | None = None) -> Steps[Read]:
    """Parse JSON in UTF-8.

    With `most`, the text must be an object with only these fields, and each field that is a list or an object may have
    at most that many parts.

    Raises:
        NotJson: it is not valid JSON.
        Unwanted: see `most`. A short text is parsed without this check.
    """
    is_short = len(text) <= WINDOW_BYTES
    if is_short:
        try:
            return Read(from_json(text))
        except ValueError:
            pass
    walk = _Walk(text, {} if is_short else most or {})
    return (yield from walk.read())


class _Walk:
    """A walk through a text. `_text` is the window, which begins at byte `_start`; `_at` is the position in it."""

    def __init__(self, body: bytes, most: Mapping[str, int]) -> None:
        self._body = body
        self._most = most
        self._is_whole = True
        self._start = 0
        self._at = 0
        self._text = ""
        self._is_last = False
        self._may_be_deep = False
        self._scan = JSONDecoder().raw_decode
        self._scan_carefully = JSONDecoder(parse_int=self._integer).raw_decode
        self._look_from(0)

    def read(self) -> Steps[Read]:
        """Read the whole text."""
        value = yield from self._value(0)
        if self._peek():
            raise self._expected("the end of the text")
        return Read(value, self._is_whole)

    # The window

    def _look_from(self, byte: int) -> None:
        end = min(byte + WINDOW_BYTES, len(self._body))
        while end < len(self._body) and self._body[end] & 0xC0 == 0x80 and end > byte:  # not inside a character
            end -= 1
        part = self._body[byte:end]
        try:
            self._text = part.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise NotJson(f"it is not valid JSON: byte {byte + error.start} is not UTF-8") from error
        self._start, self._at, self._is_last = byte, 0, end == len(self._body)
        self._may_be_deep = _may_be_deep(part)

    @property
    def _byte(self) -> int:
        """The position in the body, in bytes."""
        if self._text.isascii():
            return self._start + self._at
        return self._start + len(self._text[: self._at].encode("utf-8", "surrogatepass"))

    def _peek(self) -> str:
        """Return the next character that is not white space; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._is_last:
                return ""
            self._look_from(self._byte)

    def _broken(self, why: str) -> NotJson:
        return NotJson(f"it is not valid JSON: {why}")

    def _expected(self, what: str) -> NotJson:
        """Return the error for something else than `what` at the next character that is not white space."""
        self._peek()
        found = _WORD.match(self._text, self._at)
        return self._broken(
            f"expected {what} at byte {self._byte}, found {repr(found[0]) if found else 'the end of the text'}"
        )

    # Values

    def _value(self, depth: int, most: int | None = None, name: str = "") -> Steps[Any]:
        first = self._peek()
        if depth == 0 and self._most and first == "[":
            raise Unwanted("", 0)
        if most is None and depth > 0:
            value = self._scanned(depth)
            if value is not _DOES_NOT_FIT:
                return value
        if depth >= MAX_DEPTH and first in ("[", "{"):
            return (yield from self._skip(TOO_DEEP))
        match first:
            case "[":
                return (yield from self._list(depth, most, name))
            case "{":
                return (yield from self._object(depth, most, name))
            case '"':
                return (yield from self._long_string())
            case _:
                return self._scalar(depth)

    def _scanned(self, depth: int) -> object:
        """Return the value that begins here if it fits into a window, else `_DOES_NOT_FIT`."""
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except RecursionError:  # a larger window would not help
                return _DOES_NOT_FIT
            except JSONDecodeError:
                value, end = None, None
            except ValueError:  # an integer of many digits
                value, end = self._scanned_carefully()
            if end is not None and (end + _CUT_CHARS <= len(self._text) or self._is_last):
                self._at = end
                if self._may_be_deep and _is_deep(value, MAX_DEPTH - depth):
                    self._is_whole = False
                    return TOO_DEEP
                return value
            if self._at == 0 or self._is_last:
                return _DOES_NOT_FIT
            self._look_from(self._byte)

    def _scanned_carefully(self) -> tuple[Any, int | None]:
        try:
            return self._scan_carefully(self._text, self._at)
        except (ValueError, RecursionError):
            return None, None

    def _scalar(self, depth: int) -> object:
        """Return a number or a word that did not fit into the window; only a number can be that long."""
        value = self._scanned(depth)
        if value is not _DOES_NOT_FIT:
            return value
        found = _NUMBER.match(self._body, self._byte)
        if found is None:
            raise self._expected("a value")
        self._look_from(found.end())
        number = found[0].decode()
        return self._integer(number) if number.removeprefix("-").isdigit() else float(number)

    def _list(self, depth: int, most: int | None, name: str) -> Steps[list[Any]]:
        found: list[Any] = []
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return found
        while True:
            if most is None:
                found += self._simple_values()
            found.append((yield from self._value(depth + 1)))
            yield
            if most is not None and len(found) > most:
                raise Unwanted(name, most)
            if self._ends_with("]"):
                return found

    def _simple_values(self) -> list[Any]:
        """Return the next values in the window, each followed by a comma, up to the first nested one."""
        found = _SIMPLE_VALUES.match(self._text, self._at)
        if found is None:
            return []
        try:
            values = from_json(f"[{found[0].rstrip()[:-1]}]")
        except ValueError:  # one of them is unusual
            return []
        self._at = found.end()
        return values

    def _object(self, depth: int, most: int | None, name: str) -> Steps[Any]:
        found: dict[str, Any] = {}
        self._at += 1
        if self._peek() == "}":
            self._at += 1
            return found
        fields = 0
        has_limit = depth <= _FIELDS_DEPTH and most is None and depth != 1
        while True:
            key = yield from self._key()
            if depth == 0 and self._most and key not in self._most:
                raise Unwanted(key, 0)
            value = yield from self._value(depth + 1, self._most.get(key) if depth == 0 else None, key)
            yield
            fields += 1
            if most is not None and fields > most:
                raise Unwanted(name, most)
            if not has_limit or fields <= MAX_FIELDS:
                found[key] = value
            if self._ends_with("}"):
                return found
            if has_limit and fields >= MAX_FIELDS and depth > 0:
                return (yield from self._skip(TOO_WIDE, inside=1))

    def _key(self) -> Steps[str]:
        if self._peek() != '"':
            raise self._expected("a field name in quotes")
        key = self._scanned(0)
        if not isinstance(key, str):  # it does not fit
            key = yield from self._long_string()
        if self._peek() != ":":
            raise self._expected("`:`")
        self._at += 1
        return key

    def _ends_with(self, closing: str) -> bool:
        """Step over a comma or the closing bracket; return whether it was the bracket."""
        found = self._peek()
        if found not in (",", closing) or not found:
            raise self._expected(f"`,` or `{closing}`")
        self._at += 1
        return found == closing

    def _long_string(self) -> Steps[str]:
        """Read a string piece by piece; no piece ends inside a character or a surrogate pair."""
        start = place = self._byte
        parts: list[str] = []
        place += 1
        while self._body[place : place + 1] != b'"':
            end = min(place + WINDOW_BYTES, len(self._body))
            while end < len(self._body) and self._body[end] & 0xC0 == 0x80:
                end -= 1
            found = _PIECE.match(self._body, place, end)
            piece = found[0] if found else b""
            if end < len(self._body) and (half := _HIGH_SURROGATE.search(piece)) and half.start():
                piece = piece[: half.start()]
            if not piece:
                self._look_from(start)
                raise self._broken(f"the string that begins at byte {self._byte} does not end")
            try:
                parts.append(loads(f'"{piece.decode("utf-8", "surrogatepass")}"'))
            except ValueError as error:
                self._look_from(start)
                raise self._broken(f"the string that begins at byte {self._byte} cannot be read") from error
            place += len(piece)
            yield
        self._look_from(place + 1)
        return "".join(parts)

    def _skip(self, why: TooMuch, inside: int = 0) -> Steps[TooMuch]:
        """Step over a value, or the rest of one whose `inside` opening brackets have been read; return `why`."""
        depth = inside
        for number, found in enumerate(_TOKEN.finditer(self._body, self._byte)):
            if number % 1000 == 0:
                yield
            if found[0][0] in b"[{":
                depth += len(found[0])
            elif found[0][0] in b"]}":
                if len(found[0]) >= depth:
                    self._look_from(found.start() + depth)
                    self._is_whole = False
                    return why
                depth -= len(found[0])
        raise self._broken(f"the value that begins at byte {self._byte} does not end")

    # Integers

    def _integer(self, text: str) -> int | TooMuch:
        if len(text) <= _EASY_DIGITS:
            return int(text)
        digits = len(text.removeprefix("-"))
        return self._too_long(digits) if digits > MAX_INTEGER_DIGITS else _long_integer(text)

    def _too_long(self, digits: int) -> TooMuch:
        self._is_whole = False
        return TooMuch(f"an integer of {digits} digits", f"an integer may have at most {MAX_INTEGER_DIGITS} digits")


def _may_be_deep(part: bytes) -> bool:
    """Return whether a text might contain a value nested too deeply. Brackets in strings can cause false positives."""
    brackets = part.translate(None, _NO_BRACKETS)
    for _ in range(8):
        if len(brackets) < MAX_DEPTH // 2:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return len(brackets) >= MAX_DEPTH // 2


def _is_deep(value: object, most: int) -> bool:
    """Return whether lists and objects are nested more than `most` deep."""
    level = [value]
    for _ in range(most + 1):
        level = [
            part
            for one in level
            if isinstance(one, (list, dict))
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _long_integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    number = 0
    for start in range(0, len(digits), _EASY_DIGITS):
        part = digits[start : start + _EASY_DIGITS]
        number = number * 10 ** len(part) + int(part)
    return sign * number


def _too_much_in(sent: object) -> ProblemField | None:
    """Return the first `TooMuch` in `sent`, with its path."""
    todo: list[tuple[str, object]] = [("", sent)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, TooMuch):
            return ProblemField(field=path, value=value.what, allowed=value.allowed)
        if isinstance(value, dict):
            todo += [(f"{path}.{name}".lstrip("."), one) for name, one in value.items()]
        elif isinstance(value, list):
            todo += [(f"{path}.{index}".lstrip("."), one) for index, one in enumerate(value)]
    return None
