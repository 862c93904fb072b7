"""Equations, assignments, functions and chains of equalities.

An assignment `x = 3`, `f(x) = x^2`, `AB = 5`, `P(A) = 1/2`, `(x, y) = (1, 2)` equals its right side alone; two
assignments must name the same thing, unless one names it in words or as `y` or `f(x)`. The argument of a function may
be renamed. Two equations are equal if one side minus the other is the same but for a constant factor, or, for
polynomial equations, the same irreducible factors. In a chain `x = 5 + 6 = 11` the last value counts; a chain of
constants that contradicts itself (`41 = 42`) equals nothing. What follows `≈` is a remark, what follows the last `⇒`
is the answer.
"""

import re

from verifier_service.answers.compute import algebra
from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.numeric import NotNumeric
from verifier_service.answers.compute.points import letters_of
from verifier_service.answers.kinds import expression, literal, logarithm, parameters
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.read.words import ACCENTS, GREEK
from verifier_service.answers.tree.nodes import Node, free_symbols, rename, walk

_SETS = ("list", "set", "tuple", "union", "inter", "minus", "builder", "cases", "matrix", "text")
_TRIGONOMETRIC = ("sin", "cos", "tan", "cot", "sec", "csc")
_SYMBOL_LEAVES = ("sym", "call", "text")
_FIGURES = frozenset(["angle", "triangle", "measuredangle", "mathbb"])


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side is an equation, an assignment or a chain of equalities."""
    a, b = settle(left), settle(right)
    if (a, b) != (left, right):
        return same(a, b)
    if not (_is_equation(left) or _is_equation(right)):
        return None
    one, other = unzipped(left), unzipped(right)
    if (
        one
        and other
        and [label_of(term.args[1][0]) for term in one.args[1]] != [label_of(term.args[1][0]) for term in other.args[1]]
    ):
        return same(one, other)
    if one and right.op == "list":
        return same(one, right)
    if other and left.op == "list":
        return same(left, other)
    if _is_equation(left) and _is_equation(right):
        return _two(left, right, same)
    equation, other = (left, right) if _is_equation(left) else (right, left)
    if other.op == "rel":
        return None
    return _one(equation, other, same)


def settle(node: Node) -> Node:
    """Cut what is not the statement itself: what stands before the last `⇒`, and the approximation after `≈`."""
    if node.op != "rel":
        return node
    operators, terms = list(node.args[0]), list(node.args[1])
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
    if operators and operators[0] == "in" and len(operators) == 1 and terms[1].op == "list":
        return terms[1]
    if not operators:
        return terms[0]
    return Node("rel", (tuple(operators), tuple(terms)))


def unzipped(node: Node) -> Node | None:
    """Read `(x, y) = (1, 2)` as `x = 1, y = 2`; None for anything else."""
    if node.op != "rel" or node.args[0] != ("=",) or any(term.op != "tuple" for term in node.args[1]):
        return None
    names, values = (term.args[2] for term in node.args[1])
    if len(names) != len(values) or not all(map(is_name, names)):
        return None
    return Node("list", (",", tuple(Node("rel", (("=",), pair)) for pair in zip(names, values, strict=True))))


def _is_equation(node: Node) -> bool:
    return node.op == "rel" and all(operator in ("=", "->") for operator in node.args[0])


def contradicts_itself(node: Node) -> bool:
    """Tell whether an answer is an equation of constants that is false, such as `41 = 42`."""
    if (
        not _is_equation(node)
        or is_name(node.args[1][0])
        or free_symbols(node)
        or any(part.op in (*_SETS, "call") for part in walk(node))
    ):
        return False
    first, *rest = node.args[1]
    return not all(_is_in_class(first, term) if term.op == "congruent" else _agrees(first, term) for term in rest)


def _is_in_class(node: Node, residue: Node) -> bool:
    """Tell whether `2^{100} \\equiv 2 \\pmod 7` may hold; also where that cannot be computed."""
    values = [exact(part) for part in (node, *residue.args)]
    if any(value is None for value in values) or not values[2]:
        return True
    return (values[0] - values[1]) % values[2] == 0  # type: ignore[operator]


def is_name(node: Node) -> bool:
    """Tell whether a term only names something: a letter, `f(x)`, `P(A)`, `AB`, `x + y`, `|AB|`, `(x, y)`; no number
    in it."""
    if node.op in _SYMBOL_LEAVES:
        return True
    if node.op == "const":
        return node.args[0] in ("e", "i")
    if node.op in ("lim", "int", "sum", "prod", "diff"):
        return is_name(node.args[0]) or (node.op == "int" and node.args[2] is None)
    if node.op == "fn":
        return node.args[0] in (
            *_TRIGONOMETRIC,
            "abs",
            "norm",
            "det",
            "min",
            "max",
            "conjugate",
            "bar",
            "unit",
            "vector",
            "cross",
            "dot",
            "tr",
            "square",
            "transpose",
            "Re",
            "Im",
            "arg",
            "gcd",
            "lcm",
        ) and all(is_name(arg) for arg in node.args[1:])
    if node.op == "tuple":
        return all(is_name(item) for item in node.args[2])
    if node.op == "pow":
        base, power = node.args
        return (base.op == "sym" and exact(power) == -1) or (
            base.op == "fn" and base.args[0] in _TRIGONOMETRIC and is_name(base)
        )
    if node.op in ("mul", "add", "div", "ratio", "union", "inter", "minus"):
        return all(is_name(arg) for arg in node.args)
    if node.op == "quantity":
        return is_name(node.args[0])
    return False


def assignment(node: Node) -> tuple[str | None, Node]:
    """Split an assignment into a label and its value; a node that is none has the label None."""
    node = settle(node)
    if (
        node.op == "ratio"
        and len(node.args) == 2
        and node.args[0].op in ("sym", "text")
        and len(node.args[0].args[0]) > 1
    ):
        return node.args[0].args[0], node.args[1]
    if not _is_equation(node):
        return None, node
    terms = node.args[1]
    first, last = terms[0], terms[-1]
    if node.args[0] == ("->",) and first.op == "sym":
        return first.args[0], _bind((first.args[0],), last)
    if len(terms) == 2 and not is_name(first) and last.op == "sym" and exact(first) is not None:
        first, last = last, first
    if is_name(first) and not (_names_in(first) & free_symbols(last)) - _arguments(first) and not _recurs(first, last):
        return label_of(first), _bind(_arguments(first), last)
    return None, node


def label_of(node: Node) -> str:
    """Spell the name on the left of an assignment."""
    if node.op in ("sym", "text"):
        return node.args[0]
    if node.op == "call" and node.args[0].endswith("_"):
        return node.args[0] + "".join(map(label_of, node.args[1:]))
    if node.op == "call":
        plain = not node.args[0].startswith("nabla") and all(
            arg.op == "sym" and not arg.args[0][:1].isupper() for arg in node.args[1:]
        )
        return f"{node.args[0]}()" if plain else f"{node.args[0]} at {node.args[1:]!r}"
    if node.op == "num":
        return str(node.args[0])
    if node.op == "tuple":
        return "(" + ",".join(label_of(item) for item in node.args[2]) + ")"
    return repr(node)


def base_name(label: str) -> str:
    """Return the letter of a numbered unknown: `x_1`, `x_{2}` and `x` are one unknown, `f(1)` and `f(2)` are two."""
    if " at " in label:
        return label
    return re.split(r"[_()\d]", label, maxsplit=1)[0] or label


def _names_in(node: Node) -> set[str]:
    names = set(free_symbols(node))
    if node.op == "call":
        names.add(node.args[0])
    return names


def _arguments(node: Node) -> frozenset[str]:
    """Name the letters bound on the left of an assignment: the arguments of `f(x, y)`, x under `\\int f dx`."""
    if node.op == "call":
        return frozenset[str]().union(*(free_symbols(arg) for arg in node.args[1:]))
    if node.op == "tuple":
        return frozenset[str]().union(*map(_arguments, node.args[2]))
    if node.op in ("int", "diff") and (node.op == "diff" or node.args[2] is None):
        return frozenset((node.args[1],))
    return frozenset()


def _recurs(name: Node, value: Node) -> bool:
    """Tell whether a value holds the function that it is to define: `a_{n+1} = 2a_n`."""
    return name.op == "call" and any(part.op == "call" and part.args[0] == name.args[0] for part in walk(value))


def _bind(arguments: object, value: Node) -> Node:
    return value


def _two(left: Node, right: Node, same: Same) -> Decision:
    """Compare two equations or assignments."""
    (label_a, value_a), (label_b, value_b) = assignment(left), assignment(right)
    if (label_a is None) != (label_b is None):
        constant, value = (left, value_b) if label_a is None else (right, value_a)
        if not free_symbols(constant) and not contradicts_itself(constant):
            return same(constant.args[1][-1], value)
    if label_a is not None and label_b is not None:
        if label_a == label_b or may_be_called(label_a, label_b):
            direct = same(value_a, value_b)
            if direct.equal or not (free_symbols(value_a) or free_symbols(value_b)):
                return direct
            renamed = _renamed(left, right, value_a, value_b)
            if renamed is not None and same(value_a, renamed).equal:
                return Decision(True, "the same function but for the name of its argument")
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


def _plain_heads(left: Node, right: Node) -> bool:
    return all(equation.args[1][0].op in _SYMBOL_LEAVES for equation in (left, right))


def _mixed(left: Node, right: Node) -> bool:
    return len(left.args[1]) > 2 or len(right.args[1]) > 2


def may_be_called(one: str, other: str) -> bool:
    """Tell whether two names may stand for the same thing: one is a phrase, or both are a function's value."""
    if _is_phrase(one) or _is_phrase(other):
        return True
    functions = {"y", "f()", "f", "y()"}
    if one in functions and other in functions:
        return True
    return one.removesuffix("()") == other.removesuffix("()")


def _is_phrase(label: str) -> bool:
    """Tell whether a name is words, such as `Area`, and no Greek letter or figure."""
    plain = label.replace(" ", "")
    return len(label) > 3 and plain.isalpha() and label not in GREEK and not _is_marked(label)


def _is_marked(label: str) -> bool:
    """Tell whether a name is letters under an accent or of a figure: `dot x`, `hat theta`, `triangle ABC`; not `dot
    product`."""
    mark, _, rest = label.partition(" ")
    return mark in _FIGURES or (mark in ACCENTS and (len(rest) < 3 or rest in GREEK))


_UNKNOWNS = frozenset(["x", "y", "z", "n", "a", "b", "p", "q", "t", "theta", "alpha"])


def is_family(label: str, value: Node) -> bool:
    """Tell whether `x = 2 + 3k` gives an unknown the values of a family: linear in a letter for whole numbers."""
    names = free_symbols(value)
    return (
        label in _UNKNOWNS and len(names) == 1 and names <= parameters.WHOLE - {label} and bool(literal.linear(value))
    )


def _renamed(left: Node, right: Node, value_a: Node, value_b: Node) -> Node | None:
    """Rename the argument of the second function to that of the first."""
    first, second = left.args[1][0], right.args[1][0]
    if first.op != "call" or second.op != "call" or len(first.args) != len(second.args):
        return None
    names = {}
    for one, other in zip(first.args[1:], second.args[1:], strict=True):
        if one.op != "sym" or other.op != "sym":
            return None
        names[other.args[0]] = one.args[0]
    if set(names.values()) & (free_symbols(value_b) - set(names)):
        return None
    return rename(value_b, names)


def _one(equation: Node, other: Node, same: Same) -> Decision:
    """Compare an equation with what is not one."""
    label, value = assignment(equation)
    if label is not None and not contradicts_itself(equation):
        if is_family(label, value) and is_family(label, other) and free_symbols(value) != free_symbols(other):
            return Decision(parameters.renamed([value], [other], same), "compared as families")
        return same(value, other)
    terms = equation.args[1]
    if equation.args[0] == ("->",):
        return Decision(False, "a limit statement is not its value")
    if other.op in _SETS:
        return Decision(False, "an equation is not its solution")
    if all(_agrees(terms[0], term) for term in terms[1:]):
        return same(terms[-1], other)
    return Decision(
        False,
        "the equation is no assignment, and its sides differ" if free_symbols(equation) else "the equation is false",
    )


def _agrees(first: Node, second: Node) -> bool:
    try:
        return logarithm.equal(first, second)
    except NotNumeric:
        return False


def _difference(equation: Node) -> Node:
    terms = equation.args[1]
    return Node("add", (terms[0], Node("neg", (terms[-1],))))


def _equations(left: Node, right: Node) -> Decision:
    """Compare two equations by the set of their solutions."""
    if len(left.args[1]) != len(right.args[1]):
        return Decision(False, "the chains differ")
    if len(left.args[1]) > 2:
        pairs = zip(left.args[1], right.args[1], strict=True)
        if all(_agrees(one, other) for one, other in pairs):
            return Decision(True, "the chains are equal term by term")
        return Decision(False, "the chains differ")
    if any(term.op in _SETS for term in (*left.args[1], *right.args[1])):
        pairs = zip(left.args[1], right.args[1], strict=True)
        return Decision(all(one == other for one, other in pairs), "compared sign by sign")
    first, second = _difference(left), _difference(right)
    if free_symbols(first) != free_symbols(second):
        return Decision(False, "the equations hold different variables")
    if not free_symbols(first):
        both = logarithm.equal(first, second) and all(
            logarithm.equal(a, b) for a, b in zip(left.args[1], right.args[1], strict=True)
        )
        return Decision(both, "equations of constants, compared side by side")
    if expression.proportional(first, second):
        return Decision(True, "the equations are equal but for a constant factor")
    if not _is_of_complex_parts(first, second) and algebra.same_zeros(first, second):
        return Decision(True, "the equations have the same solutions")
    return Decision(False, "the equations differ by more than a factor")


def _is_of_complex_parts(left: Node, right: Node) -> bool:
    r"""Tell whether a complex letter stands in `\operatorname{Re}(z)`, `|z|`, `\bar z`, which no polynomial holds."""
    letters = letters_of(left, right).complex
    return bool(letters) and any(
        part.op == "fn" and letters & free_symbols(part) for node in (left, right) for part in walk(node)
    )
