r"""Compare answers with parameters: letters whose names do not matter.

A letter is a parameter if it is bound (`\{3k+2 : k \in \mathbb{Z}\}`), if its range is given (`2^k, k \ge 0`), or if it
occurs in a tuple and not on the other side: `(4+3k, 5k)` equals `(4+3n, 5n)`. A parameter can also be negated, or
shifted by an integer: `(4+3k, 5k)` equals `(7+3n, 5+5n)`.
"""

import itertools

from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.literal import linear
from verifier_service.answers.tree.nodes import (
    Builder,
    List,
    Negative,
    Node,
    Relation,
    Sum,
    Symbol,
    free_symbols,
    number,
    rename,
    substitute,
)

WHOLE = frozenset(["k", "n", "m", "l", "j", "K", "N", "M"])
"""Letters that stand for integers unless something else is said."""

_MAX_PARAMETERS = 3  # all pairings are tried, 3! of them
_BOUNDS = ("<", "<=", ">", ">=", "!=", "in")


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if both sides state the range of a letter. Return None if they do not."""
    first, second = _stated(left), _stated(right)
    if first is None or second is None:
        return None
    (name, head, range_), (other_name, other, other_range) = first, second
    if other_name != name and name in free_symbols(other):
        return None
    other, other_range = (rename(node, {other_name: name}) for node in (other, other_range))
    if not same(range_, other_range).equal:
        return Decision(False, "the parameters have different ranges")
    decision = same(head, other)
    whole = range_.operators == ("in",) and range_.terms[1] == Symbol("mathbb Z")
    if decision.equal or not whole or free_symbols(head) != frozenset((name,)):
        return decision
    shifted = _shifted([head], [rename(other, {name: "other " + name})], name, "other " + name, same)
    return Decision(True, "the same values") if shifted else decision


def _stated(node: Node) -> tuple[str, Node, Relation] | None:
    """Split `\\{3k+2 : k \\in Z\\}` or `2^k, k \\ge 0` into the parameter, the values and the range."""
    match node:
        case Builder(head, Relation((operator,), (Symbol(letter), _)) as range_):
            pass
        case List(",", (head, Relation((operator,), (Symbol(letter), _)) as range_)):
            pass
        case _:
            return None
    if operator not in _BOUNDS or isinstance(head, (Symbol, Relation)) or letter not in free_symbols(head):
        return None
    return letter, head, range_


def renamed(a: list[Node], b: list[Node], same: Same) -> bool:
    """Return whether two tuples are equal except for the names of letters that occur in only one of them."""
    left, right = _names(a), _names(b)
    mine, others = sorted(left - right), sorted(right - left)
    if len(a) != len(b) or len(mine) != len(others) or not 1 <= len(mine) <= _MAX_PARAMETERS:
        return False
    if len(set(a)) == len(a) == len(mine) and all(isinstance(node, Symbol) for node in a):
        return False
    for order in itertools.permutations(mine):
        names = dict(zip(others, order, strict=True))
        if all(same(one, rename(other, names)).equal for one, other in zip(a, b, strict=True)):
            return True
    return len(mine) == 1 and _shifted(a, b, mine[0], others[0], same)


def _names(nodes: list[Node]) -> frozenset[str]:
    return frozenset[str]().union(*map(free_symbols, nodes))


def _shifted(a: list[Node], b: list[Node], name: str, other: str, same: Same) -> bool:
    """Return whether one parameter is the other, or its negative, plus an integer."""
    for one, two in zip(a, b, strict=True):
        if not free_symbols(one) and not free_symbols(two):
            continue
        first, second = linear(one), linear(two)
        if first is None or second is None or abs(first[1]) != abs(second[1]):
            return False
        shift = (second[0] - first[0]) / first[1]
        if shift.denominator != 1:
            return False
        step = Symbol(other) if first[1] == second[1] else Negative(Symbol(other))
        moved = Sum((step, number(shift)))
        return all(same(substitute(part, name, moved), its).equal for part, its in zip(a, b, strict=True))
    return False
