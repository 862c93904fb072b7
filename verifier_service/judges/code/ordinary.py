"""Recognize programs that evidently only compute: no files, no processes, no access to the interpreter.

What such a program returns does not depend on where it runs, so its tests can run as calls (`literal_asserts`).
Anything not known here to be harmless makes a program "not ordinary", which costs time and nothing else.
"""

import ast

_MODULES = frozenset([
    "abc", "bisect", "cmath", "collections", "collections.abc", "copy", "dataclasses", "enum", "fractions", "functools",
    "heapq", "itertools", "math", "numbers", "operator", "re", "string", "typing",
])  # fmt: skip
_NAMES = frozenset([
    "__builtins__", "__import__", "__loader__", "__spec__", "breakpoint", "compile", "delattr", "dir", "eval", "exec",
    "exit", "getattr", "globals", "help", "id", "input", "locals", "memoryview", "open", "quit", "setattr", "vars",
    "MemoryError", "RecursionError",
])  # fmt: skip
"""Builtins that see or change more than values, and errors that reveal how much memory or stack there is."""
_ATTRIBUTES = ("__", "ag_", "co_", "cr_", "f_", "func_", "gi_", "tb_")
"""Prefixes of the attributes that lead from an object to the interpreter."""
MAX_CHARS = 64 * 1024  # a longer program is not examined, and so not ordinary


def is_ordinary(program: str, entry_point: str) -> bool:
    """Return whether a program only computes, and never rebinds `entry_point` through `global`."""
    if len(program) > MAX_CHARS:
        return False
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    nodes = list(ast.walk(tree))
    modules = {alias.asname or alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return all(_is_harmless(node, modules, entry_point.partition(".")[0]) for node in nodes)


def _is_harmless(node: ast.AST, modules: set[str], function: str) -> bool:
    match node:
        case ast.Import(names=names):
            return all(alias.name in _MODULES for alias in names)
        case ast.ImportFrom(module=module, level=level, names=names):
            return not level and module in _MODULES and not any(alias.name.startswith("_") for alias in names)
        case ast.Name(id=name):
            return name not in _NAMES
        case ast.Attribute(attr=name, value=value, ctx=context):
            is_own = isinstance(context, ast.Load) or not (isinstance(value, ast.Name) and value.id in modules)
            return is_own and (name == "__init__" or not name.startswith(_ATTRIBUTES))
        case ast.Global(names=names):
            return function not in names
        case ast.Compare(ops=operators, comparators=others):
            pairs = zip(operators, others, strict=True)
            return not any(isinstance(one, (ast.Is, ast.IsNot)) and not _is_single(other) for one, other in pairs)
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            return False
        case _:
            return True


def _is_single(node: ast.expr) -> bool:
    """Return whether every interpreter has only one object with this value."""
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))
