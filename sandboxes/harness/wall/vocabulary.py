"""Names that both ends of the wall know: builtins and library functions that cross by name, and operators."""

import builtins
from typing import Any

# This module's own copy of the builtins: a submission that patches `len` must not patch it here (see `protocol.plain`).
__builtins__ = dict(vars(builtins))

DATA_TYPES = [
    "int",
    "float",
    "str",
    "bool",
    "complex",
    "bytes",
    "bytearray",
    "list",
    "tuple",
    "dict",
    "set",
    "frozenset",
    "object",
    "type",
    "range",
    "property",
    "staticmethod",
    "classmethod",
    "map",
    "filter",
    "zip",
    "enumerate",
    "reversed",
    "memoryview",
    "slice",
]
"""Builtin types that cross by name."""
EXCEPTIONS = tuple(sorted(n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)))

STDLIB: dict[str, tuple[str, ...]] = {
    "array": ("array",),
    "asyncio": ("QueueEmpty", "QueueFull", "InvalidStateError", "TimeoutError"),
    "binascii": ("Error",),
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"),
    "concurrent.futures": ("TimeoutError", "BrokenExecutor"),
    "configparser": ("Error", "NoOptionError", "NoSectionError"),
    "csv": ("Error",),
    "dataclasses": ("FrozenInstanceError",),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "decimal": ("Decimal", "DecimalException", "DivisionByZero", "InvalidOperation", "Overflow"),
    "fractions": ("Fraction",),
    "functools": ("cmp_to_key", "reduce"),
    "graphlib": ("CycleError",),
    "ipaddress": ("AddressValueError", "NetmaskValueError"),
    "itertools": ("accumulate", "chain", "combinations", "count", "islice", "permutations", "product", "repeat"),
    "json": ("JSONDecodeError",),
    "math": ("ceil", "comb", "factorial", "floor", "gcd", "inf", "isclose", "log", "pi", "prod", "sqrt"),
    "pathlib": ("Path", "PosixPath", "PurePath", "PurePosixPath"),
    "pickle": ("PicklingError", "UnpicklingError"),
    "queue": ("Empty", "Full"),
    "re": ("error",),
    "statistics": ("StatisticsError", "mean", "median"),
    "struct": ("error",),
    "subprocess": ("CalledProcessError", "TimeoutExpired"),
    "tomllib": ("TOMLDecodeError",),
    "typing": ("Any", "Callable", "Dict", "Iterable", "Iterator", "List", "Optional", "Set", "Tuple", "Union"),
    "uuid": ("UUID",),
    "zlib": ("error",),
}
"""Names of the standard library that cross by name. They are pure, and harmless in the tester for all arguments."""
STDLIB_NAMES = frozenset(name for names in STDLIB.values() for name in names)

COMPARE = frozenset(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])
_OPERATIONS = [
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "divmod",
    "pow",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
]
ARITHMETIC = frozenset(f"__{side}{name}__" for name in _OPERATIONS for side in ("", "r", "i"))
_OTHERS = (
    "contains hash bool len length_hint getitem setitem delitem iter next reversed call neg pos abs invert int float "
    "index complex round trunc floor ceil str repr format bytes fspath enter exit await aiter anext aenter aexit "
    "missing init post_init"
)
SPECIALS = COMPARE | (ARITHMETIC - {"__idivmod__"}) | {f"__{name}__" for name in _OTHERS.split()}
"""The operators that a stand-in has if the class behind it has them."""


def bound(target: Any, name: str) -> Any:
    """Return an operator of an object as Python looks it up: on its class, and bound as the class says."""
    kind = type(target)
    for base in type.__getattribute__(kind, "__mro__"):
        if name in vars(base):
            found = vars(base)[name]
            bind = getattr(type(found), "__get__", None)
            return found if bind is None else bind(found, target, kind)
    raise AttributeError(f"{kind.__name__!r} object has no operator {name}")


TEXTS = frozenset({"__str__", "__repr__", "__format__"})

NEVER_IN_THE_TESTS = frozenset(
    [
        "BaseException",
        "BaseExceptionGroup",
        "GeneratorExit",
        "KeyboardInterrupt",
        "StopAsyncIteration",
        "StopIteration",
        "SystemExit",
    ]
)
"""Exceptions that would end or mislead the tests. They arrive as `SubmissionExit`."""
IF_NAMED = frozenset({"KeyboardInterrupt", "SystemExit"})
"""Those of them that arrive unchanged if the text of the tests names them."""
