r"""Properties of reading and comparing that hold for every answer, on random trees and token soups.

A tree is printed in many spellings: LaTeX and plain text, Unicode signs, `\left(`, meaningless braces and blanks. All
spellings read as the same answer. No comparison raises, or depends on the order of its answers.
"""

import contextlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier_service.answers.compare import compare
from verifier_service.answers.compute import secret
from verifier_service.answers.read.grammar import parse
from verifier_service.answers.read.reading import read
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    INFINITY,
    PI,
    Constant,
    Factorial,
    Function,
    Matrix,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Set,
    SetOperation,
    Sum,
    Symbol,
    Tuple,
    number,
)
from verifier_service.extract.math import extract_answer
from verifier_service.judges.math.reference import FAILED
from verifier_service.judges.math.worker import judge_item

thorough = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150
)

# --- trees ----------------------------------------------------------------------------------------------------------

NUMBERS = st.integers(0, 999).map(number) | st.sampled_from(["0.5", "3.14", "12.50", "0.007"]).map(parse)
LEAVES = NUMBERS | st.sampled_from("xyznkmabc").map(Symbol) | st.just(PI)
FUNCTIONS = ("sin", "cos", "tan", "ln", "arctan")


def wider(below: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Make expressions out of expressions."""
    several = st.lists(below, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        several.map(Sum),
        several.map(Product),
        st.builds(Quotient, below, below),
        st.builds(Power, below, st.integers(2, 4).map(number)),
        st.builds(Function, st.just("root"), st.tuples(below, st.sampled_from([2, 3]).map(number))),
        st.builds(Function, st.sampled_from(FUNCTIONS), st.tuples(below)),
        st.builds(Function, st.just("abs"), st.tuples(below)),
        below.map(Negative),
        st.builds(Function, st.just("binom"), st.tuples(below, below)),
        below.map(Factorial),
    )


VALUES = st.recursive(LEAVES, wider, max_leaves=6)
FEW = st.lists(VALUES, min_size=2, max_size=3).map(tuple)
INTERVALS = st.builds(
    Tuple, st.sampled_from("(["), st.sampled_from(")]"), st.tuples(VALUES, VALUES | st.just(INFINITY))
)
NAME = Symbol("w")
ANSWERS = st.one_of(
    VALUES,
    FEW.map(lambda items: Tuple("(", ")", items)),
    FEW.map(Set),
    INTERVALS,
    st.builds(SetOperation, st.just("union"), INTERVALS, INTERVALS),
    VALUES.map(lambda value: Relation(("=",), (NAME, value))),
    st.builds(
        lambda operator, value: Relation((operator,), (NAME, value)),
        st.sampled_from(["<", "<=", ">", ">=", "!="]),
        VALUES,
    ),
    st.builds(lambda row, rows: Matrix((row,) * rows), FEW, st.integers(1, 2)),
)

# --- spellings ------------------------------------------------------------------------------------------------------

RELATIONS = {
    "=": ["="], "<": ["<", "\\lt "], ">": [">", "\\gt "], "<=": ["<=", "\\le ", "\\leq ", "≤", "\\leqslant "],
    ">=": [">=", "\\ge ", "\\geq ", "≥"], "!=": ["\\ne ", "\\neq ", "≠", "!="],
}  # fmt: skip
CONSTANTS = {"pi": ["\\pi ", "π", "\\pi{}"], "inf": ["\\infty ", "∞", "+\\infty "]}
TIMES = ["\\cdot ", "\\times ", "*", "·", "×"]
BLANKS = ["", "", "", " ", "  ", "\\,", "\\;", "\\! ", "~"]
BRACKETS = [("(", ")"), ("\\left(", "\\right)"), ("\\bigl(", "\\bigr)"), ("( ", " )")]


class Spelling:
    """One way to write trees, drawn at random."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def one_of(self, *ways: str) -> str:
        """Draw a way."""
        return self.draw.choice(ways)

    def answer(self, node: Node) -> str:
        """Spell a whole answer, perhaps between dollars or other math delimiters."""
        text = self.text(node)
        return self.one_of(text, text, f"${text}$", f"\\({text}\\)", f" {text} ", f"\\[{text}\\]", f"{text}.")

    def text(self, node: Node) -> str:  # noqa: C901 -- a flat list of operations
        """Spell a tree."""
        match node:
            case Number():
                return numeral(node)
            case Symbol(name):
                return name
            case Constant(name):
                return self.one_of(*CONSTANTS[name])
            case Sum(terms):
                return self.joined("+", terms)
            case Product(factors):
                return self.joined(self.draw.choice(TIMES), factors)
            case Quotient(top, bottom):
                return self.fraction(top, bottom)
            case Power(base, exponent):
                return self.power(base, exponent)
            case Function(name, operands):
                return self.function(name, *operands)
            case Negative(operand):
                return self.one_of("-", "- ", "−") + self.inner(operand)
            case Factorial(operand):
                return self.inner(operand) + "!"
            case Tuple(opener, closer, items):
                return self.brackets(opener, closer, items)
            case Set(items):
                return self.set(items)
            case SetOperation("union", left, right):
                return self.one_of("\\cup ", "∪", " \\cup ").join(map(self.text, (left, right)))
            case Relation(operators, terms):
                return self.relation(operators, terms)
            case Matrix(rows):
                return self.matrix(*rows)
            case _:
                raise AssertionError(f"no spelling for {node}")

    def inner(self, node: Node) -> str:
        """Spell a tree so that it can be a factor, a base or an argument."""
        text = self.text(node)
        if isinstance(node, (Symbol, Constant)) or (isinstance(node, Number) and node.value >= 0):
            return self.one_of(text, text, f"{{{text}}}")
        opener, closer = self.draw.choice(BRACKETS)
        return f"{opener}{text}{closer}"

    def blank(self) -> str:
        """Draw a meaningless blank."""
        return self.draw.choice(BLANKS)

    def joined(self, sign: str, terms: tuple[Node, ...]) -> str:
        """Spell terms with a sign between them."""
        return sign.join(f"{self.blank()}{self.inner(term)}{self.blank()}" for term in terms)

    def fraction(self, top: Node, bottom: Node) -> str:
        """Spell a fraction."""
        command = self.one_of("\\frac", "\\dfrac", "\\tfrac", " \\frac ")
        high, low = self.text(top), self.text(bottom)
        return self.one_of(f"{command}{{{high}}}{{{low}}}", f"{{{high} \\over {low}}}",
                           f"{self.inner(top)}/{self.inner(bottom)}")  # fmt: skip

    def power(self, base: Node, exponent: Node) -> str:
        """Spell a power with a small exponent."""
        digit = self.text(exponent)
        raised = digit.translate(str.maketrans("234", "²³⁴"))
        return self.inner(base) + self.one_of(f"^{digit}", f"^{{{digit}}}", f"^{{ {digit} }}", f"**{digit}", raised)

    def function(self, name: str, *operands: Node) -> str:
        """Spell a function."""
        inside = self.text(operands[0])
        if name == "root" and operands[1] == number(2):
            return self.one_of(f"\\sqrt{{{inside}}}", f"sqrt({inside})", f"√({inside})", f"\\sqrt {{{inside}}}")
        if name == "root":
            return f"\\sqrt[3]{{{inside}}}"
        if name == "binom":
            return self.one_of("\\binom", "\\dbinom") + f"{{{inside}}}{{{self.text(operands[1])}}}"
        if name == "abs":
            return self.one_of(f"\\left|{inside}\\right|", f"\\lvert {inside}\\rvert ", f"\\vert {inside}\\vert ")
        return self.one_of(f"\\{name}({inside})", f"\\{name}\\left({inside}\\right)", f"\\{name}{{({inside})}}",
                           f"{name}({inside})", f"\\operatorname{{{name}}}({inside})")  # fmt: skip

    def brackets(self, opener: str, closer: str, items: tuple[Node, ...]) -> str:
        """Spell a tuple or an interval."""
        left, right = self.draw.choice([("", ""), ("\\left", "\\right"), ("\\big", "\\big")])
        return left + opener + self.listed(items) + right + closer

    def set(self, items: tuple[Node, ...]) -> str:
        """Spell a set of items."""
        ways = [("\\{", "\\}"), ("\\left\\{", "\\right\\}"), ("\\lbrace ", "\\rbrace ")]
        return self.listed(items).join(self.draw.choice(ways))

    def listed(self, items: tuple[Node, ...]) -> str:
        """Spell items with commas between them. The blank keeps digits on both sides apart."""
        return self.one_of(", ", " , ", ",\\ ", ",\\quad ").join(map(self.text, items))

    def relation(self, operators: tuple[str, ...], terms: tuple[Node, ...]) -> str:
        """Spell a relation of two sides."""
        return self.text(terms[0]) + self.draw.choice(RELATIONS[operators[0]]) + self.text(terms[1])

    def matrix(self, *rows: tuple[Node, ...]) -> str:
        """Spell a matrix."""
        name = self.one_of("pmatrix", "bmatrix")
        body = self.one_of("\\\\", " \\\\ ", "\\\\\n").join("&".join(map(self.text, row)) for row in rows)
        return f"\\begin{{{name}}}{body}\\end{{{name}}}"


def numeral(literal: Number) -> str:
    """Spell a literal."""
    return str(literal.value) if literal.places is None else f"{float(literal.value):.{literal.places}f}"


SEEDS = st.integers(0, 10**6)


@thorough
@given(ANSWERS, SEEDS, SEEDS)
def test_every_spelling_of_an_answer_is_read_and_equals_every_other(tree: Node, one: int, other: int) -> None:
    first, second = Spelling(one).answer(tree), Spelling(other).answer(tree)
    answer, reference = read(first), read(second)
    assert answer.trees, (first, answer.reason)
    assert reference.trees, (second, reference.reason)
    assert answer.trees == reference.trees or compare(answer, reference).equal, (first, second)


@thorough
@given(ANSWERS, ANSWERS, SEEDS)
def test_comparing_raises_nothing_and_does_not_change_with_the_order(one: Node, other: Node, seed: int) -> None:
    answer, reference = (read(Spelling(seed).answer(tree)) for tree in (one, other))
    assert compare(answer, reference).equal == compare(reference, answer).equal
    assert compare(answer, answer).equal


# --- token soup -----------------------------------------------------------------------------------------------------

SOUP = r"""
0 1 2 10 0.5 .5 1,000 007 x y n k e i d f C T A \pi \infty \alpha \theta + - * / ^ _ = < > <= ! ' , ; : . | & %
$ ( ) [ ] { } \{ \} \left( \right) \left[ \right] \left| \right| \frac \sqrt \binom \sin \ln \log \max \min \gcd
\det \sum \prod \lim \int dx \to \cdot \times \div \pm \mp \bmod \pmod \le \ge \ne \approx \in \cup \cap
\setminus \mid \circ \degree \ldots \cdots \overline \hat \vec \bar \text{and} \text{or} \text{if} \text{cm}
\mathrm{kg} \mathbb{R} \mathbb{Z} \emptyset \begin{pmatrix} \end{pmatrix} \begin{cases} \end{cases} \\ \quad
\lfloor \rfloor \lceil \rceil \Re \Im \operatorname{tr} \angle \land \neg \implies and or cm feet per mod choose
percent million yes no none B (A) 3:30 PM π ² √ ≤ ∞ ½ ° € \oint \iint FF_{16} 或 {}^
"""
TOKENS = SOUP.split()
SOUPS = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=14).map(" ".join)
GLUED = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=10).map("".join)


WHOLE = [
    r"\int_{-\infty}^{\infty} \frac{\cos x^{50}}{1+x^2} dx",
    r"\det(\oint x\,dx)",
    r"\int \frac{dx}{x^2+1}",
    r"|x|y||",
    r"\sum_{k=1}^{n} \frac{(-1)^k}{k!}",
    r"\lim_{x\to 0} \frac{\sin x}{x}",
    r"\frac{d^2 y}{dx^2} + y' = 0",
    r"{}^{8}C_{3}",
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}^{T}",
    r"f^{(2)}(x) = \sqrt[3]{x}",
    r"A(1, 2), C(4, 3)",
    r"1A_{16}",
    r"\mathbb{R}_{>0} \setminus \{1\}",
    r"P(\overline{A} \mid B)",
    r"\left\lfloor \frac{n}{2} \right\rfloor",
    r"60^{\circ} 42'",
    r"\begin{cases} x & x \ge 0 \\ -x & x < 0 \end{cases}",
    r"(f \circ g)(x)",
    r"\text{(a) } 5 \text{ m/s}, \text{(b) } 6",
    r"\{x \in \mathbb{Z} : x > 3\}",
    r"\bigcup_{k \in \mathbb{Z}} (2k, 2k+1)",
    r"(x, y) = \pm(2, 3), k \in \mathbb{Z}",
    r"\overrightarrow{AB} \times \nabla f",
    r"\text{the ratio is } 7 \text{ to } 2",
    r"12 \text{ and a half}",
    r"1:4 \text{ odds}",
]


def without(text: str, places: list[int]) -> str:
    """Remove the character at each place, as in an answer that was cut off or mistyped."""
    for place in places:
        text = text[: place % len(text)] + text[place % len(text) + 1 :]
    return text


DAMAGED = st.builds(without, st.sampled_from(WHOLE), st.lists(st.integers(0, 99), max_size=3))


@thorough
@given(DAMAGED, DAMAGED)
def test_formulas_that_lack_a_sign_raise_nothing(one: str, other: str) -> None:
    answer, reference = read(one), read(other)
    assert compare(answer, reference).equal == compare(reference, answer).equal


@pytest.mark.parametrize("text", WHOLE)
def test_a_formula_may_lack_any_one_sign_or_end_anywhere(text: str) -> None:
    for place in range(len(text)):
        for damaged in (text[:place] + text[place + 1 :], text[:place]):
            assert read(damaged).text == damaged


@thorough
@given(SOUPS | GLUED)
def test_reading_what_nobody_would_write_raises_nothing_but_that_it_is_no_mathematics(soup: str) -> None:
    read(soup)
    extract_answer(soup, None)
    with contextlib.suppress(NotMath):
        parse(soup)


@thorough
@given(SOUPS | GLUED, SOUPS | ANSWERS.map(lambda tree: Spelling(0).answer(tree)))
def test_a_worker_survives_what_nobody_would_write(soup: str, other: str) -> None:
    """As an answer and as a reference, with the most demanding form and rounding."""
    stages: list[str] = []
    for completion, reference in ((soup, other), (other, soup), (soup, soup)):
        item = {"references": [reference], "completion": f"\\boxed{{{completion}}}", "rules": None}
        judge_item({**item, "form": "final", "rounding": "reference"}, lambda stage, value: stages.append(stage))
    assert FAILED not in stages
    one, two = read(soup), read(other)
    assert compare(one, two).equal == compare(two, one).equal


@pytest.mark.parametrize("text", ["", " ", "$", "\\", "{", "}", "\\frac", "^", "_", "\ud800", "\0", "|" * 99, "−"])
def test_next_to_nothing_is_read(text: str) -> None:
    assert read(text).text == text


@pytest.mark.parametrize(
    "answer",
    ["\\det(B)\\det(A)", "\\det(A^{-1}BA^2)", "\\det(BA)+\\operatorname{tr}(AB)-\\operatorname{tr}(BA)"],
)
def test_no_secret_makes_equal_matrices_differ(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """The points decide how many digits a determinant loses: with these secrets, more than were once allowed for."""
    left, right = read(answer), read("\\det(AB)")
    for seed in (1027, 1808, 1824, 3027, *range(20)):
        monkeypatch.setattr(secret, "_secret", b"")  # is put back after the test
        secret.keep_secret(f"secret-{seed}")
        assert compare(left, right).equal, seed
