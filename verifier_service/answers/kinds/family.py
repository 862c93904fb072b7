r"""Compare families of values with an integer parameter, such as the solutions of trigonometric equations.

`\frac{\pi}{6} + k\pi` equals `\frac{\pi}{6} + n\pi` and `\frac{7\pi}{6} + m\pi`; `\pm\frac{\pi}{3} + 2k\pi` equals the
list of its two halves. The parameter is a letter that multiplies π or a degree sign, or stands alone in one term. Two
families are equal if the sets of their values agree in a window of many periods.
"""

import itertools
from collections.abc import Iterable
from fractions import Fraction

from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.context import MP, Real
from verifier_service.answers.compute.numeric import NotNumeric, Undefined
from verifier_service.answers.kinds import expression
from verifier_service.answers.kinds.decision import Decision
from verifier_service.answers.tree.nodes import (
    PI,
    Degrees,
    Negative,
    Node,
    Product,
    Quotient,
    Sum,
    Symbol,
    free_symbols,
    number,
    rename,
    substitute,
    walk,
)

_PARAMETERS = frozenset(["k", "n", "m", "l", "j", "t", "s", "p", "q", "r", "K", "N", "M"])
_CONSTANTS = frozenset(
    ["C", "c", "K", "k", "D", "A", "B", "C_0", "C_1", "C_2", "C_3", "c_0", "c_1", "c_2", "c_3", "k_1", "k_2"]
)
_ARGUMENTS = frozenset(["x", "t", "y", "s", "u", "z", "r", "theta"])
_RANGE = 24  # how many members of a family are sampled on each side of zero


def decide(a: list[Node], b: list[Node]) -> Decision | None:
    """Compare two lists of values as families. Return None if they are not families in one parameter."""
    if not any(free_symbols(node) for node in a) or not any(free_symbols(node) for node in b):
        return None
    if len(a) == len(b) == 1 and _differ_by_a_constant(a[0], b[0]):
        return Decision(True, "equal except for the value of the arbitrary constant")
    left, right = _parameter(a), _parameter(b)
    if left is None or right is None:
        return _constants(a, b)
    if left != right and (left in _names(b) or right in _names(a)):
        return None
    b = [rename(node, {right: left}) for node in b]
    if _names(a) != _names(b) or _names(a) != {left}:
        return _others_too(a, b) if _names(a) == _names(b) else None
    try:
        first, second = _values(a, b, left)
    except (NotNumeric, Undefined):
        return None
    if first is None or second is None:
        return None
    if first == second:
        return Decision(True, "the families have the same values")
    return Decision(False, "the families have different values")


def _names(nodes: list[Node]) -> set[str]:
    return {name for node in nodes for name in free_symbols(node)}


def _parameter(nodes: list[Node]) -> str | None:
    """Return the letter that runs through the integers, if there is exactly one."""
    found: set[str] = set()
    for node in nodes:
        for part in walk(node):
            if isinstance(part, Degrees) or (isinstance(part, (Product, Quotient)) and _mentions_pi(part)):
                found |= free_symbols(part) & _PARAMETERS
    return found.pop() if len(found) == 1 else None


def _mentions_pi(node: Node) -> bool:
    return any(part == PI or isinstance(part, Degrees) for part in walk(node))


Values = set[Fraction] | None
Line = tuple[Real, Real]


def _values(a: list[Node], b: list[Node], parameter: str) -> tuple[Values, Values]:
    """Return the values of both families in one window around zero, rounded to 20 digits, or None if they have none."""
    with MP.workdps(40):
        left = [line for line in (_line(node, parameter) for node in a) if line]
        right = [line for line in (_line(node, parameter) for node in b) if line]
        if len(left) < len(a) or len(right) < len(b):
            return _sampled(a, b, parameter)
        window = 6 * max(abs(step) for _, step in left + right)
        return _on_lines(left, window), _on_lines(right, window)


def _at(node: Node, parameter: str, places: Iterable[int]) -> list[Real] | None:
    """Return the values of a member at integer parameters, or None if one of them is not a real number."""
    values = [evaluate(substitute(node, parameter, number(place)), {}) for place in places]
    reals = [value for value in values if isinstance(value, MP.mpf)]
    return reals if len(reals) == len(values) else None


def _line(node: Node, parameter: str) -> Line | None:
    """Return start and step of a member that is linear in the parameter, or None."""
    values = _at(node, parameter, (0, 1, 2))
    if values is None:
        return None
    first, second, third = values
    step = second - first
    return None if abs(third - second - step) > MP.mpf(10) ** -30 else (first, step)


def _on_lines(lines: list[Line], window: Real) -> Values:
    found: set[Fraction] = set()
    for start, step in lines:
        if step == 0:
            found.add(_rounded(start))
            continue
        if window / abs(step) > 2000:
            return None
        reach = int(MP.ceil((window + abs(start)) / abs(step))) + 1
        values = (start + index * step for index in range(-reach, reach + 1))
        found |= {_rounded(value) for value in values if abs(value) <= window * (1 + MP.mpf(10) ** -20)}
    return found


def _rounded(value: Real) -> Fraction:
    return Fraction(int(MP.nint(value * 10**20)), 10**20)


def _sampled(a: list[Node], b: list[Node], parameter: str) -> tuple[Values, Values]:
    """Return the values of members such as `(-1)^k \\frac{\\pi}{6} + k\\pi`, in a window that every member leaves."""
    sides: list[set[Fraction]] = []
    limit: Fraction | None = None
    for nodes in (a, b):
        found: set[Fraction] = set()
        for node in nodes:
            values = _at(node, parameter, range(-_RANGE, _RANGE + 1))
            if values is None:
                return None, None
            edge = min(_rounded(abs(values[0])), _rounded(abs(values[-1]))) * Fraction(3, 4)
            limit = edge if limit is None else min(limit, edge)
            found |= {_rounded(value) for value in values}
        sides.append(found)
    first, second = ({value for value in side if abs(value) <= (limit or 0)} for side in sides)
    return (first, second) if first and second else (None, None)


def _others_too(a: list[Node], b: list[Node]) -> Decision | None:
    """Compare families that contain other variables too, member by member, with the parameter renamed."""
    rest = list(b)
    for node in a:
        match = next((other for other in rest if expression.equal(node, other)), None)
        if match is None:
            return None
        rest.remove(match)
    return Decision(True, "the same families") if not rest else None


def _differ_by_a_constant(one: Node, other: Node) -> bool:
    r"""Return whether both end in an arbitrary constant and differ only in it: `\ln|2x| + C` and `\ln|x| + C`."""
    left, right = _without_constant(one), _without_constant(other)
    if left is None or right is None:
        return False
    names = free_symbols(left) & free_symbols(right)
    arguments = names & _ARGUMENTS if len(names & _ARGUMENTS) == 1 else names
    if not arguments:
        return False
    elsewhere = {name: f"{name} elsewhere" for name in arguments}
    first, second = (Sum((node, Negative(rename(node, elsewhere)))) for node in (left, right))
    try:
        return expression.equal(first, second)
    except NotNumeric:
        return False


def _without_constant(node: Node) -> Node | None:
    """Cut the C of `F(x) + C`. Return None if there is none, or more than one."""
    if not isinstance(node, Sum):
        return None
    added = [term for term in node.terms if _is_constant(term)]
    rest = tuple(term for term in node.terms if not _is_constant(term))
    if len(added) != 1 or not rest or any(name[0] in "Cc" for term in rest for name in free_symbols(term)):
        return None
    return Sum(rest)


def _is_constant(node: Node) -> bool:
    match node:
        case Negative(Symbol(name)) | Symbol(name):
            return name[0] in "Cc" and name in _CONSTANTS
        case _:
            return False


def _constants(a: list[Node], b: list[Node]) -> Decision | None:
    """Compare two solutions of a differential equation, or antiderivatives, with differently named constants."""
    if len(a) != 1 or len(b) != 1:
        return None
    left, right = _names(a) - _names(b), _names(b) - _names(a)
    if not left or len(left) != len(right) or len(left) > 3 or not left | right <= _CONSTANTS:
        return None
    if not any(name[0] in "Cc" for name in left | right) or not (_names(a) & _names(b) & _ARGUMENTS):
        return None
    for order in itertools.permutations(sorted(left)):
        if expression.equal(a[0], rename(b[0], dict(zip(sorted(right), order, strict=True)))):
            return Decision(True, "equal except for the names of the constants")
    return None
