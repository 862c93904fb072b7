r"""Unify the notations of derivatives: `\frac{dy}{dx}`, `y'` and `y'(x)` are equal if there is only one variable."""

import re
from typing import NamedTuple

from verifier_service.answers.tree.nodes import Call, Derivative, Node, Symbol, rebuild, walk


class _Derivative(NamedTuple):
    """A derivative: its function, its order, and its variable ("" if unknown)."""

    function: str
    order: int
    variable: str


def with_primes(left: Node, right: Node) -> tuple[Node, Node]:
    r"""Rewrite all derivatives with primes if both answers have some and all are by the same variable.

    Rewrites `\frac{dy}{dx}`, `y'(x)` and `\frac{d}{dx}f(x)` as `y'` and `f'`.
    """
    found = [{d for part in walk(node) if (d := _derivative(part)) is not None} for node in (left, right)]
    told = {derivative.variable for side in found for derivative in side} - {""}
    if not all(found) or len(told) > 1:
        return left, right
    return _primed(left), _primed(right)


def _derivative(node: Node) -> _Derivative | None:
    """Return the derivative that a node is, or None."""
    match node:
        case Symbol(name) if name.startswith("d^") and (parted := _FRACTION.fullmatch(name)):
            return _Derivative(parted["function"], int(parted["order"]), parted["variable"])
        case Symbol("dot x" | "dot y" | "dot z" | "ddot x" | "ddot y" | "ddot z" as name):
            return _Derivative(name[-1], 2 if name.startswith("dd") else 1, "t")
        case Symbol(name) if name.endswith("'"):
            return _Derivative(name.rstrip("'"), len(name) - len(name.rstrip("'")), "")
        case Call(name, (Symbol(variable),)) if name.endswith("'"):
            return _Derivative(name.rstrip("'"), len(name) - len(name.rstrip("'")), variable)
        case Derivative(Call(name, (Symbol(variable),)), by, order) if by == variable:
            return _Derivative(name, order, variable)
        case Derivative(Symbol(name), by, order) if name != by:
            return _Derivative(name, order, by)
        case _:
            return None


# the name of `\frac{d^2y}{dx^2}`: `d^2 y/d x`
_FRACTION = re.compile(r"d\^(?P<order>\d{1,2}) (?P<function>\S{1,20})/d (?P<variable>\S{1,20})")


def _primed(node: Node) -> Node:
    found = _derivative(node)
    return rebuild(node, _primed) if found is None else Symbol(found.function + "'" * found.order)
