"""Read fractions, derivatives, and operators with bounds: sums, products, limits, integrals."""

from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.greek import GREEK
from verifier_service.answers.tree.nodes import (
    INFINITY,
    ONE,
    Call,
    Constant,
    Derivative,
    Integral,
    Limit,
    Negative,
    Node,
    Power,
    Quotient,
    Relation,
    Series,
    Symbol,
    Text,
)


class Calculus(Scripts):
    """Reads operators that act on an expression with respect to a variable."""

    def fraction(self, _: str) -> Node:
        derivative = self._derivative()
        if derivative is not None:
            return derivative
        top = self.argument()
        bottom = self.argument()
        return Quotient(top, bottom)

    def _derivative(self) -> Node | None:
        r"""Read `\frac{d}{dx}` with its operand, or `\frac{dy}{dx}` as one name. Return None for any other fraction."""
        pattern = [self.peek(ahead) for ahead in range(12)]
        if not (pattern[0].value == "{" and pattern[1].value in ("d", "partial") and pattern[1].kind in ("sym", "cmd")):
            return None
        mark = pattern[1].value
        ahead, order = 2, 1
        subject: str | None = None
        if pattern[ahead].value == "^" and pattern[ahead + 1].kind == "num":
            order = int(pattern[ahead + 1].value)
            ahead += 2
        elif pattern[ahead].value == "^" and pattern[ahead + 1].value == "{" and pattern[ahead + 2].kind == "num":
            order = int(pattern[ahead + 2].value)
            ahead += 4
        if pattern[ahead].kind == "sym":
            subject = pattern[ahead].value
            ahead += 1
        if not (pattern[ahead].value == "}" and pattern[ahead + 1].value == "{" and pattern[ahead + 2].value == mark):
            return None
        variable = pattern[ahead + 3]
        if variable.kind not in ("sym", "cmd"):
            return None
        ahead += 4
        while ahead < 12 and pattern[ahead].value != "}":
            ahead += 1
        if ahead >= 12 or order > 10:
            return None
        self.at += ahead + 1
        if subject is not None:
            return Symbol(f"{mark}^{order} {subject}/{mark} {variable.value}")
        if not self.starts_factor():
            return Symbol(f"{mark}^{order}/{mark} {variable.value}")
        return Derivative(self.product(), variable.value, order)

    def _bounds(self) -> tuple[Node | None, Node | None]:
        low = high = None
        while self.is_sign(("^", "_")):
            if self.accept("^"):
                high = self.script(bound=True)
            else:
                self.at += 1
                low = self._bound_below()
        return low, high

    def _bound_below(self) -> Node:
        r"""Read `_{k=1}` with k as a bound variable, even if it is called i or e."""
        if self.is_sign(("{",)) and self.peek(1).kind == "sym" and self.is_sign(("=", "to", "rightarrow", "->"), 2):
            self.bound.add(self.peek(1).value)
        return self.script(bound=True)

    def series(self, name: str) -> Node:
        bound = set(self.bound)
        low, high = self._bounds()
        match low:
            case Relation(("=",), (Symbol(variable), start)) if high is not None:
                body = self.signed_product() if self.is_sign(("-",)) else self.product()
                self.bound = bound
                return Series("sum" if name == "sum" else "prod", body, variable, start, high)
            case _:
                raise NotMath(f"\\{name} without bounds that can be read")

    def limit(self, name: str) -> Node:
        bound = set(self.bound)
        low, _ = self._bounds()
        match low:
            case Relation(("->",), (Symbol(), Power(_, Symbol() | Text()))):
                raise NotMath("a limit whose side is not understood")
            case Relation(("->",), (Symbol(variable), point)):
                body = self.product()
                self.bound = bound
                return Limit(body, variable, point, 0)
            case _:
                raise NotMath("a limit without a point")

    def union(self, _: str) -> Node:
        r"""Read `\bigcup_{k \in \mathbb{Z}} (2k, 2k+1)` as the set with its integer parameter."""
        low, high = self._bounds()
        body = self.power()
        match low:
            case Relation(("in",), (Symbol(), Symbol("mathbb Z" | "Z"))) if high is None:
                return body
            case Relation(("=",), (Symbol(), Negative(Constant("inf")))) if high == INFINITY:
                return body
            case Relation(_, (Symbol(), *_)):
                raise NotMath("a union over only some integers")
            case _:
                raise NotMath("a union whose index is not understood")

    def integral(self, name: str) -> Node:
        r"""Read an integral. Its differential follows the integrand, precedes it, or stands in a numerator."""
        low, high = self._bounds()
        if self._at_differential(self.at):
            variables = self._differentials()
            body = self._integrand_after()
        else:
            end, inside = self._find_differential()
            if inside:
                variables = [self._cut_differential(end)]
                body = self.product()
            else:
                body = self._integrand_before(end)
                variables = self._differentials(many=name != "int")
        if name != "int" or (low is None) != (high is None):
            if high is not None:
                raise NotMath("an integral with one bound")
            return Call(f"{name} over", (low or Symbol("no region"), body, *map(Symbol, sorted(variables))))
        return Integral(body, variables[0], low, high)

    def _at_differential(self, index: int) -> bool:
        """Return whether `dx` or `\\mathrm{d}x` begins at an index."""
        if index + 1 >= self.stop:
            return False
        token, following = self.tokens[index], self.tokens[index + 1]
        return (
            token.value == "d"
            and token.kind in ("sym", "text", "word")
            and (following.kind == "sym" or (following.kind == "cmd" and following.value in GREEK))
        )

    def _differentials(self, many: bool = False) -> list[str]:
        """Take `dx`, or all of `dx\\,dy`, and return the variables."""
        variables: list[str] = []
        while (many or not variables) and self._at_differential(self.at):
            variables.append(self.tokens[self.at + 1].value)
            self.at += 2
        return variables

    def _integrand_after(self) -> Node:
        """Read the integrand that follows its differential; it can be missing."""
        if self.accept("/"):
            return Quotient(ONE, self.product())
        return self.product() if self.starts_factor() else ONE

    def _integrand_before(self, end: int) -> Node:
        stop, self.stop = self.stop, end
        body = ONE if self.at == end else self.sum()
        if self.at != end:
            raise NotMath("an integrand is not understood")
        self.stop = stop
        return body

    def _find_differential(self) -> tuple[int, bool]:
        """Find the differential that closes this integral, and whether it stands in a numerator."""
        depth = nested = 0
        over = None
        for index in range(self.at, self.stop - 1):
            token = self.tokens[index]
            if token.kind in ("op", "cmd"):
                if token.value in ("(", "[", "{"):
                    depth += 1
                    if depth == 1 and token.value == "{" and self.tokens[index - 1].value in _FRACTIONS:
                        over = index
                elif token.value in (")", "]", "}"):
                    depth -= 1
                    over = over if depth else None
                elif token.value in _INTEGRALS and depth == 0:
                    nested += 1
            elif self._at_differential(index):
                inside = over is not None and depth == 1 and self._is_over_line(over, index)
                if depth == 0 or inside:
                    if nested == 0:
                        return index, inside
                    nested -= 1
        raise NotMath("an integral without a differential")

    def _is_over_line(self, opened: int, index: int) -> bool:
        r"""Return whether a `dx` ends or begins a numerator, and is not part of the derivative `\frac{dy}{dx}`."""
        if self.token(index + 2).value != "}" and index != opened + 1:
            return False
        return not (index == opened + 1 and self._at_differential(index + 4) and self.token(index + 3).value == "{")

    def _cut_differential(self, index: int) -> str:
        """Remove a differential from a numerator, and return its variable."""
        variable = self.tokens[index + 1].value
        empty = self.tokens[index - 1].value == "{" and self.token(index + 2).value == "}"
        self.tokens[index : index + 2] = [Token("num", "1", False)] if empty else []
        self.stop -= 1 if empty else 2
        return variable


_FRACTIONS = ("frac", "dfrac", "tfrac", "cfrac")
_INTEGRALS = ("int", "oint", "iint", "iiint")
