"""Compare equations, assignments, functions and chains of equalities.

An assignment `x = 3`, `f(x) = x^2`, `AB = 5`, `P(A) = 1/2`, `(x, y) = (1, 2)` equals its right side alone. Two
assignments must name the same thing, unless one names it in words or as `y` or `f(x)`. The argument of a function can
be renamed. Two equations are equal if the differences of their sides are proportional or, for polynomial equations,
have the same irreducible factors. In a chain `x = 5 + 6 = 11`, the last value counts; a chain of constants that
contradicts itself (`41 = 42`) equals nothing. What follows `≈` is a remark, and what follows the last `⇒` is the
answer.
"""

import re
from dataclasses import replace
from typing import TypeGuard

from verifier_service.answers.compute import algebra
from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.numeric import NotNumeric
from verifier_service.answers.compute.points import letters_of
from verifier_service.answers.kinds import expression, literal, logarithm, parameters, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.read.words import ACCENTS
from verifier_service.answers.tree.greek import GREEK
from verifier_service.answers.tree.nodes import (
    Builder,
    Call,
    Cases,
    Congruent,
    Constant,
    Derivative,
    Function,
    Integral,
    Limit,
    List,
    Matrix,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Relation,
    Series,
    Set,
    SetOperation,
    Sum,
    Symbol,
    Text,
    Tuple,
    children,
    free_symbols,
    rename,
    walk,
)

_SETS = (List, Set, Tuple, SetOperation, Builder, Cases, Matrix, Text)
_TRIGONOMETRIC = frozenset(["sin", "cos", "tan", "cot", "sec", "csc"])
_OF_NAMES = _TRIGONOMETRIC | {
    "abs", "norm", "det", "min", "max", "conjugate", "bar", "unit", "vector", "cross", "dot", "tr", "square",
    "transpose", "Re", "Im", "arg", "gcd", "lcm",
}  # fmt: skip
"""Functions that name something if they are applied to names."""

_LEAVES = (Symbol, Call, Text)
_FIGURES = frozenset(["angle", "triangle", "measuredangle", "mathbb"])


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if one side is an equation, an assignment or a chain of equalities."""
    a, b = _one_by_one(settle(left)), _one_by_one(settle(right))
    if (a, b) != (left, right):
        return same(a, b)
    if not (_is_equation(left) or _is_equation(right)):
        return None
    one, other = unzipped(left), unzipped(right)
    if one and other and _labels(one) != _labels(other):
        return same(one, other)
    if one and isinstance(right, List):
        return same(one, right)
    if other and isinstance(left, List):
        return same(left, other)
    if _is_equation(left):
        if _is_equation(right):
            return _two(left, right, same)
        return None if isinstance(right, Relation) else _one(left, right, same)
    return _one(right, left, same) if _is_equation(right) and not isinstance(left, Relation) else None


def settle(node: Node) -> Node:
    """Cut what is not the statement itself: what precedes the last `⇒`, and the approximation after `≈`."""
    if not isinstance(node, Relation):
        return node
    operators, terms = list(node.operators), list(node.terms)
    for index in range(len(operators) - 1, -1, -1):
        if operators[index] == "=>":
            operators, terms = operators[index + 1 :], terms[index + 1 :]
            break
    if operators[-1:] == ["sim"] and not (is_name(terms[-2]) and is_name(terms[-1])):
        operators[-1] = "~"
    while operators and operators[-1] == "~":
        if len(operators) == 1 and is_name(terms[0]):
            operators[-1] = "="
        else:
            operators.pop()
            terms.pop()
    if operators and operators[0] == "in" and len(operators) == 1 and isinstance(terms[1], List):
        return terms[1]
    if not operators:
        return terms[0]
    return Relation(tuple(operators), tuple(terms))


def _one_by_one(node: Node) -> Node:
    r"""Write `(x, y) = \pm(2, 3)`, `(x, y) \in \{(1, 2), (3, 4)\}` as `(x, y) = (2, 3), (-2, -3)`."""
    match node:
        case Relation(("=",), (Tuple() as names, value)) if signs.has_one_sign(value):
            points = tuple(signs.expand(value))
        case Relation(("in",), (Tuple() as names, Set(points))) if points:
            pass
        case _:
            return node
    if not all(map(is_name, names.items)) or not all(isinstance(point, Tuple) for point in points):
        return node
    return List(",", (Relation(("=",), (names, points[0])), *points[1:]))


def unzipped(node: Node) -> List | None:
    """Read `(x, y) = (1, 2)` as `x = 1, y = 2`, or return None."""
    match node:
        case Relation(("=",), (Tuple(items=names), Tuple(items=values))):
            if len(names) != len(values) or not all(map(is_name, names)):
                return None
            return List(",", tuple(Relation(("=",), pair) for pair in zip(names, values, strict=True)))
        case _:
            return None


def _labels(equations: List) -> list[str]:
    """Spell the left side of each equation of a list."""
    return [label_of(equation.terms[0]) for equation in equations.items if isinstance(equation, Relation)]


def _is_equation(node: Node) -> TypeGuard[Relation]:
    return isinstance(node, Relation) and all(operator in ("=", "->") for operator in node.operators)


def contradicts_itself(node: Node) -> bool:
    """Return whether an answer is a false equation of constants, such as `41 = 42`."""
    if (
        not _is_equation(node)
        or is_name(node.terms[0])
        or free_symbols(node)
        or any(isinstance(part, (*_SETS, Call)) for part in walk(node))
    ):
        return False
    first, *rest = node.terms
    return not all(_is_in_class(first, term) if isinstance(term, Congruent) else _agrees(first, term) for term in rest)


def _is_in_class(node: Node, those: Congruent) -> bool:
    """Return whether `2^{100} \\equiv 2 \\pmod 7` holds, or cannot be computed."""
    value, residue, modulus = exact(node), exact(those.residue), exact(those.modulus)
    if value is None or residue is None or not modulus:
        return True
    return (value - residue) % modulus == 0


def is_name(node: Node) -> bool:
    """Return whether a term only names something.

    Examples: a letter, `f(x)`, `P(A)`, `AB`, `x + y`, `|AB|`, `(x, y)`. It contains no numbers.
    """
    match node:
        case Symbol() | Call() | Text():
            return True
        case Constant(name):
            return name in ("e", "i")
        case Integral(body, _, low):
            return is_name(body) or low is None
        case Limit(body) | Series(_, body) | Derivative(body):
            return is_name(body)
        case Function(name, operands):
            return name in _OF_NAMES and all(map(is_name, operands))
        case Power(base, exponent):
            inverse = isinstance(base, Symbol) and exact(exponent) == -1
            return inverse or (isinstance(base, Function) and base.name in _TRIGONOMETRIC and is_name(base))
        case Product() | Sum() | Quotient() | Ratio() | SetOperation() | Tuple():
            return all(map(is_name, children(node)))
        case Quantity(value):
            return is_name(value)
        case _:
            return False


def assignment(node: Node) -> tuple[str | None, Node]:
    """Split an assignment into a label and its value. The label of any other node is None."""
    node = settle(node)
    match node:
        case Ratio((Symbol(name) | Text(name), value)) if len(name) > 1:
            return name, value
        case Relation(("->",), (Symbol(name), limit)):
            return name, limit
        case _:
            return _assigned(node) if _is_equation(node) else (None, node)


def _assigned(equation: Relation) -> tuple[str | None, Node]:
    terms = equation.terms
    first, last = terms[0], terms[-1]
    # `3 = x` is an assignment as well.
    if len(terms) == 2 and not is_name(first) and isinstance(last, Symbol) and exact(first) is not None:
        first, last = last, first
    if is_name(first) and not (_names_in(first) & free_symbols(last)) - _arguments(first) and not _recurs(first, last):
        return label_of(first), last
    return None, equation


def label_of(node: Node) -> str:
    """Spell the name on the left of an assignment."""
    match node:
        case Symbol(name) | Text(name):
            return name
        case Call(name, operands) if name.endswith("_"):
            return name + "".join(map(label_of, operands))
        case Call(name, operands):
            plain = not name.startswith("nabla") and all(
                isinstance(operand, Symbol) and not operand.name[:1].isupper() for operand in operands
            )
            return f"{name}()" if plain else f"{name} at {operands!r}"
        case Number(value):
            return str(value)
        case Tuple(items=items):
            return "(" + ",".join(map(label_of, items)) + ")"
        case _:
            return f"formula({node!r})"


def base_name(label: str) -> str:
    """Return the letter of a numbered unknown.

    `x_1`, `x_{2}` and `x` are one unknown; `f(1)` and `f(2)` are two, and so are `xy` and `x + y`.
    """
    if " at " in label or label.startswith("formula"):
        return label
    return re.split(r"[_()\d]", label, maxsplit=1)[0] or label


def _names_in(node: Node) -> set[str]:
    names = set(free_symbols(node))
    if isinstance(node, Call):
        names.add(node.name)
    return names


def _arguments(node: Node) -> frozenset[str]:
    """Return the letters bound on the left of an assignment: the arguments of `f(x, y)`, the x of `\\int f dx`."""
    match node:
        case Call(_, operands):
            return frozenset[str]().union(*map(free_symbols, operands))
        case Tuple(items=items):
            return frozenset[str]().union(*map(_arguments, items))
        case Derivative(_, variable) | Integral(_, variable, None):
            return frozenset((variable,))
        case _:
            return frozenset()


def _recurs(name: Node, value: Node) -> bool:
    """Return whether a value contains the function it defines, as in `a_{n+1} = 2a_n`.

    Its value at a number does not count, as in `y(t) = y(0) e^t`.
    """
    if not isinstance(name, Call) or name.name in ("P", "Pr", "mathbb P"):
        return False
    return any(
        isinstance(part, Call) and part.name == name.name and (free_symbols(part) or not free_symbols(name))
        for part in walk(value)
    )


def _two(left: Relation, right: Relation, same: Same) -> Decision:
    """Compare two equations or assignments."""
    left, right = _named_by(left, right), _named_by(right, left)
    (label_a, value_a), (label_b, value_b) = assignment(left), assignment(right)
    if (label_a is None) != (label_b is None):
        constant, value = (left, value_b) if label_a is None else (right, value_a)
        if not free_symbols(constant) and not contradicts_itself(constant):
            if isinstance(constant.terms[0], Number) or constant.terms[0] in constant.terms[1:]:
                return Decision(False, "an equation between numbers assigns no value")
            return same(constant.terms[-1], value)
    if label_a is not None and label_b is not None:
        if label_a == label_b or may_be_called(label_a, label_b):
            direct = same(value_a, value_b)
            if direct.equal or not (free_symbols(value_a) or free_symbols(value_b)):
                return direct
            renamed = _renamed(left, right, value_a, value_b)
            if renamed is not None and same(value_a, renamed).equal:
                return Decision(True, "the same function except for the name of its argument")
            if is_family(label_a, value_a) and is_family(label_b, value_b):
                return Decision(parameters.renamed([value_a], [value_b], same), "compared as families")
        elif (
            _plain_heads(left, right)
            and not free_symbols(value_a)
            and not free_symbols(value_b)
            and not _mixed(left, right)
        ):
            return Decision(False, f"{label_a} is not {label_b}")
    return _equations(left, right)


def _named_by(equation: Relation, other: Relation) -> Relation:
    r"""Read the letters `pH` on the left of `pH = 3` as one name, if the other side is `\mathrm{pH} = 3`."""
    match equation.terms[0], other.terms[0]:
        case Product(factors), Symbol(name) if all(isinstance(factor, Symbol) for factor in factors):
            spelled = "".join(factor.name for factor in factors if isinstance(factor, Symbol))
            return replace(equation, terms=(other.terms[0], *equation.terms[1:])) if spelled == name else equation
        case _:
            return equation


def _plain_heads(left: Relation, right: Relation) -> bool:
    return all(isinstance(equation.terms[0], _LEAVES) for equation in (left, right))


def _mixed(left: Relation, right: Relation) -> bool:
    return len(left.terms) > 2 or len(right.terms) > 2


def may_be_called(one: str, other: str) -> bool:
    """Return whether two names can stand for the same thing: one is a phrase, or both are a function's value."""
    if _is_phrase(one) or _is_phrase(other):
        return True
    if one.count("'") == other.count("'"):
        one, other = one.replace("'", ""), other.replace("'", "")
    functions = {"y", "f()", "f", "y()"}
    if one in functions and other in functions:
        return True
    return one.removesuffix("()") == other.removesuffix("()")


def _is_phrase(label: str) -> bool:
    """Return whether a name is words, such as `Area`, and not a Greek letter or a figure."""
    plain = label.replace(" ", "")
    return len(label) > 3 and plain.isalpha() and label not in GREEK and not _is_marked(label)


def _is_marked(label: str) -> bool:
    """Return whether a name is accented or a figure: `dot x`, `hat theta`, `triangle ABC`; not `dot product`."""
    mark, _, rest = label.partition(" ")
    return mark in _FIGURES or (mark in ACCENTS and (len(rest) < 3 or rest in GREEK))


_UNKNOWNS = frozenset(["x", "y", "z", "n", "a", "b", "p", "q", "t", "theta", "alpha"])


def is_family(label: str, value: Node) -> bool:
    """Return whether `x = 2 + 3k` gives an unknown a family of values: linear in an integer letter."""
    names = free_symbols(value)
    return (
        label in _UNKNOWNS and len(names) == 1 and names <= parameters.WHOLE - {label} and bool(literal.linear(value))
    )


def _renamed(left: Relation, right: Relation, value_a: Node, value_b: Node) -> Node | None:
    """Rename the argument of the second function to that of the first."""
    first, second = left.terms[0], right.terms[0]
    if not isinstance(first, Call) or not isinstance(second, Call) or len(first.operands) != len(second.operands):
        return None
    names: dict[str, str] = {}
    for one, other in zip(first.operands, second.operands, strict=True):
        if not isinstance(one, Symbol) or not isinstance(other, Symbol):
            return None
        names[other.name] = one.name
    if set(names.values()) & (free_symbols(value_b) - set(names)):
        return None
    return rename(value_b, names)


def _one(equation: Relation, other: Node, same: Same) -> Decision:
    """Compare an equation with something else."""
    label, value = assignment(equation)
    if label is not None and not contradicts_itself(equation):
        if is_family(label, value) and is_family(label, other) and free_symbols(value) != free_symbols(other):
            return Decision(parameters.renamed([value], [other], same), "compared as families")
        return same(value, other)
    terms = equation.terms
    if equation.operators == ("->",):
        return Decision(False, "a limit statement is not its value")
    if isinstance(other, _SETS):
        return Decision(False, "an equation is not its solution")
    if all(_agrees(terms[0], term) for term in terms[1:]):
        return same(terms[-1], other)
    return Decision(
        False,
        "the equation is not an assignment, and its sides differ"
        if free_symbols(equation)
        else "the equation is false",
    )


def _agrees(first: Node, second: Node) -> bool:
    try:
        return logarithm.equal(first, second)
    except NotNumeric:
        return False


def _difference(equation: Relation) -> Node:
    return Sum((equation.terms[0], Negative(equation.terms[-1])))


def _equations(left: Relation, right: Relation) -> Decision:
    """Compare two equations by the set of their solutions."""
    if len(left.terms) != len(right.terms):
        return Decision(False, "the chains differ")
    pairs = list(zip(left.terms, right.terms, strict=True))
    if len(pairs) > 2:
        if all(_agrees(one, other) for one, other in pairs):
            return Decision(True, "the chains are equal term by term")
        return Decision(False, "the chains differ")
    if any(isinstance(term, _SETS) for pair in pairs for term in pair):
        return Decision(left.terms == right.terms, "compared sign by sign")
    first, second = _difference(left), _difference(right)
    if free_symbols(first) != free_symbols(second):
        return Decision(False, "the equations have different variables")
    if not free_symbols(first):
        both = logarithm.equal(first, second) and all(logarithm.equal(one, other) for one, other in pairs)
        return Decision(both, "equations of constants, compared side by side")
    if expression.proportional(first, second):
        return Decision(True, "the equations are equal except for a constant factor")
    solved = [logarithm.solved(equation) for equation in (left, right)]
    if any(solved) and expression.proportional(solved[0] or first, solved[1] or second):
        return Decision(True, "the equations are equal with a logarithm written as a power")
    if not _is_of_complex_parts(first, second) and algebra.same_zeros(first, second):
        return Decision(True, "the equations have the same solutions")
    return Decision(False, "the equations differ by more than a factor")


def _is_of_complex_parts(left: Node, right: Node) -> bool:
    r"""Return whether a complex letter occurs in `\operatorname{Re}(z)`, `|z|`, `\bar z`, which are not polynomials."""
    letters = letters_of(left, right).complex
    return bool(letters) and any(
        isinstance(part, Function) and letters & free_symbols(part) for node in (left, right) for part in walk(node)
    )
