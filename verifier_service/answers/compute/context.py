"""Numbers are mpmath's, in a context of our own, so that other code cannot change our precision."""

from typing import TypeAlias

import mpmath

MP = mpmath.mp.clone()

Real: TypeAlias = mpmath.mpf
Scalar: TypeAlias = mpmath.mpf | mpmath.mpc
Value: TypeAlias = mpmath.mpf | mpmath.mpc | mpmath.matrix
"""The possible values of an expression.

Scalars are not called numbers, because `nodes.Number` is a literal in a tree.
"""


def magnitude(value: Value) -> int | None:
    """Return the position of the first bit of a number: 1 for 1, 4 for 10, None for zero and non-finite values."""
    if isinstance(value, MP.mpf):
        _, digits, exponent, bits = value._mpf_
        return exponent + bits if digits else None
    if isinstance(value, MP.matrix):
        parts = [magnitude(cell) for cell in value]
    else:
        number = MP.mpmathify(value)
        parts = [magnitude(number.real), magnitude(number.imag)]
    return max((part for part in parts if part is not None), default=None)
