r"""Derivatives by their names: `\frac{dy}{dx}`, `y'` and `y'(x)` are one where none is taken by another letter."""

import re
from typing import NamedTuple

from verifier_service.answers.tree.nodes import Call, Derivative, Node, Symbol, rebuild, walk


class _Derivative(NamedTuple):
    """A derivative by its function, how often it is taken, and the letter by which; "" where it is not told."""

    function: str
    order: int
    variable: str


def with_primes(left: Node, right: Node) -> tuple[Node, Node]:
    r"""Write `\frac{dy}{dx}`, `y'(x)`, `\frac{d}{dx}f(x)` as `y'`, `f'` where one answer has primes, the other
    fractions, and all are taken by one letter."""
    found = [{d for part in walk(node) if (d := _derivative(part)) is not None} for node in (left, right)]
    told = {derivative.variable for side in found for derivative in side} - {""}
    if not all(found) or len(told) > 1:
        return left, right
    return _primed(left), _primed(right)


def _derivative(node: Node) -> _Derivative | None:
    """Read a name of a derivative; None for anything else."""
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


# `d^2 y/d x`, as `\frac{d^2y}{dx^2}` is called
_FRACTION = re.compile(r"d\^(?P<order>\d{1,2}) (?P<function>\S{1,20})/d (?P<variable>\S{1,20})")


def _primed(node: Node) -> Node:
    found = _derivative(node)
    return rebuild(node, _primed) if found is None else Symbol(found.function + "'" * found.order)
