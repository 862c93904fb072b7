r"""What an answer leaves to be done: the operations in its tree that its reference does not have.

A value leaves nothing: a number, a decimal, a fraction, a power, a root, a multiple of a constant or of a unit, a sum
of unlike values (`2+\sqrt{3}`, `3+4i`, `x^2+2x`), scientific notation. What leaves something: arithmetic between
literals (`12+34`, `2 \cdot 3`, `2x+3x`, a fraction over a fraction), sums, products and limits over an index,
integrals, derivatives, `\bmod`, `\gcd`, `\binom`, `5!`, matrices that are multiplied, a function whose value the
reference writes without one (`\sin 30^\circ` for 1/2, while `\ln 2` is a value), another base than the reference's.
Of a chain `12+34 = 46` only the value with the fewest counts.
"""

from collections import Counter
from collections.abc import Iterator

from verifier_service.answers.compute.numeric import exact
from verifier_service.answers.kinds.relation import is_name, settle
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import EULER, IMAGINARY, ONE, Node, children, free_symbols, number, walk

_ADDITION = "an addition"
_MULTIPLICATION = "a multiplication"
_DIVISION = "a division"
_POWER = "a power of more than a literal"
_FUNCTION = "a function of numbers"
_VALUE = "a value to be worked out"

_OPERATORS = {
    "sum": "a sum over an index",
    "prod": "a product over an index",
    "int": "an integral",
    "lim": "a limit",
    "diff": "a derivative",
    "inter": "an intersection",
}
"""Nodes that are operations whatever they are applied to."""

_COUNTING = "a factorial or a binomial coefficient"
_NAMED = {"binom": _COUNTING, "gcd": "a greatest divisor", "lcm": "a least multiple", "mod": "a remainder"}
"""Functions that are operations whatever they are applied to."""

_OF_NUMBERS = {
    "abs": "an absolute value", "norm": "a norm", "sign": "a sign", "floor": "a rounding", "ceil": "a rounding",
    "max": "a greatest value", "min": "a least value", "Re": "a real part", "Im": "an imaginary part",
    "arg": "an argument", "conjugate": "a conjugate", "det": "a determinant", "tr": "a trace",
    "transpose": "a transpose", "cross": "a vector product", "dot": "a scalar product",
}  # fmt: skip
"""Functions that are operations where they are applied to numbers alone; of letters they are values."""

_VALUES = frozenset({"root", "unit", "vector", "bar"})
"""Functions that write a value: a root, a unit vector, a vector, a line over a letter."""

_LOGARITHMS = {"ln", "log"}
_HYPERBOLIC = {"sinh", "cosh", "tanh", "coth", "sech", "csch"}
_RATIONAL = frozenset({"add", "mul", "div", "neg", "percent", "pm", "mp", "fact", "fact2"})
_FINITE_SETS = ("union", "minus")


def left_to_do(answer: Node, reference: Node, rounded: bool = False) -> str | None:
    """Name an operation that an answer leaves to be done and its reference does not have; None if there is none.

    Both are equal, or the answer was `rounded` to a decimal reference, which then has no closed form to be expected.
    """
    has = operations(reference)
    left = operations(answer)
    if rounded or _has_functions(reference, has) or _functions(answer) <= _kin(reference):
        del left[_FUNCTION]
    if any(part.op in ("fact", "fact2") for part in walk(reference)):
        del left[_COUNTING]
    for operation in left - has:
        return operation
    rational = not rounded and not _is_irrational(reference) and not _is_angle(reference)
    return _VALUE if rational and _is_closed(answer) and _is_irrational(answer) else None


def operations(node: Node) -> Counter[str]:
    """Count the operations that a tree leaves to be done."""
    statement = settle(node)
    if statement.op == "rel" and set(statement.args[0]) == {"="}:
        return _of_chain(statement.args[1])
    found = Counter(_own(statement))
    for child in children(statement):
        found += operations(child)
    return found


def _of_chain(terms: tuple[Node, ...]) -> Counter[str]:
    """Count those of `name = value = value`: the value with the fewest; an equation has those of both sides."""
    values = terms if all(map(_is_closed, terms)) else terms[1:] if is_name(terms[0]) else ()
    if values:
        return min(map(operations, values), key=Counter.total)
    return sum(map(operations, terms), Counter[str]())


def _own(node: Node) -> Iterator[str]:
    """Yield the operations of one node, without those below it."""
    op, args = node
    if op in _OPERATORS:
        yield _OPERATORS[op]
    elif op == "fn":
        yield from _of_function(node)
    elif op in ("fact", "fact2") and _is_closed(node):
        yield _COUNTING
    elif op == "base":
        yield f"a conversion from base {args[1]}"
    elif op in _FINITE_SETS and all(side.op == "set" for side in args):
        yield f"a {op} of finite sets"
    elif op == "add":
        yield from [_ADDITION] * _repeated(_like(term) for term in _terms(node))
    elif op == "mul":
        yield from [_MULTIPLICATION] * _multiplications(node)
    elif op == "div" and _divides(*args):
        yield _DIVISION
    elif op == "pow" and _is_closed(node):
        yield from _of_power(*args)


def _of_function(node: Node) -> Iterator[str]:
    name = node.args[0]
    if name in _NAMED:
        yield _NAMED[name]
    elif name not in _VALUES and _is_closed(node):
        yield _OF_NUMBERS.get(name, _FUNCTION)


def _of_power(base: Node, exponent: Node) -> Iterator[str]:
    if base == EULER and IMAGINARY in walk(exponent):
        yield _FUNCTION
    elif any(part.op in ("add", "matrix") for part in walk(base)) and not _is_rational(base) and _is_rational(exponent):
        yield _POWER


def _repeated(keys: "Iterator[Node]") -> int:
    """Count the values that can be put together with one before them."""
    counts = Counter(keys)
    return counts.total() - len(counts)


def _terms(node: Node) -> Iterator[Node]:
    """Yield the terms of a sum, also those of sums in it."""
    if node.op in ("add", "neg"):
        for arg in node.args:
            yield from _terms(arg)
    else:
        yield node


def _like(term: Node) -> Node:
    """Return what a term is a rational multiple of: terms with the same can be added."""
    if _is_rational(term) and term.op != "percent":
        return ONE
    op, args = term
    if op in ("neg", "pm", "mp"):
        return _like(args[0])
    if op in ("quantity", "percent", "deg"):
        return Node(op, (_like(args[0]), *args[1:]))
    if op == "mul":
        rest = sorted((factor for factor in _factors(term) if not _is_rational(factor)), key=repr)
        return rest[0] if len(rest) == 1 else Node("mul", tuple(rest))
    if op == "div":
        return _like(args[0]) if _is_rational(args[1]) else Node("div", (_like(args[0]), args[1]))
    if op in ("tuple", "matrix") and _is_closed(term):
        return Node(op, ())
    return term


def _factors(node: Node) -> Iterator[Node]:
    """Yield the factors of a product, also those of products in it."""
    if node.op in ("mul", "neg"):
        for arg in node.args:
            yield from _factors(arg)
    else:
        yield node


def _multiplications(node: Node) -> int:
    """Count the factors that can be multiplied with one before them; scientific notation is one value."""
    factors = list(_factors(node))
    keys = [key for key in map(_mates, factors) if key is not None]
    return _repeated(iter(keys)) - _is_scientific(factors)


def _mates(factor: Node) -> Node | None:
    """Return what factors must share to be multiplied: being rational, a root, a power of one constant, a sum of
    numbers, a matrix; None for what is multiplied with nothing."""
    op, args = factor
    if _is_rational(factor) or (op == "quantity" and _is_rational(args[0])):
        return ONE
    if not _is_closed(factor):
        return None
    if op == "div":
        return ONE if any(map(_is_rational, (part for side in args for part in _factors(side)))) else None
    if op == "fn" and args[0] == "root":
        return Node("fn", ("root", args[2]))
    if op == "pow" and args[0].op == "const":
        return args[0]
    if op in ("add", "matrix"):
        return Node(op, ())
    return factor if op == "const" else None


def _is_scientific(factors: list[Node]) -> bool:
    """Tell whether the rational factors are a literal and a power of ten: `1.5 \\cdot 10^{-3}`."""
    rational = sorted((factor for factor in factors if _is_rational(factor)), key=lambda factor: factor.op)
    if [factor.op for factor in rational] != ["num", "pow"]:
        return False
    base, exponent = rational[1].args
    return base == number(10) and _unsigned(exponent).op == "num"


def _divides(top: Node, bottom: Node) -> bool:
    """Tell whether a fraction is more than one value over another: fractions in it, complex numbers on both sides."""
    if _is_rational(top) and _is_rational(bottom):
        return _is_fraction(top) or _is_fraction(bottom)
    return all(_is_closed(side) and side.op == "add" and IMAGINARY in walk(side) for side in (top, bottom))


def _is_fraction(node: Node) -> bool:
    node = _unsigned(node)
    mixed = node.op == "num" and node.args[1] is None and node.args[0].denominator > 1
    return mixed or node.op == "div"


def _unsigned(node: Node) -> Node:
    return _unsigned(node.args[0]) if node.op == "neg" else node


def _is_closed(node: Node) -> bool:
    """Tell whether a value holds numbers only, and no letter, unknown function or word."""
    return not free_symbols(node) and not any(part.op in ("call", "text") for part in walk(node))


def _is_rational(node: Node) -> bool:
    """Tell whether a value is a rational number that takes nothing but arithmetic, or an exact root."""
    op, args = node
    if op == "num":
        return True
    if op in _RATIONAL:
        return all(map(_is_rational, args))
    operands = args[1:] if op == "fn" else args
    if op not in ("pow", "fn") or not all(isinstance(arg, Node) and _is_rational(arg) for arg in operands):
        return False
    try:
        return exact(node) is not None
    except NotMath:
        return False


def _is_irrational(node: Node) -> bool:
    """Tell whether irrational or imaginary numbers occur, or functions of numbers."""
    return any(
        (part.op == "const" and part.args[0] != "inf")
        or (part.op in ("pow", "fn") and part.args[0] not in _VALUES - {"root"} and not _is_rational(part))
        for part in walk(node)
    )


def _is_angle(node: Node) -> bool:
    """Tell whether a value in degrees occurs: it equals a multiple of pi."""
    return any(part.op == "deg" or (part.op == "quantity" and part.args[1].holds_pi) for part in walk(node))


def _has_functions(reference: Node, has: Counter[str]) -> bool:
    """Tell whether a reference writes functions of numbers itself, or has no closed form at all."""
    return _FUNCTION in has or any(operation in has for operation in _OPERATORS.values())


def _functions(node: Node) -> set[str]:
    """Name the functions of numbers in a tree, and the powers of e that are one."""
    found = {part.args[0] for part in walk(node) if part.op == "fn" and _FUNCTION in _of_function(part)}
    return found | {"exp" for part in walk(node) if part.op == "pow" and _FUNCTION in _of_power(*part.args)}


def _kin(reference: Node) -> set[str]:
    """Name the functions of numbers that belong to what a reference has: logarithms to others, hyperbolic ones to e."""
    logarithms = any(part.op == "fn" and part.args[0] in _LOGARITHMS for part in walk(reference))
    return (_LOGARITHMS if logarithms else set()) | (_HYPERBOLIC if EULER in walk(reference) else set())
