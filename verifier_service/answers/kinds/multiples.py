r"""Compare all real multiples of a vector: `t(1, 2), t \in \mathbb{R}`, `\{s(1, 2) : s \in \mathbb{R}\}`, spans."""

from fractions import Fraction

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds.decision import Decision
from verifier_service.answers.kinds.qualified import Stated
from verifier_service.answers.tree.nodes import Builder, Matrix, Node, Product, Relation, Set, Symbol, Text, Tuple

_REALS = Symbol("mathbb R")


def decide_stated(one: Stated, other: Stated) -> Decision | None:
    """Return that two answers are equal if they are the multiples of parallel vectors, or None."""
    first, second = _direction(one), _direction(other)
    if first is None or second is None or len(first) != len(second):
        return None
    # Parallel, if the cross products with the first nonzero coordinate all vanish.
    place = next(place for place, value in enumerate(first) if value)
    equal = second[place] and all(a * second[place] == b * first[place] for a, b in zip(first, second, strict=True))
    return Decision(True, "all multiples of the same vector") if equal else None


def _direction(side: Stated) -> list[Fraction] | None:
    """Return the vector whose real multiples an answer contains, or None for anything else."""
    match side.tree:
        case Product((Symbol(name), vector)) if [(q.names, q.marks) for q in side.qualifiers] == [((name,), {"R"})]:
            return _components(vector)
        case Builder(Product((Symbol(name), vector)), Relation(("in",), (Symbol(letter), range_))) if (
            name == letter and range_ == _REALS and not side.qualifiers
        ):
            return _components(vector)
        case Product((Text("span" | "Span"), Set((vector,)))) if not side.qualifiers:
            return _components(vector)
        case _:
            return None


def _components(vector: Node) -> list[Fraction] | None:
    """Return the coordinates of a nonzero vector of numbers, or None."""
    match vector:
        case Tuple(open="(" | "<", items=items):
            values = list(map(exact, items))
        case Matrix(rows) if 1 in (len(rows), len(rows[0])):
            values = [exact(cell) for row in rows for cell in row]
        case _:
            return None
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) and any(known) else None


__all__ = ["decide_stated"]
