"""Sums, products and their signs."""

from verifier_service.answers.read.grammar.atoms import Atoms
from verifier_service.answers.read.grammar.signs import DOTS, SIGNED, TIMES
from verifier_service.answers.read.grammar.units import MONEY
from verifier_service.answers.tree.bounds import MAX_PM_SIGNS, NotMath, TooComplex
from verifier_service.answers.tree.nodes import Node, number

_MONEY_SIGNS = frozenset(MONEY.values())


class Arithmetic(Atoms):
    """Read terms and factors."""

    def sum(self) -> Node:
        """Read terms joined by + - ± ∓."""
        self.deeper()
        terms = [self.signed_product()]
        while self.is_sign(SIGNED):
            terms.append(self.signed_product())
        self.depth -= 1
        if len(terms) > 1 and terms[-1].op == "congruent":
            return Node("congruent", (Node("add", (*terms[:-1], terms[-1].args[0])), terms[-1].args[1]))
        if len(terms) == 1:
            return terms[0]
        return Node("add", tuple(terms))

    def signed_product(self) -> Node:
        """Read one term with its signs; `-x^2` is the negative of a square."""
        negative, marks = False, []
        while self.is_sign(SIGNED):
            sign = self.take().value
            if sign == "-":
                negative = not negative
            elif sign in ("pm", "mp"):
                marks.append(sign)
            if len(marks) > MAX_PM_SIGNS:
                raise TooComplex("too many signs")
        if self.is_sign(DOTS):
            self.at += 1
            return Node("dots", ())
        node = self.product()
        if negative and node.op == "congruent":
            node = Node("congruent", (Node("neg", (node.args[0],)), node.args[1]))
        elif negative:
            node = number(-node.args[0], node.args[1]) if node.op == "num" else Node("neg", (node,))
        for mark in marks:
            node = Node(mark, (node,))
        return node

    def product(self) -> Node:
        """Read factors joined by multiplication signs, division signs or nothing, from left to right."""
        left = self.power(first=True)
        while True:
            if self.is_sign(TIMES):
                sign = self.take().value
                if self.is_sign(DOTS):
                    self.at += 1
                    left = Node("mul", (left, Node("dots", ())))
                    continue
                right = self._measured_factor(left)
                left = self._multiplied(sign, left, right)
            elif self.is_sign(("/", "div")):
                self.at += 1
                left = Node("div", (left, self._measured_factor(left)))
            elif self.is_sign((":",)):
                self.at += 1
                right = self._factor_with_sign()
                left = Node("ratio", ((*left.args, right) if left.op == "ratio" else (left, right)))
            elif self.is_sign(("bmod", "mod", "pmod")) or (self.is_sign(("(",)) and self.is_sign(("mod", "bmod"), 1)):
                left = self._modulus(left)
            elif self.is_sign(("choose",)):
                self.at += 1
                left = Node("fn", ("binom", left, self.power()))
            elif self.is_sign(DOTS) and left.op in ("mul", "sym", "num", "neg"):
                self.at += 1
                left = Node("mul", (left, Node("dots", ())))
            else:
                worded = self.with_words(left)
                if worded is not None:
                    left = worded
                elif self.starts_factor() and not self.at_union(left):
                    left = self._juxtaposed(left)
                else:
                    return left

    def _juxtaposed(self, left: Node) -> Node:
        """Read the next factor without a sign between; a whole number before a proper fraction is a mixed number."""
        if left.op == "quantity" and left.args[1].text in _MONEY_SIGNS:
            return Node("quantity", (self._juxtaposed(left.args[0]), left.args[1]))
        slashed = self.peek().kind == "num" and self.is_sign(("/",), 1) and self.peek(2).kind == "num"
        fraction = self.is_sign(("frac", "dfrac", "tfrac", "cfrac")) or self.is_sign(("over",), 2)
        if left.op == "num" and self._at_times_ten():
            self.at += 1
            return self._times(left, self.power())
        if self.peek().kind == "num" and left.op == "num" and not slashed:
            raise NotMath("two numbers side by side")
        if self.peek().kind == "num" and left.op == "quantity":
            raise NotMath("a number after a unit")
        right = self.power()
        if fraction and right.op in ("deg", "percent") and _is_whole(left) and _is_proper(right.args[0]):
            return Node(right.op, (_mixed(left, right.args[0]),))
        if slashed and left.op == "num":
            self.at += 1
            right = Node("div", (right, self.power()))
        if (fraction or slashed) and _is_whole(left) and _is_proper(right):
            return _mixed(left, right)
        return self._times(left, right)

    def at_union(self, left: Node) -> bool:
        """Tell whether the letter U stands for the sign of a union, as in `(0, 1) U (2, 3)`."""
        return self.peek().value == "U" and left.op in ("tuple", "set", "union")

    def _at_times_ten(self) -> bool:
        """Tell whether the letter x stands for a multiplication sign, as in `3 x 10^8`."""
        ten = self.peek(1)
        return (
            self.peek().value in ("x", "X")
            and self.peek().kind == "sym"
            and ten.kind == "num"
            and ten.value == "10"
            and self.is_sign(("^",), 2)
        )

    def _measured_factor(self, left: Node) -> Node:
        """Read a factor, with its unit where the one before has a unit: `5 cm \\times 3 cm`."""
        right = self._factor_with_sign()
        if left.op == "quantity" or (left.op in ("mul", "div") and left.args[-1].op == "quantity"):
            return self.with_words(right) or right
        return right

    def _factor_with_sign(self) -> Node:
        negative = False
        while self.is_sign(("-", "+")):
            negative ^= self.take().value == "-"
        node = self.power()
        return Node("neg", (node,)) if negative else node

    @staticmethod
    def _times(left: Node, right: Node) -> Node:
        if left.op == "mul":
            return Node("mul", (*left.args, right))
        return Node("mul", (left, right))

    def _multiplied(self, sign: str, left: Node, right: Node) -> Node:
        """Multiply: two vectors have a scalar or a vector product, and the latter binds closer."""
        if left.op == "tuple" and sign in _VECTOR_PRODUCTS:
            return _of_components(_VECTOR_PRODUCTS[sign], left, right) or self._times(left, right)
        triple = sign == "times" and left.op == "fn" and left.args[0] == "dot"
        if not triple and not _is_vector(left):
            return self._times(left, right)
        while not _is_vector(right) and self.starts_factor():
            right = self._times(right, self.power())
        if sign not in _VECTOR_PRODUCTS or not _is_vector(right):
            return self._times(left, right)
        if triple:
            return Node("fn", ("dot", left.args[1], Node("fn", ("cross", left.args[2], right))))
        return Node("fn", (_VECTOR_PRODUCTS[sign], left, right))

    def _modulus(self, left: Node) -> Node:
        name = self.take().value
        if name == "(":
            self.at += 1
            right = self.sum()
            self.expect(")")
            return Node("congruent", (left, right))
        right = self.power()
        return Node("congruent", (left, right)) if name in ("pmod", "mod") else Node("fn", ("mod", left, right))


_VECTOR_PRODUCTS = {"times": "cross", "cdot": "dot", "bullet": "dot", "cdotp": "dot"}


def _of_components(product: str, left: Node, right: Node) -> Node | None:
    r"""Multiply two vectors: `(1, 0, 0) \times (0, 1, 0)`; None for what are none, as intervals are."""
    if right.op != "tuple" or len(left.args[2]) != len(right.args[2]) or "[" in (left.args[0], right.args[0]):
        return None
    a, b = left.args[2], right.args[2]
    if product == "dot":
        return Node("add", tuple(Node("mul", pair) for pair in zip(a, b, strict=True))) if len(a) > 1 else None
    if len(a) != 3:
        return None
    parts = [
        Node("add", (Node("mul", (a[j], b[k])), Node("neg", (Node("mul", (a[k], b[j])),))))
        for j, k in ((1, 2), (2, 0), (0, 1))
    ]
    return Node("tuple", ("(", ")", tuple(parts)))


def _is_vector(node: Node) -> bool:
    """Tell whether a factor is a vector by its letters: `\\vec a`, `2\\mathbf b`, `\\vec a - \\vec b`."""
    op, args = node
    if op == "fn":
        return args[0] in ("vector", "unit", "cross")
    if op in ("neg", "div"):
        return _is_vector(args[0])
    return op in ("add", "mul") and len(args) <= _MAX_VECTOR_PARTS and any(map(_is_vector, args))


_MAX_VECTOR_PARTS = 16
"""Longer sums and products are not searched for vectors again and again."""


def _is_whole(node: Node) -> bool:
    return node.op == "num" and node.args[1] is None and node.args[0].denominator == 1


def _is_proper(node: Node) -> bool:
    """Tell whether a node is a fraction of whole numbers below one, as in `2\\frac{3}{4}`."""
    if node.op != "div" or not all(_is_whole(part) for part in node.args):
        return False
    return 0 < node.args[0].args[0] < node.args[1].args[0]


def _mixed(whole: Node, part: Node) -> Node:
    """Make the one number that a mixed number is; `-2\\frac{3}{4}` is -2.75."""
    fraction = part.args[0].args[0] / part.args[1].args[0]
    return number(whole.args[0] + (fraction if whole.args[0] >= 0 else -fraction))
