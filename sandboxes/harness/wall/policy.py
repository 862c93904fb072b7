"""The policy: what the submission may decide. Everything else that it sends is an answer that the tests compare.

The danger is an operator of the submission's own class. Asked whether its object equals the expected value, it could
simply say yes. So such an operator is used on data of the tests in these cases only:

1. *Which objects.* An object may decide if a constructor call in the tests' own text created it, or if it derives from
   such an object, that is, was returned while one was used. So `Money(5) == 5` is decided by the object. `f(3) == 5` is
   not, whatever `f` returns: it is never equal, and an order or a sum is refused.
2. *Equality with plain data: a line-up.* The object is never asked about the value alone. It is asked, in a forked
   process, about at least sixteen values of the same type and shape, none of which stands out (see `lineups`). It is
   believed if it affirms exactly the right one. If there are no sixteen such values (`None`, `True`, `[]`), it may not
   decide.
3. *Order and membership.* The object is believed if it also denies the relation for a value far away.
4. *Two of its objects.* The object is believed if it also denies the relation for an object that was created with
   different arguments. In addition, if the test has a literal, it must fail when that literal is changed
   (`Twin.IF_THERE_IS_ONE`).
5. *Arithmetic with plain data.* `Vector(1, 2) * 3` is computed by the submission. If this leads to plain data, now or
   later, the test counts only if it fails when its literal is changed (`Twin.ALWAYS`): an expression such as
   `abs(f(2) - 12.5) < 1e-6` has shown the expected value to the submission.
6. *Leaving a `with` block.* The object may swallow an exception only if it cannot swallow an assertion with it.

An object that affirms the right value together with others has lied. Then nothing of the submission counts
(`Policy.lied`).
"""

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Protocol

from sandboxes.harness.wall.lineups import changed_arguments, far_values, line_up, with_swaps
from sandboxes.protocol.facts import Twin
from sandboxes.protocol.plain import Fields, Row

MAX_ORIGINS = 8
MAX_PROOFS = 20
"""How many comparisons of two objects of one class have to be proved in a test. Later ones are believed."""
MAX_OTHERS = 8
_NUMBERS = (int, float, Fraction, Decimal)


class Refused(AssertionError, TypeError):
    """An object of the submission would have to decide about plain data of the tests, but may not."""


@dataclass(frozen=True, eq=False)
class Origin:
    """The origin of an object of the submission: the call in the tests that returned it, with its arguments.

    `constructed` says whether a constructor call in the tests' own text created this object or one it derives from.
    """

    maker: Any
    args: Sequence[Any]
    kwargs: dict[str, Any]
    constructed: bool
    before: "Origin | None" = None

    def line(self) -> list["Origin"]:
        """Return this origin and the earlier ones, the latest first."""
        found: list[Origin] = []
        origin: Origin | None = self
        while origin is not None and len(found) < MAX_ORIGINS:
            found.append(origin)
            origin = origin.before
        return found


class Asks(Protocol):
    """What the policy needs of the link to the submission."""

    def trial(self, questions: Row) -> list[bool | None]:
        """Ask all questions in a forked process; see `trials`."""
        ...

    def apply(self, target: object, name: str, arguments: Row) -> object:
        """Apply an operator of the submission, and return the result."""
        ...

    def origin_of(self, value: object) -> Origin | None:
        """Return the origin of an object, if it is known."""
        ...

    def others_like(self, value: object, most: int) -> list[object]:
        """Return other objects of the same class of the submission."""
        ...


@dataclass
class Policy:
    """Decides what an object of the submission may decide, and remembers the consequences for the current test."""

    asks: Asks
    key: bytes = field(default_factory=lambda: os.urandom(16))
    lied: str = ""
    twin: Twin = Twin.NO
    notes: list[str] = field(default_factory=list)
    _proofs: dict[tuple[type, str], int] = field(default_factory=dict)
    _from_now_on: Twin = Twin.NO

    def begin_test(self) -> None:
        """Begin a test. Needs that arose between tests, such as in a set-up statement, apply to every later test."""
        self._from_now_on = self.twin
        self._proofs.clear()

    def end_test(self) -> Twin:
        """End a test. Return the proof that it needs, and forget it."""
        needed, self.twin = self.twin, self._from_now_on
        return needed

    # Plain data

    def equals(self, target: object, name: str, value: object) -> bool:
        """Answer `target == value` or `target != value`, for plain data of the tests."""
        affirmed = name == "__eq__"
        if not self._may_decide(target):
            self._note(target, value)
            return not affirmed
        members = line_up(value, self.key)
        members = members and with_swaps(members, self.key)
        if members is None:
            self._note(target, value, "; too few values are like it, so its word proves nothing")
            return not affirmed
        answers = self.asks.trial(Row(_apply(target, name, member) for member in members))
        said = [member for member, answer in zip(members, answers, strict=True) if answer is affirmed]
        if not any(_is_it(member, value) for member in said):
            return not affirmed
        if len(said) > 1:
            self._lies(target, f"equals {_short(value)} and {len(said) - 1} of {len(members) - 1} other values")
            return not affirmed
        return affirmed

    def orders(self, target: object, name: str, value: object) -> bool:
        """Answer `target < value` and the like, for plain data of the tests."""
        if not self._may_decide(target):
            raise self._refusal(target, value)
        return self._also_denies(target, name, value)

    def contains(self, target: Iterable[object], value: object) -> bool:
        """Answer `value in target`, for plain data of the tests."""
        if not self._may_decide(target):
            return any(item is value or item == value for item in target)
        return self._also_denies(target, "__contains__", value)

    def _also_denies(self, target: object, name: str, value: object) -> bool:
        if value != value:  # NaN has no order to ask about, and affirming a relation with it means affirming anything
            return bool(self.asks.trial(Row([_apply(target, name, value)]))[0])
        members = [value, *far_values(value, self.key)]
        order = list(range(len(members)))
        Random(self.key).shuffle(order)
        opposite = _OPPOSITE.get(name) if isinstance(value, _NUMBERS) else None
        asked = [_apply(target, name, members[place]) for place in order]
        asked += [_apply(target, opposite, members[place]) for place in order] if opposite else []
        answers = self.asks.trial(Row(asked))
        said = dict(zip(order, answers, strict=False))
        if said[0] is None:
            raise TypeError(f"{type(target).__name__}.{name} does not take {_short(value)}")
        if said[0] and len(members) == 1:
            raise self._refusal(target, value)
        if said[0] and all(said.values()):
            self._lies(target, f"says yes to {name} with {_short(value)} and with everything far from it")
            return False
        both = any(one and other for one, other in zip(answers, answers[len(order) :], strict=False))
        if opposite and (both or not _flips_once(members, said)):
            self._lies(target, f"has no place in the order of numbers: {name} with {_short(value)} and others")
            return False
        return bool(said[0])

    def calculates(self, target: object, name: str, value: object) -> object:
        """Return the result of arithmetic with plain data of the tests. See `saw` for the consequences."""
        if not self._may_decide(target):
            raise self._refusal(target, value)
        return self.asks.apply(target, name, Row([value]))

    def saw(self) -> None:
        """Record that plain data came from an object that was combined with plain data of the tests in arithmetic."""
        self.twin = Twin.ALWAYS

    # Two objects

    def compares(self, target: object, name: str, other: object) -> object:
        """Answer a comparison of two objects of the submission, or whether one contains the other."""
        key = (type(target), name)
        self._proofs[key] = self._proofs.get(key, 0) + 1
        if self._proofs[key] > MAX_PROOFS:
            return self.asks.apply(target, name, Row([other]))
        affirmed = name != "__ne__"
        questions, are_changed = self._about_others(target, name, other)
        said, *of_others = self.asks.trial(Row([_apply(target, name, other), *questions]))
        if said is None:  # it raises or returns NotImplemented: let the tests see that
            found = self.asks.apply(target, name, Row([other]))
            return found if found is not affirmed else not affirmed
        if said is not affirmed:
            return said
        if self.twin is Twin.NO and name in ("__eq__", "__ne__", "__contains__"):
            self.twin = Twin.IF_THERE_IS_ONE
        if any(answer is not affirmed for answer in of_others):
            return said
        if are_changed:
            what = f"says the same of {name} with {len(questions)} others that were made in another way"
            self._lies(target, what)
            return not said
        if name == "__contains__":  # whether it contains its own object does not involve data of the tests
            return said
        self.notes.append(f"nothing shows that {type(target).__name__}.{name} ever says no")
        return not said

    def _about_others(self, target: object, name: str, other: object) -> tuple[Row, bool]:
        """Return questions that an honest object denies, and whether they are about objects created differently."""
        questions = self._with_other_arguments(target, name, other)
        if name in _OPPOSITE:  # if one object comes before another, it does not also come after it
            return Row([_apply(other, name, target), *questions]), True
        if questions:
            return questions, True
        known = self.asks.others_like(other, MAX_OTHERS)
        fresh = [_made(target, name, origin, origin.args, origin.kwargs) for origin in self._makers(other)]
        return Row([*fresh, *(_apply(target, name, one) for one in known if one is not target)]), False

    def _with_other_arguments(self, target: object, name: str, other: object) -> Row:
        """Return questions about objects created like one of these two, or its origins, but with a changed argument."""
        reflected = _REFLECTED.get(name)
        for side, partner, operator in ((other, target, name), (target, other, reflected)):
            for origin in self._makers(side) if operator else ():
                variants = changed_arguments(tuple(origin.args), dict(origin.kwargs), self.key)
                if variants:
                    assert operator is not None
                    made = Row(_made(partner, operator, origin, args, kwargs) for args, kwargs in variants)
                    turned = [Row(["first", *question[1:]]) for question in made] if name in _OPPOSITE else []
                    return Row([*made, *turned])
        return Row()

    def _makers(self, value: object) -> list[Origin]:
        origin = self.asks.origin_of(value)
        return origin.line() if origin is not None else []

    # What is common

    def _may_decide(self, target: object) -> bool:
        origin = self.asks.origin_of(target)
        return origin is not None and origin.constructed

    def _lies(self, target: object, what: str) -> None:
        self.lied = self.lied or f"an object of the submission's class {type(target).__name__} {what}"
        self.notes.append(self.lied)

    def _note(self, target: object, value: object, why: str = "") -> None:
        self.notes.append(f"an object of the submission's class {type(target).__name__} met {_short(value)}{why}")

    def _refusal(self, target: object, value: object) -> Refused:
        self._note(target, value)
        return Refused(self.notes[-1])


_REFLECTED = {
    "__eq__": "__eq__",
    "__ne__": "__ne__",
    "__lt__": "__gt__",
    "__gt__": "__lt__",
    "__le__": "__ge__",
    "__ge__": "__le__",
}
_OPPOSITE = {"__lt__": "__gt__", "__gt__": "__lt__", "__le__": "__gt__", "__ge__": "__lt__"}
"""An order, and the one that cannot hold for the same two objects at the same time."""


def _apply(target: object, name: str, value: object) -> Row:
    return Row(["apply", target, name, Row([value])])


def _made(target: object, name: str, origin: Origin, args: Sequence[Any], kwargs: dict[str, Any]) -> Row:
    return Row(["made", target, name, origin.maker, Row(args), Fields(kwargs)])


def _is_it(member: object, value: object) -> bool:
    return type(member) is type(value) and member == value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _flips_once(members: list[Any], said: dict[int, bool | None]) -> bool:
    """Return whether the answers to an order change at most once from the smallest number to the largest."""
    known = sorted((members[place], answer) for place, answer in said.items() if answer is not None)
    return sum(one[1] is not other[1] for one, other in itertools.pairwise(known)) <= 1
