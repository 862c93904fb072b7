"""Runs `assert` code: finds the tests in it, gives it the submission's names, and runs one test after the other.

What is a test, in this order:

1. `check(candidate)` with an `entry_point`, and each statement at the top that holds an `assert`;
2. each method `test*` of each `unittest.TestCase`, if there is no assert at the top;
3. each function `test*` without parameters, likewise;
4. else the whole code, if it calls anything.

Statements between the tests are carried out in their order. The submission's names are there as after
`from solution import *`, but the tests' own names win, and so do builtins and the standard library: a submission that
defines `sorted` or `math` does not change what `sorted` and `math` mean in the tests.
"""

import ast
import asyncio
import builtins
import importlib
import inspect
import linecache
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandboxes.harness.tester.report import Reporter, TestsUnusable, describe
from sandboxes.harness.wall.evidence import free_names
from sandboxes.harness.wall.link import SubmissionLost
from sandboxes.harness.wall.submission import Submission
from sandboxes.protocol.child import TestOrders
from sandboxes.protocol.facts import TestOutcome

FILE = "tests.py"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_BUILTIN_NAMES = frozenset(vars(builtins)) | {"__name__", "__file__"}


@dataclass(frozen=True)
class Step:
    """A statement at the top of the test code; with `test_id` if it is a test."""

    node: ast.stmt
    test_id: str | None = None


def run(orders: TestOrders, submission: Submission, reporter: Reporter) -> None:
    """Run the tests in the file `tests.py`."""
    code = orders.files[FILE]
    tree = _parse(code)
    steps, later = _plan(tree, orders.entry_point)
    ids = [step.test_id for step in steps if step.test_id] + later
    if len(set(ids)) < len(ids):
        ids = _number_twins(ids)
    reporter.collected(ids)
    wanted, modules = _wanted_names(tree, orders.entry_point)
    try:
        found = submission._remote_link_.hello(sorted(wanted))
    except SubmissionLost:
        return None
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return _fail_all(ids, f"the submission cannot be loaded: {describe(error)}", reporter)
    module = types.ModuleType("__main__")
    names = vars(module)
    names.update({name: importlib.import_module(name) for name in modules})
    names.update(found)
    names["__file__"] = FILE
    sys.modules["__main__"] = module
    linecache.cache[FILE] = (len(code), None, code.splitlines(keepends=True), FILE)
    _Runner(tree, names, wanted, reporter).run(steps, ids, later, orders.entry_point, submission)
    return None


def _fail_all(ids: list[str], message: str, reporter: Reporter) -> None:
    for test_id in ids:
        reporter.test(test_id, TestOutcome.ERROR, message, 0.0)


def _parse(code: str) -> ast.Module:
    try:
        return ast.parse(code, FILE)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TestsUnusable(describe(error)) from None


# Finding the tests


def _plan(tree: ast.Module, entry_point: str | None) -> tuple[list[Step], list[str]]:
    """Return the statements in order, and the ids of the tests that are run after all of them."""
    functions = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    checked = entry_point is not None and "check" in functions
    body = [node for node in tree.body if not (checked and _calls(node, "check"))]
    steps = [Step(node, f"line {node.lineno}" if _has_assert(node) else None) for node in body]
    if checked:
        return steps, ["check"]
    if any(step.test_id for step in steps):
        return steps, []
    cases = [n for n in tree.body if isinstance(n, ast.ClassDef) and any(_is_test_case(b) for b in n.bases)]
    methods = [f"{case.name}.{name}" for case in cases for name in _test_methods(case)]
    if methods:
        return [step for step in steps if not _runs_unittest(step.node)], methods
    tests = [name for name, node in functions.items() if name.startswith("test") and not _parameters(node)]
    if tests and not any(_calls(node, name) for node in tree.body for name in tests):
        return steps, tests
    if not any(isinstance(part, ast.Call) for node in body for part in _own_parts(node)):
        hint = "; check(candidate) needs an entry_point" if "check" in functions else ""
        raise TestsUnusable(f"the test code holds no test{hint}")
    return [Step(ast.Module(body, []), "tests")], []  # type: ignore[arg-type]


def _own_parts(node: ast.AST) -> list[ast.AST]:
    """Return the parts of a statement that are carried out with it, not in a function or class that it defines."""
    found: list[ast.AST] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        found.append(part)
        if not isinstance(part, _SCOPES):
            waiting.extend(ast.iter_child_nodes(part))
    return [part for part in found if not isinstance(part, _SCOPES)]


def _has_assert(node: ast.stmt) -> bool:
    return any(isinstance(part, ast.Assert) for part in _own_parts(node))


def _calls(node: ast.stmt, name: str) -> bool:
    parts = _own_parts(node)
    return any(isinstance(p, ast.Call) and isinstance(p.func, ast.Name) and p.func.id == name for p in parts)


def _is_test_case(base: ast.expr) -> bool:
    name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
    return name.endswith("TestCase")


def _test_methods(case: ast.ClassDef) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in case.body if isinstance(node, kinds) and node.name.startswith("test")]


def _runs_unittest(node: ast.stmt) -> bool:
    """Whether the statement runs the test cases itself, for instance `unittest.main()`: here each is run by its own."""
    names = {part.attr for part in _own_parts(node) if isinstance(part, ast.Attribute)}
    names |= {part.id for part in _own_parts(node) if isinstance(part, ast.Name)}
    return bool(names & {"main", "TextTestRunner"}) and not isinstance(node, (ast.Import, ast.ImportFrom, ast.ClassDef))


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return bool(node.args.args or node.args.posonlyargs or node.args.kwonlyargs)


def _number_twins(ids: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    numbered: list[str] = []
    for test_id in ids:
        seen[test_id] = seen.get(test_id, 0) + 1
        numbered.append(test_id if seen[test_id] == 1 else f"{test_id} ({seen[test_id]})")
    return numbered


def _wanted_names(tree: ast.Module, entry_point: str | None) -> tuple[set[str], set[str]]:
    """Return the names that the submission should define, and the modules that the tests use without importing them.

    A builtin name is the builtin, unless the tests use no name that could come from the submission else: then it is
    the one that they test (`assert sum(10, 15) == 6`).
    """
    free = free_names(tree)
    modules = {
        name for name in free - _BUILTIN_NAMES if name in sys.stdlib_module_names and _is_only_read_from(tree, name)
    }
    wanted = free - _BUILTIN_NAMES - modules
    if entry_point is not None:
        wanted.add(entry_point.partition(".")[0])
    return wanted or (free - {"__name__", "__file__"}) or set(), modules


def _is_only_read_from(tree: ast.Module, name: str) -> bool:
    """Whether every use of `name` is `name.attribute`."""
    uses = reads = 0
    for node in ast.walk(tree):
        uses += isinstance(node, ast.Name) and node.id == name
        reads += isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    return uses == reads


# Running them


class _NoteLeft(ast.NodeTransformer):
    """Makes a failing `assert left == right` leave its left value where the message finds it."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        """Rewrite one assert: `assert (@left := left) == right`, and `@line` to tell whose left value it is."""
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and not _has_own_scope(test):
            line = ast.NamedExpr(ast.Name("@line", ast.Store()), ast.Constant(node.lineno))
            left = ast.NamedExpr(ast.Name("@left", ast.Store()), test.left)
            both = ast.Subscript(ast.Tuple([line, left], ast.Load()), ast.Constant(1), ast.Load())
            node.test = ast.Compare(both, test.ops, test.comparators)
            ast.copy_location(node.test, test)
        return node


def _has_own_scope(test: ast.Compare) -> bool:
    return any(isinstance(part, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)) for part in ast.walk(test))


class _Runner:
    def __init__(self, tree: ast.Module, names: dict[str, Any], wanted: set[str], reporter: Reporter) -> None:
        self._names = names
        self._reporter = reporter
        self._flags = _future_flags(tree)
        self._certain = set(_BUILTIN_NAMES) - wanted  # names whose value no submission can influence
        self._set_up_error = ""

    def run(
        self, steps: list[Step], ids: list[str], later: list[str], entry_point: str | None, submission: Submission
    ) -> None:
        waiting = iter(ids)
        for step in steps:
            if step.test_id is None:
                self._set_up(step.node)
            else:
                self._test(next(waiting), lambda node=step.node: self._execute(node))
        for name in later:
            if name == "check" and entry_point:
                self._test(next(waiting), lambda: self._check(entry_point, submission))
            else:
                self._test(next(waiting), lambda name=name: self._named(name))

    def _test(self, test_id: str, action: Callable[[], object]) -> None:
        if not self._reporter.link.lost:
            self._reporter.run(test_id, action)

    def _execute(self, node: ast.stmt) -> None:
        body = node if isinstance(node, ast.Module) else ast.Module([node], [])
        tree = ast.fix_missing_locations(_NoteLeft().visit(body))
        try:
            code = compile(tree, FILE, "exec", self._flags, dont_inherit=True)
        except (
            SyntaxError,
            ValueError,
            RecursionError,
        ) as error:  # what only the compiler finds, for instance `return`
            raise TestsUnusable(f"line {body.body[0].lineno}: {describe(error)}") from None
        exec(code, self._names)

    def _set_up(self, node: ast.stmt) -> None:
        """Carry out a statement that is no test. When it fails although nothing of the submission is in it, the tests
        are broken; else the tests that need it will fail."""
        certain = self._is_certain(node)
        try:
            self._execute(node)
        except (SubmissionLost, TestsUnusable) as error:
            if isinstance(error, TestsUnusable):
                raise
        except BaseException as error:
            if certain:
                raise TestsUnusable(f"line {node.lineno}: {describe(error)}") from None
            self._set_up_error = self._set_up_error or f"line {node.lineno}: {describe(error)}"

    def _is_certain(self, node: ast.stmt) -> bool:
        parts = list(ast.walk(node))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            roots = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module or ""}
            certain = not any(isinstance(sys.modules.get(root.partition(".")[0]), Submission) for root in roots)
        else:
            used = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
            inner = {part.arg for part in parts if isinstance(part, ast.arg)}
            inner |= {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
            imports = any(isinstance(part, (ast.Import, ast.ImportFrom)) for part in parts)
            certain = not imports and used <= self._certain | inner
        bound = _bound_names(node)
        self._certain = self._certain | bound if certain else self._certain - bound
        return certain

    def _check(self, entry_point: str, submission: Submission) -> None:
        if self._set_up_error:
            raise RuntimeError(self._set_up_error)
        first, *rest = entry_point.split(".")
        if first not in self._names and not hasattr(submission, first):
            raise NameError(f"name {first!r} is not defined", name=first)
        candidate = self._names[first] if first in self._names else getattr(submission, first)
        for attribute in rest:
            candidate = getattr(candidate, attribute)
        result = self._names["check"](candidate)
        if inspect.iscoroutine(result):
            asyncio.run(result)

    def _named(self, name: str) -> None:
        """Run a test function, or a method of a TestCase."""
        first, _, method = name.partition(".")
        if first not in self._names:
            raise RuntimeError(self._set_up_error or f"{first} was not defined")
        if method:
            _run_method(self._names[first], method)
            return
        result = self._names[first]()
        if inspect.iscoroutine(result):
            asyncio.run(result)


def _run_method(case: Any, method: str) -> None:
    """Run one method of a TestCase with its fixtures; raise if it was not passed."""
    import unittest

    result = unittest.TestResult()
    unittest.TestSuite([case(method)]).run(result)
    if result.failures:
        raise AssertionError(result.failures[0][1].strip())
    if result.errors:
        raise RuntimeError(result.errors[0][1].strip())
    if result.testsRun != 1 or result.skipped or result.expectedFailures or result.unexpectedSuccesses:
        raise AssertionError("the test did not run to its end")


def _bound_names(node: ast.stmt) -> set[str]:
    bound = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        bound.add(node.name)
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return bound


def _future_flags(tree: ast.Module) -> int:
    import __future__

    names = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]
    return sum({getattr(__future__, name).compiler_flag for name in names})
