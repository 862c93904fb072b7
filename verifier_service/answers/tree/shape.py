"""Describe the shape of a tree, its operations without letters, numbers and words, so that a log can hold it."""

from verifier_service.answers.tree import nodes
from verifier_service.answers.tree.nodes import Factorial, Function, Logic, Node, PlusMinus, Series, SetOperation

MAX_SHAPE_DEPTH = 6  # enough to recognize what a log is about
MAX_SHAPE_CHARS = 200

_SHORT: dict[type[Node], str] = {
    nodes.Number: "num", nodes.Based: "base", nodes.Symbol: "sym", nodes.Constant: "const", nodes.Sum: "add",
    nodes.Product: "mul", nodes.Negative: "neg", nodes.Quotient: "div", nodes.Power: "pow", nodes.Degrees: "deg",
    nodes.Integral: "int", nodes.Limit: "lim", nodes.Derivative: "diff", nodes.Relation: "rel",
}  # fmt: skip
"""The words that are not the names of the classes."""


def shape(node: Node) -> str:
    """Return a shape like `pow(matrix(num,num),num)`, cut if it grows deep or long."""
    spelled = _spell(node, MAX_SHAPE_DEPTH)
    return spelled if len(spelled) <= MAX_SHAPE_CHARS else spelled[: MAX_SHAPE_CHARS - 1] + "…"


def _spell(node: Node, depth: int) -> str:
    if not depth:
        return "…"
    below = ",".join(_spell(child, depth - 1) for child in nodes.children(node))
    return f"{operation(node)}({below})" if below else operation(node)


def operation(node: Node) -> str:
    """Return a node's operation as a word like `pow`, or a function's own name."""
    match node:
        case Function(name):
            return name
        case Series(kind) | SetOperation(kind) | Logic(kind):
            return kind
        case PlusMinus(_, upper):
            return "pm" if upper == "+" else "mp"
        case Factorial(_, step):
            return "fact" if step == 1 else "fact2"
        case _:
            return _SHORT.get(type(node)) or type(node).__name__.lower()
