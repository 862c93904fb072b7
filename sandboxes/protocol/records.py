"""Records: dataclasses in transit. `pack` returns a head for JSON and a list of blobs; `unpack` reads both.

In the head, bytes are represented by the number of their blob, so bytes that a program wrote are copied and never
parsed. Fields with their default value are omitted. `unpack` checks every value against the annotations of the class
and raises `BrokenRecord` for a wrong type, an unknown field or a missing one. So a new field of a job or a fact only
has to be declared.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Blobs = Sequence[bytes]
_Reader = Callable[[Any, Blobs], Any]
_Record = TypeVar("_Record")


_PLAIN = frozenset({str, int, float, bool, NoneType})


class BrokenRecord(ValueError):
    """The data does not match the class."""


def pack(record: object, blobs: list[bytes] | None = None) -> tuple[Json, list[bytes]]:
    """Return the head and the blobs of a dataclass; new blobs are appended to `blobs`."""
    blobs = [] if blobs is None else blobs
    return _write(record, blobs), blobs


def unpack(kind: type[_Record], head: Json, blobs: Blobs = ()) -> _Record:
    """Read a dataclass of class `kind`.

    Raises:
        BrokenRecord: The data does not match the class.
    """
    return cast(_Record, _reader(kind)(head, blobs))


def _write(value: Any, blobs: list[bytes]) -> Json:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, bytes):
        blobs.append(value)
        return len(blobs) - 1
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [_write(item, blobs) for item in value]
    if isinstance(value, dict):
        return {name: _write(item, blobs) for name, item in value.items()}
    if is_dataclass(value):
        held, defaults = vars(value), _defaults(type(value))
        return {name: _write(item, blobs) for name, item in held.items() if item != defaults[name]}
    return value


@cache
def _defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of a class by field. A required field has `MISSING`, which no value equals."""
    return {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(kind)
    }


@cache
def _reader(hint: Any) -> _Reader:
    """Return a function that reads a value of the type `hint`."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    if get_origin(hint) in (Union, UnionType):
        return _optional(get_args(hint))
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint))
    if get_origin(hint) is dict and get_args(hint)[0] is str:
        return _dict(get_args(hint)[1])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if is_dataclass(hint):
        return _record(cast(type, hint))
    raise TypeError(f"records hold no {hint}")


def _exactly(kind: type) -> _Reader:
    def read(value: Any, _: Blobs) -> Any:
        if type(value) is not kind:
            raise BrokenRecord(f"{kind.__name__} expected, not {value!r:.100}")
        return value

    return read


def _float(value: Any, _: Blobs) -> float:
    if type(value) not in (float, int) or not -sys.float_info.max <= value <= sys.float_info.max:
        raise BrokenRecord(f"a finite number expected, not {value!r:.100}")
    return float(value)


def _bytes(value: Any, blobs: Blobs) -> bytes:
    if type(value) is not int or not 0 <= value < len(blobs):
        raise BrokenRecord(f"the number of a blob expected, not {value!r:.100}")
    return blobs[value]


_SCALARS: dict[Any, _Reader] = {
    bool: _exactly(bool),
    int: _exactly(int),
    str: _exactly(str),
    NoneType: _exactly(NoneType),
    float: _float,
    bytes: _bytes,
}


def _optional(hints: tuple[Any, ...]) -> _Reader:
    inner = [hint for hint in hints if hint is not NoneType]
    if len(inner) != 1 or len(hints) != 2:
        raise TypeError(f"records hold no union of {hints}")
    read_inner = _reader(inner[0])
    return lambda value, blobs: None if value is None else read_inner(value, blobs)


def _tuple(hints: tuple[Any, ...]) -> _Reader:
    if hints[-1] is Ellipsis:
        read_item = _reader(hints[0])
        return lambda value, blobs: tuple(read_item(item, blobs) for item in _list(value))
    readers = [_reader(hint) for hint in hints]

    def read(value: Any, blobs: Blobs) -> tuple[Any, ...]:
        if len(_list(value)) != len(readers):
            raise BrokenRecord(f"{len(readers)} values expected, not {len(value)}")
        return tuple(reader(item, blobs) for reader, item in zip(readers, value, strict=True))

    return read


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise BrokenRecord(f"a list expected, not {value!r:.100}")
    return value


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise BrokenRecord(f"an object expected, not {value!r:.100}")
    return value


def _dict(hint: Any) -> _Reader:
    read_item = _reader(hint)
    return lambda value, blobs: {name: read_item(item, blobs) for name, item in _object(value).items()}


def _enum(kind: type[Enum]) -> _Reader:
    def read(value: Any, _: Blobs) -> Enum:
        try:
            return kind(value)
        except ValueError as error:
            raise BrokenRecord(str(error)) from None

    return read


def _record(kind: type) -> _Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}

    def read(value: Any, blobs: Blobs) -> Any:
        try:
            return kind(**{name: readers[name](item, blobs) for name, item in _object(value).items()})
        except KeyError as error:
            raise BrokenRecord(f"a {kind.__name__} has no field {error}") from None
        except TypeError as error:
            raise BrokenRecord(str(error)) from None

    return read
