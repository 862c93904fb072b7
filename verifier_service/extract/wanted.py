"""Find which names tests need from a program.

A completion can hold several blocks. The one that defines these names is the answer; the others are drafts, examples of
use, or sessions. Tests are Python and are parsed, never run.
"""

import ast
import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

MAX_TESTS_CHARS = 256 * 1024
"""Longer test files are not parsed: no names are taken from them."""

_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__"}


def _nothing() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, eq=False)
class Wanted:
    """The names that tests need, computed on first use.

    A name is something at the top level of the program (`f`), or a method (`Class.method`).
    """

    find: Callable[[], frozenset[str]] = field(default=_nothing)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name the tests need; empty if they only read and write."""
        return self.find()


NOTHING = Wanted()
"""What `stdio` tests need."""


def by_call(entry_point: str) -> Wanted:
    """Return what a call of `entry_point` needs."""
    return Wanted(lambda: frozenset({entry_point}))


def by_asserts(code: str, entry_point: str | None) -> Wanted:
    """Return what assert statements need: the entry point, or else the names that they use but do not define."""
    if entry_point is not None:
        return by_call(entry_point)
    return Wanted(lambda: _from_asserts(code))


def by_pytest(files: Mapping[str, str], module: str) -> Wanted:
    """Return what test files take from `module`: by `from module import name` or as `module.name`."""
    return Wanted(lambda: frozenset(name for tree in _trees(files.values()) for name in _taken(tree, module)))


def _from_asserts(code: str) -> frozenset[str]:
    found = {name for tree in _trees([code]) for name in (*free_names(tree), *_taken(tree, "solution"))}
    # a `math` that the tests forgot to import is not expected from the program
    own = found - _BUILTINS - sys.stdlib_module_names
    return frozenset(own or found)


def _trees(texts: Iterable[str]) -> Iterator[ast.Module]:
    for text in texts:
        if len(text) <= MAX_TESTS_CHARS:
            try:
                yield ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # the tester reports what is wrong with them


def free_names(tree: ast.Module) -> frozenset[str]:
    """Return the names that a tree uses and binds in no scope; builtins are among them."""
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        else:
            bound.update(bound_by(node))
    return frozenset(used - bound)


def bound_by(node: ast.AST) -> Iterator[str]:
    """Return the names that a node binds itself, other than as the target of an assignment."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            yield from (one.asname or one.name.partition(".")[0] for one in node.names)
        case ast.arg():
            yield node.arg
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() if node.name:
            yield node.name
        case ast.MatchMapping() if node.rest:
            yield node.rest
        case _:
            return


def _taken(tree: ast.Module, module: str) -> Iterator[str]:
    aliases = {module}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases.update(one.asname for one in node.names if one.asname and one.name == module)
        elif isinstance(node, ast.ImportFrom) and node.module == module:
            yield from (one.name for one in node.names if one.name != "*")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield node.attr
