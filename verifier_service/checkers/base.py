"""What every checker returns, and how values are shown in its sentence."""

import cmath
import math
from dataclasses import dataclass
from fractions import Fraction
from reprlib import Repr

from verifier_service.schema import FloatChecker

SHOWN_CHARS = 120


@dataclass(frozen=True)
class Checked:
    """Whether the answer is right, and if not, the first difference in one sentence.

    `share` is what a special judge gave an answer that is partly right.
    """

    ok: bool
    message: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Tolerance:
    """Two numbers are close if they differ by at most `absolute`, or by `relative` times the expected one.

    Numbers mean what they say in decimal: 0.100001 differs from 0.1 by 1e-6 exactly, though the difference of the two
    floats is above it by a rounding. A slack of some ulps would forgive that, too, but also errors far above a
    tolerance that is small beside the numbers. So near the bound, where rounding decides, the decimals are compared.
    """

    absolute: float
    relative: float

    def close(self, expected: float | complex, actual: float | complex) -> bool:
        """Tell whether `actual` is close to `expected`; infinities and NaN are close to themselves only."""
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
        rounding = 4 * (math.ulp(size) + math.ulp(gap) + math.ulp(bound))
        if abs(gap - bound) > rounding and math.isfinite(gap) and math.isfinite(bound):
            return gap < bound
        return self._is_within(wanted, got)

    def close_integers(self, expected: int, actual: int) -> bool:
        """Tell whether an integer is close to another, however long they are."""
        gap = abs(expected - actual)
        return gap <= _decimal(self.absolute) or gap <= _decimal(self.relative) * abs(expected)

    def _is_within(self, expected: complex, actual: complex) -> bool:
        """Compare exactly, in squares: so no root has to be taken."""
        real, imaginary = _decimal(expected.real), _decimal(expected.imag)
        gap = (real - _decimal(actual.real)) ** 2 + (imaginary - _decimal(actual.imag)) ** 2
        size = real**2 + imaginary**2
        return gap <= max(_decimal(self.absolute) ** 2, _decimal(self.relative) ** 2 * size)


EXACT = Tolerance(0, 0)
DEFAULT = 1e-6
"""What the checker `float` forgives floats where it was given no tolerance."""


@dataclass(frozen=True)
class Closeness:
    """What is forgiven: `integers` where both numbers are integers, else `floats`."""

    floats: Tolerance
    integers: Tolerance = EXACT


def asked_for(options: FloatChecker) -> Closeness:
    """Return what a `float` checker forgives: a default is no reason to let a count be off by one."""
    absolute, relative = options.abs_tol, options.rel_tol
    return Closeness(
        floats=Tolerance(DEFAULT if absolute is None else absolute, DEFAULT if relative is None else relative),
        integers=Tolerance(absolute or 0, relative or 0),
    )


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)


def _decimal(number: float) -> Fraction:
    """Return the shortest decimal that is read as this float, which is the one that somebody wrote."""
    return Fraction(repr(number))


RIGHT = Checked(True)


_SHORT = Repr()
_SHORT.maxlevel = 4
_SHORT.maxstring = _SHORT.maxother = SHOWN_CHARS
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxfrozenset = _SHORT.maxdict = 12


def shown(value: object) -> str:
    """Return a short text for `value`, whatever it is: a program may have made it as long and as deep as it liked."""
    if isinstance(value, bytes):
        text = value[: 4 * SHOWN_CHARS].decode("utf-8", "backslashreplace")
    else:
        try:
            text = _SHORT.repr(value)
        except ValueError:  # Python refuses to write out integers of thousands of digits
            text = "a number too long to show"
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
