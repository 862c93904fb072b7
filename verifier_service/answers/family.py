r"""Families of values with a whole parameter, as the solutions of trigonometric equations are given.

`\frac{\pi}{6} + k\pi` equals `\frac{\pi}{6} + n\pi` and `\frac{7\pi}{6} + m\pi`; `\pm\frac{\pi}{3} + 2k\pi` equals the list of its
two halves. The parameter is a letter that multiplies π, a degree sign or stands alone in one term. Two families are equal if
the sets of their values agree in a window of many periods.
"""

from fractions import Fraction

from verifier_service.answers.decision import Decision
from verifier_service.answers.nodes import PI, Node, free_symbols, rename, substitute, walk
from verifier_service.answers.numeric import MP, NotNumeric, Undefined, evaluate

_PARAMETERS = frozenset("k n m l j t s p q r K N M".split())
_CONSTANTS = frozenset({"C", "c", "K", "C_1", "c_1", "D", "A", "k"})
_RANGE = 24


def decide(a: list[Node], b: list[Node]) -> Decision | None:
    """Compare two lists of values as families; None where they are not families in one parameter."""
    left, right = _parameter(a), _parameter(b)
    if left is None or right is None:
        return _constants(a, b)
    if left != right and (left in _names(b) or right in _names(a)):
        return None
    b = [rename(node, {right: left}) for node in b]
    if _names(a) != _names(b) or _names(a) != {left}:
        return _others_too(a, b) if _names(a) == _names(b) else None
    try:
        first, second = _values(a, left), _values(b, left)
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
    """Return the letter that runs through the whole numbers, if exactly one does."""
    found: set[str] = set()
    for node in nodes:
        for part in walk(node):
            if part.op in ("mul", "div", "deg") and (part.op == "deg" or _mentions_pi(part)):
                found |= free_symbols(part) & _PARAMETERS
    return found.pop() if len(found) == 1 else None


def _mentions_pi(node: Node) -> bool:
    return any(part == PI or part.op == "deg" for part in walk(node))


def _values(nodes: list[Node], parameter: str) -> set[Fraction] | None:
    """Return the values in a window around zero, rounded to 20 digits; None where a member is not linear."""
    found: set[int] = set()
    with MP.workdps(40):
        window = MP.mpf(0)
        lines = []
        for node in nodes:
            first, second, third = (evaluate(substitute(node, parameter, _literal(k)), {}) for k in (0, 1, 2))
            step = second - first
            if isinstance(first, MP.mpc | MP.matrix) or abs(third - second - step) > MP.mpf(10) ** -30:
                return _powers(nodes, parameter)
            lines.append((first, step))
            window = max(window, abs(step))
        window *= 6
        for start, step in lines:
            if step == 0:
                found.add(int(MP.nint(start * 10**20)))
                continue
            if window / abs(step) > 2000:
                return None
            low = int(MP.ceil((-window - abs(start)) / abs(step))) - 1
            for index in range(low, -low + 1):
                value = start + index * step
                if abs(value) <= window * (1 + MP.mpf(10) ** -20):
                    found.add(int(MP.nint(value * 10**20)))
    return {Fraction(value) for value in found}


def _powers(nodes: list[Node], parameter: str) -> set[Fraction] | None:
    """Return the values of members such as `(-1)^k \\frac{\\pi}{6} + k\\pi`, in a window that every sequence leaves."""
    found: set[Fraction] = set()
    largest = []
    for node in nodes:
        values = [evaluate(substitute(node, parameter, _literal(k)), {}) for k in range(-_RANGE, _RANGE + 1)]
        if any(isinstance(value, MP.mpc | MP.matrix) for value in values):
            return None
        largest.append(min(abs(values[0]), abs(values[-1])))
        found |= {Fraction(int(MP.nint(value * 10**20))) for value in values}
    limit = Fraction(int(MP.nint(min(largest) * 10**20)) * 3, 4)
    return {value for value in found if abs(value) <= limit}


def _literal(value: int) -> Node:
    return Node("num", (Fraction(value), False))


def _others_too(a: list[Node], b: list[Node]) -> Decision | None:
    """Compare families that hold other variables too, member by member, with the parameter renamed."""
    from verifier_service.answers import expression

    rest = list(b)
    for node in a:
        match = next((other for other in rest if expression.equal(node, other)), None)
        if match is None:
            return None
        rest.remove(match)
    return Decision(True, "the same families") if not rest else None


def _constants(a: list[Node], b: list[Node]) -> Decision | None:
    """Compare two antiderivatives whose constants have different names."""
    if len(a) != 1 or len(b) != 1:
        return None
    left, right = _names(a) - _names(b), _names(b) - _names(a)
    if len(left) != 1 or len(right) != 1 or not (left | right) <= _CONSTANTS:
        return None
    from verifier_service.answers import expression

    renamed = rename(b[0], {next(iter(right)): next(iter(left))})
    if _is_added(a[0], next(iter(left))) and _is_added(b[0], next(iter(right))) and expression.equal(a[0], renamed):
        return Decision(True, "equal but for the name of the constant")
    return None


def _is_added(node: Node, name: str) -> bool:
    return node.op == "add" and any(term == Node("sym", (name,)) for term in node.args)
