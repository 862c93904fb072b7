r"""Whether an answer is a solution, or still the question.

A reference that is solved (a number, `x = 3`, `2 \le x \le 3`, an interval, a finite set, lists of these) is equalled
by a solved answer only: not by `2x + 1 = x + 4`, `x^2 - 5x + 6 \le 0` or `\{x : x^2 - 5x + 6 = 0\}`. A relation is
solved if a name stands alone on one side and nothing but numbers on the other. `|x| < 3` and `-x > -3` count as solved.
This is the one rule that asks more of the answer than of the reference.
"""

from itertools import pairwise

from verifier_service.answers.kinds.relation import assignment, settle
from verifier_service.answers.tree.nodes import Node, free_symbols

_BOUNDS = ("<", "<=", ">", ">=", "!=")
_PARTS = {"list": 1, "set": 0, "tuple": 2}
_SETS = ("union", "inter", "minus")


def _parts(node: Node) -> tuple[Node, ...] | None:
    """Return what decides for a list or a set: its items, its sides, its condition; None for any other node."""
    if node.op in _PARTS:
        return node.args[_PARTS[node.op]]
    if node.op in _SETS:
        return node.args
    return (node.args[1],) if node.op == "builder" else None


def is_solved(node: Node) -> bool:
    """Tell whether a node holds values only: no letter but those that are given values or bounds."""
    node = settle(node)
    parts = _parts(node)
    if parts is not None:
        return all(map(is_solved, parts))
    if node.op == "rel":
        return _is_solved_relation(node)
    return (node.op != "text" and not free_symbols(node)) or _is_number_set(node)


def is_question(node: Node) -> bool:
    """Tell whether a part of an answer is a relation that is still to be solved for its one letter."""
    node = settle(node)
    parts = _parts(node)
    if parts is not None:
        return any(map(is_question, parts))
    if node.op != "rel" or len(free_symbols(node)) != 1 or assignment(node)[0] is not None:
        return False
    return not _is_solved_relation(node)


def _is_number_set(node: Node) -> bool:
    return node.op == "sym" and node.args[0].startswith("mathbb ")


def _is_solved_relation(node: Node) -> bool:
    operators, terms = node.args
    if len(operators) == 1 and operators[0] in ("in", "notin"):
        return _is_alone(terms[0]) and is_solved(terms[1])
    if all(operator == "=" for operator in operators):
        named = any(_is_alone(term) or term.op == "tuple" for term in (terms[0], terms[-1]))
        label, value = assignment(node)
        if label is None:
            return not free_symbols(node)
        return named and is_solved(value)
    if not all(operator in _BOUNDS for operator in operators):
        return not free_symbols(node)
    return all(
        (_is_alone(one) and not free_symbols(other)) or (_is_alone(other) and not free_symbols(one))
        for one, other in pairwise(terms)
    )


def _is_alone(node: Node) -> bool:
    """Tell whether a term is one name: `x`, `-x`, `|x|`, `a_n`, `f(x)`, `AB`."""
    if node.op == "neg" or (node.op == "fn" and node.args[0] in ("abs", "norm", "Re", "Im", "arg")):
        return _is_alone(node.args[-1])
    if node.op == "mul":
        return all(part.op == "sym" and part.args[0].isupper() for part in node.args)
    return node.op in ("sym", "call", "text")
