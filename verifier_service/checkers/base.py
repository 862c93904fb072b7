"""What every checker returns, and how values are shown in its sentence."""

from dataclasses import dataclass
from reprlib import Repr

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
    """Two numbers are close if they differ by at most `absolute`, or by `relative` times the expected one."""

    absolute: float
    relative: float

    def close(self, expected: float | complex, actual: float | complex) -> bool:
        """Tell whether `actual` is close to `expected`; infinities and NaN are close to themselves only."""
        if expected == actual:
            return True
        if expected != expected or actual != actual:  # NaN
            return expected != expected and actual != actual
        try:
            gap = abs(expected - actual)
        except OverflowError:  # complex numbers near the largest float
            return False
        return gap != float("inf") and gap <= max(self.absolute, self.relative * abs(expected))


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
