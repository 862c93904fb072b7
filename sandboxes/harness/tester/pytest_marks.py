"""Facts from the text of pytest files: which tests exist, and which of them their author excluded.

A test does not count if the author marked it (skip, skipif, xfail), if its file skips itself, or if it requires a
module that is not installed. This does not apply if the mark, or its condition, comes from the submission: otherwise a
submission could choose its tests.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from sandboxes.harness.tester.flow import Flow
from sandboxes.harness.tester.plan import MARKS
from sandboxes.harness.tester.provided import BUILTIN_NAMES
from sandboxes.harness.tester.scopes import FUNCTIONS, body_of, free_names, parameters

MAX_ROWS = 10_000
_SKIPS = frozenset({"skip", "importorskip", "SkipTest", "exit"})


@dataclass
class Written:
    """Facts from one file. Tests have pytest's names without the file: `TestA::test_b`."""

    tests: list[str] = field(default_factory=list)
    independent: set[str] = field(default_factory=set)
    """Functions without parameters in which nothing comes from the submission."""
    doubtful: set[str] = field(default_factory=set)
    """Tests whose marks, or conditions of marks, can come from the submission."""
    missing: dict[str, str] = field(default_factory=dict)
    """Tests that require a module which is not installed, with its name."""
    marked: set[str] = field(default_factory=set)
    """Tests with a mark, or that are skipped if a module is missing."""
    rows: dict[str, int] = field(default_factory=dict)
    """The number of tests of a function, if its parameters are written out."""
    skips_itself: bool = False
    """Whether the file can skip itself, independently of the submission."""


def read(trees: Mapping[str, ast.Module], module: str) -> dict[str, Written]:
    """Read the test files that are valid Python."""
    own = {part for name in trees for part in Path(name).with_suffix("").parts}
    has_autouse = any("autouse" in ast.unparse(tree) for tree in trees.values())
    return {name: _read(tree, module, own, has_autouse) for name, tree in trees.items()}


def _read(tree: ast.Module, module: str, own: set[str], has_autouse: bool) -> Written:
    flow = Flow(module, {*_taken_from(tree, own), *(free_names(tree) - BUILTIN_NAMES)})
    written = Written()
    file_marks = False
    skips: list[bool] = []  # for each statement that can skip the file: whether the submission influences it
    for node in tree.body:
        depends = flow.follow(node)
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            file_marks |= depends and "pytestmark" in ast.unparse(node)
            skips += [depends] if _names(node) & _SKIPS else []
    written.skips_itself = bool(skips) and not any(skips)
    for test, above, function in _tests(tree):
        written.tests.append(test)
        marks = [mark for scope in (*above, function) for mark in _marks(scope)]
        if file_marks or any(_depends(flow, mark) for mark in marks):
            written.doubtful.add(test)
        if marks or file_marks:
            written.marked.add(test)
        written.rows[test] = _rows((*above, function))
        if name := _missing_module(function, module):
            written.marked.add(test)
            written.missing[test] = name
        plain = not above and not parameters(function) and not function.decorator_list and not has_autouse
        if plain and not flow.function_depends(function):
            written.independent.add(test)
    return written


def _tests(tree: ast.Module) -> Iterable[tuple[str, tuple[ast.ClassDef, ...], ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield all functions that look like tests, with their enclosing classes."""
    for node in tree.body:
        if isinstance(node, FUNCTIONS) and node.name.startswith("test"):
            yield node.name, (), node
    for case in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        if case.name.startswith("Test") or case.bases:
            for node in case.body:
                if isinstance(node, FUNCTIONS) and node.name.startswith("test"):
                    yield f"{case.name}::{node.name}", (case,), node


def _taken_from(tree: ast.Module, own: set[str]) -> Iterable[str]:
    """Yield the names that a file imports from another test file, which can have them from the submission."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.asname or a.name.partition(".")[0] for a in node.names if a.name.partition(".")[0] in own)
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").partition(".")[0] in own):
            yield from (alias.asname or alias.name for alias in node.names)


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.expr]:
    """Return the decorators that contain a mark, and the `pytestmark` of a class."""
    found: list[ast.expr] = list(node.decorator_list)
    if isinstance(node, ast.ClassDef):
        found += [
            part.value for part in node.body if isinstance(part, ast.Assign) and "pytestmark" in ast.unparse(part)
        ]
    return [mark for mark in found if _names(mark) & MARKS]


def _names(node: ast.AST) -> set[str]:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def _depends(flow: Flow, node: ast.AST) -> bool:
    """Return whether anything in `node` comes from the submission, including conditions given as strings."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            if flow.is_named(part.value):
                return True
            names |= _names_in_text(part.value)
    return flow.is_from_submission(names)


def _names_in_text(text: str) -> set[str]:
    try:
        return {part.id for part in ast.walk(ast.parse(text, mode="eval")) if isinstance(part, ast.Name)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


def _rows(scopes: Iterable[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]) -> int:
    """Return how many tests a function has according to its written-out parameters."""
    count = 1
    for decorator in (one for scope in scopes for one in scope.decorator_list):
        match decorator:
            case ast.Call(func=ast.Attribute(attr="parametrize"), args=[_, ast.List(elts=rows) | ast.Tuple(elts=rows)]):
                count *= len(rows) if rows and not any(isinstance(row, ast.Starred) for row in rows) else 1
            case _:
                pass
    return min(count, MAX_ROWS)


def _missing_module(function: ast.FunctionDef | ast.AsyncFunctionDef, module: str) -> str | None:
    """Return the module that a test requires with `importorskip`, if it is not installed."""
    for part in (part for node in body_of(function) for part in ast.walk(node)):
        match part:
            case ast.Call(func=ast.Attribute(attr="importorskip") | ast.Name(id="importorskip"), args=[first, *_]):
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    root = first.value.partition(".")[0]
                    if root != module and not _is_installed(root):
                        return root
            case _:
                pass
    return None


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
