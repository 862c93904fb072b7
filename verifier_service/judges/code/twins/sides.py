"""The literals on the expected side of an equality, also through names, displays, constructors and arithmetic."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from verifier_service.judges.code.twins.literals import Edit, Source, change, number_of
from verifier_service.judges.code.twins.names import Names, Scope
from verifier_service.judges.code.twins.reading import computed, constants_in, is_single, name_of, tolerance_of

_MANY = 100  # literals of one table that change
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
_MODULES = ("math", "np", "numpy", "cmath")
_TEXT_METHODS = {"casefold", "upper", "lower", "strip", "split", "encode", "title", "splitlines", "rstrip", "lstrip"}


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


Sites = list[Site]


@dataclass(frozen=True)
class Ask:
    """What is wanted of the literals on a side."""

    least: float = 0.0
    unordered: bool = False
    brief: bool = False
    avoid: frozenset[object] = frozenset()
    via: frozenset[tuple[object, int]] = frozenset()
    row: tuple[int, int] | None = None


class Sides(Names):
    """Finds the literals on one side of an equality."""

    def equality(self, left: ast.expr, right: ast.expr, scope: Scope, ask: Ask) -> Sites:
        """Return the sites of the expected side: the one of plain literals, if there is one, else the right one."""
        found = [(rank, sites) for rank, sites in (self._side(side, scope, ask) for side in (right, left)) if sites]
        return min(found, key=lambda pair: pair[0])[1] if found else []

    def _side(self, node: ast.expr, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        return self.literals(node, scope, replace(ask, avoid=frozenset(constants_in(node))))

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
        plain = [node for node in nodes if not is_single(node)][::step]
        asked = [self.literals(node, scope, ask) for node in plain]
        found = [site for _, sites in asked for site in sites]
        if not found:
            singles = [node for node in nodes if is_single(node)]
            asked = [self.literals(node, scope, ask) for node in (singles[:1] if ask.unordered else singles[::step])]
            found = [site for _, sites in asked for site in sites]
        return max((rank for rank, sites in asked if sites), default=0), found

    def _operation(self, node: ast.BinOp, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        value = computed(node)
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
            tolerance = max(tolerance_of(call), 0.0)
            return self.literals(call.args[0], scope, replace(ask, least=tolerance)) if call.args else (0, [])
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        if name in _TEXT_METHODS and receiver is not None:  # 'a b'.split()
            return 2, self.literals(receiver, scope, replace(ask, brief=True))[1]
        if not call.args and not call.keywords:
            return 0, self._filled(name, call, ask)
        if name in ("date", "datetime", "time") and number_of(call.args[0] if call.args else call) is not None:
            return 2, self._site(_other_date(self.source, name, call.args[0]), ask)
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
                inner = replace(inner, avoid=ask.avoid | frozenset(constants_in(value.node)))
                found += self.literals(value.node, value.scope, inner)[1]
            self._depth -= 1
        return 1, found

    def _comprehension(self, node: ast.ListComp, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        return 2, self.literals(node.elt, scope, ask)[1] if isinstance(node.elt, ast.Constant) else []


_SIDES: Mapping[type, Callable[..., tuple[int, Sites]]] = {
    ast.Constant: Sides._constant,
    ast.UnaryOp: Sides._unary,
    ast.List: Sides._display,
    ast.Tuple: Sides._display,
    ast.Set: Sides._display,
    ast.Dict: Sides._dict,
    ast.BinOp: Sides._operation,
    ast.Call: Sides._made,
    ast.Name: Sides._named,
    ast.Attribute: Sides._named,
    ast.Subscript: Sides._named,
    ast.ListComp: Sides._comprehension,
}


def _restated(source: Source, node: ast.Constant, least: float) -> Edit | None:
    """Return an edit for a number that the tests compute, `10**9 + 7`: it writes another number itself."""
    value = number_of(node) or 0
    alone = Source(repr(abs(value)))
    literal = ast.parse(alone.text, mode="eval").body
    inner = change(alone, literal, {abs(value)}, least, False) if isinstance(literal, ast.Constant) else None
    return Edit(*source.span(node), lambda rng: f"({inner.write(rng)})") if inner is not None else None


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
