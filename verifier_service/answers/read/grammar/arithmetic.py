"""Read sums, products and their signs."""

from dataclasses import replace
from typing import Literal

from verifier_service.answers.read.grammar.atoms import Atoms
from verifier_service.answers.read.grammar.names import chosen
from verifier_service.answers.read.grammar.signs import DOTS, SIGNED, TIMES
from verifier_service.answers.read.grammar.units import MONEY
from verifier_service.answers.tree.bounds import MAX_PM_SIGNS, NotMath, TooComplex
from verifier_service.answers.tree.nodes import (
    Congruent,
    Degrees,
    Dots,
    Function,
    Negative,
    Node,
    Number,
    Percent,
    PlusMinus,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Set,
    SetOperation,
    Sum,
    Symbol,
    Tuple,
    number,
)

_MONEY_SIGNS = frozenset(MONEY.values())


class Arithmetic(Atoms):
    """Reads terms and factors."""

    def sum(self) -> Node:
        """Read terms joined by + - ± ∓."""
        self.deeper()
        terms = [self.signed_product()]
        while self.is_sign(SIGNED):
            terms.append(self.signed_product())
        self.depth -= 1
        if len(terms) == 1:
            return terms[0]
        last = terms[-1]
        if isinstance(last, Congruent):
            return replace(last, residue=Sum((*terms[:-1], last.residue)))
        return Sum(tuple(terms))

    def signed_product(self) -> Node:
        """Read one term with its signs; `-x^2` is the negative of a square."""
        negative, marks = False, list[Literal["+", "-"]]()
        while self.is_sign(SIGNED):
            sign = self.take().value
            if sign == "-":
                negative = not negative
            elif sign in ("pm", "mp"):
                marks.append("+" if sign == "pm" else "-")
            if len(marks) > MAX_PM_SIGNS:
                raise TooComplex("too many signs")
        if self.is_sign(DOTS):
            self.at += 1
            return Dots()
        node = _negative(self.product()) if negative else self.product()
        for mark in marks:
            node = PlusMinus(node, mark)
        return node

    def product(self) -> Node:
        """Read factors joined by multiplication signs, division signs or nothing, from left to right."""
        left = self.power(first=True)
        while True:
            if self.is_sign(TIMES):
                sign = self.take().value
                if self.is_sign(DOTS):
                    self.at += 1
                    left = Product((left, Dots()))
                    continue
                right = self._measured_factor(left)
                left = self._multiplied(sign, left, right)
            elif self.is_sign(("/", "div")):
                self.at += 1
                left = Quotient(left, self._measured_factor(left))
            elif self.is_sign((":",)):
                self.at += 1
                right = self._factor_with_sign()
                while self.is_sign(("sqrt", "pi")):
                    right = self._juxtaposed(right)
                left = Ratio((*left.terms, right) if isinstance(left, Ratio) else (left, right))
            elif self.is_sign(("bmod", "mod", "pmod")) or (self.is_sign(("(",)) and self.is_sign(("mod", "bmod"), 1)):
                left = self._modulus(left)
            elif self.is_sign(("choose",)):
                self.at += 1
                left = Function("binom", (left, self.power()))
            elif self.is_sign(DOTS) and isinstance(left, (Product, Symbol, Number, Negative)):
                self.at += 1
                left = Product((left, Dots()))
            else:
                worded = self.with_words(left)
                if worded is not None:
                    left = worded
                elif self.starts_factor() and not self.at_union(left):
                    left = self._juxtaposed(left)
                else:
                    return left

    def _juxtaposed(self, left: Node) -> Node:
        """Read the next factor, without a sign before it. An integer before a proper fraction makes a mixed number."""
        if isinstance(left, Quantity) and left.unit.text in _MONEY_SIGNS:
            return replace(left, value=self._juxtaposed(left.value))
        slashed = self.peek().kind == "num" and self.is_sign(("/",), 1) and self.peek(2).kind == "num"
        fraction = self.is_sign(("frac", "dfrac", "tfrac", "cfrac")) or self.is_sign(("over",), 2)
        if isinstance(left, Number) and self._at_times_ten():
            self.at += 1
            return self._times(left, self.power())
        if isinstance(left, Number) and self.peek().value in ("C", "P") and self._is_glued_number(1):
            return chosen(self.take().value, left, self.atom())
        if self.peek().kind == "num" and isinstance(left, Number) and not slashed:
            raise NotMath("two numbers side by side")
        if self.peek().kind == "num" and isinstance(left, Quantity):
            raise NotMath("a number after a unit")
        right = self.power()
        if fraction and isinstance(right, (Degrees, Percent)):
            mixed = _mixed(left, right.operand)
            return replace(right, operand=mixed) if mixed is not None else self._times(left, right)
        if slashed and isinstance(left, Number):
            self.at += 1
            right = Quotient(right, self.power())
        mixed = _mixed(left, right) if fraction or slashed else None
        return mixed if mixed is not None else self._times(left, right)

    def _is_glued_number(self, ahead: int) -> bool:
        """Return whether an integer directly follows a letter, as in `8C3`."""
        token = self.peek(ahead)
        return token.kind == "num" and token.value.isdigit() and not token.spaced and not self.peek(ahead - 1).spaced

    def at_union(self, left: Node) -> bool:
        """Return whether the letter U is a union sign, as in `(0, 1) U (2, 3)`."""
        if self.peek().value != "U":
            return False
        return isinstance(left, (Tuple, Set)) or (isinstance(left, SetOperation) and left.kind == "union")

    def _at_times_ten(self) -> bool:
        """Return whether the letter x is a multiplication sign, as in `3 x 10^8`."""
        ten = self.peek(1)
        return (
            self.peek().value in ("x", "X")
            and self.peek().kind == "sym"
            and ten.kind == "num"
            and ten.value == "10"
            and self.is_sign(("^",), 2)
        )

    def _measured_factor(self, left: Node) -> Node:
        """Read a factor, with its unit if the one before has a unit: `5 cm \\times 3 cm`."""
        right = self._factor_with_sign()
        match left:
            case Quantity() | Quotient(_, Quantity()) | Product((*_, Quantity())):
                return self.with_words(right) or right
            case _:
                return right

    def _factor_with_sign(self) -> Node:
        negative = False
        while self.is_sign(("-", "+")):
            negative ^= self.take().value == "-"
        node = self.power()
        return Negative(node) if negative else node

    @staticmethod
    def _times(left: Node, right: Node) -> Node:
        return Product((*left.factors, right) if isinstance(left, Product) else (left, right))

    def _multiplied(self, sign: str, left: Node, right: Node) -> Node:
        """Multiply. Two vectors have a scalar or a vector product, and the latter binds more tightly."""
        if isinstance(left, Tuple) and sign in _VECTOR_PRODUCTS:
            return _of_components(_VECTOR_PRODUCTS[sign], left, right) or self._times(left, right)
        triple = left.operands if sign == "times" and isinstance(left, Function) and left.name == "dot" else None
        if triple is None and not _is_vector(left):
            return self._times(left, right)
        while not _is_vector(right) and self.starts_factor():
            right = self._times(right, self.power())
        if sign not in _VECTOR_PRODUCTS or not _is_vector(right):
            return self._times(left, right)
        if triple is not None:
            return Function("dot", (triple[0], Function("cross", (triple[1], right))))
        return Function(_VECTOR_PRODUCTS[sign], (left, right))

    def _modulus(self, left: Node) -> Node:
        name = self.take().value
        if name == "(":
            self.at += 1
            right = self.sum()
            self.expect(")")
            return Congruent(left, right)
        right = self.power()
        return Congruent(left, right) if name in ("pmod", "mod") else Function("mod", (left, right))


_VECTOR_PRODUCTS = {"times": "cross", "cdot": "dot", "bullet": "dot", "cdotp": "dot"}


def _of_components(product: str, left: Tuple, right: Node) -> Node | None:
    r"""Multiply two vectors: `(1, 0, 0) \times (0, 1, 0)`. Return None if they are not vectors but intervals, say."""
    if not isinstance(right, Tuple) or len(left.items) != len(right.items) or "[" in (left.open, right.open):
        return None
    a, b = left.items, right.items
    if product == "dot":
        return Sum(tuple(map(Product, zip(a, b, strict=True)))) if len(a) > 1 else None
    if len(a) != 3:
        return None
    parts = [Sum((Product((a[j], b[k])), Negative(Product((a[k], b[j]))))) for j, k in ((1, 2), (2, 0), (0, 1))]
    return Tuple("(", ")", tuple(parts))


def _is_vector(node: Node) -> bool:
    """Return whether a factor is recognizably a vector: `\\vec a`, `2\\mathbf b`, `\\vec a - \\vec b`."""
    match node:
        case Function(name):
            return name in ("vector", "unit", "cross")
        case Negative(part) | Quotient(part):
            return _is_vector(part)
        case Sum(parts) | Product(parts):
            return len(parts) <= _MAX_VECTOR_PARTS and any(map(_is_vector, parts))
        case _:
            return False


_MAX_VECTOR_PARTS = 16
"""Longer sums and products are not searched, because they would be searched again for every factor."""


def _negative(node: Node) -> Node:
    match node:
        case Number(value, places):
            return Number(-value, places)
        case Congruent(residue, modulus):
            return Congruent(Negative(residue), modulus)
        case _:
            return Negative(node)


def _mixed(left: Node, right: Node) -> Number | None:
    """Combine an integer and a proper fraction into one number, or return None. `-2\\frac{3}{4}` is -2.75."""
    match left, right:
        case Number(whole, None), Quotient(Number(top, None), Number(bottom, None)):
            if whole.denominator == top.denominator == bottom.denominator == 1 and 0 < top < bottom:
                return number(whole + top / bottom if whole >= 0 else whole - top / bottom)
    return None
