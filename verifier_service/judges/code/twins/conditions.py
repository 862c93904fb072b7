"""Find which literals make a test's condition false (or true, if the test wants it false)."""

import ast
from collections.abc import Callable, Iterator, Sequence
from random import Random

from verifier_service.judges.code.twins.literals import NAN, Demand, Edit, change, number_of
from verifier_service.judges.code.twins.names import Scope
from verifier_service.judges.code.twins.reading import (
    CLOSE,
    computed,
    constants_in,
    difference_in,
    evaluated,
    has_difference,
    is_difference,
    is_single,
    name_of,
    sides_of,
    tolerance_of,
)
from verifier_service.judges.code.twins.sides import Ask, Kind, Sides, Site, Sites

_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)


class Conditions(Sides):
    """Finds the sites of one condition."""

    def truth(self, test: ast.expr, scope: Scope) -> Sites:
        """Return the sites that make `test` false."""
        if isinstance(test, ast.BoolOp):
            return self._all_of(self.truth, test, scope, every=isinstance(test.op, ast.Or))
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.falsity(test.operand, scope)
        if isinstance(test, ast.Compare):
            return self._compared(test, scope)
        if isinstance(test, ast.Call):
            return self._true_call(test, scope)
        return self.truth(test.value, scope) if isinstance(test, ast.NamedExpr) else []

    def falsity(self, test: ast.expr, scope: Scope) -> Sites:
        """Return the sites that make `test` true, for tests that want it false."""
        if isinstance(test, ast.BoolOp):
            return self._all_of(self.falsity, test, scope, every=isinstance(test.op, ast.And))
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

    def _all_of(self, ask: Callable[..., Sites], test: ast.BoolOp, scope: Scope, every: bool) -> Sites:
        """Return the sites of a condition with several parts.

        With `every`, one part that still holds would be enough to pass, so every part must get a site.
        """
        outer = self._alternatives
        if every:  # in `x == 4 or x == 8`, 4 must not become 8, nor 8 become 4
            self._alternatives |= frozenset(constants_in(test))
        found = [ask(value, scope) for value in test.values]
        self._alternatives = outer
        return _joined(found, every)

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
        if not found and between and difference_in(lower) is not None and is_difference(lower):
            found = self._difference_sites(lower, upper, scope)
        if found or (between and is_difference(upper)):
            return found
        return [*self._bound(left), *self._bound(right)]

    def _equal_or_same(self, left: ast.expr, right: ast.expr, same: bool, scope: Scope) -> Sites:
        if not same:
            return self.equality(left, right, scope, Ask())
        singles = [n for n in (right, left) if isinstance(n, ast.Constant) and n.value in (True, False, None)]
        return [self._single(single) for single in singles if type(single.value) in (bool, type(None))][:1]

    # Only bool and None are singletons: `1 is True` compares equal but must not be found here.
    def _single(self, node: ast.Constant) -> Site:
        start, end = self.source.span(node)
        others = [word for word in ("True", "False") if word != str(node.value)]
        return Site(Kind.EQUAL, (Edit(start, end, lambda rng: rng.choice(others)),))

    def _true_call(self, call: ast.Call, scope: Scope) -> Sites:
        name, sides = name_of(call.func), sides_of(call)
        if name in CLOSE and len(sides) == 2:
            return self.equality(sides[0], sides[1], scope, Ask(least=tolerance_of(call)))
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
        return self._difference_sites(distance, tolerance, scope) if not is_difference(distance) else []

    def _difference_sites(self, distance: ast.expr, tolerance: ast.expr, scope: Scope) -> Sites:
        difference = difference_in(distance)
        if difference is None:
            return []
        number = number_of(tolerance)
        # Ten times the tolerance, so that the changed test fails for any answer the original accepts.
        least = 10 * abs(number) if number is not None else 0.0
        return self.equality(difference.left, difference.right, scope, Ask(least=least))

    def _bound(self, node: ast.expr) -> Sites:
        number = number_of(node)
        if number is None or isinstance(number, complex):
            return []
        return [Site(Kind.ORDER, (Edit(*self.source.span(node), lambda rng: NAN),))]

    def membership(self, item: ast.expr, container: ast.expr, scope: Scope) -> Sites:
        """Return the sites of `item in container`: all elements of a display, or else a literal item."""
        if isinstance(container, ast.List | ast.Tuple | ast.Set):
            avoid = self._alternatives | frozenset(constants_in(container))
            asks = [self.literals(element, scope, Ask(avoid=avoid)) for element in container.elts]
            singles = [element for element in container.elts if is_single(element)]
            sure = all(rank < 2 and sites for rank, sites in asks) and len(singles) < 2
            return _together([site for _, sites in asks for site in sites]) if sure else []
        if number_of(item) is not None:
            return [Site(Kind.ORDER, (Edit(*self.source.span(item), lambda rng: NAN),))]
        if isinstance(item, ast.Constant) and isinstance(item.value, str | bytes):
            written = self.source.written(item)
            return [Site(Kind.ORDER, (Edit(*self.source.span(item), lambda rng: _strange(written, rng)),))]
        return []

    def operands(self, test: ast.expr, scope: Scope) -> Iterator[Site]:
        """Yield literals that are operands of arithmetic in a comparison, except those that `_near` changes."""
        covered = {edit.start for site in self.truth(test, scope) if has_difference(test) for edit in site.edits}
        for node in evaluated(test):
            if isinstance(node, ast.BinOp) and isinstance(node.op, _ARITHMETIC) and computed(node) is None:
                for operand in (node.left, node.right):
                    literal = operand.operand if isinstance(operand, ast.UnaryOp) else operand
                    if isinstance(literal, ast.Constant) and type(literal.value) in (int, float, complex, str, bytes):
                        edit = change(self.source, literal, Demand(avoid={literal.value}))
                        if edit is not None and edit.start not in covered:
                            yield Site(Kind.OPERAND, (edit,))


def _joined(found: Sequence[Sites], every: bool) -> Sites:
    """Return all sites, but none if `every` part needs some and one has none."""
    if every and not all(found):
        return []
    sites = [site for part in found for site in part]
    return _together(sites) if every else sites


def _together(sites: Sites) -> Sites:
    """Return sites that must change together as one site: if one stayed, that would be enough to pass."""
    if len(sites) < 2 or len({site.row for site in sites}) > 1:
        return sites
    kind = Kind.EQUAL if any(site.kind is Kind.EQUAL for site in sites) else sites[0].kind
    edits = tuple(edit for site in sites for edit in site.edits)
    return [Site(kind, edits, frozenset[tuple[object, int]]().union(*(site.via for site in sites)), sites[0].row)]


def _strange(written: str, rng: Random) -> str:
    word = "".join(rng.choice("bcdfghjklmnpqrstvwxyz") for _ in range(12))
    return f'b"{word}"' if written[:1] in "bB" or written[1:2] in "bB" else f'"{word}"'
