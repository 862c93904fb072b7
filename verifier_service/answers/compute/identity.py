"""Decide exactly whether two rational functions are identical, by their values in a secret prime field.

Letters, pi and everything else that is not a rational number stand for random elements of the field of a random prime p
of 192 bits, with p = 1 modulo 4 so that it also contains i. Two different rational functions of degree d, whose integer
coefficients have up to b bits, agree there with a probability below (2 d + b) / 2^180. The limits on trees and
exponents keep d and b below 2^80.
"""

import random
from fractions import Fraction
from functools import lru_cache

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.numeric import WORK
from verifier_service.answers.compute.secret import secret
from verifier_service.answers.tree.bounds import MAX_TREE_DEPTH, TooComplex
from verifier_service.answers.tree.nodes import (
    IMAGINARY,
    Call,
    Constant,
    Derivative,
    Dots,
    Factorial,
    Function,
    Integral,
    Limit,
    Negative,
    Node,
    Number,
    PlusMinus,
    Power,
    Product,
    Quotient,
    Series,
    Sum,
    Symbol,
    Text,
    free_symbols,
    number,
    substitute,
    walk,
)

_PRIME_BITS = 192  # sets the probability given above
_MAX_EXPONENT = 1 << 60  # keeps the degree within the bound above
_MAX_TERMS = 500  # a longer series is compared by value
_TRIES = 3  # a denominator can be zero at the drawn elements, with negligible probability; then draw again

_ATOMS = (Function, Call, Power, Series, Integral, Limit, Derivative, Factorial)
"""What counts as a letter of its own unless it is a rational function."""

_OF_NO_NUMBER = frozenset(("square", "column", "vector", "unit", "cross", "transpose", "identity"))
"""Functions whose values are matrices, so the order of their products matters."""


class _Elsewhere(ValueError):
    """The tree is not a rational function of letters and atoms."""


def identical(left: Node, right: Node, source: random.Random) -> bool | None:
    """Decide whether two expressions are the same rational function of the same letters and constants.

    Returns:
        None if this method cannot decide: they contain other functions, and differ if those are taken as letters.
    """
    for _ in range(_TRIES):
        field = _Field(source)
        try:
            one = field.value(left, 1, 0)
            atoms = set(field.atoms)
            field.atoms.clear()
            other = field.value(right, 1, 0)
        except ZeroDivisionError:
            continue
        except (_Elsewhere, TooComplex):
            return None
        if atoms != field.atoms:
            return None
        if one == other:
            return True
        return None if atoms or len(field.constants) > 1 else False
    return None


class _Field:
    """Computes in the integers modulo a prime, with one random element for each letter."""

    def __init__(self, source: random.Random) -> None:
        self.prime, self._imaginary = _prime(secret())
        self._source = source
        self._values: dict[Node, int] = {}
        self._bound: dict[str, int] = {}
        self.atoms: set[Node] = set()
        self.constants: set[Node] = set()

    def value(self, node: Node, weight: int, depth: int) -> int:
        """Compute a node whose value is raised to powers that multiply to `weight`."""
        if depth > MAX_TREE_DEPTH or weight > _MAX_EXPONENT:
            raise _Elsewhere
        WORK.charge(1)
        match node:
            case Number():
                return self.fraction(node.value)
            case Symbol():
                index = self._bound.get(node.name)
                return self.letter(node) if index is None else index % self.prime
            case Constant():
                return self.constant(node)
            case Sum():
                return sum([self.value(term, weight, depth + 1) for term in node.terms]) % self.prime
            case Product():
                product = 1
                for factor in node.factors:
                    product = product * self.value(factor, weight, depth + 1) % self.prime
                return product
            case Negative():
                return -self.value(node.operand, weight, depth + 1) % self.prime
            case Quotient():
                top = self.value(node.numerator, weight, depth + 1)
                bottom = self.value(node.denominator, weight, depth + 1)
                return top * self.inverse(bottom) % self.prime
            case _:
                return self.other(node, weight, depth)

    def other(self, node: Node, weight: int, depth: int) -> int:
        """Compute what is a rational function only for some operands, or else treat it as a letter."""
        for name, index in self._bound.items():
            if name in free_symbols(node):
                node = substitute(node, name, number(index))
        if isinstance(node, Power):
            exponent = exact(node.exponent)
            if exponent is not None and exponent.denominator == 1 and abs(exponent) <= _MAX_EXPONENT:
                base = self.value(node.base, weight * max(abs(exponent.numerator), 1), depth + 1)
                if exponent < 0:
                    base = self.inverse(base)
                return pow(base, abs(exponent.numerator), self.prime)
        elif isinstance(node, Series):
            indices = _indices(node)
            if indices is not None:
                return self.series(node, indices, weight, depth)
        if not free_symbols(node):
            known = exact(node)
            if known is not None:
                return self.fraction(known)
        if not _is_atom(node):
            raise _Elsewhere
        self.atoms.add(node)
        return self.letter(node)

    def series(self, node: Series, indices: range, weight: int, depth: int) -> int:
        outside = dict(self._bound)
        total = 0 if node.kind == "sum" else 1
        for index in indices:
            self._bound[node.variable] = index
            term = self.value(node.body, weight * (1 if node.kind == "sum" else len(indices)), depth + 1)
            total = (total + term if node.kind == "sum" else total * term) % self.prime
        self._bound = outside
        return total

    def letter(self, node: Node) -> int:
        value = self._values.get(node)
        if value is None:
            value = self._values[node] = self._source.randrange(self.prime)
        return value

    def constant(self, node: Constant) -> int:
        if node == IMAGINARY:
            return self._imaginary
        if node.name == "inf":
            raise _Elsewhere
        self.constants.add(node)
        return self.letter(node)

    def fraction(self, value: Fraction) -> int:
        return value.numerator * self.inverse(value.denominator) % self.prime

    def inverse(self, value: int) -> int:
        if value % self.prime == 0:
            raise ZeroDivisionError
        return pow(value, -1, self.prime)


def _is_atom(node: Node) -> bool:
    """Return whether a node can be treated as a letter: its value is one number, not a matrix."""
    if not isinstance(node, _ATOMS) or (isinstance(node, Function) and node.name in _OF_NO_NUMBER):
        return False
    if any(isinstance(part, (PlusMinus, Text, Dots)) for part in walk(node)):
        return False
    return not (isinstance(node, Integral) and node.low is None)


def _indices(node: Series) -> range | None:
    """Return the indices of a short finite series."""
    start, stop = exact(node.low), exact(node.high)
    if start is None or stop is None or start.denominator != 1 or stop.denominator != 1:
        return None
    return range(int(start), int(stop) + 1) if stop - start < _MAX_TERMS else None


@lru_cache(maxsize=4)
def _prime(key: bytes) -> tuple[int, int]:
    """Return a prime that is 1 modulo 4, drawn from a key, and a square root of -1 modulo it."""
    source = random.Random(b"prime" + key)
    while True:
        prime = source.getrandbits(_PRIME_BITS - 2) << 2 | 1 << (_PRIME_BITS - 1) | 1
        if all(prime % small for small in (3, 5, 7, 11, 13, 17, 19, 23)) and _is_prime(prime, source):
            break
    while True:
        # By Euler's criterion, this is a root of -1 for half of all elements.
        root = pow(source.randrange(2, prime), (prime - 1) // 4, prime)
        if root * root % prime == prime - 1:
            return prime, root


def _is_prime(candidate: int, source: random.Random) -> bool:
    """Test primality by Miller and Rabin. A composite number passes with a probability below 4^-24."""
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(24):
        power = pow(source.randrange(2, candidate), odd, candidate)
        if power in (1, candidate - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % candidate
            if power == candidate - 1:
                break
        else:
            return False
    return True
