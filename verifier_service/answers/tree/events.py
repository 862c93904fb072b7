r"""Events inside a probability: `P(\bar A)`, `P(A^c)`, `P(A')` are `1 - P(A)`; elsewhere these are three names."""

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
    """Write the complements of events in one way in a tree that holds probabilities."""
    told = any(isinstance(part, Call) and part.name in _PROBABILITIES for part in walk(node))
    return _told(node) if told else node


def _told(node: Node) -> Node:
    r"""Write the probability of a complement as `1 - P(A)`, and each other complement of an event in one way."""
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
    r"""Return what `\bar A`, `A^c`, `A'`, `\lnot A` is the complement of; None for what is none."""
    match event:
        case Function("bar", (inner,)) | Power(inner, Symbol("c" | "C" | "complement")) | Logic("not", (inner,)):
            return inner if _is_event(inner) else None
        case Symbol(name) if name.endswith("'") and name[:1].isupper():
            return Symbol(name.removesuffix("'"))
        case _:
            return None


def _is_event(node: Node) -> bool:
    """Return whether capital letters and the operations of sets make up a term."""
    return all(
        isinstance(part, (SetOperation, Logic))
        or (isinstance(part, Symbol) and part.name[:1].isupper())
        or (isinstance(part, Function) and part.name == "bar")
        for part in walk(node)
    )


def _with_bars(event: Node) -> Node:
    """Write each complement in an event with a bar."""
    inner = _complemented(event)
    return rebuild(event, _with_bars) if inner is None else Function("bar", (_with_bars(inner),))
