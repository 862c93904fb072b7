r"""Compare the qualifiers of two answers, letter by letter.

What both say about a letter must allow the same values: `k \in \mathbb{Z}` is not `k \in \mathbb{R}`. What only one
side says must go without saying: `k \in \mathbb{Z}` with `2k\pi`, `c \in \mathbb{R}` with `cx`, the domain with `f(x) =
1`; `where p is prime` does not. A letter that both sides bind can have two names.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.context import MP
from verifier_service.answers.compute.numeric import Undefined
from verifier_service.answers.read.qualifier import Qualifier, same_marks, settled
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    PI,
    Call,
    Cases,
    Degrees,
    List,
    Node,
    PlusMinus,
    Relation,
    Set,
    Symbol,
    Text,
    Tuple,
    walk,
)

_WHOLE_LETTERS = frozenset("knmljNMK")
_PERIOD_LETTERS = _WHOLE_LETTERS | frozenset("tspqr")
_INDEX_MARKS = (
    frozenset({"Z"}), frozenset({"N"}), frozenset({"R"}), frozenset({"Z", "positive"}), frozenset({"Z", "nonnegative"})
)  # fmt: skip
_DOMAIN_MARKS = frozenset({"Z", "N", "Q", "R", "positive", "nonnegative", "nonzero", "negative"})
_SIGNS = {"positive": ">0", "negative": "<0", "nonnegative": ">=0", "nonzero": "!=0"}
# matches `>=2`, `!=-0.5`; not `>a`
_BOUND = re.compile(r"(<=?|>=?|!=)(-?\d{1,9}(?:\.\d{1,9})?)")
# Distances beyond a bound at which an answer is tested for being undefined.
_STEPS = (Fraction(1, 7), Fraction(1), Fraction(17, 3), Fraction(4001, 3))
_ELSEWHERE = Fraction(100, 37)  # the values of the other letters, chosen not to make anything zero
_NUMBER_SETS = frozenset({"Z", "N", "Q", "R"})

Marks = frozenset[str]


class Stated(NamedTuple):
    """What one answer says about its letters, and its tree if it has one."""

    qualifiers: Sequence[Qualifier]
    tree: Node | None


def disagree(one: Stated, other: Stated) -> str | None:
    """Return how the qualifiers of two answers differ, or None if they allow the same values."""
    left, right = _by_name(one), _by_name(other)
    for name in sorted(left.keys() & right.keys()):
        if not same_marks(left[name], right[name]):
            return f"{name} does not stand for the same values" if name else "their qualifiers differ"
    if _pairs(one, other):
        return None
    renamed = left.keys() - right.keys() - _names(other.tree), right.keys() - left.keys() - _names(one.tree)
    if all(names - {""} for names in renamed):
        return "differently named letters stand for different values"
    for alone, said, at in (
        (left.keys() - right.keys(), left, one.tree),
        (right.keys() - left.keys(), right, other.tree),
    ):
        for name in sorted(alone):
            if not _is_granted(name, said[name], at):
                return f"only one side says what {name or 'it'} stands for"
    return None


def renaming(one: Stated, other: Stated) -> dict[str, str]:
    """Map the bound letters of the other side to the letters of this side that they stand for."""
    pairs = _pairs(one, other)
    if pairs:
        return pairs
    bound, other_bound = set(_by_name(one)), set(_by_name(other))
    left, right = _names(one.tree) - _names(other.tree), _names(other.tree) - _names(one.tree)
    if len(left) == len(right) == 1 and (left <= bound - other_bound or right <= other_bound - bound):
        return {right.pop(): left.pop()}
    return {}


def _pairs(one: Stated, other: Stated) -> dict[str, str]:
    """Pair the letters bound only by the other side with those bound only by this side: all of them, or none."""
    left, right = _by_name(one), _by_name(other)
    only_left = sorted(left.keys() - right.keys(), key=lambda name: (sorted(settled(left[name])), name))
    only_right = sorted(right.keys() - left.keys(), key=lambda name: (sorted(settled(right[name])), name))
    names, other_names = _names(one.tree), _names(other.tree)
    if len(only_left) != len(only_right) or not names - other_names >= set(only_left):
        return {}
    if not other_names - names >= set(only_right):
        return {}
    pairs = list(zip(only_left, only_right, strict=True))
    return {new: name for name, new in pairs} if all(same_marks(left[a], right[b]) for a, b in pairs) else {}


def _by_name(stated: Stated) -> dict[str, Marks]:
    """Collect the marks of each letter. What is said without naming a letter is under the empty name."""
    found: dict[str, Marks] = {}
    for qualifier in stated.qualifiers:
        for name in qualifier.names or ("",):
            found[name] = found.get(name, frozenset()) | qualifier.marks
    return {name: _whole(marks) if name[:1] in _WHOLE_LETTERS else marks for name, marks in found.items()}


def _whole(marks: Marks) -> Marks:
    """Complete the marks of an integer letter: `n \\ge 1` is `n \\in \\mathbb{N}^*`."""
    marks = marks - {">=1"} | {"positive"} if ">=1" in marks else marks
    return marks | {"Z"} if marks & {"positive", "nonnegative", "negative"} and not marks & {"R", "Q"} else marks


def _names(tree: Node | None) -> set[str]:
    if tree is None:
        return set()
    return {part.name for part in walk(tree) if isinstance(part, Symbol)}


def _is_granted(name: str, marks: Marks, tree: Node | None) -> bool:
    """Return whether a qualifier of a letter in this tree goes without saying."""
    said = settled(marks)
    if not said:
        return True
    if tree is None or name not in _names(tree):
        return False
    if all(_states_domain(name, mark, tree) for mark in said):
        return True
    if name in _arguments(tree):
        return said <= _DOMAIN_MARKS and bool(marks & _NUMBER_SETS)
    if name in _PERIOD_LETTERS and any(isinstance(part, Degrees) or part == PI for part in walk(tree)):
        return said == {"Z"}
    if name not in _WHOLE_LETTERS:
        return said == {"R"}
    if isinstance(tree, (List, Tuple, Set, PlusMinus)):
        return said == {"Z"}
    if isinstance(tree, Relation):
        return said == {"Z"} or (said == {"R"} and len(_names(tree.terms[-1])) > 1)
    return said in _INDEX_MARKS


def _arguments(tree: Node) -> set[str]:
    """Return the letters that are arguments of functions and sequences: the x of `f(x)`, the n of `a_n`."""
    calls = [part for part in walk(tree) if isinstance(part, Call)]
    return {operand.name for call in calls for operand in call.operands if isinstance(operand, Symbol)}


def _states_domain(name: str, mark: str, tree: Node) -> bool:
    """Return whether a bound excludes only values at which the answer is not defined: `x \\ne 0` for `1/x`."""
    excluded = _excluded(mark)
    if isinstance(tree, Relation) and set(tree.operators) == {"="}:
        tree = tree.terms[-1]
    if not excluded or isinstance(tree, (Relation, List, Set, Cases, Text)):
        return False
    others = sorted(_names(tree) - {name})
    return all(_is_undefined(tree, {name: value, **{other: _ELSEWHERE + place for place, other in enumerate(others)}})
               for value in excluded)  # fmt: skip


def _excluded(mark: str) -> list[Fraction]:
    """Return values that a bound like `>=2` excludes: its end if that is open, and some beyond it."""
    mark = _SIGNS.get(mark, mark)
    match = _BOUND.fullmatch(mark)
    if match is None:
        return []
    operator, end = match.group(1), Fraction(match.group(2))
    if operator == "!=":
        return [end]
    side = -1 if operator[0] == ">" else 1
    return [end + side * step for step in (*_STEPS, *(() if operator.endswith("=") else (Fraction(0),)))]


def _is_undefined(tree: Node, values: dict[str, Fraction]) -> bool:
    try:
        evaluate(tree, {name: MP.mpf(value.numerator) / value.denominator for name, value in values.items()})
    except Undefined:
        return True
    except (NotMath, ArithmeticError, ValueError, TypeError):
        return False
    return False
