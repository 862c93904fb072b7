"""Finds the literals in tests on which it depends that an equality holds: change one, and the test must fail.

A test is walked as it would run: its statements, loops over tables, calls of helper functions. Where it demands that an
equality be true (`assert f(2) == 4`, `if f(2) != 4: raise`, `self.assertEqual(f(2), 4)`, `abs(f(2) - 4) < 1e-6`), the
literals of the expected side are found, also through a name: a variable that is assigned once, a parameter of a helper
or of `parametrize`, a column of a table. Such a name counts only if every use of it is on the expected side of an
equality; one that is also an input of the submission would change the question along with the answer.

Only what is sure counts. What may not be carried out (`if`, `except`, what `pytest.raises` holds) is left out.
"""

import ast
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from random import Random

from verifier_service.judges.code.literals import NAN, Edit, Source, change, number_of, other_text

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Kind(StrEnum):
    """What a change proves."""

    EQUAL = "equal"
    """No program can pass the test as written and as changed, but one that reads the test or affirms everything."""
    ORDER = "order"
    """Nothing honest is greater or less than NaN, or holds it: only what affirms everything passes."""
    OPERAND = "operand"
    """Another number is added, multiplied, ..: the result differs, if the submission looks at it."""


@dataclass(frozen=True)
class Site:
    """Edits of one literal of a file. `via`: the uses of names through which it is seen. `row`: of `parametrize`."""

    kind: Kind
    edits: tuple[Edit, ...]
    via: frozenset[tuple[object, int]] = frozenset()
    row: tuple[int, int] | None = None


@dataclass(frozen=True)
class Value:
    """What a name stands for at one place: an expression, where its own names are looked up, and how it was reached."""

    node: ast.expr
    scope: "Scope"
    via: frozenset[tuple[object, int]] = frozenset()
    row: tuple[int, int] | None = None


@dataclass
class Scope:
    """Names and what they stand for, with a key that is the same for the same name of the same piece of text."""

    names: dict[str, tuple[object, list[Value]]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)

    def child(self) -> "Scope":
        """Return a scope in which more names can be bound."""
        return Scope(dict(self.names), dict(self.functions))


@dataclass(frozen=True)
class Ask:
    """What is wanted of the literals on a side."""

    least: float = 0.0
    unordered: bool = False
    brief: bool = False
    avoid: frozenset[object] = frozenset()
    via: frozenset[tuple[object, int]] = frozenset()
    row: tuple[int, int] | None = None


Sites = list[Site]

_MANY = 100  # literals of one table that change
_DEEP = 8  # calls of helpers within helpers
_ABS = {"abs", "fabs", "absolute", "norm", "max", "amax", "sum", "mean", "sqrt"}
_WHOLE = {  # all arguments count: a value made of others differs from theirs
    *("list", "tuple", "set", "frozenset", "dict", "sorted", "str", "int", "float", "complex", "bytes", "bytearray"),
    *("deque", "array", "asarray", "tensor", "call", "range", "dumps", "dedent", "namedtuple", "abs", "repr"),
}
_ONE = {"Fraction", "timedelta", "Timedelta", "sum", "complex", "round", "sqrt", "radians", "degrees", "Counter"}
_FIRST_ONLY = {"array", "asarray", "tensor", "DataFrame", "Series", "round", "dumps", "Decimal", "int", "str"}
_UNORDERED = {"set", "frozenset", "sorted", "Counter", "sum"}
_FILLINGS = {"list": "[7]", "tuple": "[7]", "set": "[7]", "frozenset": "[7]", "deque": "[7]", "Counter": "[7]"}
_FILLINGS |= {"dict": "{7: 7}", "OrderedDict": "{7: 7}", "str": "'q'", "int": "7", "float": "7", "bytes": "b'q'"}
_CONSTANTS = {"pi", "e", "tau"}
_ASSERT_EQUAL = re.compile(  # unittest's and numpy's: assertEqual, assertListEqual, assert_array_almost_equal
    r"assert(?!\w*[Nn]ot)(\w*Equals?|AlmostEquals|ItemsEqual|Is|_\w*equal|_\w*allclose)"
)
_ASSERT_ORDER = {"assertGreater", "assertGreaterEqual", "assertLess", "assertLessEqual"}
_CLOSE = {"isclose", "allclose", "array_equal", "array_equiv", "allequal"}
_CALLED = {
    "assert_called_with",
    "assert_called_once_with",
    "assert_any_call",
    "assert_has_calls",
    "assert_awaited_with",
}
_FAILS = {"fail", "exit", "abort"}
_SWALLOW = {"raises", "assertRaises", "assertRaisesRegex", "suppress", "xfail"}
_TOLERANCES = {"delta", "abs", "abs_tol", "atol", "tol", "epsilon"}
_TEXT_METHODS = {"casefold", "upper", "lower", "strip", "split", "encode", "title", "splitlines", "rstrip", "lstrip"}
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)


def name_of(func: ast.expr) -> str:
    """Return the last name of what is called: `approx` of `pytest.approx`."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def key_of(node: ast.expr) -> str | None:
    """Return what a name is looked up by: `x`, or `self.x`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
        return f"self.{node.attr}"
    return None


class Walk:
    """Finds the sites of the tests of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.uses: dict[object, set[int]] = {}
        """For each key of a bound name: the places where it is read. A site must have been found through each."""
        self._depth = 0
        self._harmless = set(_in_messages(source.tree))
        self._indices = {
            id(node.value): repr(node.slice.value)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        }
        self.module = Scope()
        self.bind_body(self.module, source.tree, source.tree.body)

    # Names
    def bind(self, scope: Scope, name: str, owner: ast.AST, values: list[Value]) -> None:
        """Bind `name`, that is read within `owner`, in `scope`."""
        key = (id(owner), name)
        scope.names[name] = key, values
        if key not in self.uses:
            self.uses[key] = {id(node) for node in _reads(owner, name)} - self._harmless

    def bind_body(self, scope: Scope, owner: ast.AST, body: Sequence[ast.stmt]) -> None:
        """Bind the functions of a body, and the names that are assigned once in it, at its top."""
        stores = _stores(owner)
        for statement in _straight(body):
            if isinstance(statement, Function):
                scope.functions[statement.name] = statement
            for name, node in _assigned(statement):
                if stores[name] == 1:
                    self.bind(scope, name, owner, [Value(node, scope)])

    def looked_up(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return what a name stands for, each with this use of it noted."""
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return self._picked(node, node.slice.value, scope)
        while isinstance(node, ast.Subscript):
            node = node.value
        found = scope.names.get(key_of(node) or "")
        if found is None:
            return []
        key, values = found
        return [replace(value, via=value.via | {(key, id(node))}) for value in values]

    def _picked(self, node: ast.Subscript, index: object, scope: Scope) -> list[Value]:
        """Return what `case["y"]` or `case[1]` stands for: other elements of the same name may be inputs."""
        found = scope.names.get(key_of(node.value) or "")
        if found is None:
            return [
                replace(element, via=element.via | value.via)
                for value in (self.looked_up(node.value, scope) if isinstance(node.value, ast.Subscript) else [])
                for element in [element_of(value, index)]
                if element is not None
            ]
        whole, values = found
        key = (whole, repr(index))
        if key not in self.uses:
            self.uses[key] = {use for use in self.uses[whole] if self._indices.get(use, key[1]) == key[1]}
        elements = [(value, element_of(value, index)) for value in values]
        return [
            replace(element, via=value.via | {(key, id(node.value))})
            for value, element in elements
            if element is not None
        ]

    def rows(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return the rows of a table of literals, or of a name of one."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [Value(element, scope) for element in node.elts]
        if isinstance(node, ast.Call) and name_of(node.func) in ("list", "tuple", "sorted", "reversed", "iter"):
            return self.rows(node.args[0], scope) if node.args else []
        if isinstance(node, ast.Call) and name_of(node.func) == "items" and isinstance(node.func, ast.Attribute):
            return [row for value in self._all(node.func.value, scope) for row in _items_of(value)]
        found = self.looked_up(node, scope)
        return [
            replace(row, via=row.via | value.via, row=row.row or value.row)
            for value in found
            for row in self.rows(value.node, value.scope)
        ]

    def _all(self, node: ast.expr, scope: Scope) -> list[Value]:
        return [Value(node, scope)] if isinstance(node, ast.Dict) else self.looked_up(node, scope)

    def bind_target(self, target: ast.expr, rows: Sequence[Value], owner: ast.AST, scope: Scope) -> None:
        """Bind what a loop assigns in each round."""
        if isinstance(target, ast.Name):
            self.bind(scope, target.id, owner, list(rows))
        elif isinstance(target, ast.Tuple | ast.List):
            for index, part in enumerate(target.elts):
                column = [element_of(row, index, len(target.elts)) for row in rows]
                self.bind_target(part, [value for value in column if value is not None], owner, scope)

    def bind_loop(self, target: ast.expr, iterable: ast.expr, owner: ast.AST, scope: Scope) -> None:
        """Bind the names of `for target in iterable`."""
        parts = target.elts if isinstance(target, ast.Tuple) else []
        name = name_of(iterable.func) if isinstance(iterable, ast.Call) else ""
        arguments = iterable.args if isinstance(iterable, ast.Call) else []
        if name == "zip" and len(parts) == len(arguments):
            for part, argument in zip(parts, arguments, strict=True):
                self.bind_target(part, self.rows(argument, scope), owner, scope)
        elif name == "enumerate" and len(parts) == 2 and arguments:
            self.bind_target(parts[1], self.rows(arguments[0], scope), owner, scope)
        else:
            self.bind_target(target, self.rows(iterable, scope), owner, scope)

    # Statements
    def statements(self, body: Sequence[ast.stmt], scope: Scope) -> Iterator[Site]:
        """Yield the sites of statements that are carried out one after the other."""
        for statement in body:
            visit = _STATEMENTS.get(type(statement))
            if visit is not None:
                yield from visit(self, statement, scope)
            if isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue):
                return

    def _assert(self, node: ast.Assert, scope: Scope) -> Iterator[Site]:
        yield from self.demanded(node.test, scope)

    def demanded(self, test: ast.expr, scope: Scope) -> Iterator[Site]:
        """Yield the sites of a condition that must be true; that of a bare truth is its negation."""
        found = self.truth(test, scope)
        if not found and _is_bare(test):
            start, end = self.source.span(test)
            opening, closing = Edit(start, start, lambda rng: "not ("), Edit(end, end, lambda rng: ")")
            found = [Site(Kind.EQUAL, (opening, closing))]
        yield from found
        yield from self.operands(test, scope) if _has_equality(test) else ()

    def _if(self, node: ast.If, scope: Scope) -> Iterator[Site]:
        if _fails(node.body):
            yield from self.falsity(node.test, scope)
            yield from self.statements(node.orelse, scope)
        elif node.orelse and _fails(node.orelse):
            yield from self.truth(node.test, scope)
            yield from self.statements(node.body, scope)

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> Iterator[Site]:
        inner = scope.child()
        for name in _stored_names(node.target):
            inner.names.pop(name, None)
        self.bind_loop(node.target, node.iter, node, inner)
        yield from self.statements(node.body, inner)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> Iterator[Site]:
        calls = [item.context_expr for item in node.items]
        if not any(isinstance(call, ast.Call) and name_of(call.func) in _SWALLOW for call in calls):
            yield from self.statements(node.body, scope)

    def _try(self, node: ast.Try, scope: Scope) -> Iterator[Site]:
        if not any(_catches(handler) for handler in node.handlers):
            yield from self.statements([*node.body, *node.orelse], scope)
        yield from self.statements(node.finalbody, scope)

    def _expression(self, node: ast.Expr, scope: Scope) -> Iterator[Site]:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            yield from self.call(call, scope)

    def call(self, call: ast.Call, scope: Scope) -> Iterator[Site]:
        """Yield the sites of a call that stands as a statement: `self.assertEqual(..)`, or a helper."""
        name = name_of(call.func)
        helper = scope.functions.get(key_of(call.func) or "")
        if helper is not None:
            yield from self.helper(helper, call, scope)
        elif name == "run" and call.args and isinstance(call.args[0], ast.Call):
            yield from self.call(call.args[0], scope)
        elif name.startswith("assert"):
            yield from self._assertion(name, call, scope)

    def helper(self, helper: Function, call: ast.Call, scope: Scope) -> Iterator[Site]:
        """Yield the sites of a function of the tests that is called with these arguments."""
        parameters = [*helper.args.posonlyargs, *helper.args.args]
        if parameters and isinstance(call.func, ast.Attribute):
            parameters = parameters[1:]
        given = dict(zip([parameter.arg for parameter in parameters], call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            given = {}
        bound = {name: [Value(argument, scope)] for name, argument in given.items()}
        first, last = self._span_of(helper)
        key = ("call", id(helper))
        self.uses.setdefault(key, {id(node) for node in _reads(self.source.tree, key_of(call.func) or "")})
        for site in self.function(helper, scope, bound):
            inside = all(first <= edit.start <= last for edit in site.edits)
            yield replace(site, via=site.via | {(key, id(call.func))}) if inside else site

    def _span_of(self, helper: Function) -> tuple[int, int]:
        """Return where a function begins and ends: what changes in it, changes for all who call it."""
        start = ast.copy_location(ast.Constant(0), helper)
        return self.source.span(start)

    def function(self, node: Function, scope: Scope, bound: Mapping[str, list[Value]]) -> Iterator[Site]:
        """Yield the sites of the body of a function, whose parameters stand for `bound`."""
        if self._depth >= _DEEP:
            return
        inner = scope.child()
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            inner.names.pop(argument.arg, None)
        stores = _stores(node)
        for name in stores:
            inner.names.pop(name, None)
        for name, values in bound.items():
            if not stores[name]:
                self.bind(inner, name, node, values)
        self.bind_body(inner, node, node.body)
        self._depth += 1
        yield from self.statements(node.body, inner)
        self._depth -= 1

    def _assertion(self, name: str, call: ast.Call, scope: Scope) -> Iterator[Site]:
        sides = _sides(call)
        tolerance = _tolerance(call)
        if name in _CALLED:
            arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
            yield from chain.from_iterable(self.literals(argument, scope, Ask())[1] for argument in arguments)
        elif _ASSERT_EQUAL.fullmatch(name) and len(sides) == 2:
            ask = Ask(least=tolerance, unordered=name in ("assertCountEqual", "assertItemsEqual"))
            yield from self.equality(sides[0], sides[1], scope, ask)
            yield from self.operands(call, scope)
        elif name in ("assertTrue", "assertFalse", "assertIsNone") and call.args:
            yield from self._truth_assertion(name, call, scope)
        elif name == "assertIn" and len(sides) == 2:
            yield from self.membership(sides[0], sides[1], scope)
        elif name in _ASSERT_ORDER:
            yield from chain.from_iterable(self._bound(side) for side in sides)

    def _truth_assertion(self, name: str, call: ast.Call, scope: Scope) -> Iterator[Site]:
        test = call.args[0]
        found = {"assertTrue": self.truth, "assertFalse": self.falsity}.get(name, lambda *_: [])(test, scope)
        yield from found
        yield from self.operands(test, scope) if _has_equality(test) else ()
        if not found and (_is_bare(test) or name == "assertIsNone"):
            other = {"assertTrue": "assertFalse", "assertFalse": "assertTrue", "assertIsNone": "assertIsNotNone"}[name]
            end = self.source.span(call.func)[1]
            yield Site(Kind.EQUAL, (Edit(end - len(name), end, lambda rng: other),))

    # Conditions
    def truth(self, test: ast.expr, scope: Scope) -> Sites:
        """Return the sites that make `test` false."""
        if isinstance(test, ast.BoolOp):
            return _joined([self.truth(value, scope) for value in test.values], every=isinstance(test.op, ast.Or))
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.falsity(test.operand, scope)
        if isinstance(test, ast.Compare):
            return self._compared(test, scope)
        if isinstance(test, ast.Call):
            return self._true_call(test, scope)
        return self.truth(test.value, scope) if isinstance(test, ast.NamedExpr) else []

    def falsity(self, test: ast.expr, scope: Scope) -> Sites:
        """Return the sites that make `test` true, where the tests want it false."""
        if isinstance(test, ast.BoolOp):
            return _joined([self.falsity(value, scope) for value in test.values], every=isinstance(test.op, ast.And))
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.truth(test.operand, scope)
        if not isinstance(test, ast.Compare) or len(test.ops) != 1:
            return []
        left, op, right = test.left, test.ops[0], test.comparators[0]
        if isinstance(op, ast.NotEq | ast.IsNot):
            return self._equal_or_same(left, right, isinstance(op, ast.IsNot), scope)
        if isinstance(op, ast.NotIn):
            return [site for site in self.membership(left, right, scope) if site.kind is Kind.EQUAL]
        if isinstance(op, ast.Gt | ast.GtE):
            return self._near(left, right, scope)
        return self._near(right, left, scope) if isinstance(op, ast.Lt | ast.LtE) else []

    def _compared(self, test: ast.Compare, scope: Scope) -> Sites:
        found: Sites = []
        operands = [test.left, *test.comparators]
        for left, op, right in zip(operands, test.ops, operands[1:], strict=False):
            if isinstance(op, ast.Eq | ast.Is):
                found += self._equal_or_same(left, right, isinstance(op, ast.Is), scope)
            elif isinstance(op, ast.In):
                found += self.membership(left, right, scope)
            elif isinstance(op, _ORDERS):
                found += self._ordered(left, op, right, len(test.ops) == 2, scope)
        return found

    def _ordered(self, left: ast.expr, op: ast.cmpop, right: ast.expr, between: bool, scope: Scope) -> Sites:
        lower, upper = (left, right) if isinstance(op, ast.Lt | ast.LtE) else (right, left)
        found = self._near(lower, upper, scope)
        if not found and between and _difference(lower) is not None and _sub(lower):
            found = self._difference_sites(lower, upper, scope)
        if found or (between and _sub(upper)):
            return found
        return [*self._bound(left), *self._bound(right)]

    def _equal_or_same(self, left: ast.expr, right: ast.expr, same: bool, scope: Scope) -> Sites:
        if not same:
            return self.equality(left, right, scope, Ask())
        singles = [n for n in (right, left) if isinstance(n, ast.Constant) and n.value in (True, False, None)]
        return [self._single(single) for single in singles if type(single.value) in (bool, type(None))][:1]

    def _single(self, node: ast.Constant) -> Site:
        start, end = self.source.span(node)
        others = [word for word in ("True", "False") if word != str(node.value)]
        return Site(Kind.EQUAL, (Edit(start, end, lambda rng: rng.choice(others)),))

    def _true_call(self, call: ast.Call, scope: Scope) -> Sites:
        name, sides = name_of(call.func), _sides(call)
        if name in _CLOSE and len(sides) == 2:
            return self.equality(sides[0], sides[1], scope, Ask(least=_tolerance(call)))
        if name in ("all", "any") and len(call.args) == 1:
            return self._quantified(call.args[0], scope)
        if name == "all" and isinstance(call.func, ast.Attribute) and not call.args:
            return self.truth(call.func.value, scope)
        if name == "bool" and call.args:
            return self.truth(call.args[0], scope)
        return []

    def _quantified(self, test: ast.expr, scope: Scope) -> Sites:
        if isinstance(test, ast.List | ast.Tuple):
            return _joined([self.truth(element, scope) for element in test.elts], every=True)
        if not isinstance(test, ast.GeneratorExp | ast.ListComp) or len(test.generators) != 1:
            return self.truth(test, scope) if isinstance(test, ast.Compare) else []
        inner = scope.child()
        self.bind_loop(test.generators[0].target, test.generators[0].iter, test, inner)
        return self.truth(test.elt, inner)

    def _near(self, distance: ast.expr, tolerance: ast.expr, scope: Scope) -> Sites:
        """Return the sites of `abs(a - LITERAL) < tolerance`."""
        return self._difference_sites(distance, tolerance, scope) if not _sub(distance) else []

    def _difference_sites(self, distance: ast.expr, tolerance: ast.expr, scope: Scope) -> Sites:
        difference = _difference(distance)
        if difference is None:
            return []
        number = number_of(tolerance)
        least = 10 * abs(number) if number is not None else 0.0
        return self.equality(difference.left, difference.right, scope, Ask(least=least))

    def _bound(self, node: ast.expr) -> Sites:
        number = number_of(node)
        if number is None or isinstance(number, complex):
            return []
        return [Site(Kind.ORDER, (Edit(*self.source.span(node), lambda rng: NAN),))]

    def membership(self, item: ast.expr, container: ast.expr, scope: Scope) -> Sites:
        """Return the sites of `item in container`: all elements of a display, else a literal item."""
        if isinstance(container, ast.List | ast.Tuple | ast.Set):
            avoid = frozenset(_constants(container))
            asks = [self.literals(element, scope, Ask(avoid=avoid)) for element in container.elts]
            sure = all(rank < 2 and sites for rank, sites in asks)
            return [site for _, sites in asks for site in sites] if sure else []
        if number_of(item) is not None:
            return [Site(Kind.ORDER, (Edit(*self.source.span(item), lambda rng: NAN),))]
        if isinstance(item, ast.Constant) and isinstance(item.value, str | bytes):
            written = self.source.written(item)
            return [Site(Kind.ORDER, (Edit(*self.source.span(item), lambda rng: _strange(written, rng)),))]
        return []

    # Sides
    def equality(self, left: ast.expr, right: ast.expr, scope: Scope, ask: Ask) -> Sites:
        """Return the sites of the expected side: the one of plain literals, if there is one, else the right one."""
        found = [(rank, sites) for rank, sites in (self._side(side, scope, ask) for side in (right, left)) if sites]
        return min(found, key=lambda pair: pair[0])[1] if found else []

    def _side(self, node: ast.expr, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        return self.literals(node, scope, replace(ask, avoid=frozenset(_constants(node))))

    def literals(self, node: ast.expr, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        """Return the sites in an expression, and how far from a plain literal it is: 0, 1 for a name, 2 for a call."""
        visit = _SIDES.get(type(node))
        return (0, []) if visit is None else visit(self, node, scope, ask)

    def _site(self, edit: Edit | None, ask: Ask) -> Sites:
        return [] if edit is None else [Site(Kind.EQUAL, (edit,), ask.via, ask.row)]

    def _constant(self, node: ast.Constant, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        avoid = ask.avoid | {node.value}
        return 0, self._site(change(self.source, node, avoid, ask.least, ask.brief), ask)

    def _unary(self, node: ast.UnaryOp, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        return (0, []) if isinstance(node.op, ast.Not) else self.literals(node.operand, scope, ask)

    def _display(self, node: ast.List | ast.Tuple | ast.Set, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        if not node.elts:
            start, end = self.source.span(node)
            filling = "[7]" if isinstance(node, ast.List) else "(7,)"
            return 0, self._site(Edit(start, end, lambda rng: filling), ask) if end - start == 2 else []
        ask = replace(ask, unordered=ask.unordered or isinstance(node, ast.Set))
        return self._elements(node.elts, scope, ask)

    def _dict(self, node: ast.Dict, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        if not node.values:
            start, end = self.source.span(node)
            return 0, self._site(Edit(start, end, lambda rng: "{7: 7}"), ask) if end - start == 2 else []
        rank, found = self._elements(node.values, scope, ask)
        return (rank, found) if found else self._elements([key for key in node.keys if key], scope, ask)

    def _elements(self, nodes: Sequence[ast.expr], scope: Scope, ask: Ask) -> tuple[int, Sites]:
        """Return the sites of elements. `True` and `None` change only where nothing else does."""
        step = -(-len(nodes) // _MANY)
        plain = [node for node in nodes if not _is_single(node)][::step]
        asked = [self.literals(node, scope, ask) for node in plain]
        found = [site for _, sites in asked for site in sites]
        if not found:
            singles = [node for node in nodes if _is_single(node)]
            asked = [self.literals(node, scope, ask) for node in (singles[:1] if ask.unordered else singles[::step])]
            found = [site for _, sites in asked for site in sites]
        return max((rank for rank, sites in asked if sites), default=0), found

    def _operation(self, node: ast.BinOp, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        value = _computed(node)
        written = self.source.written(node)
        if value is not None and "\n" not in written and "\r" not in written:
            stand_in = ast.copy_location(ast.Constant(value), node)
            return 0, self._site(_restated(self.source, stand_in, ask.least), ask)
        if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow):
            return 2, []
        sides = [node.left] if isinstance(node.op, ast.Pow) else [node.right, node.left]
        others = [node.right] if isinstance(node.op, ast.Pow) else [node.left, node.right]
        for side, other in zip(sides, others, strict=True):
            _, found = self.literals(side, scope, replace(ask, brief=True))
            if found and not (number_of(other) == 0 and isinstance(node.op, ast.Mult | ast.Pow)):
                return 2, found[:1]
        return 2, []

    def _made(self, call: ast.Call, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        """Return the sites in a call on the expected side, if its value differs where its arguments do."""
        name = name_of(call.func)
        if name == "approx":
            tolerance = max(_tolerance(call), 0.0)
            return self.literals(call.args[0], scope, replace(ask, least=tolerance)) if call.args else (0, [])
        if not call.args and not call.keywords:
            return 0, self._filled(name, call, ask)
        if name in ("date", "datetime", "time") and number_of(call.args[0] if call.args else call) is not None:
            return 2, self._site(_other_date(self.source, name, call.args[0]), ask)
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        if name in _TEXT_METHODS and receiver is not None:  # 'a b'.split()
            return 2, self.literals(receiver, scope, replace(ask, brief=True))[1]
        if name == "join" and isinstance(receiver, ast.Constant) and call.args:
            return 2, self.literals(call.args[0], scope, replace(ask, brief=True))[1]
        if name not in _WHOLE | _ONE and not name[:1].isupper():
            return 2, []
        return 2, self._arguments(name, call, scope, ask)

    def _arguments(self, name: str, call: ast.Call, scope: Scope, ask: Ask) -> Sites:
        if name == "range" and len(call.args) > 1:
            return []
        if name in ("float", "Decimal") and isinstance(call.args[0] if call.args else call, ast.Constant):
            text = call.args[0].value  # type: ignore[attr-defined]
            if isinstance(text, str) and not any(char.isdigit() for char in text):  # float("inf")
                func = self.source.written(call.func)
                return self._site(Edit(*self.source.span(call), lambda rng: f"{func}({rng.randrange(2, 90)})"), ask)
        arguments = list(call.args)
        if name in _FIRST_ONLY:
            arguments = arguments[:1]
        else:
            arguments += [keyword.value for keyword in call.keywords]
        ask = replace(ask, brief=True, unordered=ask.unordered or name in _UNORDERED)
        _, found = self._elements(arguments, scope, ask)
        return found[:1] if name in _ONE else found

    def _filled(self, name: str, call: ast.Call, ask: Ask) -> Sites:
        if name not in _FILLINGS:
            return []
        end = self.source.span(call)[1] - 1
        return self._site(Edit(end, end, lambda rng: _FILLINGS[name]), ask)

    def _named(self, node: ast.expr, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        found: Sites = []
        if isinstance(node, ast.Attribute) and node.attr in {"inf", *_CONSTANTS} and name_of(node.value) in _MODULES:
            return 2, self._site(_shifted(self.source, node), ask)
        for value in self.looked_up(node, scope):
            self._depth += 1
            if self._depth < 50:
                inner = replace(ask, via=ask.via | value.via, row=value.row or ask.row)
                inner = replace(inner, avoid=ask.avoid | frozenset(_constants(value.node)))
                found += self.literals(value.node, value.scope, inner)[1]
            self._depth -= 1
        return 1, found

    def _comprehension(self, node: ast.ListComp, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        return 2, self.literals(node.elt, scope, ask)[1] if isinstance(node.elt, ast.Constant) else []

    # Operands
    def operands(self, test: ast.expr, scope: Scope) -> Iterator[Site]:
        """Yield literals that are operands of arithmetic in what is compared, but not what `_near` changes."""
        covered = {edit.start for site in self.truth(test, scope) if _has_difference(test) for edit in site.edits}
        for node in _evaluated(test):
            if isinstance(node, ast.BinOp) and isinstance(node.op, _ARITHMETIC) and _computed(node) is None:
                for operand in (node.left, node.right):
                    literal = operand.operand if isinstance(operand, ast.UnaryOp) else operand
                    if isinstance(literal, ast.Constant) and type(literal.value) in (int, float, complex, str, bytes):
                        edit = change(self.source, literal, {literal.value}, 0.0, False)
                        if edit is not None and edit.start not in covered:
                            yield Site(Kind.OPERAND, (edit,))


_MODULES = ("math", "np", "numpy", "cmath")

_STATEMENTS: Mapping[type, Callable[..., Iterator[Site]]] = {
    ast.Assert: Walk._assert,
    ast.If: Walk._if,
    ast.For: Walk._for,
    ast.AsyncFor: Walk._for,
    ast.With: Walk._with,
    ast.AsyncWith: Walk._with,
    ast.Try: Walk._try,
    ast.Expr: Walk._expression,
}

_SIDES: Mapping[type, Callable[..., tuple[int, Sites]]] = {
    ast.Constant: Walk._constant,
    ast.UnaryOp: Walk._unary,
    ast.List: Walk._display,
    ast.Tuple: Walk._display,
    ast.Set: Walk._display,
    ast.Dict: Walk._dict,
    ast.BinOp: Walk._operation,
    ast.Call: Walk._made,
    ast.Name: Walk._named,
    ast.Attribute: Walk._named,
    ast.Subscript: Walk._named,
    ast.ListComp: Walk._comprehension,
}


# Small questions
def _joined(found: Sequence[Sites], every: bool) -> Sites:
    """Return all sites; none if `every` part must have some and one has not."""
    return [] if every and not all(found) else [site for sites in found for site in sites]


def element_of(value: Value, index: object, count: int | None = None) -> Value | None:
    """Return the element of a display; `pytest.param(1, 2)` is one too."""
    node = value.node
    if isinstance(node, ast.Dict):
        for key, item in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == index and type(key.value) is type(index):
                return replace(value, node=item)
        return None
    elements = node.args if isinstance(node, ast.Call) and name_of(node.func) == "param" else getattr(node, "elts", [])
    if count not in (None, len(elements)) or any(isinstance(element, ast.Starred) for element in elements):
        return None
    if isinstance(node, ast.Set) or not isinstance(index, int) or not -len(elements) <= index < len(elements):
        return None
    return replace(value, node=elements[index])


def _items_of(value: Value) -> list[Value]:
    if not isinstance(value.node, ast.Dict):
        return []
    pairs = zip(value.node.keys, value.node.values, strict=True)
    return [replace(value, node=ast.Tuple([key, item], ast.Load())) for key, item in pairs if key is not None]


def _sides(call: ast.Call) -> list[ast.expr]:
    """Return the first two arguments, also where they are given by name."""
    named = [k.value for k in call.keywords if k.arg in ("first", "second", "actual", "desired", "member", "container")]
    return [argument for argument in call.args if not isinstance(argument, ast.Starred)][:2] + named


def _tolerance(call: ast.Call) -> float:
    """Return what an expected number must be changed by, at least, to be outside the tolerances of a call."""
    numbers = [number_of(k.value) for k in call.keywords if k.arg in _TOLERANCES]
    return max((10 * abs(number) for number in numbers if number is not None), default=0.0)


def _difference(node: ast.expr) -> ast.BinOp | None:
    """Return the difference in `abs(a - b)`, `math.fabs(a - b) / b`, `np.abs(a - b).max()`."""
    if isinstance(node, ast.BinOp):
        return (
            node if isinstance(node.op, ast.Sub) else _difference(node.left) if isinstance(node.op, ast.Div) else None
        )
    if isinstance(node, ast.Call) and name_of(node.func) in _ABS:
        inner = node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None
        return None if inner is None else _difference(inner)
    return None


def _sub(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)


def _has_equality(test: ast.expr) -> bool:
    """Say whether an equality is demanded, and nothing is denied."""
    ops = {type(op) for node in ast.walk(test) if isinstance(node, ast.Compare) for op in node.ops}
    close = any(isinstance(node, ast.Call) and name_of(node.func) in _CLOSE for node in ast.walk(test))
    return (ast.Eq in ops or close or _has_difference(test)) and not ops & {ast.NotEq, ast.NotIn, ast.IsNot}


def _has_difference(test: ast.expr) -> bool:
    parts = (
        part for node in ast.walk(test) if isinstance(node, ast.Compare) for part in (node.left, *node.comparators)
    )
    return any(_difference(part) is not None for part in parts)


def _is_single(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _is_bare(test: ast.expr) -> bool:
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    return isinstance(test, ast.Call | ast.Name | ast.Attribute | ast.Subscript | ast.Await)


def _fails(body: Sequence[ast.stmt]) -> bool:
    """Say whether a body ends the test as failed: `raise`, `assert False`, `self.fail()`."""
    last = body[-1]
    if isinstance(last, ast.Assert):
        return isinstance(last.test, ast.Constant) and not last.test.value
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return name_of(last.value.func) in _FAILS
    return isinstance(last, ast.Raise)


def _catches(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler may catch a failed assertion."""
    caught = handler.type
    names = [name_of(part) for part in (caught.elts if isinstance(caught, ast.Tuple) else [caught] if caught else [])]
    return not names or not all(name.endswith("Error") and name != "AssertionError" for name in names)


def _strange(written: str, rng: Random) -> str:
    word = "".join(rng.choice("bcdfghjklmnpqrstvwxyz") for _ in range(12))
    return other_text(
        f'b"{word}"' if "b" in written[:2].lower().partition('"')[0].partition("'")[0] else f'"{word}"', (), 1, rng
    )


def _constants(node: ast.AST) -> list[object]:
    parts = (part for part in ast.walk(node) if isinstance(part, ast.Constant))
    return [part.value for part, _ in zip(parts, range(1000), strict=False)]


def _restated(source: Source, node: ast.Constant, least: float) -> Edit | None:
    """Return an edit for a number that the tests compute, `10**9 + 7`: it writes another number itself."""
    value = number_of(node) or 0
    alone = Source(repr(abs(value)))
    literal = ast.parse(alone.text, mode="eval").body
    inner = change(alone, literal, {abs(value)}, least, False) if isinstance(literal, ast.Constant) else None
    return Edit(*source.span(node), lambda rng: f"({inner.write(rng)})") if inner is not None else None


_OPERATIONS: Mapping[type, Callable[..., complex]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}


def _computed(node: ast.expr) -> int | float | None:
    """Return the value of arithmetic with numbers only, if it is small enough to be worked out."""
    if not isinstance(node, ast.BinOp):
        number = number_of(node)
        return None if number is None or isinstance(number, complex) else number
    left, right = _computed(node.left), _computed(node.right)
    if left is None or right is None or type(node.op) not in _OPERATIONS:
        return None
    if isinstance(node.op, ast.Pow | ast.LShift) and not (abs(right) <= 256 and abs(left) < 1 << 64):
        return None
    try:
        value = _OPERATIONS[type(node.op)](left, right)
    except (ArithmeticError, TypeError, ValueError):
        return None
    return value if isinstance(value, int | float) and abs(value) < float("inf") else None


def _shifted(source: Source, node: ast.Attribute) -> Edit:
    written = source.written(node)
    return Edit(*source.span(node), lambda rng: "7.5" if node.attr == "inf" else f"({written} + {rng.randrange(2, 9)})")


def _other_date(source: Source, name: str, node: ast.expr) -> Edit | None:
    """Return an edit to another year, a leap year if the old one is, or another hour."""
    value = number_of(node)
    if not isinstance(value, int):
        return None
    if name == "time":
        return Edit(*source.span(node), lambda rng: str((value + rng.randrange(1, 24)) % 24))
    return Edit(*source.span(node), lambda rng: str(value + (4 if value < 5000 else -4) * rng.randrange(1, 5)))


def _evaluated(test: ast.expr) -> Iterator[ast.AST]:
    """Yield the parts of a condition, but not what is an index or an argument of some function."""
    waiting: list[ast.AST] = [test]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.Subscript):
            waiting.append(node.value)
        elif isinstance(node, ast.Call) and not _looks_through(node):
            waiting.append(node.func)
        elif not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _looks_through(call: ast.Call) -> bool:
    name = name_of(call.func)
    return name.startswith("assert") or name in _ABS | _CLOSE | {
        "round",
        "str",
        "repr",
        "len",
        "float",
        "int",
        "bool",
        "list",
        "all",
    }


def _in_messages(tree: ast.AST) -> Iterator[int]:
    """Yield the parts of messages, of f-strings and of what names a sub-test: it does no harm to read values there."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Assert):
            parts = [node.msg]
        elif isinstance(node, ast.JoinedStr):
            parts = [node]
        elif isinstance(node, ast.Call) and name_of(node.func) in ("subTest", "print"):
            parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Call) and name_of(node.func).startswith("assert"):
            parts = [*node.args[2:], *(keyword.value for keyword in node.keywords if keyword.arg == "msg")]
        for part in parts:
            if part is not None:
                yield from map(id, ast.walk(part))


def _straight(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements that are carried out exactly once, in order."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.With | ast.AsyncWith):
            yield from _straight(statement.body)


def _assigned(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Return the names that a statement assigns one by one, each with what it assigns."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return []
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = list(zip(target.elts, value.elts, strict=True))
    else:
        pairs = [(target, value)]
    return [(name, node) for part, node in pairs if (name := key_of(part)) is not None]


def _stored_names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.Attribute) and isinstance(part.ctx, ast.Store | ast.Del):
            yield key_of(part) or ""
        elif isinstance(part, ast.alias):
            yield (part.asname or part.name).partition(".")[0]
        elif isinstance(part, ast.Global | ast.Nonlocal):
            yield from (name for name in part.names for _ in range(2))


def _stores(owner: ast.AST) -> Mapping[str, int]:
    """Return how often each name is assigned in a function, class or module, not counting the functions in it."""
    counts: defaultdict[str, int] = defaultdict(int)
    waiting = list(ast.iter_child_nodes(owner))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            if isinstance(owner, ast.Module):  # what a function declares global
                globals_ = (part for part in ast.walk(node) if isinstance(part, ast.Global))
                for name in (name for part in globals_ for name in part.names):
                    counts[name] += 2
            if not isinstance(node, ast.Lambda):
                counts[node.name] += 1
            if not isinstance(owner, ast.ClassDef):
                continue
        if not isinstance(node, ast.stmt | ast.expr | ast.alias | ast.excepthandler | ast.withitem | ast.match_case):
            continue
        if isinstance(node, ast.Name | ast.Attribute | ast.alias | ast.Global | ast.Nonlocal):
            for name in _stored_names(node) if not isinstance(node, ast.Attribute) else _own_store(node):
                counts[name] += 1
        waiting.extend(ast.iter_child_nodes(node))
    return counts


def _own_store(node: ast.Attribute) -> list[str]:
    name = key_of(node)
    return [name] if name and isinstance(node.ctx, ast.Store | ast.Del) else []


def _reads(owner: ast.AST, name: str) -> Iterator[ast.AST]:
    """Yield where `name` is read in `owner`, functions in which it is another name left out."""
    waiting = list(ast.iter_child_nodes(owner))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.Lambda) and _rebinds(node, name):
            continue
        if isinstance(node, ast.Name | ast.Attribute) and key_of(node) == name and isinstance(node.ctx, ast.Load):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _rebinds(node: Function | ast.Lambda, name: str) -> bool:
    arguments = node.args
    names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    if any(argument is not None and argument.arg == name for argument in names):
        return True
    return not isinstance(node, ast.Lambda) and _stores(node)[name] == 1
