"""Read answers with ±: each stands for two values, with every ± taken as plus, and as minus (∓ the other way).

`1 ± sqrt(2)` equals the list `1 + sqrt(2), 1 - sqrt(2)`; it does not equal one of the two.
"""

from dataclasses import replace

from verifier_service.answers.tree.nodes import Negative, Node, PlusMinus, Tuple, rebuild, walk


def has_sign(node: Node) -> bool:
    """Return whether ± or ∓ occurs anywhere in the tree."""
    return any(isinstance(part, PlusMinus) for part in walk(node))


def has_one_sign(node: Node) -> bool:
    """Return whether ± or ∓ occurs exactly once, so that it is clear which signs go together."""
    return sum(isinstance(part, PlusMinus) for part in walk(node)) == 1


def expand(node: Node) -> list[Node]:
    """Return the two values of an expression with ±, or the expression itself."""
    if not has_sign(node):
        return [node]
    return [_choose(node, positive) for positive in (True, False)]


def _choose(node: Node, positive: bool) -> Node:
    if isinstance(node, PlusMinus):
        inner = _choose(node.operand, positive)
        return inner if positive == (node.upper == "+") else _negative(inner)
    return rebuild(node, lambda child: _choose(child, positive))


def _negative(node: Node) -> Node:
    """Negate a value. A vector is negated by its coordinates."""
    if isinstance(node, Tuple) and (node.open, node.close) == ("(", ")"):
        return replace(node, items=tuple(map(_negative, node.items)))
    return Negative(node)
