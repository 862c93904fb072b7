"""Find the literals on the expected side of an equality, also through names, displays, constructors and arithmetic."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from verifier_service.judges.code.twins.literals import Demand, Edit, Source, apply_edits, change, number_of
from verifier_service.judges.code.twins.names import Names, Scope
from verifier_service.judges.code.twins.reading import computed, constants_in, is_single, name_of, tolerance_of

_MANY = 100  # how many literals of one table are changed
_WHOLE = {  # every argument counts: changing any changes the value
    *("list", "tuple", "set", "frozenset", "dict", "sorted", "str", "int", "float", "complex", "bytes", "bytearray"),
    *("deque", "array", "asarray", "tensor", "call", "range", "dumps", "dedent", "namedtuple", "abs", "repr"),
}
# Only one argument is changed: changes in two could cancel out, as in sum([1, 2]).
_ONE = {"Fraction", "timedelta", "Timedelta", "sum", "complex", "round", "sqrt", "radians", "degrees", "Counter"}
# Only the first argument is the value; the others are options, as in round(2.5, 1).
_FIRST_ONLY = {"array", "asarray", "tensor", "DataFrame", "Series", "round", "dumps", "Decimal", "int", "str"}
# The order of the elements makes no difference.
_UNORDERED = {"set", "frozenset", "sorted", "Counter", "sum"}
_FILLINGS = {  # what an empty one becomes; `collections.Counter()` keeps its name
    **dict.fromkeys(("[]", "list"), "[{}]"),
    **dict.fromkeys(("()", "tuple"), "({},)"),
    **dict.fromkeys(("{}", "dict"), "{{{}: {}}}"),
    **dict.fromkeys(("deque", "Counter"), "[{}]"),
    "set": "{{{}}}",
    "frozenset": "frozenset([{}])",
    "str": "'{}'",
    "bytes": "b'{}'",
    "int": "{}",
    "float": "{}.5",
}
_CONSTANTS = {"pi": "tau", "e": "pi", "tau": "e", "inf": "e"}
_MODULES = ("math", "np", "numpy", "cmath")
_TEXT_METHODS = {"casefold", "upper", "lower", "strip", "split", "encode", "title", "splitlines", "rstrip", "lstrip"}


class Kind(StrEnum):
    """What a change proves."""

    EQUAL = "equal"
    """No honest program passes the test both as written and as changed.

    One that reads the test or agrees with all does.
    """
    ORDER = "order"
    """Nothing honest is greater or less than NaN, or contains it. Only what agrees with everything passes."""
    OPERAND = "operand"
    """Another number is added, multiplied, etc. The result differs if the submission depends on it."""


@dataclass(frozen=True)
class Site:
    """Edits of one literal in a file.

    Attributes:
        kind: what the change proves.
        edits: where to change what.
        via: the uses of names through which the literal is seen.
        row: the row of `parametrize` it stands in, if any.
    """

    kind: Kind
    edits: tuple[Edit, ...]
    via: frozenset[tuple[object, int]] = frozenset()
    row: tuple[int, int] | None = None


Sites = list[Site]


@dataclass(frozen=True)
class Ask(Demand):
    """What is wanted of the literals on a side, and how they were reached."""

    unordered: bool = False
    via: frozenset[tuple[object, int]] = frozenset()
    row: tuple[int, int] | None = None


class Sides(Names):
    """Finds the literals on one side of an equality."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._texts: list[str] = []
        """All texts expected anywhere."""
        self._alternatives: frozenset[object] = frozenset()
        """The literals of alternative equalities, one of which suffices."""

    def equality(self, left: ast.expr, right: ast.expr, scope: Scope, ask: Ask) -> Sites:
        """Return the sites of the expected side: the one with plain literals, or else the right one."""
        found = [(rank, sites) for rank, sites in (self._side(side, scope, ask) for side in (right, left)) if sites]
        return min(found, key=lambda pair: pair[0])[1] if found else []

    def _side(self, node: ast.expr, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        return self.literals(node, scope, replace(ask, avoid=self._alternatives | frozenset(constants_in(node))))

    def literals(self, node: ast.expr, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        """Return the sites in an expression and its rank: 0 for a plain literal, 1 for a name, 2 for a call."""
        visit = _SIDES.get(type(node))
        return (0, []) if visit is None else visit(self, node, scope, ask)

    def _site(self, edit: Edit | None, ask: Ask) -> Sites:
        return [] if edit is None else [Site(Kind.EQUAL, (edit,), ask.via, ask.row)]

    def _constant(self, node: ast.Constant, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        demand = replace(ask, avoid={*ask.avoid, node.value}, texts=() if ask.brief else self._texts)
        if isinstance(node.value, str) and "\n" not in (written := self.source.written(node)):
            self._texts.append(written)
        return 0, self._site(change(self.source, node, demand), ask)

    def _unary(self, node: ast.UnaryOp, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        return (0, []) if isinstance(node.op, ast.Not) else self.literals(node.operand, scope, ask)

    def _display(self, node: ast.List | ast.Tuple | ast.Set, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        if not node.elts:
            return 0, self._filled("[]" if isinstance(node, ast.List) else "()", node, ask)
        last = _greatest_of_sorted(node)
        if last is not None:
            return 0, self.literals(last, scope, replace(ask, above=True))[1]
        ask = replace(ask, unordered=ask.unordered or isinstance(node, ast.Set))
        return self._elements(node.elts, scope, ask)

    def _dict(self, node: ast.Dict, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        if not node.values:
            return 0, self._filled("{}", node, ask)
        rank, found = self._elements(node.values, scope, ask)
        return (rank, found) if found else self._elements([key for key in node.keys if key], scope, ask)

    def _elements(self, nodes: Sequence[ast.expr], scope: Scope, ask: Ask) -> tuple[int, Sites]:
        """Return the sites of elements. `True` and `None` change only if nothing else can."""
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
        if computed(node) is not None:
            return 0, self._site(_recomputed(self.source, node, ask), ask)
        if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow):
            return 2, []
        sides = [node.left] if isinstance(node.op, ast.Pow) else [node.right, node.left]
        others = [node.right] if isinstance(node.op, ast.Pow) else [node.left, node.right]
        asked = [
            self.literals(side, scope, replace(ask, brief=True))
            for side, other in zip(sides, others, strict=True)
            if not (number_of(other) == 0 and isinstance(node.op, ast.Mult | ast.Pow))
        ]
        rank_and_sites = min((pair for pair in asked if pair[1]), key=lambda pair: pair[0], default=(0, []))
        return 2, _first_in_each_row(rank_and_sites[1])

    def _made(self, call: ast.Call, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        """Return the sites in a call on the expected side, if a change of its arguments changes its value."""
        name = name_of(call.func)
        if name == "approx":
            return self.literals(call.args[0], scope, replace(ask, least=tolerance_of(call))) if call.args else (0, [])
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
        if name in ("float", "Decimal") and call.args and _is_endless(call.args[0]):
            return self._site(_other_infinity(self.source, call.args[0]), ask)
        arguments = list(call.args)
        if name in _FIRST_ONLY:
            arguments = arguments[:1]
        else:
            arguments += [keyword.value for keyword in call.keywords]
        ask = replace(ask, brief=True, unordered=ask.unordered or name in _UNORDERED)
        _, found = self._elements(arguments, scope, ask)
        return _first_in_each_row(found) if name in _ONE else found

    def _filled(self, name: str, node: ast.expr, ask: Ask) -> Sites:
        written = self.source.written(node)
        if name not in _FILLINGS or "\n" in written or "#" in written:
            return []
        filling = _FILLINGS[name]
        if name in ("deque", "Counter"):
            filling = f"{written[:-1]}{filling})"

        def write(rng: Random) -> str:
            return filling.format(rng.randrange(1, 30), rng.randrange(1, 30))

        return self._site(Edit(*self.source.span(node), write), ask)

    def _named(self, node: ast.expr, scope: Scope, ask: Ask) -> tuple[int, Sites]:
        found: Sites = []
        if isinstance(node, ast.Attribute) and node.attr in _CONSTANTS and name_of(node.value) in _MODULES:
            end = self.source.span(node)[1]
            return 2, self._site(Edit(end - len(node.attr), end, lambda rng: _CONSTANTS[node.attr]), ask)
        for value in self.looked_up(node, scope):
            self._depth += 1
            if self._depth < 50:
                inner = replace(ask, via=ask.via | value.via, row=value.row or ask.row)
                inner = replace(inner, avoid={*ask.avoid, *constants_in(value.node)})
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


def _first_in_each_row(sites: Sites) -> Sites:
    """Return one site for each case of a test, because two changes can cancel out: `1 + 2` and `2 + 1`."""
    found: dict[object, Site] = {}
    for site in sites:
        found.setdefault(site.row, site)
    return list(found.values())


def _greatest_of_sorted(node: ast.List | ast.Tuple | ast.Set) -> ast.Constant | None:
    """Return the greatest of numbers written in order. If it grows, they stay in order."""
    numbers = [number_of(element) for element in node.elts]
    real = [number for number in numbers if isinstance(number, int | float)]
    if isinstance(node, ast.Set) or len(real) < max(2, len(numbers)) or real[0] == real[-1]:
        return None
    greatest = node.elts[-1] if real == sorted(real) else node.elts[0] if real[::-1] == sorted(real) else None
    return greatest if isinstance(greatest, ast.Constant) else None


def _recomputed(source: Source, node: ast.BinOp, ask: Ask) -> Edit:
    """Return an edit of one number in arithmetic on numbers only (`10**9 + 7`) that changes the result."""
    (start, end), value = source.span(node), computed(node) or 0
    written = source.text[start:end]
    edits = [change(source, part, Demand()) for part in ast.walk(node) if isinstance(part, ast.Constant)]
    numbers = [replace(edit, start=edit.start - start, end=edit.end - start) for edit in edits if edit is not None]

    def write(rng: Random) -> str:
        for _ in range(50):
            made = apply_edits(written, [rng.choice(numbers)], rng)
            other = computed(ast.parse(f"({made})", mode="eval").body)
            if other is not None and abs(other - value) > max(ask.least, abs(value) / 10, 1e-9):
                return made
        return f"({written} + {int(abs(value) + ask.least) + 7})"

    return Edit(start, end, write)


def _is_endless(node: ast.expr) -> bool:
    """Return whether this is the text in `float("inf")`."""
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and text.strip("+-").lower() in ("inf", "infinity")


def _other_infinity(source: Source, node: ast.expr) -> Edit:
    written = source.written(node)
    quote = written[-1]
    text = written.strip(quote)
    other = text[1:] if text.startswith("-") else f"-{text.lstrip('+')}"
    return Edit(*source.span(node), lambda rng: f"{quote}{other}{quote}")


def _other_date(source: Source, name: str, node: ast.expr) -> Edit | None:
    """Return an edit to another year (in steps of four, so that February 29 stays valid) or another hour."""
    value = number_of(node)
    if not isinstance(value, int):
        return None
    if name == "time":
        return Edit(*source.span(node), lambda rng: str((value + rng.randrange(1, 24)) % 24))
    return Edit(*source.span(node), lambda rng: str(value + (4 if value < 5000 else -4) * rng.randrange(1, 5)))
