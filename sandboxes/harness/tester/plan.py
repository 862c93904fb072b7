"""The plan for `assert` code: its statements in order, which of them are tests, and the tests that follow them.

These count as tests:

1. each top-level statement that depends on the submission and judges it: it asserts, raises, or calls code that does;
2. `check(candidate)` with an `entry_point`;
3. each function `test*` without required arguments that the tests do not call themselves, if it depends on the
   submission, and each method `test*` of each `unittest.TestCase`;
4. if there are none of these, everything that depends on the submission, as one test.

Any other statement that fails after the submission was used is a failed test as well.
"""

import ast
from dataclasses import dataclass

from sandboxes.harness.tester.flow import Flow
from sandboxes.harness.tester.scopes import FUNCTIONS, needs_arguments, parts_at_once

WHOLE = "tests"
CHECK = "check"
MARKS = frozenset({"skip", "skipif", "xfail", "skipIf", "skipUnless", "expectedFailure"})
"""The marks of pytest and unittest for tests that must be skipped, or are expected to fail."""
_FRAMEWORKS = frozenset({"unittest", "pytest"})


class NoTests(Exception):
    """The code contains nothing that could fail because of a submission."""


@dataclass(frozen=True)
class Step:
    """A top-level statement, or several that form one test.

    If `counts` is false, it is a test only if it fails. If `early` is true, it runs before the submission is loaded,
    because it does not depend on it.
    """

    nodes: tuple[ast.stmt, ...]
    test_id: str
    depends: bool
    counts: bool
    early: bool


@dataclass(frozen=True)
class Plan:
    """The steps in order, and the ids of the tests that run after all of them."""

    steps: tuple[Step, ...]
    later: tuple[str, ...]
    marked: frozenset[str] = frozenset()
    """Those of `later` that their author has marked to be skipped or to fail, independently of the submission."""

    @property
    def ids(self) -> list[str]:
        """The ids of all tests."""
        return [*(step.test_id for step in self.steps if step.counts), *self.later]


def make_plan(tree: ast.Module, module: str, entry_point: str | None, wanted: frozenset[str]) -> Plan:
    """Find the tests. `wanted` are the names that the submission provides.

    Raises:
        NoTests: There are no tests.
    """
    functions = {node.name: node for node in tree.body if isinstance(node, FUNCTIONS)}
    checked = entry_point is not None and CHECK in functions
    own = frozenset(functions)
    body = [kept for node in tree.body if (kept := _without_runners(node, own)) is not None]
    if checked:
        body = [node for node in body if not _is_the_check(node, str(entry_point))]
    flow = Flow(module, {*wanted, "candidate"})
    steps = _steps(body, flow)
    used = _names_used(tree)
    cases = _cases(tree)
    later = [name for name in cases if flow.is_from_submission({name.partition(".")[0]})]
    marked = frozenset(name for name in later if _is_marked(cases[name], flow))
    later += [
        name
        for name, node in functions.items()
        if name.startswith("test") and not needs_arguments(node) and name not in used and flow.function_depends(node)
    ]
    later = [CHECK, *later] if checked else later
    if not later and not any(step.counts for step in steps):
        steps = _as_one(steps, CHECK in functions and entry_point is None)
    return Plan(tuple(_numbered(steps)), tuple(later), marked)


def _steps(body: list[ast.stmt], flow: Flow) -> list[Step]:
    steps = []
    for node in body:
        depends = flow.follow(node)
        counts = depends and not isinstance(node, (ast.ClassDef, *FUNCTIONS, ast.Import, ast.ImportFrom))
        counts = counts and flow.judges(node)
        steps.append(Step((node,), f"line {node.lineno}", depends, counts, early=not flow.used))
    return steps


def _as_one(steps: list[Step], is_check: bool) -> list[Step]:
    """Combine everything that depends on the submission into one test, if it contains a call."""
    at = next((index for index, step in enumerate(steps) if step.depends), len(steps))
    late = [node for step in steps[at:] for node in step.nodes]
    if not any(isinstance(part, ast.Call) for part in parts_at_once(late)):
        hint = "; check(candidate) needs an entry_point" if is_check else ""
        raise NoTests(f"the test code holds no test of the submission{hint}")
    return [*steps[:at], Step(tuple(late), WHOLE, depends=True, counts=True, early=False)]


def _numbered(steps: list[Step]) -> list[Step]:
    """Give different ids to several statements in one line."""
    seen: dict[str, int] = {}
    numbered = []
    for step in steps:
        count = seen[step.test_id] = seen.get(step.test_id, 0) + (step.counts or not seen.get(step.test_id))
        test_id = step.test_id if count == 1 else f"{step.test_id} ({count})"
        numbered.append(Step(step.nodes, test_id, step.depends, step.counts, step.early))
    return numbered


def _is_the_check(node: ast.stmt, entry_point: str) -> bool:
    """Return whether the statement is the call of `check` that is made here anyway."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[argument], keywords=[])) if name == CHECK:
            return ast.unparse(argument).replace("()", "") in (entry_point, "candidate")
        case ast.If(test=test, body=[inner], orelse=[]) if "__name__" in ast.unparse(test):
            return _is_the_check(inner, entry_point)
    return False


def _without_runners(node: ast.stmt, own: frozenset[str]) -> ast.stmt | None:
    """Remove calls that would run the tests, such as `unittest.main()`: they are run here one by one."""
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        body = [kept for inner in node.body if (kept := _without_runners(inner, own)) is not None]
        return ast.copy_location(ast.If(node.test, body, node.orelse), node) if body else None
    return None if isinstance(node, ast.Expr) and _runs_tests(node.value, own) else node


def _runs_tests(node: ast.expr, own: frozenset[str]) -> bool:
    """Return whether the expression lets a framework run the tests; `own` are the tests' own functions."""
    for part in ast.walk(node):
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=holder), attr="main")) if holder in _FRAMEWORKS:
                return True
            case ast.Call(func=ast.Name(id="main")) if "main" not in own:
                return True
            case ast.Attribute(attr="TextTestRunner") | ast.Name(id="TextTestRunner"):
                return True
            case _:
                pass
    return False


def _cases(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Return the test methods of unittest's classes, including those inherited in this file, with their decorators."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}

    def lineage(node: ast.ClassDef) -> list[ast.ClassDef]:
        bases = [classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
        return [node, *(above for base in bases if base is not node for above in lineage(base))]

    found: dict[str, list[ast.expr]] = {}
    for name, node in classes.items():
        line = lineage(node)
        if any(_is_test_case(base) for one in line for base in one.bases):
            for method in (part for one in line for part in one.body if isinstance(part, FUNCTIONS)):
                if method.name.startswith("test"):
                    found.setdefault(f"{name}.{method.name}", [*method.decorator_list, *node.decorator_list])
    return found


def _is_marked(decorators: list[ast.expr], flow: Flow) -> bool:
    """Return whether a decorator is a mark, and no decorator contains anything from the submission."""
    parts = [part for decorator in decorators for part in ast.walk(decorator)]
    attributes = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return not MARKS.isdisjoint(attributes | names) and not flow.is_from_submission(names)


def _is_test_case(base: ast.expr) -> bool:
    name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
    return name.endswith("TestCase")


def _names_used(tree: ast.Module) -> set[str]:
    return {part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
