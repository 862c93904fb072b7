"""What can be read from a piece of the tests' tree without knowing what its names stand for."""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence

from verifier_service.judges.code.twins.literals import number_of

# Functions around a difference that leave it a distance: np.max(np.abs(a - b)).
_ABS = {"abs", "fabs", "absolute", "norm", "max", "amax", "sum", "mean", "sqrt"}
CLOSE = {"isclose", "allclose", "array_equal", "array_equiv", "allequal"}
_TOLERANCES = {"delta", "abs", "abs_tol", "atol", "tol", "epsilon"}
# Calls that end a test as failed.
_FAILS = {"fail", "exit", "abort"}
_OPERATIONS: Mapping[type, Callable[..., complex]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}


def name_of(func: ast.expr) -> str:
    """Return the last name of a called expression: `approx` for `pytest.approx`."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def key_of(node: ast.expr) -> str | None:
    """Return the key under which a name is looked up: `x` or `self.x`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
        return f"self.{node.attr}"
    return None


def sides_of(call: ast.Call) -> list[ast.expr]:
    """Return the first two arguments, whether positional or named."""
    named = [k.value for k in call.keywords if k.arg in ("first", "second", "actual", "desired", "member", "container")]
    return [argument for argument in call.args if not isinstance(argument, ast.Starred)][:2] + named


def tolerance_of(call: ast.Call) -> float:
    """Return how far an expected number must change to leave the tolerances of a call."""
    # A wide margin over the tolerance, as in `Conditions._difference_sites`.
    numbers = [number_of(k.value) for k in call.keywords if k.arg in _TOLERANCES]
    return max((10 * abs(number) for number in numbers if number is not None), default=0.0)


def difference_in(node: ast.expr) -> ast.BinOp | None:
    """Return the difference in `abs(a - b)`, `math.fabs(a - b) / b`, `np.abs(a - b).max()`."""
    if isinstance(node, ast.BinOp):
        return (
            node if isinstance(node.op, ast.Sub) else difference_in(node.left) if isinstance(node.op, ast.Div) else None
        )
    if isinstance(node, ast.Call) and name_of(node.func) in _ABS:
        inner = node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None
        return None if inner is None else difference_in(inner)
    return None


def is_difference(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)


def has_equality(test: ast.expr) -> bool:
    """Return whether a condition demands an equality and denies nothing."""
    ops = {type(op) for node in ast.walk(test) if isinstance(node, ast.Compare) for op in node.ops}
    close = any(isinstance(node, ast.Call) and name_of(node.func) in CLOSE for node in ast.walk(test))
    return (ast.Eq in ops or close or has_difference(test)) and not ops & {ast.NotEq, ast.NotIn, ast.IsNot}


def has_difference(test: ast.expr) -> bool:
    parts = (
        part for node in ast.walk(test) if isinstance(node, ast.Compare) for part in (node.left, *node.comparators)
    )
    return any(difference_in(part) is not None for part in parts)


def is_single(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def is_bare(test: ast.expr) -> bool:
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    return isinstance(test, ast.Call | ast.Name | ast.Attribute | ast.Subscript | ast.Await)


def fails(body: Sequence[ast.stmt]) -> bool:
    """Return whether a body makes the test fail: `raise`, `assert False`, `self.fail()`."""
    last = body[-1]
    if isinstance(last, ast.Assert):
        return isinstance(last.test, ast.Constant) and not last.test.value
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return name_of(last.value.func) in _FAILS
    return isinstance(last, ast.Raise)


def catches(handler: ast.ExceptHandler) -> bool:
    """Return whether a handler can catch a failed assertion."""
    caught = handler.type
    names = [name_of(part) for part in (caught.elts if isinstance(caught, ast.Tuple) else [caught] if caught else [])]
    return not names or not all(name.endswith("Error") and name != "AssertionError" for name in names)


def constants_in(node: ast.AST) -> list[object]:
    parts = (part for part in ast.walk(node) if isinstance(part, ast.Constant))
    # A bound on the work: tables in tests can hold millions of constants.
    return [part.value for part, _ in zip(parts, range(1000), strict=False)]


def computed(node: ast.expr) -> int | float | None:
    """Return the value of arithmetic on numbers only, if it is small enough to compute."""
    if not isinstance(node, ast.BinOp):
        number = number_of(node)
        return None if number is None or isinstance(number, complex) else number
    left, right = computed(node.left), computed(node.right)
    if left is None or right is None or type(node.op) not in _OPERATIONS:
        return None
    if isinstance(node.op, ast.Pow | ast.LShift) and not (abs(right) <= 256 and abs(left) < 1 << 64):
        return None
    try:
        value = _OPERATIONS[type(node.op)](left, right)
    except (ArithmeticError, TypeError, ValueError):
        return None
    return value if isinstance(value, int | float) and abs(value) < float("inf") else None


def evaluated(test: ast.expr) -> Iterator[ast.AST]:
    """Yield the parts of a condition, except indices and the arguments of most functions."""
    waiting: list[ast.AST] = [test]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.Subscript):
            waiting.append(node.value)
        elif isinstance(node, ast.Call) and not _looks_through(node):
            waiting.append(node.func)
        elif not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _looks_through(call: ast.Call) -> bool:
    name = name_of(call.func)
    return name.startswith("assert") or name in _ABS | CLOSE | {
        "round",
        "str",
        "repr",
        "len",
        "float",
        "int",
        "bool",
        "list",
        "all",
    }
