"""The numbers that are computed: mpmath's, in a context of our own, so that nobody else's precision changes ours."""

from typing import TypeAlias

import mpmath

MP = mpmath.mp.clone()

Real: TypeAlias = mpmath.mpf
Scalar: TypeAlias = mpmath.mpf | mpmath.mpc
Value: TypeAlias = mpmath.mpf | mpmath.mpc | mpmath.matrix
"""What an expression may be worth. A scalar is named so beside `nodes.Number`, which is a literal in a tree."""


def magnitude(value: Value) -> int | None:
    """Return the position of the first bit of a number, 1 for 1 and 4 for 10; None for zero and what is not finite."""
    if isinstance(value, MP.mpf):
        _, digits, exponent, bits = value._mpf_
        return exponent + bits if digits else None
    if isinstance(value, MP.matrix):
        parts = [magnitude(cell) for cell in value]
    else:
        number = MP.mpmathify(value)
        parts = [magnitude(number.real), magnitude(number.imag)]
    return max((part for part in parts if part is not None), default=None)
