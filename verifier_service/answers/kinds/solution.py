r"""Recognize whether an answer is a solution, or still the question.

A solved reference (a number, `x = 3`, `2 \le x \le 3`, an interval, a finite set, lists of these) can only be equalled
by a solved answer, not by `2x + 1 = x + 4`, `x^2 - 5x + 6 \le 0` or `\{x : x^2 - 5x + 6 = 0\}`. A relation is solved if
one side is a single name and the other has only numbers. `|x| < 3` and `-x > -3` count as solved. This is the only rule
that demands more of the answer than of the reference.
"""

from itertools import pairwise

from verifier_service.answers.kinds.relation import assignment, settle
from verifier_service.answers.tree.nodes import (
    Builder,
    Call,
    Function,
    List,
    Negative,
    Node,
    Product,
    Relation,
    Set,
    SetOperation,
    Symbol,
    Text,
    Tuple,
    free_symbols,
)

_BOUNDS = ("<", "<=", ">", ">=", "!=")


def _parts(node: Node) -> tuple[Node, ...] | None:
    """Return the parts that decide for a list or a set: its items, its sides, its condition.

    None for any other node.
    """
    match node:
        case List(items=items) | Set(items) | Tuple(items=items):
            return items
        case SetOperation(_, left, right):
            return left, right
        case Builder(_, condition):
            return (condition,)
        case _:
            return None


def is_solved(node: Node) -> bool:
    """Return whether a node holds only values: its only letters are those that are given values or bounds."""
    node = settle(node)
    parts = _parts(node)
    if parts is not None:
        return all(map(is_solved, parts))
    if isinstance(node, Relation):
        return _is_solved_relation(node)
    return (not isinstance(node, Text) and not free_symbols(node)) or _is_number_set(node)


def is_question(node: Node) -> bool:
    """Return whether a part of an answer is a relation that is still to be solved for its only letter."""
    node = settle(node)
    parts = _parts(node)
    if parts is not None:
        return any(map(is_question, parts))
    if not isinstance(node, Relation) or len(free_symbols(node)) != 1 or assignment(node)[0] is not None:
        return False
    return not _is_solved_relation(node)


def _is_number_set(node: Node) -> bool:
    return isinstance(node, Symbol) and node.name.startswith("mathbb ")


def _is_solved_relation(node: Relation) -> bool:
    operators, terms = node.operators, node.terms
    if len(operators) == 1 and operators[0] in ("in", "notin"):
        return _is_alone(terms[0]) and is_solved(terms[1])
    if all(operator == "=" for operator in operators):
        named = any(_is_alone(term) or isinstance(term, Tuple) for term in (terms[0], terms[-1]))
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
    """Return whether a term is one name: `x`, `-x`, `|x|`, `a_n`, `f(x)`, `AB`."""
    match node:
        case Negative(operand):
            return _is_alone(operand)
        case Function("abs" | "norm" | "Re" | "Im" | "arg", operands):
            return _is_alone(operands[-1])
        case Product(factors):
            return all(isinstance(factor, Symbol) and factor.name.isupper() for factor in factors)
        case _:
            return isinstance(node, (Symbol, Call, Text))
