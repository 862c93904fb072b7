"""Fractions, derivatives, and the operators with bounds: sums, products, limits, integrals."""

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import ONE, Node, symbol


class Calculus(Scripts):
    """Read what acts on an expression along a variable."""

    def fraction(self, _: str) -> Node:
        derivative = self._derivative()
        if derivative is not None:
            return derivative
        top = self.argument()
        bottom = self.argument()
        return Node("div", (top, bottom))

    def _derivative(self) -> Node | None:
        r"""Read `\frac{d}{dx}` with what it acts on, or `\frac{dy}{dx}` as one name; None for any other fraction."""
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
            return symbol(f"{mark}^{order} {subject}/{mark} {variable.value}")
        if not self.starts_factor():
            return symbol(f"{mark}^{order}/{mark} {variable.value}")
        body = self.product()
        return Node("diff", (body, variable.value, order))

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
        r"""Read `_{k=1}` with k known as a bound variable, also where it is called i or e."""
        if self.is_sign(("{",)) and self.peek(1).kind == "sym" and self.is_sign(("=", "to", "rightarrow", "->"), 2):
            self.bound.add(self.peek(1).value)
        return self.script(bound=True)

    def series(self, name: str) -> Node:
        bound = set(self.bound)
        low, high = self._bounds()
        if low is None or low.op != "rel" or low.args[0] != ("=",) or low.args[1][0].op != "sym" or high is None:
            raise NotMath(f"\\{name} without bounds that are understood")
        variable = low.args[1][0].args[0]
        body = self.signed_product() if self.is_sign(("-",)) else self.product()
        self.bound = bound
        return Node(name, (body, variable, low.args[1][1], high))

    def limit(self, name: str) -> Node:
        bound = set(self.bound)
        low, _ = self._bounds()
        if low is None or low.op != "rel" or low.args[0] != ("->",) or low.args[1][0].op != "sym":
            raise NotMath("a limit without a point")
        point, side = low.args[1][1], 0
        if point.op == "pow" and point.args[1].op in ("sym", "text"):
            raise NotMath("a limit whose side is not understood")
        body = self.product()
        self.bound = bound
        return Node("lim", (body, low.args[1][0].args[0], point, side))

    def integral(self, name: str) -> Node:
        low, high = self._bounds()
        end = self._differential()
        variable = self.tokens[end + 1].value
        stop, self.stop = self.stop, end
        body = ONE if self.at == end else self.sum()
        if self.at != end:
            raise NotMath("an integrand is not understood")
        self.stop = stop
        self.at = end + 2
        if (low is None) != (high is None):
            raise NotMath("an integral with one bound")
        return Node("int", (body, variable, low, high))

    def _differential(self) -> int:
        depth = nested = 0
        for index in range(self.at, self.stop - 1):
            token = self.tokens[index]
            if token.kind in ("op", "cmd"):
                if token.value in ("(", "[", "{"):
                    depth += 1
                elif token.value in (")", "]", "}"):
                    depth -= 1
                elif token.value == "int" and depth == 0:
                    nested += 1
            following = self.tokens[index + 1]
            if (
                depth == 0
                and token.kind == "sym"
                and token.value == "d"
                and (following.kind == "sym" or following.value in words.GREEK)
            ):
                if nested == 0:
                    return index
                nested -= 1
        raise NotMath("an integral without a differential")
