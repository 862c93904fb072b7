"""What follows a value above, below or behind it: exponents, subscripts, factorials, primes, percent and degrees."""

from collections.abc import Callable

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.brackets import Brackets
from verifier_service.answers.read.grammar.signs import END
from verifier_service.answers.read.grammar.units import Units
from verifier_service.answers.tree.bounds import MAX_DEPTH, NotMath, TooComplex
from verifier_service.answers.tree.nodes import ONE, Node, number, symbol


class Scripts(Brackets, Units):
    """Read an atom with all that hangs on it."""

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
                base = Node("fact2" if self.accept("!") else "fact", (base,))
            elif self.is_sign(("%",)) and base.op != "percent":
                self.at += 1
                base = Node("percent", (base,))
            elif (composed := self._composition(base)) is not None:
                base = composed
            elif self.is_sign(("degree", "circ")):
                self.at += 1
                base = Node("deg", (base,))
            elif base.op == "deg" and self.peek().kind == "num" and base.args[0].op == "num":
                degrees, base = base, self.arc_parts(base)
                if base is degrees:
                    self.depth -= 1
                    return base
            elif self.is_sign(("'", "prime")) and _named(base).op in ("sym", "call"):
                self.at += 1
                base = _renamed(base, lambda name: Node(name.op, (name.args[0] + "'", *name.args[1:])))
            elif self.is_sign(("_",)):
                base = _renamed(base, self.subscript)
            else:
                self.depth -= 1
                return base

    def _composition(self, base: Node) -> Node | None:
        r"""Read on at the circle of `f \circ g`, or at the argument of `(f \circ g)(x)`; `x\circ` and `x\circ + 1` are
        degrees."""
        if base.op == "sym" and COMPOSED in base.args[0] and self.is_sign(("(",)):
            return _applied(base.args[0].split(COMPOSED), self.round_group())
        name = _name_of_function(base)
        after = self.peek(1)
        is_name = after.kind == "sym" or (after.kind == "cmd" and after.value in words.GREEK) or after.value == "("
        if not name or not is_name or not self.is_sign(("circ",)):
            return None
        self.at += 1
        return self._composed(name, self.power())

    @staticmethod
    def _composed(outer: str, inner: Node) -> Node:
        """Compose a function with one that is named or that has its argument."""
        if inner.op == "call":
            return Node("call", (outer, inner))
        name = _name_of_function(inner)
        if not name:
            raise NotMath("a composition of what has no name")
        return symbol(outer + COMPOSED + name)

    def exponent(self, base: Node) -> Node:
        self.expect("^")
        if self.is_sign(("circ", "degree")):
            self.at += 1
            return Node("deg", (base,))
        temperature = self.is_sign(("{",)) and self.is_sign(("circ", "degree"), 1) and self.peek(2).value in ("C", "F")
        if temperature and self.is_sign(("}",), 3):
            self.tokens[self.at + 2], self.tokens[self.at + 3] = self.peek(3), self.peek(2)
        if self.is_sign(("{",)) and self.is_sign(("circ", "degree", "prime", "'"), 1) and self.is_sign(("}",), 2):
            self.at += 1
            mark = self.take().value
            self.at += 1
            return Node("deg", (base,)) if mark in ("circ", "degree") else Node("call", ("prime", base))
        if self.is_sign(("'", "prime")):
            self.at += 1
            return Node("call", ("prime", base))
        if self._accept_in_braces(_TRANSPOSED):
            return _transposed(base)
        exponent = self.script()
        if exponent.op == "sym" and (
            (exponent.args[0] in ("T", "t") and base.op in ("matrix", "tuple"))
            or (exponent.args[0] == "T" and _is_of_matrices(base))
        ):
            return _transposed(base)
        return Node("pow", (base, exponent))

    def _accept_in_braces(self, values: tuple[str, ...]) -> bool:
        """Take one of these signs, alone or in braces; False where something else stands."""
        if self.is_sign(values):
            self.at += 1
            return True
        if self.is_sign(("{",)) and self.is_sign(values, 1) and self.is_sign(("}",), 2):
            self.at += 3
            return True
        return False

    def script(self, bound: bool = False) -> Node:
        """Read what stands in an exponent: a group, or one signed atom; `x^10` is read as it was meant.

        A bound of an integral ends before the other bound, so `_0^1` is no power.
        """
        if self.is_sign(("-", "+", "pm")):
            sign = self.take().value
            inner = self.script(bound)
            return {"-": Node("neg", (inner,)), "+": inner, "pm": Node("pm", (inner,))}[sign]
        if self.is_sign(("{",)):
            return self.group()
        self.deeper()
        node = self.atom()
        if self.is_sign(("^",)) and not bound:
            node = self.exponent(node)
        self.depth -= 1
        return node

    def subscript(self, base: Node) -> Node:
        """Read a subscript: a base after a number, part of the name after a letter, an index where it is a formula."""
        self.expect("_")
        if base.op == "num":
            return self._number_base()
        if base.op not in ("sym", "call", "const"):
            raise NotMath("a subscript stands after something that has no name")
        start = self.at
        name = base.args[0]
        if self.accept("{"):
            flat = self._flat_until_brace()
            if flat is not None:
                return symbol(f"{name}_{flat}")
            self.at = start
            index = self.group()
        else:
            token = self.take()
            if token.kind in ("num", "text", "word") or (token.kind == "sym" and token.value not in self.bound):
                if token.kind == "sym":
                    return Node("call", (f"{name}_", symbol(token.value)))
                return symbol(f"{name}_{token.value.strip()}")
            self.at -= 1
            index = self.atom()
        items = index.args[1] if index.op == "list" else (index,)
        return Node("call", (f"{name}_", *items))

    def _flat_until_brace(self) -> str | None:
        """Take a subscript that is a mere label (digits, words, capitals) up to its brace; None if it is a formula."""
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

    def _number_base(self) -> Node:
        """Read `1011_2`, `1011_{2}`, `1011_{\\text{two}}`."""
        numeral = self._numeral()
        wrapped = self.accept("{")
        token = self.take()
        value = token.value.strip().lower()
        if wrapped:
            self.expect("}")
        base = (
            words.NUMBER_NAMES.get(value) if token.kind in ("word", "text") else int(value) if value.isdigit() else None
        )
        if base is None or not 2 <= base <= 36:
            raise NotMath(f"{value!r} is not a number base")
        return Node("base", (numeral, base))

    def _numeral(self) -> str:
        """Return the digits before the `_` that was just read: of `1011_2`, and of `(1011)_2`."""
        for back in (2, 3):
            if back <= self.at and self.tokens[self.at - back].kind == "num":
                return self.tokens[self.at - back].value
        raise NotMath("a number base after what is no number")


COMPOSED = "∘"
"""The sign between the functions in the name of their composition."""


def _name_of_function(node: Node) -> str:
    """Return the name of `f` or of its inverse `f^{-1}`; nothing for what has none."""
    if node.op == "sym":
        return node.args[0]
    if node.op == "pow" and node.args[0].op == "sym" and node.args[1] in (number(-1), Node("neg", (ONE,))):
        return f"{node.args[0].args[0]}^-1"
    return ""


def _applied(names: list[str], argument: Node) -> Node:
    r"""Read `(f\circ g)(x)` as `f(g(x))`."""
    for name in reversed(names):
        argument = Node("call", (name, argument))
    return argument


_TRANSPOSED = ("top", "intercal")


def _transposed(base: Node) -> Node:
    """Transpose a matrix; `(1, 2)^T` is a column."""
    if base.op == "tuple":
        return Node("matrix", tuple((item,) for item in base.args[2]))
    return Node("fn", ("transpose", base))


def _is_of_matrices(node: Node) -> bool:
    """Tell whether a base is written in capital letters only, so that `(AB)^T` is no power."""
    if node.op in ("mul", "add"):
        return all(map(_is_of_matrices, node.args))
    return node.op == "sym" and node.args[0][0].isupper()


def _named(node: Node) -> Node:
    """Return the name under an accent."""
    return node.args[1] if node.op == "fn" and node.args[0] in ("bar", "conjugate", "vector") else node


def _renamed(node: Node, change: Callable[[Node], Node]) -> Node:
    r"""Change a name, also under an accent: `\bar z_1` is the conjugate of `z_1`."""
    name = _named(node)
    return change(node) if name is node else Node("fn", (node.args[0], change(name)))
