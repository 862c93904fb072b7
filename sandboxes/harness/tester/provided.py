"""The names that tests use but never bind: which of them come from the submission, and which from Python.

Builtins come from Python, unless the tests take nothing else from the submission. In that case, a builtin that is
called on the left side of an assert is what they test (`assert sum(10, 15) == 6`). Well-known names that the tests
forgot to import, such as `math`, are provided from the library, unless the submission defines a function or class with
this name.
"""

import ast
import builtins
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

BUILTIN_NAMES = frozenset(vars(builtins)) | {"__name__", "__file__", "__annotations__"}
MODULES = {"np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot", "mock": "unittest.mock"}
"""Modules by their customary names."""
MEMBERS = {
    "collections": "Counter OrderedDict defaultdict deque namedtuple ChainMap",
    "datetime": "date datetime timedelta timezone",
    "decimal": "Decimal ROUND_HALF_UP",
    "fractions": "Fraction",
    "functools": "lru_cache partial reduce wraps",
    "heapq": "heapify heappop heappush",
    "io": "BytesIO StringIO",
    "itertools": "accumulate chain combinations cycle islice permutations product zip_longest",
    "math": "ceil comb factorial floor gcd inf isclose isinf isnan isqrt nan pi sqrt",
    "pathlib": "Path",
    "copy": "deepcopy",
    "typing": "Any Callable Dict Iterable List Optional Set Tuple Union",
    "enum": "Enum",
    "dataclasses": "dataclass",
    "unittest": "TestCase",
    "unittest.mock": "MagicMock Mock patch",
}
"""Names of the standard library that tests often use without importing them."""
_MODULE_OF = {name: module for module, names in MEMBERS.items() for name in names.split()}


@dataclass(frozen=True)
class Provided:
    """The names to provide: `wanted` are requested from the submission, and `known` have a meaning in Python."""

    wanted: frozenset[str]
    known: Mapping[str, Any]

    def choose(self, found: Mapping[str, Any], is_own: Callable[[object], bool]) -> dict[str, Any]:
        """Return the values of the names, given those that the submission has defined."""
        own = {name: value for name, value in found.items() if name not in self.known or is_own(value)}
        return {**self.known, **own}


def provide(tree: ast.Module, free: Iterable[str], module: str, entry_point: str | None) -> Provided:
    """Determine where the names come from that the tests use but never bind."""
    unbound = set(free) - BUILTIN_NAMES
    modules = {name for name in unbound if _is_module(name) and _is_only_read_from(tree, name)}
    known = {name: value for name in modules if (value := _import(MODULES.get(name, name))) is not None}
    for name in unbound - known.keys():
        if name in _MODULE_OF and (holder := _import(_MODULE_OF[name])) is not None:
            known[name] = getattr(holder, name)
    wanted = unbound - (modules & known.keys())
    if entry_point is not None:
        wanted.add(entry_point.partition(".")[0])
    if not (wanted - known.keys()) and not _imports(tree, module):
        wanted |= _judged_builtins(tree) & set(free)
    return Provided(frozenset(wanted - {"candidate"}), known)


def _is_module(name: str) -> bool:
    return name in MODULES or name in sys.stdlib_module_names


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _is_only_read_from(tree: ast.Module, name: str) -> bool:
    """Return whether every use of `name` is `name.attribute`; for `datetime`, an attribute that only the module has."""
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    reads = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    ]
    if name == "datetime":
        return len(uses) == len(reads) and not {"datetime", "timedelta", "date", "timezone"}.isdisjoint(reads)
    return len(uses) == len(reads)


def _imports(tree: ast.Module, module: str) -> bool:
    """Return whether the tests import something from the submission by its module's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == module for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == module:
            return True
    return False


def _judged_builtins(tree: ast.Module) -> set[str]:
    """Return the builtins that are called on the left side of an assert's comparison."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
            calls = [part.func for part in ast.walk(node.test.left) if isinstance(part, ast.Call)]
            found |= {func.id for func in calls if isinstance(func, ast.Name)}
    return found & BUILTIN_NAMES
