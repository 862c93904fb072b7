r"""Read tokens into a tree: a hand-written, bounded recursive descent over LaTeX and plain-text mathematics.

Levels, loosest first: list (, ; and or), relation (= < \in), set operation (\cup \cap \setminus), sum (+ - \pm),
product (\cdot \times / and juxtaposition), sign, power and postfix (! ^\circ %), atom. A hand-written parser was
chosen over latex2sympy2_extended's ANTLR grammar because it is some fifty times faster in pure Python, refuses what
it does not understand instead of skipping it, and builds no sympy object before the limits are checked.
"""

from fractions import Fraction

from verifier_service.answers.read import words
from verifier_service.answers.read.tokens import Token, tokenize
from verifier_service.answers.tree.bounds import MAX_DEPTH, MAX_ITEMS, MAX_PM_SIGNS, NotMath, TooComplex
from verifier_service.answers.tree.nodes import EULER, IMAGINARY, INFINITY, ONE, PI, Node, number, symbol

_END = Token("end of text", "", False)

_RELATIONS = {
    "=": "=", "==": "=", ":=": "=", "equiv": "=", "<": "<", ">": ">", "<=": "<=", "=<": "<=", ">=": ">=", "!=": "!=",
    "<>": "!=",
    "lt": "<", "gt": ">", "le": "<=", "leq": "<=", "leqslant": "<=", "leqq": "<=", "ge": ">=", "geq": ">=",
    "geqslant": ">=", "geqq": ">=", "ne": "!=", "neq": "!=", "in": "in", "approx": "~", "simeq": "~", "sim": "~",
    "doteq": "=",
    "notin": "notin", "to": "->", "->": "->", "rightarrow": "->", "mapsto": "->", "cong": "=", "coloneqq": "=",
    "triangleq": "=",
    "longrightarrow": "->", "subset": "subset", "subseteq": "subset", "mid": "mid", "parallel": "parallel",
    "perp": "perp",
    "propto": "propto", "Rightarrow": "=>", "implies": "=>", "=>": "=>", "Longrightarrow": "=>", "iff": "<=>",
    "Leftrightarrow": "<=>", "leftrightarrow": "<=>",
}  # fmt: skip
_SET_OPERATORS = {"cup": "union", "cap": "inter", "setminus": "minus", "backslash": "minus", "cupdot": "union",
    "bigcup": "union",
                  "smallsetminus": "minus", "sqcup": "union", "uplus": "union", "bigcap": "inter",
                  "\\": "minus"}  # fmt: skip
_DOTS = {"ldots", "cdots", "dots", "dotsc", "dotsb", "dotsm", "vdots", "ddots", "..."}
_TIMES = {"cdot", "times", "*", "ast", "bullet", "cdotp", "star"}
_OPENERS = {"(": ")", "[": "]", "lbrack": "rbrack", "langle": "rangle", "lparen": "rparen"}
_CLOSERS = {")", "]", "rbrack", "rangle", "rparen"}
_MATRICES = {
    "matrix",
    "pmatrix",
    "bmatrix",
    "Bmatrix",
    "vmatrix",
    "Vmatrix",
    "smallmatrix",
    "array",
    "psmallmatrix",
    "bsmallmatrix",
}
_ROWS = {"aligned", "align", "gathered", "split", "eqnarray", "gather", "equation", "alignedat", "multline", "tabular"}
_ACCENTS = {"overline", "bar", "hat", "widehat", "tilde", "widetilde", "dot", "ddot", "overrightarrow",
    "overleftrightarrow",
            "overarc", "arc", "wideparen", "overset", "underset", "check", "breve", "acute"}  # fmt: skip
_CALLABLE = frozenset(["f", "g", "h", "F", "G", "H", "P", "Q", "u"])
_SEPARATORS = {",", ";"}
_SIGNED = {"+", "-", "pm", "mp"}


def parse(text: str) -> Node:
    """Read a whole cleaned answer.

    Raises:
        NotMath: the text is not mathematics; it may still be an answer in words.
        TooComplex: a limit of `bounds` is exceeded; nothing was computed.
    """
    parser = _Parser(tokenize(text))
    node = parser.sequence(top=True)
    if parser.peek() is not _END:
        raise NotMath(f"unexpected {parser.peek().value!r}")
    return node


class _Parser:
    """State of one reading: the tokens, the place, the nesting depth and the open bars."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.stop = len(tokens)
        self.depth = 0
        self.bars: list[str] = []
        self.reversed = False
        self.bound: set[str] = set()

    # --- the token stream -------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        index = self.at + ahead
        return self.tokens[index] if index < self.stop else _END

    def take(self) -> Token:
        token = self.peek()
        if token is _END:
            raise NotMath("the text ends too early")
        self.at += 1
        return token

    def accept(self, *values: str) -> bool:
        token = self.peek()
        if token.kind in ("op", "cmd") and token.value in values:
            self.at += 1
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.accept(value):
            raise NotMath(f"expected {value!r} but saw {self.peek().value!r}")

    def is_sign(self, values: object, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind in ("op", "cmd") and token.value in values  # type: ignore[operator]

    def skip_blank(self) -> None:
        while self.is_sign(("quad", "qquad", " ")):
            self.at += 1

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooComplex(f"nested deeper than {MAX_DEPTH}")

    # --- list, relation, set ----------------------------------------------------------------------------------

    def sequence(self, top: bool = False) -> Node:
        """Read items separated by commas, semicolons, `and` and `or`."""
        self.deeper()
        items, joiner = [], None
        while True:
            self.skip_blank()
            if self._at_close() and not (top and not items and self.is_sign(("]",))):
                break
            items.append(self.relation())
            if len(items) > MAX_ITEMS:
                raise TooComplex(f"more than {MAX_ITEMS} items")
            found = self._separator(top)
            if found is None:
                break
            joiner = found if joiner in (None, ",") else joiner
        self.depth -= 1
        if not items:
            raise NotMath("nothing between the brackets")
        if len(items) == 1:
            return items[0]
        return Node("list", (joiner, tuple(items)))

    def _at_close(self) -> bool:
        token = self.peek()
        if token is _END:
            return True
        if token.kind == "end":
            return True
        return token.kind in ("op", "cmd") and (token.value in _CLOSERS or token.value in ("}", "\\}", "&"))

    def _separator(self, top: bool) -> str | None:
        """Take what separates two items, and name it; None at the end."""
        joiner = None
        start = self.at
        while True:
            token = self.peek()
            if token.kind == "op" and token.value in _SEPARATORS:
                joiner = joiner or ","
            elif token.kind == "word" and token.value in words.JOINERS:
                joiner = words.JOINERS[token.value]
            elif token.kind == "text" and token.value.strip(" ,.").lower() in words.JOINERS:
                joiner = words.JOINERS[token.value.strip(" ,.").lower()]
            elif token.kind == "cmd" and token.value in ("land", "wedge", "&") and top:
                joiner = "and"
            elif token.kind == "cmd" and token.value in ("lor", "vee"):
                joiner = "or"
            elif token.kind == "cmd" and token.value in ("quad", "qquad", "\\", "newline", "cr"):
                if token.value == "\\" and not top:
                    break
                joiner = joiner or "quad"
            else:
                break
            self.at += 1
        if joiner == "quad":
            if self.peek() is _END or self._at_close() or self.is_sign(_RELATIONS) or self.peek().kind == "text":
                return None
            joiner = ","
        if joiner is not None and (self.peek() is _END or self._at_close()) and start + 1 == self.at:
            return None
        return joiner

    def relation(self) -> Node:
        """Read a chain `a < b <= c`; a lone term is returned as it is."""
        terms, operators = [], []
        if self.is_sign(_RELATIONS) and self.peek().value in ("=", "approx", "in", "cong", "equiv"):
            self.at += 1
        terms.append(self.set_operation())
        while self.is_sign(_RELATIONS) or (self.is_sign(("not",)) and self.is_sign(_RELATIONS, 1)):
            negated = self.accept("not")
            name = _RELATIONS[self.take().value]
            if negated:
                name = {"=": "!=", "in": "notin"}.get(name, "not " + name)
            self.skip_blank()
            operators.append(name)
            terms.append(self.set_operation())
        if not operators:
            return terms[0]
        return Node("rel", (tuple(operators), tuple(terms)))

    def set_operation(self) -> Node:
        """Read unions, intersections and differences of sets, from left to right."""
        left = self.sum()
        while self.is_sign(_SET_OPERATORS):
            if self.peek().value == "\\" and self.peek(1).value not in ("{", "\\{"):
                break
            name = _SET_OPERATORS[self.take().value]
            left = Node(name, (left, self.sum()))
        return left

    # --- arithmetic -------------------------------------------------------------------------------------------

    def sum(self) -> Node:
        """Read terms joined by + - ± ∓."""
        self.deeper()
        terms = [self.signed_product()]
        while self.is_sign(_SIGNED):
            terms.append(self.signed_product())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def signed_product(self) -> Node:
        """Read one term with its signs; `-x^2` is the negative of a square."""
        negative, marks = False, []
        while self.is_sign(_SIGNED):
            sign = self.take().value
            if sign == "-":
                negative = not negative
            elif sign in ("pm", "mp"):
                marks.append(sign)
            if len(marks) > MAX_PM_SIGNS:
                raise TooComplex("too many signs")
        if self.is_sign(_DOTS):
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
            if self.is_sign(_TIMES):
                self.at += 1
                if self.is_sign(_DOTS):
                    self.at += 1
                    left = Node("mul", (left, Node("dots", ())))
                    continue
                left = self._times(left, self._factor_with_sign())
            elif self.is_sign(("/", "div")):
                self.at += 1
                left = Node("div", (left, self._factor_with_sign()))
            elif self.is_sign((":",)):
                self.at += 1
                right = self._factor_with_sign()
                left = Node("ratio", ((*left.args, right) if left.op == "ratio" else (left, right)))
            elif self.is_sign(("bmod", "mod", "pmod")) or (self.is_sign(("(",)) and self.is_sign(("mod", "bmod"), 1)):
                left = self._modulus(left)
            elif self.is_sign(("choose",)):
                self.at += 1
                left = Node("fn", ("binom", left, self.power()))
            elif self.is_sign(_DOTS) and left.op in ("mul", "sym", "num", "neg"):
                self.at += 1
                left = Node("mul", (left, Node("dots", ())))
            elif self._starts_factor():
                left = self._juxtaposed(left)
            else:
                unit = self._unit()
                if unit is None:
                    return left
                if left.op == "sym" and not words.is_unit(unit.split()[0]):
                    raise NotMath(f"the words {unit!r} after a letter")
                left = Node("quantity", (left, unit))

    def _juxtaposed(self, left: Node) -> Node:
        """Read the next factor without a sign between; a whole number before a proper fraction is a mixed number."""
        slashed = self.peek().kind == "num" and self.is_sign(("/",), 1) and self.peek(2).kind == "num"
        fraction = self.is_sign(("frac", "dfrac", "tfrac", "cfrac"))
        if self.peek().kind == "num" and left.op == "num" and not slashed:
            raise NotMath("two numbers side by side")
        right = self.power()
        if fraction and right.op in ("deg", "percent") and _is_whole(left) and _is_proper(right.args[0]):
            return Node(right.op, (Node("add", (left, right.args[0])),))
        if slashed and left.op == "num":
            self.at += 1
            right = Node("div", (right, self.power()))
        if (fraction or slashed) and _is_whole(left) and _is_proper(right):
            return (
                Node("add", (left, right))
                if left.args[0] >= 0
                else Node("neg", (Node("add", (number(-left.args[0]), right)),))
            )
        return self._times(left, right)

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

    def _modulus(self, left: Node) -> Node:
        name = self.take().value
        if name == "(":
            self.at += 1
            right = self.sum()
            self.expect(")")
            return Node("congruent", (left, right))
        right = self.power()
        return Node("congruent", (left, right)) if name in ("pmod", "mod") else Node("fn", ("mod", left, right))

    def _starts_factor(self) -> bool:
        token = self.peek()
        if token.kind in ("num", "sym", "begin"):
            return True
        if token.kind == "word":
            return False
        if token.kind == "op":
            if token.value == "|":
                return not self.bars
            if token.value == "[":
                return (
                    not self.reversed
                    and self.peek(1) is not _END
                    and self.peek(1).value not in (",", "cup", "cap", ")", "}")
                )
            return token.value in ("(", "{")
        if token.kind == "cmd":
            if token.value == "|":
                return "||" not in self.bars
            if token.value in (
                "rvert",
                "rVert",
                "rfloor",
                "rceil",
                "mid",
                "}",
                "&",
                "%",
                "#",
                "rangle",
                "\\",
                "dollar",
                "degree",
                "circ",
                "euro",
                "pounds",
                "pound",
                "yen",
                "rupee",
            ):
                return False
            return (
                token.value not in _RELATIONS
                and token.value not in _SET_OPERATORS
                and token.value not in _TIMES
                and token.value not in _DOTS
                and token.value not in _SIGNED
                and token.value not in ("quad", "qquad", "div", "bmod", "mod", "pmod", "choose", "land", "lor", "vee",
                "wedge",
                                        "not", "over", "newline", "cr", "colon", "_", " ", "prime", "rbrack",
                                        "rparen", "text")
            )  # fmt: skip
        return False

    def _unit(self) -> str | None:
        """Take the words after a value as its unit; None where no words follow."""
        token = self.peek()
        if (
            token.kind == "word"
            and token.value not in words.JOINERS
            and token.value.lower() not in words.CONDITION_WORDS
        ):
            parts = []
        elif token.kind == "text" and token.value.strip(" ,.").lower() not in words.JOINERS:
            if token.value.split()[0].strip(",.").lower() in words.CONDITION_WORDS - {"in"}:
                return None
            parts = []
        elif token.kind == "cmd" and token.value in ("dollar", "%", "euro", "pounds", "pound", "yen", "rupee"):
            self.at += 1
            return "%" if token.value == "%" else {"dollar": "dollar"}.get(token.value, token.value)
        else:
            return None
        while self.peek().kind in ("word", "text") and not (
            self.peek().value.strip(" ,.").lower() in words.JOINERS
            or (parts and self.peek().value.lower() in words.CONDITION_WORDS)
        ):
            parts.append(self.take().value)
            if self.is_sign(("^",)):
                self.at += 1
                parts.append("^" + self._plain_script())
            while self.is_sign(("/", "cdot", "*")) and self.peek(1).kind in ("word", "text", "sym"):
                parts.append("/" if self.take().value == "/" else "*")
                parts.append(self.take().value)
                if self.is_sign(("^",)):
                    self.at += 1
                    parts.append("^" + self._plain_script())
        return " ".join(parts)

    def _plain_script(self) -> str:
        """Take an exponent that belongs to a unit and return its text."""
        if self.accept("{"):
            parts = []
            while not self.is_sign(("}",)):
                parts.append(self.take().value)
            self.at += 1
            return "".join(parts)
        return self.take().value

    # --- powers and postfixes ---------------------------------------------------------------------------------

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
                base = self._exponent(base)
            elif self.is_sign(("!",)) and not self.is_sign(("=",), 1):
                self.at += 1
                base = Node("fact2" if self.accept("!") else "fact", (base,))
            elif self.is_sign(("%",)):
                self.at += 1
                base = Node("percent", (base,))
            elif self.is_sign(("degree", "circ")):
                self.at += 1
                base = Node("deg", (base,))
            elif base.op == "deg" and self.peek().value in ("C", "F") and self.peek(1) is _END:
                base = Node("quantity", (base, self.take().value))
            elif self.is_sign(("'", "prime")) and base.op in ("sym", "call"):
                self.at += 1
                base = Node(base.op, (base.args[0] + "'", *base.args[1:]))
            elif self.is_sign(("_",)):
                base = self._subscript(base)
            else:
                self.depth -= 1
                return base

    def _exponent(self, base: Node) -> Node:
        self.expect("^")
        if self.is_sign(("circ", "degree")):
            self.at += 1
            return Node("deg", (base,))
        if self.is_sign(("{",)) and self.is_sign(("circ", "degree", "prime", "'"), 1) and self.is_sign(("}",), 2):
            self.at += 1
            mark = self.take().value
            self.at += 1
            return Node("deg", (base,)) if mark in ("circ", "degree") else Node("call", ("prime", base))
        if self.is_sign(("'", "prime")):
            self.at += 1
            return Node("call", ("prime", base))
        exponent = self._script()
        if exponent.op == "sym" and exponent.args[0] in ("T", "t") and base.op in ("matrix", "tuple"):
            return Node("fn", ("transpose", base))
        if exponent.op == "sym" and exponent.args[0] == "C" and base.op == "num":
            return Node("quantity", (Node("deg", (base,)), "C"))
        return Node("pow", (base, exponent))

    def _script(self, bound: bool = False) -> Node:
        """Read what stands in an exponent: a group, or one signed atom; `x^10` is read as it was meant.

        A bound of an integral ends before the other bound, so `_0^1` is no power.
        """
        if self.is_sign(("-", "+", "pm")):
            sign = self.take().value
            inner = self._script(bound)
            return {"-": Node("neg", (inner,)), "+": inner, "pm": Node("pm", (inner,))}[sign]
        if self.is_sign(("{",)):
            return self.group()
        self.deeper()
        node = self.atom()
        if self.is_sign(("^",)) and not bound:
            node = self._exponent(node)
        self.depth -= 1
        return node

    def _subscript(self, base: Node) -> Node:
        """Read a subscript: a base after a number, part of the name after a letter, an index where it is a formula."""
        self.expect("_")
        if base.op == "num":
            return self._number_base(base)
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
            if token is _END:
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

    def _number_base(self, digits: Node) -> Node:
        """Read `1011_2`, `1011_{2}`, `1011_{\\text{two}}`."""
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
        literal = self.tokens[self.at - (4 if wrapped else 2) - 0]
        return Node("base", (literal.value if literal.kind == "num" else str(digits.args[0]), base))

    # --- atoms ------------------------------------------------------------------------------------------------

    def group(self) -> Node:
        """Read `{...}`; the braces only group."""
        self.expect("{")
        if self.accept("}"):
            raise NotMath("an empty group stands where a value is needed")
        bars, self.bars = self.bars, []
        node = self.sequence()
        if self.is_sign(("choose", "over", "atop", "brace")):
            name = self.take().value
            right = self.sequence()
            node = Node("fn", ("binom", node, right)) if name == "choose" else Node("div", (node, right))
        self.bars = bars
        self.expect("}")
        return node

    def atom(self, first: bool = False) -> Node:
        """Read a number, a name, a bracket, a function or an environment."""
        token = self.take()
        if token.kind == "num":
            return number(Fraction(token.value), "." in token.value)
        if token.kind == "sym":
            return self._letter(token)
        if token.kind == "begin":
            return self._environment(token.value)
        if token.kind in ("text", "word"):
            return self._words(token)
        if token.kind == "op":
            return self._bracket(token.value)
        if token.kind == "cmd":
            return self._command(token.value)
        raise NotMath(f"unexpected {token.value!r}")

    def _words(self, token: Token) -> Node:
        """Read a text command where a value is needed: a label before a relation, or a word that stands for a value."""
        value = token.value.strip()
        if self.is_sign(_RELATIONS) or self.is_sign((":",)):
            return symbol(value)
        if token.kind == "text":
            return Node("text", (value,))
        raise NotMath(f"the word {value!r} stands where a value is needed")

    def _letter(self, token: Token) -> Node:
        name = token.value
        if name in self.bound:
            return symbol(name)
        primes = 0
        while name in _CALLABLE and self.is_sign(("'", "prime"), primes):
            primes += 1
        if primes and self.is_sign(("(",), primes):
            self.at += primes + 1
            arguments = self.sequence()
            self.expect(")")
            items = arguments.args[1] if arguments.op == "list" else (arguments,)
            return Node("call", (name + "'" * primes, *items))
        if name in _CALLABLE and "".join(self.peek(ahead).value for ahead in range(6)) == "^{-1}(":
            self.at += 6
            arguments = self.sequence()
            self.expect(")")
            return Node("call", (f"{name}^-1", *(arguments.args[1] if arguments.op == "list" else (arguments,))))
        if name == "e":
            return EULER
        if name == "i":
            return IMAGINARY
        if self.is_sign(("(",)) and not self.peek().spaced and (name in _CALLABLE or self._heads_equation()):
            start = self.at
            self.at += 1
            arguments = self.sequence()
            if self.accept(")"):
                items = arguments.args[1] if arguments.op == "list" else (arguments,)
                return Node("call", (name, *items))
            self.at = start
        return symbol(name)

    def _heads_equation(self) -> bool:
        """Tell whether `x(t)` stands at the very beginning, with an equality sign after it."""
        if self.at != 1:
            return False
        for index in range(self.at + 1, min(self.at + 12, self.stop - 1)):
            if self.tokens[index].value == ")":
                return self.tokens[index + 1].value in ("=", ":=")
        return False

    def _bracket(self, opener: str) -> Node:
        if opener == "{":
            self.at -= 1
            return self.group()
        if opener == "|":
            return self._bar("|", "abs")
        if opener in "([":
            return self._enclosed(opener)
        if opener == "]":
            return self._enclosed("]")
        if opener == "...":
            return Node("dots", ())
        if opener == "%":
            raise NotMath("a percent sign without a value")
        raise NotMath(f"unexpected {opener!r}")

    def _enclosed(self, opener: str) -> Node:
        """Read brackets: one round or square item groups, several make a tuple or an interval."""
        bars, self.bars = self.bars, []
        if self.is_sign(_CLOSERS):
            closer = self.take().value
            self.bars = bars
            return Node("tuple", (opener, closer, ()))
        outer, self.reversed = self.reversed, opener == "]"
        inner = self.sequence()
        self.bars, self.reversed = bars, outer
        token = self.take()
        if token.kind not in ("op", "cmd") or (token.value not in _CLOSERS and token.value != "["):
            raise NotMath(f"expected a closing bracket but saw {token.value!r}")
        opener = {"lbrack": "[", "lparen": "(", "langle": "<"}.get(opener, opener)
        closer = {"rbrack": "]", "rparen": ")", "rangle": ">"}.get(token.value, token.value)
        if inner.op == "list":
            return Node("tuple", (opener, closer, inner.args[1]))
        if (opener, closer) in (("(", ")"), ("[", "]")):
            if inner.op == "matrix":
                return inner
            return inner if opener == "(" or not self._is_alone() else Node("tuple", (opener, closer, (inner,)))
        if opener == "<":
            return Node("tuple", (opener, closer, (inner,)))
        raise NotMath("brackets of two kinds around one item")

    def _is_alone(self) -> bool:
        """Tell whether the bracket just read is the whole answer."""
        return self.peek() is _END and self.depth <= 3

    def _bar(self, mark: str, name: str) -> Node:
        self.bars.append("||" if mark == "||" else "|")
        self.deeper()
        inner = self.sum()
        self.depth -= 1
        self.bars.pop()
        if not (self.accept("|") if mark in ("|", "||") else False):
            raise NotMath("a bar is not closed")
        return Node("fn", (name, inner))

    def _command(self, name: str) -> Node:  # noqa: C901 -- a flat list of commands
        if name in ("frac", "dfrac", "tfrac", "cfrac", "sfrac", "nicefrac"):
            return self._fraction()
        if name == "sqrt":
            return self._root()
        if name in _STANDARD:
            return _STANDARD[name]
        if name in words.FUNCTIONS:
            return self._function(name)
        if name in words.GREEK:
            return symbol(name)
        if name in _OPENERS:
            return self._enclosed(name)
        if name == "{":
            return self._set()
        if name in _READERS:
            return getattr(self, _READERS[name])(name)
        if name in _ACCENTS:
            return self._accent(name)
        if name in ("binom", "dbinom", "tbinom"):
            return Node("fn", ("binom", self._argument(), self._argument()))
        if name in _DOTS:
            return Node("dots", ())
        if name in ("dollar", "euro", "pounds", "pound", "yen", "rupee"):
            value = self.power()
            return Node("quantity", (value, "dollar" if name == "dollar" else name))
        if name == "vec":
            return self._accent("overrightarrow")
        if name in ("mathbf", "boldsymbol", "bm", "vec", "mathcal", "mathfrak", "mathscr", "pmb", "ensuremath",
        "mathop", "mathord",
                    "underline", "boxed", "fbox", "mathrel", "mathbin", "vphantom", "phantom", "smash"):  # fmt: skip
            return self._wrapped(name)
        if name == "mathbb":
            letter = self._argument()
            if letter.op in ("sym", "const"):
                return Node("sym", ("mathbb " + letter.args[0],))
            raise NotMath("an unknown set")
        if name in ("emptyset", "varnothing"):
            return Node("set", ((),))
        if name in ("angle", "triangle", "measuredangle", "odot", "square", "Box"):
            return self._prefixed(name)
        if name == "|":
            return self._bar("||", "norm")
        raise NotMath(f"the command \\{name} is not known")

    def _wrapped(self, name: str) -> Node:
        node = self._argument()
        if name in ("vec", "mathbf", "boldsymbol", "bm", "pmb") and node.op in ("sym", "const"):
            return symbol("unit i" if node == IMAGINARY else str(node.args[0]))
        return node

    def _prefixed(self, name: str) -> Node:
        """Read `\\angle ABC` as one name."""
        parts = []
        while self.peek().kind == "sym" or (self.peek().kind == "cmd" and self.peek().value in words.GREEK):
            parts.append(self.take().value)
        if not parts and self.is_sign(("{",)):
            return self.group()
        if not parts:
            return symbol(name)
        return symbol(name + " " + "".join(parts))

    def _accent(self, name: str) -> Node:
        start = self.at
        if name in ("overset", "underset"):
            self._argument()
            return self._argument()
        parts = []
        if self.accept("{"):
            while not self.is_sign(("}",)):
                token = self.take()
                if token.kind not in ("sym", "num"):
                    self.at = start
                    inner = self._argument()
                    if name in ("overline", "bar") and inner.op != "text":
                        return Node("fn", ("conjugate", inner))
                    raise NotMath("an accent over a formula")
                parts.append(token.value)
            self.at += 1
        else:
            parts.append(self.take().value)
        text = "".join(parts)
        if text.isdigit():
            raise NotMath("a repeating decimal without its beginning")
        if name in ("overline", "bar") and text == "z":
            return Node("fn", ("conjugate", symbol("z")))
        if name in ("overline", "overrightarrow", "overleftrightarrow", "overarc", "arc", "wideparen"):
            return symbol(text)
        return symbol(f"{name} {text}")

    def _argument(self) -> Node:
        """Read the argument of a command: a group, one digit, or one atom."""
        if self.is_sign(("{",)):
            return self.group()
        token = self.peek()
        if token.kind == "num" and len(token.value) > 1 and token.value.isdigit():
            rest = Token("num", token.value[1:], False)
            self.tokens[self.at : self.at + 1] = [Token("num", token.value[0], token.spaced), rest]
            self.stop += 1
        self.deeper()
        node = self.atom()
        self.depth -= 1
        return node

    def _fraction(self) -> Node:
        derivative = self._derivative()
        if derivative is not None:
            return derivative
        top = self._argument()
        bottom = self._argument()
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
        if not self._starts_factor():
            return symbol(f"{mark}^{order}/{mark} {variable.value}")
        body = self.product()
        return Node("diff", (body, variable.value, order))

    def _root(self) -> Node:
        degree: Node = number(2)
        if self.is_sign(("[",)):
            self.at += 1
            degree = self.sequence()
            self.expect("]")
        if self.is_sign(("{", "(")):
            radicand = self.group() if self.is_sign(("{",)) else self._round_group()
        else:
            self.deeper()
            radicand = self.atom()
            self.depth -= 1
        return Node("fn", ("root", radicand, degree))

    def _round_group(self) -> Node:
        self.expect("(")
        bars, self.bars = self.bars, []
        inner = self.sequence()
        self.bars = bars
        self.expect(")")
        return inner

    def _function(self, name: str) -> Node:
        """Read a function with its exponent, its base and its argument; `\\sin^{-1}` is the inverse."""
        exponent, base = None, None
        while self.is_sign(("^", "_")):
            if self.accept("^"):
                exponent = self._script(bound=True)
            else:
                self.at += 1
                base = self._script(bound=True)
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
            inner = self._function_argument()
            arguments = inner.args[1] if inner.op == "list" else (inner,)
        if name == "exp" and len(arguments) == 1:
            node = Node("pow", (EULER, arguments[0]))
        elif exponent == Node("neg", (ONE,)) or exponent == number(-1):
            if name in words.INVERSES:
                return Node("fn", (words.INVERSES[name], *arguments))
            node = Node("fn", (name, *arguments))
        else:
            node = Node("fn", (name, *arguments))
        return node if exponent is None else Node("pow", (node, exponent))

    def _function_argument(self) -> Node:
        """Read an argument: exactly the bracket if one follows, else the product up to the next function or sign."""
        if self.is_sign(("(",)):
            return self._round_group()
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
            self._starts_factor()
            and self.peek().kind in ("num", "sym", "cmd")
            and self.peek().value not in words.FUNCTIONS
            and not (self.peek().kind == "cmd" and self.peek().value in _STOPS_ARGUMENT)
            and not (self.peek().value == "e" and self.peek(1).value == "^")
        ):
            factors.append(self.power())
        node = factors[0] if len(factors) == 1 else Node("mul", tuple(factors))
        if self.is_sign(("/",)) and self.peek(1).kind == "num":
            self.at += 1
            node = Node("div", (node, self.power()))
        self.depth -= 1
        return Node("neg", (node,)) if negative else node

    # --- sets, matrices, cases --------------------------------------------------------------------------------

    def _set(self) -> Node:
        r"""Read `\{...\}`: members, or a head with a condition after a bar or a colon."""
        divider = self._divider()
        bars, self.bars = self.bars, []
        if self.accept("\\}") or (self.peek().kind == "cmd" and self.peek().value == "}" and self.take()):
            self.bars = bars
            return Node("set", ((),))
        if divider is None:
            inner = self.sequence()
            self._close_set()
            self.bars = bars
            return Node("set", (inner.args[1] if inner.op == "list" else (inner,),))
        stop, self.stop = self.stop, divider
        head = self.sequence()
        if self.at != divider:
            raise NotMath("the head of a set is not understood")
        self.stop = stop
        self.at += 1
        condition = self.sequence(top=True)
        self._close_set()
        self.bars = bars
        return Node("builder", (head, condition))

    def _close_set(self) -> None:
        token = self.take()
        if token.kind != "cmd" or token.value != "}":
            raise NotMath("a set is not closed")

    def _divider(self) -> int | None:
        """Find the bar or colon that ends the head of a set, if it has one."""
        depth, bars = 0, []
        for index in range(self.at, self.stop):
            token = self.tokens[index]
            if token.kind not in ("op", "cmd"):
                continue
            if token.value in ("(", "[", "{"):
                depth += 1
            elif token.kind == "cmd" and token.value == "}" and depth == 0:
                break
            elif token.value in (")", "]", "}"):
                depth -= 1
            elif depth == 0 and token.value in (":", "mid", "colon"):
                return index
            elif depth == 0 and token.value == "|":
                bars.append(index)
        return bars[0] if len(bars) % 2 else None

    def _environment(self, name: str) -> Node:
        if name in _MATRICES:
            rows = self._rows(name)
            if name == "array" and self._looks_like_cases(rows):
                return Node("list", (",", tuple(row[0] for row in rows)))
            node = Node("matrix", tuple(rows))
            return Node("fn", ("det", node)) if name == "vmatrix" else node
        if name in ("cases", "dcases", "rcases"):
            return self._cases(name)
        if name in _ROWS:
            rows = self._rows(name, joined=True)
            items = tuple(row[0] for row in rows)
            return items[0] if len(items) == 1 else Node("list", (",", items))
        raise NotMath(f"the environment {name} is not known")

    @staticmethod
    def _looks_like_cases(rows: list[tuple[Node, ...]]) -> bool:
        return all(len(row) == 1 and row[0].op == "rel" for row in rows)

    def _rows(self, name: str, joined: bool = False) -> list[tuple[Node, ...]]:
        bars, self.bars = self.bars, []
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            self.skip_blank()
            token = self.peek()
            if token is _END:
                raise NotMath(f"the environment {name} is not closed")
            if token.kind == "end":
                self.at += 1
                break
            if token.kind == "cmd" and token.value in ("\\", "cr", "hline", "newline"):
                self.at += 1
                if row:
                    rows.append(tuple(row))
                row = []
                continue
            if (token.kind == "op" and token.value == "&") or (joined and token.value in (",", ";")):
                self.at += 1
                continue
            row.append(self.relation())
        if row:
            rows.append(tuple(row))
        if not rows or sum(map(len, rows)) > MAX_ITEMS or (not joined and len({len(r) for r in rows}) != 1):
            raise NotMath("a matrix whose rows differ in length")
        self.bars = bars
        return rows

    def _cases(self, name: str) -> Node:
        """Read a piecewise definition; rows without a condition make a system."""
        bars, self.bars = self.bars, []
        rows: list[tuple[Node, Node | None]] = []
        while True:
            self.skip_blank()
            token = self.peek()
            if token.kind == "end":
                self.at += 1
                break
            if token.kind == "cmd" and token.value in ("\\", "cr"):
                self.at += 1
                continue
            value = self.relation()
            separated = False
            while self.is_sign((",", "&", "quad", "qquad", ";", ":", ".")) or self._condition_word():
                separated = True
                self.at += 1
            condition: Node | None = None
            if separated and not (self.is_sign(("\\", "cr")) or self.peek().kind == "end"):
                condition = self._condition()
            elif separated and self.tokens[self.at - 1].kind in ("text", "word"):
                condition = Node("text", ("otherwise",))
            rows.append((value, condition))
            while self.is_sign((",", ".", ";")):
                self.at += 1
        self.bars = bars
        if not rows or len(rows) > MAX_ITEMS:
            raise NotMath("a case distinction without cases")
        if all(condition is None for _, condition in rows):
            return rows[0][0] if len(rows) == 1 else Node("list", (",", tuple(value for value, _ in rows)))
        return Node("cases", tuple(rows))

    def _condition_word(self) -> bool:
        token = self.peek()
        return token.kind in ("text", "word") and token.value.split()[0].strip(" ,.:").lower() in words.CONDITION_WORDS

    def _condition(self) -> Node:
        first = self.relation()
        while self.is_sign((",",)) or self.peek().kind in ("text", "word"):
            token = self.take()
            if self.is_sign(("\\", "cr")) or self.peek().kind == "end":
                break
            joiner = "or" if "or" in token.value.lower().split() else "and"
            first = Node("list", (joiner, (first, self.relation())))
        return first

    # --- operators with bounds --------------------------------------------------------------------------------

    def _bounds(self) -> tuple[Node | None, Node | None]:
        low = high = None
        while self.is_sign(("^", "_")):
            if self.accept("^"):
                high = self._script(bound=True)
            else:
                self.at += 1
                low = self._bound_below()
        return low, high

    def _bound_below(self) -> Node:
        r"""Read `_{k=1}` with k known as a bound variable, also where it is called i or e."""
        if self.is_sign(("{",)) and self.peek(1).kind == "sym" and self.is_sign(("=", "to", "rightarrow", "->"), 2):
            self.bound.add(self.peek(1).value)
        return self._script(bound=True)

    def _series(self, name: str) -> Node:
        bound = set(self.bound)
        low, high = self._bounds()
        if low is None or low.op != "rel" or low.args[0] != ("=",) or low.args[1][0].op != "sym" or high is None:
            raise NotMath(f"\\{name} without bounds that are understood")
        variable = low.args[1][0].args[0]
        body = self.signed_product() if self.is_sign(("-",)) else self.product()
        self.bound = bound
        return Node(name, (body, variable, low.args[1][1], high))

    def _limit(self, name: str) -> Node:
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

    def _integral(self, name: str) -> Node:
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

    def _floor(self, name: str) -> Node:
        closer, function = {"lfloor": ("rfloor", "floor"), "lceil": ("rceil", "ceil"), "lvert": ("rvert", "abs"),
                            "lVert": ("rVert", "norm")}[name]  # fmt: skip
        bars, self.bars = self.bars, []
        inner = self.sum()
        self.bars = bars
        self.expect(closer)
        return Node("fn", (function, inner))


def _is_whole(node: Node) -> bool:
    return node.op == "num" and not node.args[1] and node.args[0].denominator == 1


def _is_proper(node: Node) -> bool:
    """Tell whether a node is a fraction of whole numbers below one, as in `2\\frac{3}{4}`."""
    if node.op != "div" or not all(_is_whole(part) for part in node.args):
        return False
    return 0 < node.args[0].args[0] < node.args[1].args[0]


_STANDARD = {"pi": PI, "infty": INFINITY, "imath": IMAGINARY, "exponentialE": EULER}
_READERS = {"sum": "_series", "prod": "_series", "lim": "_limit", "int": "_integral", "lfloor": "_floor",
    "lceil": "_floor",
            "lvert": "_floor", "lVert": "_floor"}  # fmt: skip
_STOPS_ARGUMENT = frozenset(
    {"sum", "prod", "lim", "int", "frac", "dfrac", "tfrac", "sqrt", "lfloor", "lceil", "lvert", "dollar"}
)
