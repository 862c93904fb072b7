r"""Write a tree as LaTeX, to show a person how an answer was read. Brackets are added where needed.

The result is for display, not for reading again: words become `\text`, names of several letters are upright.
"""

from fractions import Fraction
from typing import assert_never

from verifier_service.answers.tree.bounds import MAX_TREE_DEPTH, TooComplex
from verifier_service.answers.tree.greek import GREEK
from verifier_service.answers.tree.nodes import (
    Based,
    Builder,
    Call,
    Cases,
    Congruent,
    Constant,
    Degrees,
    Derivative,
    Dots,
    Factorial,
    Function,
    Integral,
    Limit,
    List,
    Logic,
    Matrix,
    Negative,
    Node,
    Number,
    Percent,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Relation,
    Series,
    Set,
    SetOperation,
    Sum,
    Symbol,
    Text,
    Tuple,
)

MAX_DIGITS = 400  # longer numbers are not worth displaying

_CONSTANTS = {"pi": r"\pi", "e": "e", "i": "i", "inf": r"\infty"}
_RELATIONS = {
    "=": "=", "!=": r"\ne", "<": "<", ">": ">", "<=": r"\le", ">=": r"\ge", "in": r"\in", "notin": r"\notin",
    "sim": r"\sim", "~": r"\sim", "subset": r"\subset", "supset": r"\supset", "perp": r"\perp",
    "parallel": r"\parallel", "propto": r"\propto", "mid": r"\mid", "->": r"\to", "=>": r"\implies", "<=>": r"\iff",
}  # fmt: skip
_SETS = {"union": r"\cup", "inter": r"\cap", "minus": r"\setminus"}
_LOGIC = {"and": r"\land", "or": r"\lor", "xor": r"\oplus"}
_BRACKETED = {
    "abs": ("|", "|"),
    "norm": (r"\|", r"\|"),
    "floor": (r"\lfloor", r"\rfloor"),
    "ceil": (r"\lceil", r"\rceil"),
}
_OVER = {"bar": r"\overline", "conjugate": r"\overline", "vector": r"\vec", "sqrt": r"\sqrt"}
_INFIX = {"cross": r"\times", "dot": r"\cdot", "mod": r"\bmod"}
_OWN = frozenset([
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "coth", "ln", "log",
    "exp", "max", "min", "gcd", "det", "arg", "deg", "dim",
])  # fmt: skip
"""Functions with a LaTeX command."""
_SIGNED = ("-", r"\pm", r"\mp")
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip

_STATEMENT, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(6)
"""How tightly an operation binds its operands."""


def latex(node: Node) -> str:
    """Return a tree as LaTeX.

    Raises:
        TooComplex: it is too deep, or has numbers too long, to display.
    """
    return _Writer().write(node)


class _Writer:
    def __init__(self) -> None:
        self._depth = 0

    def write(self, node: Node, least: int = _STATEMENT) -> str:
        """Write a node, in brackets if it binds less tightly than `least`."""
        self._depth += 1
        if self._depth > MAX_TREE_DEPTH:
            raise TooComplex("the answer is nested too deeply to display")
        text, tightness = self._written(node)
        self._depth -= 1
        return text if tightness >= least else rf"\left({text}\right)"

    def listed(self, nodes: tuple[Node, ...], joiner: str = ", ") -> str:
        return joiner.join(self.write(one) for one in nodes)

    def _written(self, node: Node) -> tuple[str, int]:
        match node:
            case Number() | Based() | Symbol() | Constant() | Text() | Dots():
                return _leaf(node)
            case Sum() | Product() | Negative() | PlusMinus() | Quotient() | Power() | Factorial():
                return self._arithmetic(node)
            case Degrees() | Percent() | Quantity() | Ratio() | Congruent():
                return self._measured(node)
            case Function() | Call() | Series() | Integral() | Limit() | Derivative():
                return self._applied(node)
            case _:
                return self._gathered(node)

    def _measured(self, node: Degrees | Percent | Quantity | Ratio | Congruent) -> tuple[str, int]:
        match node:
            case Degrees(operand):
                return rf"{self.write(operand, _POWER)}^{{\circ}}", _POWER
            case Percent(operand):
                return rf"{self.write(operand, _PRODUCT)}\%", _UNARY
            case Quantity(value, unit):
                shown = unit.text or " ".join(sorted(unit.nouns))
                return rf"{self.write(value, _PRODUCT)}\;\text{{{_escaped(shown)}}}", _UNARY
            case Ratio(terms):
                return " : ".join(self.write(one, _SUM) for one in terms), _STATEMENT
            case Congruent(residue, modulus):
                return rf"{self.write(residue, _SUM)} \pmod{{{self.write(modulus)}}}", _STATEMENT
            case _:
                assert_never(node)

    def _arithmetic(self, node: Sum | Product | Negative | PlusMinus | Quotient | Power | Factorial) -> tuple[str, int]:
        match node:
            case Sum(terms):
                written = [self.write(one, _PRODUCT) for one in terms]
                rest = [one if one.startswith(_SIGNED) else f" + {one}" for one in written[1:]]
                return written[0] + "".join(rest), _SUM
            case Product(factors):
                return self._product(factors), _PRODUCT
            case Negative(operand):
                return f"-{self.write(operand, _PRODUCT)}", _PRODUCT
            case PlusMinus(operand, upper):
                return rf"{chr(92)}{'pm' if upper == '+' else 'mp'} {self.write(operand, _PRODUCT)}", _PRODUCT
            case Quotient(top, bottom):
                return rf"\frac{{{self.write(top)}}}{{{self.write(bottom)}}}", _UNARY
            case Power(Function(name, operands), exponent) if name in _OWN and name != "log":
                return rf"{chr(92)}{name}^{{{self.write(exponent)}}}\left({self.listed(operands)}\right)", _POWER
            case Power(base, exponent):
                return rf"{{{self.write(base, _ATOM)}}}^{{{self.write(exponent)}}}", _POWER
            case Factorial(operand, step):
                return self.write(operand, _ATOM) + "!" * step, _POWER
            case _:
                assert_never(node)

    def _product(self, factors: tuple[Node, ...]) -> str:
        """Write factors side by side, with a dot before a digit, a brace, a fraction or a minus."""
        text = ""
        for index, factor in enumerate(factors):
            own = self.write(factor, _PRODUCT if index == 0 else _UNARY)
            needs_point = own[:1].isdigit() or own.startswith(("{", r"\frac", "-"))
            text += (r" \cdot " if needs_point and text else " " if text else "") + own
        return text

    def _applied(self, node: Function | Call | Series | Integral | Limit | Derivative) -> tuple[str, int]:
        match node:
            case Function(name, operands):
                return self._function(name, operands)
            case Call(name, operands):
                return self._call(name, operands)
            case Series(kind, body, variable, low, high):
                ends = rf"_{{{_name(variable)}={self.write(low)}}}^{{{self.write(high)}}}"
                return rf"{chr(92)}{kind}{ends} {self.write(body, _PRODUCT)}", _PRODUCT
            case Integral(body, variable, low, high):
                ends = "" if low is None or high is None else rf"_{{{self.write(low)}}}^{{{self.write(high)}}}"
                return rf"\int{ends} {self.write(body, _PRODUCT)} \,d{_name(variable)}", _PRODUCT
            case Limit(body, variable, point, side):
                whence = {-1: "^-", 0: "", 1: "^+"}[side]
                return (
                    rf"\lim_{{{_name(variable)} \to {self.write(point, _ATOM)}{whence}}} {self.write(body, _PRODUCT)}",
                    _PRODUCT,
                )
            case Derivative(body, variable, order):
                times = f"^{{{order}}}" if order != 1 else ""
                return rf"\frac{{d{times}}}{{d{_name(variable)}{times}}} {self.write(body, _PRODUCT)}", _PRODUCT
            case _:
                assert_never(node)

    def _function(self, name: str, operands: tuple[Node, ...]) -> tuple[str, int]:
        if name in _BRACKETED:
            left, right = _BRACKETED[name]
            return rf"\left{left} {self.listed(operands)} \right{right}", _ATOM
        if name == "root" and len(operands) == 2:
            degree = "" if operands[1] == Number(Fraction(2)) else f"[{self.write(operands[1])}]"
            return rf"\sqrt{degree}{{{self.write(operands[0])}}}", _ATOM
        if name == "binom" and len(operands) == 2:
            return rf"\binom{{{self.write(operands[0])}}}{{{self.write(operands[1])}}}", _ATOM
        if name in _OVER and len(operands) == 1:
            return rf"{_OVER[name]}{{{self.write(operands[0])}}}", _ATOM
        if name in _INFIX and len(operands) == 2:
            return rf"{self.write(operands[0], _UNARY)} {_INFIX[name]} {self.write(operands[1], _UNARY)}", _PRODUCT
        if name == "transpose" and len(operands) == 1:
            return rf"{self.write(operands[0], _ATOM)}^{{\mathsf T}}", _POWER
        head = rf"{chr(92)}{name}" if name in _OWN else rf"\operatorname{{{_escaped(name)}}}"
        if name == "log" and len(operands) == 2:
            head, operands = rf"\log_{{{self.write(operands[1])}}}", operands[:1]
        return rf"{head}\left({self.listed(operands)}\right)", _POWER

    def _call(self, name: str, operands: tuple[Node, ...]) -> tuple[str, int]:
        if name == "prime" and len(operands) == 1:
            return f"{self.write(operands[0], _ATOM)}'", _POWER
        if name.endswith("_"):
            return rf"{_name(name[:-1])}_{{{self.listed(operands)}}}", _ATOM
        return rf"{_name(name)}\left({self.listed(operands)}\right)", _POWER

    def _gathered(
        self, node: Matrix | Tuple | Set | Builder | SetOperation | List | Cases | Relation | Logic
    ) -> tuple[str, int]:
        match node:
            case Matrix(rows):
                return rf"\begin{{pmatrix}}{self._rows(rows)}\end{{pmatrix}}", _ATOM
            case Tuple(left, right, items):
                return rf"\left{_bracket(left)}{self.listed(items)}\right{_bracket(right)}", _ATOM
            case Set(items):
                return rf"\left\{{{self.listed(items)}\right\}}", _ATOM
            case Builder(head, condition):
                return rf"\left\{{{self.write(head)} \mid {self.write(condition)}\right\}}", _ATOM
            case SetOperation(kind, left, right):
                return f"{self.write(left, _SUM)} {_SETS[kind]} {self.write(right, _PRODUCT)}", _SUM
            case List(joiner, items):
                return self.listed(items, r",\; " if joiner == "," else rf"\;\text{{ {joiner} }}\;"), _STATEMENT
            case Cases(rows):
                return rf"\begin{{cases}}{self._cases(rows)}\end{{cases}}", _ATOM
            case Relation(operators, terms):
                signs = [_RELATIONS.get(one, rf"\mathrel{{\text{{{_escaped(one)}}}}}") for one in operators]
                rest = "".join(f" {sign} {self.write(one, _SUM)}" for sign, one in zip(signs, terms[1:], strict=True))
                return self.write(terms[0], _SUM) + rest, _STATEMENT
            case Logic("not", (operand,)):
                return rf"\lnot {self.write(operand, _ATOM)}", _SUM
            case Logic(kind, operands):
                return f" {_LOGIC.get(kind, kind)} ".join(self.write(one, _SUM) for one in operands), _STATEMENT
            case _:
                assert_never(node)

    def _rows(self, rows: tuple[tuple[Node, ...], ...]) -> str:
        return r" \\ ".join(" & ".join(self.write(one) for one in row) for row in rows)

    def _cases(self, rows: tuple[tuple[Node, Node | None], ...]) -> str:
        shown = [(self.write(value), r"\text{otherwise}" if when is None else self.write(when)) for value, when in rows]
        return r" \\ ".join(f"{value} & {when}" for value, when in shown)


def _leaf(node: Number | Based | Symbol | Constant | Text | Dots) -> tuple[str, int]:
    match node:
        case Number(value, places):
            return _number(value, places)
        case Based(digits, base):
            return rf"\mathrm{{{_escaped(digits)}}}_{{{base}}}", _ATOM
        case Symbol(name):
            return _name(name), _ATOM
        case Constant(name):
            return _CONSTANTS[name], _ATOM
        case Text(text):
            return rf"\text{{{_escaped(text)}}}", _ATOM
        case Dots():
            return r"\dots", _ATOM
        case _:
            assert_never(node)


def _number(value: Fraction, places: int | None) -> tuple[str, int]:
    """Write a literal as in the answer: as a decimal, a whole number, or a fraction."""
    if value.numerator.bit_length() + value.denominator.bit_length() > 3 * MAX_DIGITS:
        raise TooComplex("the number is too long to display")
    tightness = _PRODUCT if value < 0 else _ATOM
    if places is not None and 0 < places <= MAX_DIGITS and (value * 10**places).denominator == 1:
        digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
        return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}", tightness
    if value.denominator == 1:
        return str(value.numerator), tightness
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}", _PRODUCT if sign else _UNARY


def _name(name: str) -> str:
    r"""Write a name: a letter unchanged, `alpha` as the Greek letter, `x_1` with its index, others upright."""
    if name.startswith("mathbb ") and name[7:8].isalpha():
        rest = name[8:]
        return rf"\mathbb{{{name[7]}}}" + (rf"^{{{_escaped(rest.lstrip('^'))}}}" if rest else "")
    if name.endswith("'"):
        return f"{_name(name[:-1])}'"
    stem, _, index = name.partition("_")
    if index and stem:
        return rf"{_name(stem)}_{{{_name(index)}}}"
    if name in GREEK:
        return rf"{chr(92)}{name}"
    if len(name) == 1 and name.isalnum():
        return name
    return name if name.isascii() and name.isdigit() else rf"\mathrm{{{_escaped(name)}}}"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(one, one) for one in text)


def _bracket(sign: str) -> str:
    return rf"\{sign}" if sign in "{}" else sign if sign in ("(", ")", "[", "]", "|") else "."
