r"""Unify complements of events inside a probability: `P(\bar A)`, `P(A^c)` and `P(A')` are all `1 - P(A)`.

Anywhere else these are three different names.
"""

from dataclasses import replace

from verifier_service.answers.tree.nodes import (
    ONE,
    Call,
    Function,
    Logic,
    Negative,
    Node,
    Power,
    Relation,
    SetOperation,
    Sum,
    Symbol,
    rebuild,
    walk,
)

_PROBABILITIES = frozenset(["P", "Pr", "mathbb P"])


def of_events(node: Node) -> Node:
    """Rewrite the complements of events in one notation, if the tree contains probabilities."""
    told = any(isinstance(part, Call) and part.name in _PROBABILITIES for part in walk(node))
    return _told(node) if told else node


def _told(node: Node) -> Node:
    r"""Rewrite the probability of a complement as `1 - P(A)`, and any other complement in one notation."""
    match node:
        case Call(name, (event,)) if name in _PROBABILITIES:
            return _probability(name, event)
        case Relation(("=", *_), (Call(name, (event,)), *_)) if name in _PROBABILITIES:
            return replace(node, terms=(Call(name, (_with_bars(event),)), *map(_told, node.terms[1:])))
        case _:
            return rebuild(node, _told)


def _probability(name: str, event: Node) -> Node:
    given: tuple[Node, ...] = ()
    if isinstance(event, Relation) and event.operators == ("mid",):
        event, given = event.terms[0], (_with_bars(event.terms[1]),)
    inner = _complemented(event)
    event = _with_bars(event if inner is None else inner)
    whole = Call(name, (Relation(("mid",), (event, *given)) if given else event,))
    return whole if inner is None else Sum((ONE, Negative(whole)))


def _complemented(event: Node) -> Node | None:
    r"""Return what `\bar A`, `A^c`, `A'` or `\lnot A` is the complement of, or None."""
    match event:
        case Function("bar", (inner,)) | Power(inner, Symbol("c" | "C" | "complement")) | Logic("not", (inner,)):
            return inner if _is_event(inner) else None
        case Symbol(name) if name.endswith("'") and name[:1].isupper():
            return Symbol(name.removesuffix("'"))
        case _:
            return None


def _is_event(node: Node) -> bool:
    """Return whether a term consists of capital letters and set operations."""
    return all(
        isinstance(part, (SetOperation, Logic))
        or (isinstance(part, Symbol) and part.name[:1].isupper())
        or (isinstance(part, Function) and part.name == "bar")
        for part in walk(node)
    )


def _with_bars(event: Node) -> Node:
    """Rewrite each complement in an event with a bar."""
    inner = _complemented(event)
    return rebuild(event, _with_bars) if inner is None else Function("bar", (_with_bars(inner),))
