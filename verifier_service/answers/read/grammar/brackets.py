"""Read what stands between two matching signs: braces, brackets, bars, floors."""

from verifier_service.answers.read.grammar.cursor import Cursor
from verifier_service.answers.read.grammar.signs import CLOSERS, END
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import Dots, Function, List, Matrix, Node, Quotient, Relation, Tuple

_BEFORE_LISTS = {"=", ",", ";", "in"}
"""Signs after which `[5]` can be a list with one item. After a factor, the brackets only group."""


class Brackets(Cursor):
    """Reads groups, tuples, intervals and absolute values."""

    def group(self) -> Node:
        """Read `{...}`; the braces only group."""
        self.expect("{")
        if self.accept("}"):
            if self.is_sign(("^", "_")):
                return self.prescript(self.take().value)
            raise NotMath("an empty group stands where a value is needed")
        bars, self.bars = self.bars, []
        node = self.sequence()
        if self.is_sign(("choose", "over", "atop", "brace")):
            name = self.take().value
            right = self.sequence()
            node = Function("binom", (node, right)) if name == "choose" else Quotient(node, right)
        self.bars = bars
        self.expect("}")
        return node

    def argument(self) -> Node:
        """Read the argument of a command: a group, one digit, or one atom."""
        if self.is_sign(("{",)):
            return self.group()
        token = self.peek()
        # In `\frac12`, the number 12 is two arguments.
        if token.kind == "num" and len(token.value) > 1 and token.value.isdigit():
            rest = Token("num", token.value[1:], False)
            self.tokens[self.at : self.at + 1] = [Token("num", token.value[0], token.spaced), rest]
            self.stop += 1
        self.deeper()
        node = self.atom()
        self.depth -= 1
        return node

    def round_group(self) -> Node:
        self.expect("(")
        bars, self.bars = self.bars, []
        inner = self.sequence()
        self.bars = bars
        self.expect(")")
        return inner

    def bracket(self, opener: str) -> Node:
        if opener == "{":
            self.at -= 1
            return self.group()
        if opener == "|":
            return self.bar("|", "abs")
        if opener in "([":
            return self.enclosed(opener)
        if opener in "^_":
            return self.prescript(opener)
        if opener == "]":
            return self.enclosed("]")
        if opener == "...":
            return Dots()
        if opener == "%":
            raise NotMath("a percent sign without a value")
        raise NotMath(f"unexpected {opener!r}")

    def enclosed(self, opener: str) -> Node:
        """Read brackets. Around one item, round and square brackets group; several items are a tuple or an interval."""
        bars, self.bars = self.bars, []
        begins = self.at == 1 or self.tokens[self.at - 2].value in _BEFORE_LISTS
        if self.is_sign(CLOSERS):
            closer = self.take().value
            self.bars = bars
            return Tuple(opener, closer, ())
        outer, self.reversed = self.reversed, opener == "]"
        inner = self.sequence()
        self.bars, self.reversed = bars, outer
        token = self.take()
        if token.kind not in ("op", "cmd") or (token.value not in CLOSERS and token.value != "["):
            raise NotMath(f"expected a closing bracket but saw {token.value!r}")
        opener = {"lbrack": "[", "lparen": "(", "langle": "<"}.get(opener, opener)
        closer = {"rbrack": "]", "rparen": ")", "rangle": ">"}.get(token.value, token.value)
        if isinstance(inner, List):
            return inner if _is_statement(inner) else Tuple(opener, closer, inner.items)
        if (opener, closer) in (("(", ")"), ("[", "]")):
            if isinstance(inner, Matrix):
                return inner
            is_list = opener == "[" and begins and self._is_alone()
            return Tuple(opener, closer, (inner,)) if is_list else inner
        if opener == "<":
            return Tuple(opener, closer, (inner,))
        raise NotMath("mismatched brackets around one item")

    def _is_alone(self) -> bool:
        """Return whether the bracket just read is the whole answer."""
        return self.peek() is END and self.depth <= 3

    def norm(self, _: str) -> Node:
        r"""Read `\|x\|`."""
        return self.bar("||", "norm")

    def middle(self, _: str) -> Node:
        r"""Read `\mid x\mid` as `|x|`."""
        bars, self.bars = self.bars, []
        inner = self.sum()
        self.bars = bars
        self.expect("mid")
        return _absolute("abs", inner)

    def bar(self, mark: str, name: str) -> Node:
        self.bars.append("||" if mark == "||" else "|")
        self.deeper()
        inner = self.set_operation()
        self.depth -= 1
        self.bars.pop()
        if not (self.accept("|") if mark in ("|", "||") else False):
            raise NotMath("a bar is not closed")
        return _absolute(name, inner)

    def floor(self, name: str) -> Node:
        closer, function = {"lfloor": ("rfloor", "floor"), "lceil": ("rceil", "ceil"), "lvert": ("rvert", "abs"),
                            "lVert": ("rVert", "norm")}[name]  # fmt: skip
        bars, self.bars = self.bars, []
        inner = self.sum()
        self.bars = bars
        self.expect(closer)
        return _absolute(function, inner)


def _absolute(name: str, inner: Node) -> Node:
    """Make an absolute value. Bars around a square matrix are its determinant."""
    if isinstance(inner, Matrix) and name == "abs" and len(inner.rows) == len(inner.rows[0]) > 1:
        return Function("det", (inner,))
    return Function(name, (inner,))


def _is_statement(node: List) -> bool:
    """Return whether items joined by words are statements, around which brackets only group."""
    if node.joiner == ",":
        return False
    return any(isinstance(item, Relation) for item in node.items) or all(isinstance(item, List) for item in node.items)
