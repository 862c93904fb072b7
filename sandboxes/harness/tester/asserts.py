"""Run `assert` code: provide the submission's names, and run one test after the other. `plan` decides what is a test.

The tests have their own namespace. It starts with those names of the submission that they use but never bind, so
neither side can overwrite the other's definitions. Statements before the first use of the submission run before it is
loaded. If one of them fails, if the code cannot be compiled, or if it contains no test, the test code is unusable.
Every later failure is a failed test.
"""

import ast
import asyncio
import inspect
import linecache
import sys
import types
from collections.abc import Callable
from typing import Any

from sandboxes.harness.tester.plan import CHECK, NoTests, Plan, Step, make_plan
from sandboxes.harness.tester.provided import Provided, provide
from sandboxes.harness.tester.report import LeftOut, Reporter, TestsUnusable, describe
from sandboxes.harness.tester.scopes import free_names
from sandboxes.harness.tester.subject import Subject
from sandboxes.harness.wall.link import SubmissionLost
from sandboxes.protocol.child import TestOrders
from sandboxes.protocol.facts import TestOutcome

FILE = "tests.py"


def run(orders: TestOrders, subject: Subject, reporter: Reporter) -> None:
    """Run the tests in the file `tests.py`."""
    code = orders.files[FILE]
    tree = _parse(code)
    plan, provided = _read(tree, orders)
    linecache.cache[FILE] = (len(code), None, code.splitlines(keepends=True), FILE)
    names = _namespace()
    compiled = [_compile(step.nodes, _future_flags(tree)) for step in plan.steps]
    early = sum(step.early for step in plan.steps)
    names.update({name: value for name, value in provided.known.items() if name not in provided.wanted})
    for step, code_of_step in list(zip(plan.steps, compiled, strict=True))[:early]:
        _carry_out_early(step, code_of_step, names)
    reporter.collected(plan.ids)
    try:
        found = subject.hello(provided.wanted)
    except SubmissionLost:
        return
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        for test_id in plan.ids:
            reporter.test(test_id, TestOutcome.ERROR, f"the submission cannot be loaded: {describe(error)}", 0.0)
        return
    chosen = provided.choose(found, subject.is_own)
    names.update({name: value for name, value in chosen.items() if name not in names})
    runner = _Runner(names, found, subject, reporter, orders.wanted)
    runner.carry_out(plan, compiled, early)
    runner.carry_out_later(plan, orders.entry_point)


def _parse(code: str) -> ast.Module:
    try:
        return ast.parse(code, FILE)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TestsUnusable(describe(error)) from None


def _read(tree: ast.Module, orders: TestOrders) -> tuple[Plan, Provided]:
    try:
        free = free_names(tree)
        provided = provide(tree, free, orders.module, orders.entry_point)
        return make_plan(tree, orders.module, orders.entry_point, provided.wanted), provided
    except NoTests as problem:
        raise TestsUnusable(str(problem)) from None
    except RecursionError as error:
        raise TestsUnusable(describe(error)) from None


def _namespace() -> dict[str, Any]:
    """Create the module of the tests. It is `__main__`, because the tests are the program and import the submission."""
    module = types.ModuleType("__main__")
    module.__file__ = FILE
    sys.modules["__main__"] = module
    return vars(module)


class _NoteLeft(ast.NodeTransformer):
    """Makes a failing `assert left == right` store its left value for the message."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        """Rewrite one assert to `assert (@left := left) == right`; `@line` records which assert the value is from."""
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


def _compile(nodes: tuple[ast.stmt, ...], flags: int) -> types.CodeType:
    tree = ast.fix_missing_locations(_NoteLeft().visit(ast.Module(list(nodes), [])))
    try:
        return compile(tree, FILE, "exec", flags, dont_inherit=True)
    except (
        SyntaxError,
        ValueError,
        RecursionError,
    ) as error:  # errors that only the compiler finds, such as a top-level `return`
        raise TestsUnusable(f"line {nodes[0].lineno}: {describe(error)}") from None


def _carry_out_early(step: Step, code: types.CodeType, names: dict[str, Any]) -> None:
    try:
        exec(code, names)
    except BaseException as error:
        if not _is_quiet_exit(error):
            raise TestsUnusable(f"{step.test_id}: {describe(error)}") from None


def _is_quiet_exit(error: BaseException) -> bool:
    """Return whether the tests have ended themselves successfully, as by `sys.exit(0)`."""
    if not isinstance(error, SystemExit) or error.code not in (None, 0):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == FILE


class _Runner:
    """Executes the plan. `wanted` limits it to some tests; None means all."""

    def __init__(
        self,
        names: dict[str, Any],
        found: Any,
        subject: Subject,
        reporter: Reporter,
        wanted: tuple[str, ...] | None,
    ) -> None:
        self._names = names
        self._found = found
        self._subject = subject
        self._reporter = reporter
        self._wanted = None if wanted is None else set(wanted)

    def carry_out(self, plan: Plan, compiled: list[types.CodeType], first: int) -> None:
        """Execute the statements from number `first` on, as far as any wanted test needs them."""
        last = len(plan.steps)
        if self._wanted is not None and not self._wanted.issuperset(plan.ids) and self._wanted.isdisjoint(plan.later):
            last = 1 + max((i for i, step in enumerate(plan.steps) if step.test_id in self._wanted), default=-1)
        for step, code in list(zip(plan.steps, compiled, strict=True))[first:last]:
            self._test(step.test_id, lambda code=code: self._execute(code), also_if_passed=step.counts)

    def carry_out_later(self, plan: Plan, entry_point: str | None) -> None:
        """Run the tests that follow the statements."""
        for test_id in plan.later:
            if self._wanted is not None and test_id not in self._wanted:
                continue
            if test_id == CHECK and entry_point:
                self._test(test_id, lambda: self._check(entry_point))
            else:
                self._test(test_id, lambda test_id=test_id: self._named(test_id, test_id in plan.marked))

    def _test(self, test_id: str, action: Callable[[], object], also_if_passed: bool = True) -> None:
        if not self._subject.lost:
            self._reporter.run(test_id, action, also_if_passed=also_if_passed)

    def _execute(self, code: types.CodeType) -> None:
        try:
            exec(code, self._names)
        except SystemExit as error:
            if not _is_quiet_exit(error):
                raise

    def _check(self, entry_point: str) -> None:
        result = self._names[CHECK](self._candidate(entry_point))
        if inspect.iscoroutine(result):
            asyncio.run(result)

    def _candidate(self, entry_point: str) -> Any:
        """Return the function, or a function that calls a method of a new instance each time."""
        first, _, method = entry_point.partition(".")
        if first not in self._found:
            raise NameError(f"name {first!r} is not defined", name=first)
        found = self._found[first]
        if not method:
            return found

        def candidate(*args: Any, **kwargs: Any) -> Any:
            return getattr(found(), method)(*args, **kwargs)

        return candidate

    def _named(self, name: str, is_marked: bool) -> None:
        """Run a test function, or a method of a TestCase."""
        first, _, method = name.partition(".")
        if first not in self._names:
            raise RuntimeError(f"{first} was not defined")
        if method:
            _run_method(self._names[first], method, is_marked)
            return
        result = self._names[first]()
        if inspect.iscoroutine(result):
            asyncio.run(result)


def _run_method(case: Any, method: str, is_marked: bool) -> None:
    """Run one method of a TestCase with its fixtures, and raise if it did not pass."""
    import unittest

    result = unittest.TestResult()
    unittest.TestSuite([case(method)]).run(result)
    if result.failures:
        raise AssertionError(result.failures[0][1].strip())
    if result.errors:
        raise RuntimeError(result.errors[0][1].strip())
    if is_marked and (result.skipped or result.expectedFailures):
        raise LeftOut("its author has marked it", by_failing=bool(result.expectedFailures))
    if result.testsRun != 1 or result.skipped or result.expectedFailures or result.unexpectedSuccesses:
        raise AssertionError("the test did not run to its end")


def _future_flags(tree: ast.Module) -> int:
    import __future__

    names = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]
    return sum({getattr(__future__, name).compiler_flag for name in names})
