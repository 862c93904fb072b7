"""The shape of a tree: its operations without its letters, numbers and words. What a log may hold of an answer."""

from verifier_service.answers.tree.nodes import Node, children

MAX_SHAPE_DEPTH = 6
MAX_SHAPE_CHARS = 200


def shape(node: Node) -> str:
    """Spell a shape, such as `pow(matrix(num,num),num)`; cut where it grows deep or long."""
    spelled = _spell(node, MAX_SHAPE_DEPTH)
    return spelled if len(spelled) <= MAX_SHAPE_CHARS else spelled[: MAX_SHAPE_CHARS - 1] + "…"


def _spell(node: Node, depth: int) -> str:
    name = node.args[0] if node.op == "fn" else node.op
    if not depth:
        return "…"
    below = ",".join(_spell(child, depth - 1) for child in children(node))
    return f"{name}({below})" if below else name
