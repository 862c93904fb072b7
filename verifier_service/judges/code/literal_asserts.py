"""Run tests as calls if they compare what one function returns for literal arguments with literals.

Most tests of data sets are of this form (`assert add(1, 2) == 3`), and only the calls need the submission. They are
made in its process, and the results are compared here, where the submission has no influence. That takes one process
instead of three. It proves as much as a run across the wall and a run in plain Python together: an answer has an exact
builtin type, whatever the submission overrides, and so compares as it would next to the tests.

The tester handles the rest: tests of any other form, and submissions that raise, exit, print too much or return
something else. `read` decides the first, `Answers` the second.
"""

import ast
import builtins
import itertools
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import NoneType
from typing import Any

from sandboxes.protocol import plain
from sandboxes.protocol.facts import End, TesterFacts, TesterTest, TestFacts, TestOutcome
from sandboxes.protocol.job import Limits
from verifier_service.errors import BoxDied

MAX_CHARS = 64 * 1024  # longer tests go to the tester
_TEST_FILE = re.compile(r"(tests?/)?test_[a-z0-9_]+\.py")  # test_add.py, tests/test_add.py; not json.py, a/test_b.py
MAX_SHOWN_CHARS = 200
"""How much is shown of a statement, a value and an assert's own message. The tester shows as much."""

_ALWAYS_THERE = frozenset(
    ["collections", "functools", "itertools", "json", "math", "operator", "re", "string", "typing"]
)
"""Modules that tests can import without effect."""
_TYPE_NAMES = frozenset(["Any", "Callable", "Dict", "List", "Optional", "Sequence", "Set", "Tuple", "Union"])
"""Names that tests can import; all are from `typing`."""
_TYPES = {kind.__name__: kind for kind in (bool, complex, dict, float, int, list, set, str, tuple)}
# Rounding to more digits than a float has takes time and changes nothing.
_MAX_DIGITS = 300
_EASY_SET = 256  # a set this small is quick to build even if all its hashes collide


def _round(value: float, digits: int | None = None) -> float:
    if digits is not None and not -_MAX_DIGITS <= digits <= _MAX_DIGITS:
        raise ValueError("too many digits")
    return round(value, digits)


def _set(value: Sequence[object] = ()) -> set[object]:
    if len(value) > _EASY_SET:
        raise ValueError("too many elements")
    return set(value)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "len": len,
    "list": list,
    "math.isclose": math.isclose,
    "round": _round,
    "set": _set,
    "sorted": sorted,
    "tuple": tuple,
}
"""What tests can apply to an answer: it gives the same in every Python, is quick, and returns only builtin types."""
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
}
_FINAL_ENDS = frozenset({End.CPU_LIMIT, End.WALL_LIMIT, End.BUDGET})

_PYTHONS_OWN = frozenset(dir(builtins)) | {"math"}
_NAMES_WITH_A_MEANING = frozenset({"check", "candidate", "math"})

Evaluate = Callable[[Any], Any]
"""Computes a part of an assert from what the submission returned."""


class _OtherForm(Exception):
    """The tests are not of this form."""


@dataclass(frozen=True, eq=False)
class LiteralAssert:
    """One assert: the arguments of its call, and what is computed from the answer.

    `left` is the left side of a comparison. `statement` is None if only the tester can describe a failure.
    """

    arguments: bytes
    holds: Evaluate
    left: Evaluate | None
    line: int
    statement: str | None
    note: str | None

    def describe(self, value: object) -> str:
        """Describe a failure in the tester's words."""
        left = "" if self.left is None else f", the left side was {_shown(self.left(value))}"
        note = "" if self.note is None else f": {_shown(self.note)}"
        return f"line {self.line}: {self.statement}{left}{note}"


@dataclass(frozen=True, eq=False)
class LiteralTest:
    """A test. Its asserts run in turn, up to the first failure."""

    id: str
    asserts: tuple[LiteralAssert, ...]


@dataclass(frozen=True, eq=False)
class LiteralTests:
    """Tests that call one function, or one method of a fresh instance each time."""

    entry_point: str
    tests: tuple[LiteralTest, ...]

    @property
    def calls(self) -> tuple[bytes, ...]:
        """The arguments of all calls, in order."""
        return tuple(one.arguments for test in self.tests for one in test.asserts)


# Reading tests


@lru_cache(maxsize=256)
def read(code: str, entry_point: str | None, module: str = "solution") -> LiteralTests | None:
    """Return the tests in `assert` code, or None if any part is of another form."""
    return _read(code, lambda tree: _Reader(code, entry_point, module).read(tree))


def read_pytest(files: Mapping[str, str], module: str) -> LiteralTests | None:
    """Return the tests of a single pytest file. Return None if there are more files, or any part is of another form."""
    if len(files) != 1 or module != "solution":
        return None
    ((name, code),) = files.items()
    is_usual = _TEST_FILE.fullmatch(name) and "coding" not in code[:200]
    return _read_file(name, code, module) if is_usual else None


@lru_cache(maxsize=256)
def _read_file(name: str, code: str, module: str) -> LiteralTests | None:
    return _read(code, lambda tree: _Reader(code, None, module).read_file(name, tree))


def _read(code: str, by: Callable[[ast.Module], LiteralTests | None]) -> LiteralTests | None:
    if len(code) > MAX_CHARS:
        return None
    try:
        tree = ast.parse(code)
        with warnings.catch_warnings(action="ignore"):
            compile(tree, "tests", "exec", dont_inherit=True)  # some errors are found only by compiling
        return by(tree) if _are_on_lines_of_their_own(tree.body) else None
    except (_OtherForm, plain.NotPlain, SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def _are_on_lines_of_their_own(nodes: Sequence[ast.stmt]) -> bool:
    """Return whether no two statements share a line: tests are named by their lines."""
    return all(one.end_lineno < other.lineno for one, other in itertools.pairwise(nodes) if one.end_lineno)


class _Reader:
    def __init__(self, code: str, entry_point: str | None, module: str) -> None:
        self._lines = code.splitlines()
        self._entry_point = entry_point
        self._module = module
        self._functions: set[str] = set()
        self._bound: set[str] = set()
        self._used: set[str] = set()
        self._modules: set[str] = set()
        self._imported: set[str] = set()  # names imported from the submission

    def read(self, tree: ast.Module) -> LiteralTests | None:
        statements: list[LiteralTest] = []
        check: LiteralTest | None = None
        for node in tree.body:
            if isinstance(node, ast.Assert):
                statements.append(LiteralTest(f"line {node.lineno}", (self._assert(node, None),)))
            elif isinstance(node, ast.FunctionDef) and node.name == "check" and self._entry_point and check is None:
                check = LiteralTest("check", tuple(self._body(node, parameters=1)))
            elif not self._is_call_of_check(node):
                self._bind(node)
        return self._all((*statements, *([check] if check else [])))

    def read_file(self, name: str, tree: ast.Module) -> LiteralTests | None:
        """Read a pytest file: functions `test*` without parameters. Failures are left for pytest to describe."""
        tests: list[LiteralTest] = []
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                asserts = (replace(one, statement=None) for one in self._body(node, parameters=0))
                tests.append(LiteralTest(f"{name}::{node.name}", tuple(asserts)))
            elif isinstance(node, ast.Assign):
                return None
            elif not (isinstance(node, ast.Import) and ast.unparse(node) == "import pytest"):
                self._bind(node)
        names = {test.id for test in tests}
        if len(names) != len(tests) or "*" in self._imported or not self._used & self._imported:
            return None
        if any(function.startswith("test") for function in self._functions):
            return None
        return self._all(tests) if "math" in self._modules or "math" not in self._used else None

    def _all(self, tests: Sequence[LiteralTest]) -> LiteralTests | None:
        """Return the tests if they all call one function, and every name means what it seems to."""
        if len(self._functions) != 1 or not self._bound.isdisjoint(self._used) or not all(t.asserts for t in tests):
            return None
        (function,) = self._functions
        if function.partition(".")[0] in _PYTHONS_OWN or not self._used.isdisjoint(self._modules - {"math"}):
            return None
        others = self._imported - {function.partition(".")[0], "*"}
        return None if others else LiteralTests(function, tuple(tests))

    def _bind(self, node: ast.stmt) -> None:
        """Record a statement that only binds names; `_all` then checks that none of them matters."""
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not _has_a_meaning(name):
                ast.literal_eval(value)
                self._bound.add(name)
            case ast.Import(names=names) if all(a.name in _ALWAYS_THERE and a.asname is None for a in names):
                self._modules |= {alias.name for alias in names}
            case ast.ImportFrom(module=self._module, level=0, names=names) if all(a.asname is None for a in names):
                self._imported |= {alias.name for alias in names}
            case ast.ImportFrom(module="typing", level=0, names=names) if all(
                alias.name in _TYPE_NAMES and alias.asname is None for alias in names
            ):
                self._bound |= {alias.name for alias in names}
            case _:
                raise _OtherForm

    def _is_call_of_check(self, node: ast.stmt) -> bool:
        match node:
            case ast.Expr(value=ast.Call(func=ast.Name(id="check"), args=[ast.Name(id=name)], keywords=[])):
                return self._entry_point is not None and name in (self._entry_point, "candidate")
            case _:
                return False

    def _body(self, function: ast.FunctionDef, parameters: int) -> Sequence[LiteralAssert]:
        """Read a function of asserts: `check(candidate)`, called with the entry point, or `test_something()`.

        Raises:
            _OtherForm: it does anything else.
        """
        names = [argument.arg for argument in function.args.args]
        is_plain = ast.unparse(function.args) == ", ".join(names) and not function.decorator_list
        if function.returns is not None or not _are_on_lines_of_their_own(function.body):
            raise _OtherForm
        if len(names) != parameters or not is_plain or not _PYTHONS_OWN.isdisjoint(names):
            raise _OtherForm
        found: list[LiteralAssert] = []
        for node in function.body:
            match node:
                case ast.Assert(test=ast.Constant(value=True)) | ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                    pass
                case ast.Assert():
                    found.append(self._assert(node, names[0] if names else None))
                case _:
                    raise _OtherForm
        return found

    def _assert(self, node: ast.Assert, candidate: str | None) -> LiteralAssert:
        expression = _Expression(candidate, self._entry_point)
        holds = expression.read(node.test)
        if expression.arguments is None:
            raise _OtherForm
        self._functions.add(expression.function)
        self._used |= expression.used
        is_one_line = node.end_lineno == node.lineno
        note = node.msg.value if isinstance(node.msg, ast.Constant) and isinstance(node.msg.value, str) else None
        is_told = is_one_line and (node.msg is None or note is not None)
        return LiteralAssert(
            arguments=expression.arguments,
            holds=holds,
            left=expression.left,
            line=node.lineno,
            statement=self._lines[node.lineno - 1].strip()[:MAX_SHOWN_CHARS] if is_told else None,
            note=note,
        )


class _Expression:
    """Reads what one assert demands. It must contain exactly one call of the submission."""

    def __init__(self, candidate: str | None, entry_point: str | None) -> None:
        self._candidate = candidate
        self._entry_point = entry_point
        self.function = ""
        self.arguments: bytes | None = None
        self.left: Evaluate | None = None
        self.used: set[str] = set()

    def read(self, node: ast.expr) -> Evaluate:
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                self.left = self._value(left)
                return self._compared(self.left, operator, right)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.read(operand)
                self.left = None
                return lambda value: not inner(value)
            case _:
                return self._value(node)

    def _compared(self, left: Evaluate, operator: ast.cmpop, right: ast.expr) -> Evaluate:
        is_identity = isinstance(operator, (ast.Is, ast.IsNot))
        if is_identity and not (isinstance(right, ast.Constant) and isinstance(right.value, (bool, NoneType))):
            raise _OtherForm
        compare, other = _COMPARISONS[type(operator)], self._value(right)
        return lambda value: compare(left(value), other(value))

    def _value(self, node: ast.expr) -> Evaluate:
        match node:
            case ast.Call(func=func, args=args, keywords=keywords):
                return self._of_call(func, args, keywords)
            case ast.BinOp(left=left, op=ast.Sub(), right=right) if not _is_literal(node):
                one, other = self._value(left), self._value(right)
                return lambda value: _number(one(value)) - _number(other(value))
            case _:
                literal = ast.literal_eval(node)
                return lambda _: literal

    def _of_call(self, func: ast.expr, args: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> Evaluate:
        name = ast.unparse(func)
        if name == "isinstance" and len(args) == 2 and not keywords:
            kinds = [self._kind(kind) for kind in (args[1].elts if isinstance(args[1], ast.Tuple) else [args[1]])]
            checked = self._value(args[0])
            self.used.add(name)
            return lambda value: isinstance(checked(value), tuple(kinds))
        if name in _FUNCTIONS:
            function = _FUNCTIONS[name]
            self.used.add(name.partition(".")[0])
            parts = [self._value(arg) for arg in args]
            options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
            return lambda value: function(*(part(value) for part in parts), **options)
        return self._submission(func, args, keywords)

    def _kind(self, node: ast.expr) -> type:
        if not isinstance(node, ast.Name) or node.id not in _TYPES:
            raise _OtherForm
        self.used.add(node.id)
        return _TYPES[node.id]

    def _submission(self, func: ast.expr, args: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> Evaluate:
        if self.arguments is not None or any(_holds_a_set(part) for part in (*args, *(k.value for k in keywords))):
            raise _OtherForm
        self.function = self._function(func)
        values = [ast.literal_eval(arg) for arg in args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in keywords}
        if None in named:
            raise _OtherForm
        self.arguments = plain.encode([values, named])
        return lambda value: value

    def _function(self, func: ast.expr) -> str:
        match func:
            case ast.Name(id=name) if self._candidate is not None:
                if name != self._candidate or not self._entry_point:
                    raise _OtherForm
                return self._entry_point
            case ast.Name(id=name) if name not in _PYTHONS_OWN | _NAMES_WITH_A_MEANING:
                self.used.add(name)
                return name
            case ast.Attribute(value=ast.Call(func=ast.Name(id=name), args=[], keywords=[]), attr=method) if (
                self._candidate is None and name not in _PYTHONS_OWN and not method.startswith("_")
            ):
                self.used.add(name)
                return f"{name}.{method}"
            case _:
                raise _OtherForm


def _has_a_meaning(name: str) -> bool:
    """Return whether a name can change what the tests are, like `__test__` and `pytest_plugins`."""
    return name in _NAMES_WITH_A_MEANING or name.startswith(("_", "pytest"))


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _holds_a_set(node: ast.expr) -> bool:
    """Return whether there is a set: its order here could differ from the order next to the tests."""
    return any(isinstance(part, (ast.Set, ast.Call)) for part in ast.walk(node))


def _is_simple(value: object) -> bool:
    """Return whether a value has only parts that are quick to compare and show, and the same in every Python."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (list, tuple)):
            waiting += one
        elif isinstance(one, dict):
            waiting += one
            waiting += one.values()
        elif one is not None and not isinstance(one, (bool, int, float, str)):
            return False
    return True


def _number(value: object) -> int | float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError("not a number")
    return value


def _shown(value: object) -> str:
    """Return a short `repr`, as the tester shows it.

    Raises:
        ValueError, RecursionError: there is none; the tester reports that in its own way.
    """
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


# Judging answers


class Answers:
    """Collects a submission's answers to the calls of literal tests, and judges them."""

    def __init__(self, tests: LiteralTests, limits: Limits) -> None:
        self._tests = tests
        self._limits = limits
        self._places = [(test, one) for test in tests.tests for one in test.asserts]
        self._told: dict[str, TesterTest] = {}
        self._used_s: dict[str, tuple[float, float]] = {}  # per test: CPU time, wall time
        self._memory_mb = 0.0
        self._ended_by: TestFacts | None = None
        self._taken = 0
        self.is_for_the_tester = False
        """Whether something happened that only the tester can judge."""

    def restart(self) -> "Answers":
        """Return an instance without answers."""
        return Answers(self._tests, self._limits)

    @property
    def has_heard_enough(self) -> bool:
        """Whether the answers still to come make no difference."""
        return self.is_for_the_tester or self._ended_by is not None or self._last_has_failed

    @property
    def is_whole(self) -> bool:
        """Whether everything needed has come."""
        return self._ended_by is not None or self._last_has_failed or self._taken == len(self._places)

    @property
    def _last_has_failed(self) -> bool:
        told = self._told.get(self._tests.tests[-1].id)
        return told is not None and told.outcome is TestOutcome.FAILED

    def take(self, fact: TestFacts) -> None:
        """Take the next answer.

        Raises:
            BoxDied: an answer is missing before it.
        """
        if fact.index != self._taken:
            raise BoxDied(f"answer {self._taken} is missing: the box went on with answer {fact.index}")
        test, one = self._places[fact.index]
        self._taken += 1
        self._memory_mb = max(self._memory_mb, fact.memory_mb)
        if fact.end in _FINAL_ENDS or fact.end is End.NOT_COMPILED:
            self._ended_by = fact
        elif fact.end is not End.RETURNED or fact.signals or self._is_over_time(test, fact):
            self.is_for_the_tester = True
        else:
            self._compare(test, one, fact)

    def _is_over_time(self, test: LiteralTest, fact: TestFacts) -> bool:
        """Return whether a test's calls together took longer than one test can; each call alone had that limit."""
        cpu_s, wall_s = self._used_s.get(test.id, (0.0, 0.0))
        self._used_s[test.id] = cpu_s, wall_s = cpu_s + fact.time_s, wall_s + fact.wall_s
        return len(test.asserts) > 1 and (cpu_s > self._limits.time_limit_s or wall_s > self._limits.wall_limit_s)

    def _compare(self, test: LiteralTest, one: LiteralAssert, fact: TestFacts) -> None:
        known = self._told.get(test.id)
        if known is not None and known.outcome is not TestOutcome.PASSED:
            return  # a test ends with its first failure
        told = TesterTest(id=test.id, outcome=TestOutcome.PASSED, time_s=round(self._used_s[test.id][1], 6))
        try:
            value = plain.decode(fact.value)
            if not _is_simple(value):
                self.is_for_the_tester = True
            elif not one.holds(value):
                self.is_for_the_tester = one.statement is None
                message = one.describe(value).removeprefix(f"{test.id}: ")
                told = replace(told, outcome=TestOutcome.FAILED, message=message)
        except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError, MemoryError):
            self.is_for_the_tester = True  # if the comparison raises, the tester reports how
        self._told[test.id] = told

    def facts(self) -> TesterFacts:
        """Return the outcome as the tester would report it."""
        ended = self._ended_by
        tests = tuple(self._outcome(test) for test in self._tests.tests)
        message = ""
        if ended is not None:
            is_explained = ended.end in (End.NOT_COMPILED, End.BUDGET, End.OUTPUT_LIMIT)
            message = ended.message if is_explained else ""  # the verdict names the limit
        return TesterFacts(
            tests=tests,
            finished=ended is None,
            program_end=None if ended is None else ended.end,
            message=message,
            memory_mb=self._memory_mb,
        )

    def _outcome(self, test: LiteralTest) -> TesterTest:
        """Return a test's outcome. A test that was cut short by the program's end has not passed."""
        told = self._told.get(test.id)
        is_cut = self._ended_by is not None and test is self._places[self._ended_by.index][0]
        if told is None or (is_cut and told.outcome is TestOutcome.PASSED):
            return TesterTest(id=test.id, outcome=TestOutcome.MISSING)
        return told
