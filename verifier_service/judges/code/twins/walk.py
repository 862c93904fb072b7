"""Find the literals in tests that an equality depends on: change one, and the test must fail.

A test is walked as it would run: its statements, loops over tables, calls of helper functions. Where it demands an
equality (`assert f(2) == 4`, `if f(2) != 4: raise`, `self.assertEqual(f(2), 4)`, `abs(f(2) - 4) < 1e-6`), the literals
of the expected side are found. They can be behind a name: a variable assigned once, a parameter of a helper or of
`parametrize`, a column of a table. Such a name counts only if every use of it is on the expected side of an equality;
one that is also an input of the submission would change the question along with the answer.

Only certain cases count. Whatever might not run (`if`, `except`, the body of `pytest.raises`) is omitted.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from verifier_service.judges.code.twins.conditions import Conditions
from verifier_service.judges.code.twins.literals import Edit, Source
from verifier_service.judges.code.twins.names import Function, Scope, Value, stored_names
from verifier_service.judges.code.twins.reading import (
    catches,
    fails,
    has_equality,
    is_bare,
    key_of,
    name_of,
    sides_of,
    tolerance_of,
)
from verifier_service.judges.code.twins.sides import Ask, Kind, Site

_DEEP = 8  # how deep calls of helpers within helpers are followed
# unittest's and numpy's: assertEqual, assertListEqual, assert_array_almost_equal; not assertNotEqual
_ASSERT_EQUAL = re.compile(r"assert(?!\w*[Nn]ot)(\w*Equals?|AlmostEquals|ItemsEqual|Is|_\w*equal|_\w*allclose)")
_ASSERT_ORDER = {"assertGreater", "assertGreaterEqual", "assertLess", "assertLessEqual"}
_CALLED = {
    "assert_called_with",
    "assert_called_once_with",
    "assert_any_call",
    "assert_has_calls",
    "assert_awaited_with",
}
# What makes a failure inside its block go unnoticed.
_SWALLOW = {"raises", "assertRaises", "assertRaisesRegex", "suppress", "xfail"}


class Walk(Conditions):
    """Finds the sites of the tests of one file."""

    def statements(self, body: Sequence[ast.stmt], scope: Scope) -> Iterator[Site]:
        """Yield the sites of statements that run one after the other."""
        for statement in body:
            visit = _STATEMENTS.get(type(statement))
            if visit is not None:
                yield from visit(self, statement, scope)
            if isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue):
                return

    def _assert(self, node: ast.Assert, scope: Scope) -> Iterator[Site]:
        yield from self.demanded(node.test, scope)

    def demanded(self, test: ast.expr, scope: Scope) -> Iterator[Site]:
        """Yield the sites of a condition that must be true. A bare truth value is changed by negating it."""
        found = self.truth(test, scope)
        if not found and is_bare(test):
            found = [Site(Kind.EQUAL, (_negated(self.source, test),))]
        yield from found
        yield from self.operands(test, scope) if has_equality(test) else ()

    def _if(self, node: ast.If, scope: Scope) -> Iterator[Site]:
        if fails(node.body):
            yield from self.falsity(node.test, scope)
            yield from self.statements(node.orelse, scope)
        elif node.orelse and fails(node.orelse):
            yield from self.truth(node.test, scope)
            yield from self.statements(node.body, scope)

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> Iterator[Site]:
        inner = scope.child()
        for name in stored_names(node.target):
            inner.names.pop(name, None)
        self.bind_loop(node.target, node.iter, node, inner)
        yield from self.statements(node.body, inner)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> Iterator[Site]:
        calls = [item.context_expr for item in node.items]
        if not any(isinstance(call, ast.Call) and name_of(call.func) in _SWALLOW for call in calls):
            yield from self.statements(node.body, scope)

    def _try(self, node: ast.Try, scope: Scope) -> Iterator[Site]:
        if not any(catches(handler) for handler in node.handlers):
            yield from self.statements([*node.body, *node.orelse], scope)
        yield from self.statements(node.finalbody, scope)

    def _expression(self, node: ast.Expr, scope: Scope) -> Iterator[Site]:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            yield from self.call(call, scope)

    def call(self, call: ast.Call, scope: Scope) -> Iterator[Site]:
        """Yield the sites of a call that is a statement: `self.assertEqual(..)`, or a helper."""
        name = name_of(call.func)
        helper = scope.functions.get(key_of(call.func) or "")
        if helper is not None:
            yield from self.helper(helper, call, scope)
        elif name == "run" and call.args and isinstance(call.args[0], ast.Call):
            yield from self.call(call.args[0], scope)
        elif name.startswith("assert"):
            yield from self._assertion(name, call, scope)

    def helper(self, helper: Function, call: ast.Call, scope: Scope) -> Iterator[Site]:
        """Yield the sites of a test's helper function, called with these arguments."""
        parameters = [*helper.args.posonlyargs, *helper.args.args]
        if parameters and isinstance(call.func, ast.Attribute):
            # A method's first parameter is `self`.
            parameters = parameters[1:]
        given = dict(zip([parameter.arg for parameter in parameters], call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            given = {}
        bound = {name: [Value(argument, scope)] for name, argument in given.items()}
        first, last = self._span_of(helper)
        key = ("call", id(helper))
        if key not in self.uses:
            self.uses[key] = self.reads_of(self.source.tree, key_of(call.func) or "")
        for site in self.function(helper, scope, bound):
            inside = all(first <= edit.start <= last for edit in site.edits)
            yield replace(site, via=site.via | {(key, id(call.func))}) if inside else site

    def _span_of(self, helper: Function) -> tuple[int, int]:
        """Return where a function begins and ends. A change inside it affects all its callers."""
        start = ast.copy_location(ast.Constant(0), helper)
        return self.source.span(start)

    def function(self, node: Function, scope: Scope, bound: Mapping[str, list[Value]]) -> Iterator[Site]:
        """Yield the sites of a function's body, whose parameters stand for `bound`."""
        if self._depth >= _DEEP:
            return
        inner = scope.child()
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            inner.names.pop(argument.arg, None)
        stores = self.stores_in(node)
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
        sides = sides_of(call)
        tolerance = tolerance_of(call)
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
        yield from self.operands(test, scope) if has_equality(test) else ()
        if not found and (is_bare(test) or name == "assertIsNone"):
            other = {"assertTrue": "assertFalse", "assertFalse": "assertTrue", "assertIsNone": "assertIsNotNone"}[name]
            end = self.source.span(call.func)[1]
            yield Site(Kind.EQUAL, (Edit(end - len(name), end, lambda rng: other),))


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


def _negated(source: Source, test: ast.expr) -> Edit:
    """Return the edit from `f(x)` to `not f(x)`, or back."""
    start = source.span(test)[0]
    if not isinstance(test, ast.UnaryOp):
        return Edit(start, start, lambda rng: "not ")
    end = start + len("not")
    return Edit(start, end + source.text.startswith(" ", end), lambda rng: "")
