"""What the text of the tests says about the submission: which names it uses, and which of them it takes for classes.

A submission cannot choose these names. An object of a class that the tests take for a class may take part in operators
with plain data; an object of any other class may not, for there the operator could decide about an expected value.
"""

import ast
from collections.abc import Iterable, Mapping
from functools import cached_property

_CLASS_ARGUMENT = frozenset({"isinstance", "issubclass", "raises", "assertRaises", "assertIsInstance", "patch"})
_ASSERTS = ("assert", "fail", "raises", "approx", "check", "expect")


class Evidence:
    """What was found in test files. `entry_point` is called as a function and therefore no class."""

    def __init__(self, files: Mapping[str, str], entry_point: str | None = None) -> None:
        self._files = files
        self._entry_point = entry_point

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The syntax tree of each file that has one."""
        trees: dict[str, ast.Module] = {}
        for name, text in self._files.items():
            try:
                trees[name] = ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
        return trees

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name, attribute and imported name in the tests."""
        return frozenset().union(*(_names(tree) for tree in self.trees.values()))

    def mentions(self, names: frozenset[str]) -> bool:
        """Whether any of these names is in the tests; found in the text, and only then in the tree."""
        return any(name in text for text in self._files.values() for name in names) and not self.names.isdisjoint(names)

    @cached_property
    def bound(self) -> frozenset[str]:
        """Every name that the tests bind themselves: imports, functions, classes, variables."""
        return frozenset().union(*(_bindings(tree)[1] for tree in self.trees.values()))

    @cached_property
    def classes(self) -> frozenset[str]:  # noqa: C901 -- a flat list of ways to use a class
        """The names that the tests use as only classes are used."""
        found: set[str] = set()
        made: dict[str, set[str]] = {}  # variable -> the names that were called to make it
        used: set[str] = set()  # variables of which an attribute is used
        for node in self._nodes():
            match node:
                case ast.ClassDef():
                    found.update(_name(base) for base in node.bases)
                case ast.Attribute(value=ast.Call() as call):
                    found.add(_name(call.func))
                case ast.Attribute(value=value):
                    found.add(_name(value))
                    used.add(_name(value))
                case ast.Call():
                    if _name(node.func) in _CLASS_ARGUMENT:
                        for argument in node.args:
                            members = argument.elts if isinstance(argument, ast.Tuple) else [argument]
                            found.update(_name(member) for member in members)
                case ast.Assign(value=ast.Call() as call):
                    for target in node.targets:
                        made.setdefault(_name(target), set()).add(_name(call.func))
                case ast.withitem(context_expr=ast.Call() as call):
                    found.add(_name(call.func))
                case ast.BinOp(left=ast.Call() as left, right=ast.Call() as right):
                    found.update({_name(left.func)} & {_name(right.func)})
                case ast.Compare(left=ast.Call() as left, comparators=[ast.Call() as right]):
                    found.update({_name(left.func)} & {_name(right.func)})
                case ast.arg(annotation=ast.Name(id=name)) | ast.AnnAssign(annotation=ast.Name(id=name)):
                    found.add(name)
                case _:
                    pass
        for variable in used:
            found |= made.get(variable, set())
        return frozenset(found - {"", self._entry_point})

    def _nodes(self) -> Iterable[ast.AST]:
        for tree in self.trees.values():
            yield from ast.walk(tree)

    def is_quiet_with(self, filename: str, line: int) -> bool:
        """Whether the `with` statement at this line of the tests holds no assertion that it could swallow."""
        for name, tree in self.trees.items():
            if filename.endswith(name):
                for node in ast.walk(tree):
                    if isinstance(node, (ast.With, ast.AsyncWith)) and node.lineno <= line <= _last_line(node):
                        return not any(_asserts(part) for statement in node.body for part in ast.walk(statement))
        return False


def _names(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
    return found


def _name(node: ast.expr) -> str:
    """Return the last name of `name` or `module.name`; nothing for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _last_line(node: ast.With | ast.AsyncWith) -> int:
    return max(item.context_expr.end_lineno or node.lineno for item in node.items)


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Call) and _name(node.func).lower().startswith(_ASSERTS)


def free_names(tree: ast.Module) -> set[str]:
    """Return the names that the tests load and nowhere bind: those that must come from the submission or builtins."""
    loaded, bound = _bindings(tree)
    return loaded - bound


def _bindings(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names that are loaded, and those that are bound, anywhere in the tests."""
    loaded: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Load()):
                loaded.add(node.id)
            case ast.Name():
                bound.add(node.id)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound.add(node.name)
            case ast.arg():
                bound.add(node.arg)
            case ast.alias():
                bound.add(node.asname or node.name.partition(".")[0])
            case ast.ExceptHandler(name=str() as name):
                bound.add(name)
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                bound.add(name)
            case _:
                pass
    return loaded, bound
