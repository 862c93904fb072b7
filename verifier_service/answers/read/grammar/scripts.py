"""Read what follows a value: exponents, subscripts, factorials, primes, percent and degree signs."""

from collections.abc import Callable
from dataclasses import replace

from verifier_service.answers.read import measures, words
from verifier_service.answers.read.grammar.brackets import Brackets
from verifier_service.answers.read.grammar.cursor import listed
from verifier_service.answers.read.grammar.signs import END
from verifier_service.answers.read.grammar.units import Units
from verifier_service.answers.tree.bounds import MAX_DEPTH, NotMath, TooComplex
from verifier_service.answers.tree.greek import GREEK
from verifier_service.answers.tree.nodes import (
    INFINITY,
    ONE,
    Based,
    Call,
    Constant,
    Degrees,
    Factorial,
    Function,
    Matrix,
    Negative,
    Node,
    Number,
    Percent,
    PlusMinus,
    Power,
    Product,
    Series,
    Sum,
    Symbol,
    Tuple,
    number,
)


class Scripts(Brackets, Units):
    """Reads an atom with everything attached to it."""

    def power(self, first: bool = False) -> Node:
        """Read an atom with its exponents, factorials, primes, percent and degree signs."""
        self.deeper()
        base = self.atom(first)
        postfixes = 0
        while True:
            postfixes += 1
            if postfixes > MAX_DEPTH:
                raise TooComplex(f"more than {MAX_DEPTH} signs after one value")
            if self.is_sign(("^",)):
                base = self.exponent(base)
            elif self.is_sign(("!",)) and not self.is_sign(("=",), 1):
                self.at += 1
                base = Factorial(base, 2 if self.accept("!") else 1)
            elif self.is_sign(("%",)) and not isinstance(base, Percent):
                self.at += 1
                base = Percent(base)
            elif (applied := self._applied(base)) is not None:
                base = applied
            elif self.is_sign(("degree", "circ")):
                self.at += 1
                base = Degrees(base)
            elif isinstance(base, Degrees) and self.peek().kind == "num" and isinstance(base.operand, Number):
                degrees, base = base, self.arc_parts(base)
                if base is degrees:
                    self.depth -= 1
                    return base
            elif self.is_sign(("'", "prime")) and isinstance(_unaccented(base), (Symbol, Call)):
                self.at += 1
                base = _renamed(base, _primed)
            elif self.is_sign(("_",)):
                base = _renamed(base, self.subscript)
            else:
                self.depth -= 1
                return base

    def _applied(self, base: Node) -> Node | None:
        """Read on if a function has a number as its argument, or is composed with another."""
        if isinstance(base, Symbol) and self.is_sign(("(",)) and self._is_called_with_number(base.name):
            self.at += 1
            called = _function_at(base.name, self.atom())
            self.expect(")")
            return called
        return self._composition(base)

    def _is_called_with_number(self, name: str) -> bool:
        r"""Return whether a bracket holds the number at which a function is evaluated.

        Examples: `I(0)`, `\theta_1(0)`, `y'(2)`, `\varphi(100)`. People do not write a factor `(0)`.
        """
        value = self.peek(1)
        if value.kind != "num" or not self.is_sign((")",), 2) or name in self.bound:
            return False
        return value.value == "0" or name in _FUNCTIONS_OF_WHOLE or name.endswith("'")

    def _composition(self, base: Node) -> Node | None:
        r"""Read on at the circle of `f \circ g`, or at the argument of `(f \circ g)(x)`.

        In `x\circ` and `x\circ + 1` the circle means degrees.
        """
        if isinstance(base, Symbol) and COMPOSED in base.name and self.is_sign(("(",)):
            return _applied(base.name.split(COMPOSED), self.round_group())
        if self._at_operation(base):
            self.at += 1
            return Call(COMPOSED, (base, self.power()))
        name = _name_of_function(base)
        after = self.peek(1)
        is_name = after.kind == "sym" or (after.kind == "cmd" and after.value in GREEK) or after.value == "("
        if not name or not is_name or not self.is_sign(("circ",)):
            return None
        self.at += 1
        return self._composed(name, self.power())

    def _at_operation(self, base: Node) -> bool:
        r"""Return whether a circle between two numbers is an operation, as in `2 \circ 3` but not in `30\circ 15'`."""
        minutes = self.is_sign(("'", "prime", "^"), 2)
        return isinstance(base, Number) and self.is_sign(("circ",)) and self.peek(1).kind == "num" and not minutes

    @staticmethod
    def _composed(outer: str, inner: Node) -> Node:
        """Compose a function with one that is a name, or that has its argument."""
        if isinstance(inner, Call):
            return Call(outer, (inner,))
        name = _name_of_function(inner)
        if not name:
            raise NotMath("a composition of something that is not a name")
        return Symbol(outer + COMPOSED + name)

    def exponent(self, base: Node) -> Node:
        self.expect("^")
        if self.is_sign(("circ", "degree")):
            self.at += 1
            return Degrees(base)
        temperature = self.is_sign(("{",)) and self.is_sign(("circ", "degree"), 1) and self.peek(2).value in ("C", "F")
        if temperature and self.is_sign(("}",), 3):
            self.tokens[self.at + 2], self.tokens[self.at + 3] = self.peek(3), self.peek(2)
        if self.is_sign(("{",)) and self.is_sign(("circ", "degree", "prime", "'"), 1) and self.is_sign(("}",), 2):
            self.at += 1
            mark = self.take().value
            self.at += 1
            return Degrees(base) if mark in ("circ", "degree") else Call("prime", (base,))
        if self.is_sign(("'", "prime")):
            self.at += 1
            return Call("prime", (base,))
        if self._accept_in_braces(_TRANSPOSED):
            return _transposed(base)
        exponent = self.script()
        if isinstance(exponent, Symbol) and (
            (exponent.name in ("T", "t") and isinstance(base, (Matrix, Tuple)))
            or (exponent.name == "T" and _is_of_matrices(base))
        ):
            return _transposed(base)
        return Power(base, exponent)

    def _accept_in_braces(self, values: tuple[str, ...]) -> bool:
        """Take one of these signs, alone or in braces. Return False if there is none."""
        if self.is_sign(values):
            self.at += 1
            return True
        if self.is_sign(("{",)) and self.is_sign(values, 1) and self.is_sign(("}",), 2):
            self.at += 3
            return True
        return False

    def script(self, bound: bool = False) -> Node:
        """Read an exponent: a group, or one signed atom. `x^10` is read as it was meant, not as TeX does.

        A bound of an integral ends before the other bound, so `_0^1` is not a power.
        """
        if self.is_sign(("-", "+", "pm")):
            sign = self.take().value
            inner = self.script(bound)
            return {"-": Negative(inner), "+": inner, "pm": PlusMinus(inner, "+")}[sign]
        if self.is_sign(("{",)):
            return self.group()
        self.deeper()
        node = self.atom()
        if self.is_sign(("^",)) and not bound:
            node = self.exponent(node)
        self.depth -= 1
        return node

    def subscript(self, base: Node) -> Node:
        """Read a subscript: a base after a number, part of the name after a letter, an index if it is a formula."""
        self.expect("_")
        if isinstance(base, Number):
            return self._number_base()
        if not isinstance(base, (Symbol, Call, Constant)):
            raise NotMath("a subscript after something that is not a name")
        start = self.at
        name = base.name
        if self.accept("{"):
            flat = self._flat_until_brace()
            if flat is not None:
                return Symbol(f"{name}_{flat}")
            self.at = start
            index = self.group()
        else:
            token = self.take()
            if token.kind in ("num", "text", "word") or (token.kind == "sym" and token.value not in self.bound):
                if token.kind == "sym":
                    return Call(f"{name}_", (Symbol(token.value),))
                return Symbol(f"{name}_{token.value.strip()}")
            self.at -= 1
            index = self.atom()
        return Call(f"{name}_", listed(index))

    def _flat_until_brace(self) -> str | None:
        """Take a subscript that is a mere label (digits, words, capitals) up to its brace.

        Return None if it is a formula.
        """
        parts = []
        while not self.is_sign(("}",)):
            token = self.peek()
            if token is END:
                raise NotMath("a brace is not closed")
            if token.kind not in ("num", "sym", "text", "word") and not (
                token.kind == "cmd" and token.value in ("max", "min", "triangle")
            ):
                return None
            parts.append(token.value.strip())
            self.at += 1
        self.at += 1
        label = "".join(parts)
        if len(parts) == 1 and len(label) == 1 and label.isalpha():
            self.at -= 2
            return None
        return label

    def numeral(self, digits: str) -> Node:
        r"""Read `FF_{16}`, digits above nine. A second reading takes them for letters, as in `2B_{12}`."""
        self.ambiguous = True
        self.expect("_")
        based = self._based_on(digits)
        if any(int(digit, 36) >= based.base for digit in digits):
            raise NotMath(f"a digit is too large for base {based.base}")
        return based

    def _number_base(self) -> Node:
        """Read `1011_2`, `1011_{2}`, `1011_{\\text{two}}`."""
        return self._based_on(self._numeral())

    def _based_on(self, numeral: str) -> Based:
        wrapped = self.accept("{")
        token = self.take()
        value = token.value.strip().lower()
        if wrapped:
            self.expect("}")
        named = words.NUMBER_NAMES.get(value) or measures.BASES.get(value)
        base = named if token.kind in ("word", "text") else int(value) if value.isdigit() else None
        if base is None or not 2 <= base <= 36:
            raise NotMath(f"{value!r} is not a number base")
        return Based(numeral, base)

    def _numeral(self) -> str:
        """Return the digits before the `_` just read, as in `1011_2` and `(1011)_2`."""
        for back in (2, 3):
            if back <= self.at and self.tokens[self.at - back].kind == "num":
                return self.tokens[self.at - back].value
        raise NotMath("a number base after something that is not a number")


_FUNCTIONS_OF_WHOLE = frozenset(["phi", "varphi", "sigma", "tau", "zeta", "Gamma"])
"""Greek letters that are functions if a number in brackets follows."""

COMPOSED = "∘"
"""The sign between the functions in the name of a composition."""


def _function_at(name: str, value: Node) -> Node:
    r"""Return a function at a number. `\zeta(2)` becomes the sum it stands for."""
    if name != "zeta" or not isinstance(value, Number) or value.value.denominator != 1 or value.value < 2:
        return Call(name, (value,))
    return Series("sum", Power(Symbol("k"), Negative(value)), "k", ONE, INFINITY)


def _name_of_function(node: Node) -> str:
    """Return the name of `f`, or of its inverse `f^{-1}`, or "" for anything else."""
    match node:
        case Symbol(name):
            return name
        case Power(Symbol(name), exponent) if exponent in (number(-1), Negative(ONE)):
            return f"{name}^-1"
        case _:
            return ""


def _applied(names: list[str], argument: Node) -> Node:
    r"""Read `(f\circ g)(x)` as `f(g(x))`."""
    for name in reversed(names):
        argument = Call(name, (argument,))
    return argument


_TRANSPOSED = ("top", "intercal")


def _transposed(base: Node) -> Node:
    """Transpose a matrix. `(1, 2)^T` is a column."""
    if isinstance(base, Tuple):
        return Matrix(tuple((item,) for item in base.items))
    return Function("transpose", (base,))


def _is_of_matrices(node: Node) -> bool:
    """Return whether a base has only capital letters, so that `(AB)^T` is not a power."""
    match node:
        case Product(parts) | Sum(parts):
            return all(map(_is_of_matrices, parts))
        case _:
            return isinstance(node, Symbol) and node.name[0].isupper()


def _unaccented(node: Node) -> Node:
    """Return what stands under an accent."""
    match node:
        case Function("bar" | "conjugate" | "vector", (inner,)):
            return inner
        case _:
            return node


def _renamed(node: Node, change: Callable[[Node], Node]) -> Node:
    r"""Change a name, even under an accent: `\bar z_1` is the conjugate of `z_1`."""
    inner = _unaccented(node)
    if isinstance(node, Function) and inner is not node:
        return replace(node, operands=(change(inner),))
    return change(node)


def _primed(node: Node) -> Node:
    return replace(node, name=node.name + "'") if isinstance(node, (Symbol, Call)) else node
