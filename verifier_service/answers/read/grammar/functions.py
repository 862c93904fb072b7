"""Read functions that are known by name, and roots."""

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.cursor import listed
from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    EULER,
    ONE,
    Function,
    Negative,
    Node,
    Power,
    Product,
    Quotient,
    number,
)

_STOPS_ARGUMENT = frozenset(
    ["sum", "prod", "lim", "int", "oint", "iint", "iiint", "frac", "dfrac", "tfrac", "sqrt", "lfloor", "lceil"]
).union(["lvert", "dollar"])
"""Commands that end the argument of a function without brackets."""


class Functions(Scripts):
    """Reads a function with its exponent, its base and its argument."""

    def root(self, _: str) -> Node:
        degree: Node = number(2)
        if self.is_sign(("[",)):
            self.at += 1
            degree = self.sequence()
            self.expect("]")
        if self.is_sign(("{", "(")):
            radicand = self.group() if self.is_sign(("{",)) else self.round_group()
        else:
            self.deeper()
            radicand = self.atom()
            self.depth -= 1
        return Function("root", (radicand, degree))

    def function(self, name: str) -> Node:
        """Read a function with its exponent, its base and its argument. `\\sin^{-1}` is the inverse."""
        exponent, base = None, None
        while self.is_sign(("^", "_")):
            if self.accept("^"):
                exponent = self.script(bound=True)
            else:
                self.at += 1
                base = self.script(bound=True)
        if name in ("lg",):
            name, base = "log", number(10)
        if name == "log" and base is not None:
            arguments: tuple[Node, ...] = (self._function_argument(), base)
        elif name == "sqrt":
            arguments = (self._function_argument(), number(2))
            name = "root"
        elif name == "cbrt":
            arguments = (self._function_argument(), number(3))
            name = "root"
        elif base is not None and name not in ("max", "min", "gcd", "lcm"):
            raise NotMath(f"a subscript after {name}")
        else:
            arguments = listed(self._function_argument())
        if name == "exp" and len(arguments) == 1:
            node = Power(EULER, arguments[0])
        elif exponent in (Negative(ONE), number(-1)) and name in words.INVERSES:
            return Function(words.INVERSES[name], arguments)
        else:
            node = Function(name, arguments)
        return node if exponent is None else Power(node, exponent)

    def _function_argument(self) -> Node:
        """Read an argument: the bracket if one follows, otherwise the product up to the next function or sign."""
        if self.is_sign(("(",)):
            return self.round_group()
        if self.is_sign(("[",)):
            self.at += 1
            inner = self.sequence()
            self.expect("]")
            return inner
        if self.is_sign(("{",)):
            return self.group()
        negative = False
        while self.is_sign(("-", "+")):
            negative ^= self.take().value == "-"
        self.deeper()
        factors = [self.power()]
        while (
            self.starts_factor()
            and self.peek().kind in ("num", "sym", "cmd")
            and self.peek().value not in words.FUNCTIONS
            and not (self.peek().kind == "cmd" and self.peek().value in _STOPS_ARGUMENT)
            and not (self.peek().value == "e" and self.peek(1).value == "^")
        ):
            factors.append(self.power())
        node = factors[0] if len(factors) == 1 else Product(tuple(factors))
        if self.is_sign(("/",)) and self.peek(1).kind == "num":
            self.at += 1
            node = Quotient(node, self.power())
        self.depth -= 1
        return Negative(node) if negative else node
