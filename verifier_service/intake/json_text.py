"""JSON that comes from strangers, read in small steps, whole also where it is out of the ordinary.

Theory of operation. The text is looked at through a window. What fits into it is read at once by the fast reader of the
standard library; of what does not fit, its parts are read one after the other. So no step takes longer than a window
does, however large the text is, and no second copy of it is made. Integers of thousands of digits, half surrogates and
values that are nested very deeply are read as well, or are `TooMuch` in their place: none is a reason to refuse what
stands beside it.
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
"""How many fields an object may have that is no value of a test: a batch, an item, tests, a case."""
_FIELDS_DEPTH = 4
_EASY_DIGITS = 4000  # what Python reads without being asked to

_SPACE = re.compile(r"[ \t\n\r]*")
_PIECE = re.compile(rb'(?:[^"\\]++|\\u....|\\[^u])*+', re.DOTALL)  # of a string: whole escapes, and what is none
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB]..\Z", re.DOTALL)
_SIMPLE_VALUES = re.compile(
    r'[ \t\n\r]*+(?:(?:-?[0-9][0-9.eE+\-]*+|\[\]|\{\}|true|false|null|"[^"\\\x00-\x1f]*+")[ \t\n\r]*+,[ \t\n\r]*+)++'
)
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]++|[\]}]++', re.DOTALL)  # whole strings; what opens, or closes, values
_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(code for code in range(256) if code not in _BRACKETS)
_CUT_CHARS = 4  # a number that ends so near the end of the window may go on: 1.5e+ is read as 1.5
_DOES_NOT_FIT = object()


@dataclass(frozen=True)
class TooMuch:
    """Stands for a value that is not read: `what` it is, and what is `allowed`."""

    what: str
    allowed: str

    def __repr__(self) -> str:
        return self.what


TOO_DEEP = TooMuch("a value", f"it may be nested {MAX_DEPTH} deep")
TOO_WIDE = TooMuch(f"an object of more than {MAX_FIELDS} fields", f"at most {MAX_FIELDS} fields")


class Unwanted(Exception):
    """A field of the whole has more than `most` parts, or there is no such field, or the whole is no object; `field` is
    empty then. The rest was not read."""

    def __init__(self, field: str, most: int) -> None:
        self.field = field
        self.most = most
        super().__init__(f"{field}: more than {most}")


@dataclass(frozen=True)
class Read:
    """What a text holds. `is_whole` tells that nothing in it is `TooMuch`."""

    value: Any
    is_whole: bool = True

    def problem_of(self, part: object) -> ProblemField | None:
        """Return what could not be read inside of a part of it."""
        return None if self.is_whole else _too_much_in(part)


def read_json(text: bytes, most: Mapping[str, int] | None = None) -> Steps[Read]:
    """Read JSON in UTF-8. With `most` it has to be an object of these fields, of which each, where it is a list or an
    object, may have that many parts.

    Raises:
        NotJson: it is none.
        Unwanted: see `most`; a short text is read whole and not looked at.
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
    """A walk through a text. `_text` is what is seen of it, from the byte `_start` on, and `_at` a place in that."""

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
        """Read the whole."""
        value = yield from self._value(0)
        if self._peek():
            raise self._broken("there is more than one value")
        return Read(value, self._is_whole)

    # The window

    def _look_from(self, byte: int) -> None:
        end = min(byte + WINDOW_BYTES, len(self._body))
        while end < len(self._body) and self._body[end] & 0xC0 == 0x80 and end > byte:  # not inside of a character
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
        """The place in the body."""
        if self._text.isascii():
            return self._start + self._at
        return self._start + len(self._text[: self._at].encode("utf-8", "surrogatepass"))

    def _peek(self) -> str:
        """Return the next character that is no space; an empty text at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._is_last:
                return ""
            self._look_from(self._byte)

    def _broken(self, why: str) -> NotJson:
        return NotJson(f"it is not valid JSON: {why} at byte {self._byte}")

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
        """Return the value that begins here if all of it can be seen and read, else `_DOES_NOT_FIT`."""
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except RecursionError:  # to see more of it would not help
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
        """Return a number, or a word, of which all that fits was tried; only a number may be longer."""
        value = self._scanned(depth)
        if value is not _DOES_NOT_FIT:
            return value
        found = _NUMBER.match(self._body, self._byte)
        if found is None:
            raise self._broken("there is no value" if self._peek() else "it ends too early,")
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
        """Return the values that come next, each with its comma, as far as they can be seen and are no nested ones."""
        found = _SIMPLE_VALUES.match(self._text, self._at)
        if found is None:
            return []
        try:
            values = from_json(f"[{found[0].rstrip()[:-1]}]")
        except ValueError:  # one of them is out of the ordinary
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
            raise self._broken("there is no name of a field")
        key = self._scanned(0)
        if not isinstance(key, str):  # it does not fit
            key = yield from self._long_string()
        if self._peek() != ":":
            raise self._broken("there is no `:`")
        self._at += 1
        return key

    def _ends_with(self, closing: str) -> bool:
        """Step over a comma, or over what closes a list or an object, and tell whether it was that."""
        found = self._peek()
        if found not in (",", closing) or not found:
            raise self._broken(f"there is neither `,` nor `{closing}`")
        self._at += 1
        return found == closing

    def _long_string(self) -> Steps[str]:
        """Read a string piece by piece; no piece ends inside of a character or of a pair of surrogates."""
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
                raise self._broken("a string does not end, that begins")
            try:
                parts.append(loads(f'"{piece.decode("utf-8", "surrogatepass")}"'))
            except ValueError as error:
                self._look_from(start)
                raise self._broken("a string cannot be read, that begins") from error
            place += len(piece)
            yield
        self._look_from(place + 1)
        return "".join(parts)

    def _skip(self, why: TooMuch, inside: int = 0) -> Steps[TooMuch]:
        """Step over a value, or what is left of one whose opening brackets have been read; return why."""
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
        raise self._broken("a value does not end, that begins")

    # Integers

    def _integer(self, text: str) -> int | TooMuch:
        if len(text) <= _EASY_DIGITS:
            return int(text)
        digits = len(text.removeprefix("-"))
        return self._too_long(digits) if digits > MAX_INTEGER_DIGITS else _long_integer(text)

    def _too_long(self, digits: int) -> TooMuch:
        self._is_whole = False
        return TooMuch(f"an integer of {digits} digits", f"an integer may have {MAX_INTEGER_DIGITS} digits")


def _may_be_deep(part: bytes) -> bool:
    """Tell whether part of a text may hold a value that is nested too deeply; brackets in strings may mislead it."""
    brackets = part.translate(None, _NO_BRACKETS)
    for _ in range(8):
        if len(brackets) < MAX_DEPTH // 2:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return len(brackets) >= MAX_DEPTH // 2


def _is_deep(value: object, most: int) -> bool:
    """Tell whether lists and objects are nested more than `most` deep."""
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
    """Return the first value inside of `sent` that was not read, with its place."""
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
