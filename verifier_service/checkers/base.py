"""The result type of every checker, numeric tolerance, and how values are shown in messages."""

import cmath
import math
from dataclasses import dataclass
from fractions import Fraction
from reprlib import Repr

from verifier_service.schema import FloatChecker

SHOWN_CHARS = 120  # how much of a value a message shows


@dataclass(frozen=True)
class Checked:
    """Whether the answer is right; if not, `message` names the first difference in one sentence.

    `share` is the partial credit given by a special judge.
    """

    ok: bool
    message: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Tolerance:
    """Two numbers are close if they differ by at most `absolute`, or by `relative` times the expected number.

    Floats stand for the decimals they were written as: 0.100001 differs from 0.1 by exactly 1e-6, although rounding
    puts the difference of the two floats slightly above it. Allowing a few ulps would forgive that too, but also errors
    far above a tolerance that is small relative to the numbers. So close to the bound, where rounding decides, the
    decimals are compared exactly.
    """

    absolute: float
    relative: float

    def close(self, expected: float | complex, actual: float | complex) -> bool:
        """Return whether `actual` is close to `expected`. Infinities and NaN are close only to themselves."""
        if expected == actual:
            return True
        wanted, got = complex(expected), complex(actual)
        if not (cmath.isfinite(wanted) and cmath.isfinite(got)):
            return _same(wanted.real, got.real) and _same(wanted.imag, got.imag)
        try:
            gap, size = abs(wanted - got), abs(wanted)
        except OverflowError:  # complex numbers near the largest float
            return self._is_within(wanted, got)
        bound = max(self.absolute, self.relative * size)
        # More than the rounding of the gap and the bound together can amount to.
        rounding = 4 * (math.ulp(size) + math.ulp(gap) + math.ulp(bound))
        if abs(gap - bound) > rounding and math.isfinite(gap) and math.isfinite(bound):
            return gap < bound
        return self._is_within(wanted, got)

    def close_integers(self, expected: int, actual: int) -> bool:
        """Return whether two integers of any length are close."""
        gap = abs(expected - actual)
        return gap <= _decimal(self.absolute) or gap <= _decimal(self.relative) * abs(expected)

    def _is_within(self, expected: complex, actual: complex) -> bool:
        """Compare exactly, and in squares to avoid taking a root."""
        real, imaginary = _decimal(expected.real), _decimal(expected.imag)
        gap = (real - _decimal(actual.real)) ** 2 + (imaginary - _decimal(actual.imag)) ** 2
        size = real**2 + imaginary**2
        return gap <= max(_decimal(self.absolute) ** 2, _decimal(self.relative) ** 2 * size)


EXACT = Tolerance(0, 0)
DEFAULT = 1e-6
"""What the checker `float` forgives in floats when the request sets no tolerance."""


@dataclass(frozen=True)
class Closeness:
    """What is forgiven: `integers` applies when both numbers are integers, `floats` otherwise."""

    floats: Tolerance
    integers: Tolerance = EXACT


def asked_for(options: FloatChecker) -> Closeness:
    """Return what a `float` checker forgives.

    Its default tolerance is for floats only: a count must not be off by one.
    """
    absolute, relative = options.abs_tol, options.rel_tol
    return Closeness(
        floats=Tolerance(DEFAULT if absolute is None else absolute, DEFAULT if relative is None else relative),
        integers=Tolerance(absolute or 0, relative or 0),
    )


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)


def _decimal(number: float) -> Fraction:
    """Return the shortest decimal that reads as this float: the one that was written."""
    return Fraction(repr(number))


RIGHT = Checked(True)


_SHORT = Repr()
_SHORT.maxlevel = 4
_SHORT.maxstring = _SHORT.maxother = SHOWN_CHARS
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxfrozenset = _SHORT.maxdict = 12


def shown(value: object) -> str:
    """Return a short text for `value`, however long or deep the program made it."""
    if isinstance(value, bytes):
        text = value[: 4 * SHOWN_CHARS].decode("utf-8", "backslashreplace")
    else:
        try:
            text = _SHORT.repr(value)
        except ValueError:  # Python does not print integers of thousands of digits
            text = "a number too long to show"
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
