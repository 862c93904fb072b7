"""Facts from the text of the tests, which no submission can influence: the names it uses and binds, its assertions."""

import ast
from collections.abc import Mapping
from functools import cached_property

_ASSERTS = ("assert", "fail", "raises", "approx", "check", "expect")


class Evidence:
    """The facts from the test files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The syntax trees of the files that are valid Python."""
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
        """Return whether the tests use any of these names. The text is searched first: it is cheaper than the tree."""
        is_in_the_text = any(name in text for text in self._files.values() for name in names)
        return is_in_the_text and not self._words.isdisjoint(names)

    @cached_property
    def _words(self) -> frozenset[str]:
        return self.names | {part for text in self.dotted_texts for part in text.split(".")}

    @cached_property
    def bound(self) -> frozenset[str]:
        """Every name that the tests bind themselves: imports, functions, classes, variables."""
        return frozenset().union(*(_bindings(tree)[1] for tree in self.trees.values()))

    @cached_property
    def dotted_texts(self) -> frozenset[str]:
        """The strings in the tests that could name something to patch, such as `"os.path.exists"`."""
        found: set[str] = set()
        for tree in self.trees.values():
            for node in ast.walk(tree):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and len(text) < 100 and text.replace(".", "").replace("_", "").isalnum():
                    found.add(text)
        return frozenset(found)

    @cached_property
    def last_words(self) -> frozenset[str]:
        """All names of things that the tests could patch: names in the tests, and the last parts of such strings."""
        return self.names | {text.rpartition(".")[2] for text in self.dotted_texts}

    def is_quiet_with(self, filename: str, line: int) -> bool:
        """Return whether the `with` statement at this line contains no assertion that it could swallow."""
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
    """Return the last name of `name` or `module.name`, and an empty string for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _last_line(node: ast.With | ast.AsyncWith) -> int:
    return max(item.context_expr.end_lineno or node.lineno for item in node.items)


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Call) and _name(node.func).lower().startswith(_ASSERTS)


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
