"""Find out about a text as a Python program without running it: whether it compiles, and what it defines.

Texts come from a model that might be hostile, so the amount parsed is bounded: what exceeds `MAX_CHARS`, or comes
after `BUDGET_CHARS` of one completion, is only searched for `def` and `class`. This interpreter can be older than the
one in the box, so a text that fails only because of newer syntax also counts as a program.
"""

import ast
import builtins
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from verifier_service.extract.wanted import bound_by, free_names

MAX_CHARS = 32 * 1024  # parsing takes memory and time in proportion; real programs are shorter
BUDGET_CHARS = 96 * 1024

_YOUNGER = (
    (re.compile(r"^([ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+\w+)\[[^\]\n]*\]", re.MULTILINE), r"\1"),  # def f[T](x):
    (re.compile(r"^([ \t]*)type[ \t]+(\w+)(?:\[[^\]\n]*\])?[ \t]*=", re.MULTILINE), r"\1\2 ="),  # type Pair = tuple
    (re.compile(r"^([ \t]*except\*?)[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)+)[ \t]*:", re.MULTILINE), r"\1 (\2):"),
)
"""Syntax newer than 3.11, and older syntax with the same meaning."""

# A definition or an assignment at the top level: "def f", "async def f", "class C", "x =".
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=[^=]", re.MULTILINE)
_BUILTINS = frozenset(dir(builtins))
_HIDDEN_DEFINITION = frozenset({"exec", "globals", "vars", "setattr", "__import__"})


@dataclass(frozen=True)
class Facts:
    """What a program is seen to do, without running it.

    `defines` are the names at its top level and `Class.method` of its classes; `uses` are those that it binds nowhere.
    It `acts` if running it does more than define, and `reads` if it takes input. It `may_define_more` through `exec`
    and the like. For a `glimpse`, only definitions are known, and the text might not be a program.
    """

    defines: frozenset[str]
    uses: frozenset[str] = frozenset()
    acts: bool = True
    reads: bool = True
    may_define_more: bool = False
    is_glimpse: bool = False

    def gives(self, names: frozenset[str]) -> bool:
        """Return whether it defines every one of the names, as far as can be seen."""
        return self.may_define_more or names <= self.defines

    @property
    def is_inert(self) -> bool:
        """Whether it neither does nor defines anything, like a program's output or a lone word that parses."""
        return not (self.acts or self.defines)


class Reader:
    """Reads the texts of one completion within one budget of characters."""

    def __init__(self) -> None:
        self._left = BUDGET_CHARS
        self._read: dict[str, Facts | None] = {}

    def read(self, text: str) -> Facts | None:
        """Return what is known about a program, or None for a text that is not a program."""
        if text not in self._read:
            self._read[text] = self._facts(text)
        return self._read[text]

    def _facts(self, text: str) -> Facts | None:
        if not text.strip():
            return None
        if not self._may_read(text):
            return _glimpsed(text)
        tree = self._tree(text)
        return tree if isinstance(tree, Facts) or tree is None else _seen(tree)

    def error_line(self, text: str) -> int | None:
        """Return the line (from 1) at which a text stops being a program; None if it is one, or if that is unknown."""
        if not self._may_read(text):
            return None
        try:
            self._compiled(text)
        except SyntaxError as error:
            return error.lineno
        except (ValueError, RecursionError, MemoryError):
            return None
        return None

    def _may_read(self, text: str) -> bool:
        return len(text) <= min(MAX_CHARS, self._left)

    def _tree(self, text: str) -> ast.Module | Facts | None:
        for version in dict.fromkeys((text, _in_older_syntax(text))):
            try:
                return self._compiled(version)
            except SyntaxError as error:
                # newer interpreters accept more in f-strings, and the rewriting above cannot help there
                if error.msg.startswith("f-string"):
                    return _glimpsed(text)
            except (ValueError, RecursionError, MemoryError):  # NUL bytes, lone surrogates, too deep nesting
                return None
        return None

    def _compiled(self, text: str) -> ast.Module:
        """Return the tree of a program.

        Raises:
            SyntaxError: it is not a program.
            ValueError, RecursionError, MemoryError: it cannot be parsed.
        """
        cost = len(text)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
                # also finds `return` outside of a function and the like
                compile(tree, "<completion>", "exec", dont_inherit=True)
        except SyntaxError as error:
            if (error.lineno or 0) <= 3 and error.msg == "invalid syntax":
                cost //= 8  # in prose the parser stops in the first lines, so charge less
            raise
        finally:
            self._left -= cost
        return tree


def _in_older_syntax(text: str) -> str:
    for pattern, replacement in _YOUNGER:
        text = pattern.sub(replacement, text)
    return text


def _glimpsed(text: str) -> Facts:
    return Facts(frozenset(first or second for first, second in _DEFINITION.findall(text)), is_glimpse=True)


def _seen(tree: ast.Module) -> Facts:
    top = list(_top(tree.body))
    defines = frozenset(name for node in top for name in _defined(node))
    uses = free_names(tree)
    stdin = (isinstance(node, ast.Attribute) and node.attr == "stdin" for node in ast.walk(tree))
    return Facts(
        defines=defines,
        uses=uses - _BUILTINS,
        acts=any(_acts(node, defines) for node in top),
        reads=bool(uses & {"input", "open"}) or any(stdin),
        may_define_more=bool(uses & _HIDDEN_DEFINITION),
    )


def _is_foreign(node: ast.ImportFrom) -> bool:
    return (node.module or "").partition(".")[0] not in sys.stdlib_module_names


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Return the statements that run when the program loads, including those inside `if`, `for`, `try` and `with`."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            todo.extend(ast.iter_child_nodes(node))


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and _is_foreign(node):
        return  # `from solution import f` shows how `f` is used
    yield from bound_by(node)
    if isinstance(node, ast.ClassDef):
        yield from (f"{node.name}.{name}" for one in node.body for name in _in_class(one))
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For | ast.With):
        yield from _targets(node)


def _in_class(node: ast.stmt) -> Iterator[str]:
    yield from bound_by(node)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        yield from _targets(node)


def _targets(node: ast.stmt) -> Iterator[str]:
    """Return the names that a statement assigns itself, without those assigned by statements inside it."""
    parts = (part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt))
    for part in parts:
        yield from (one.id for one in ast.walk(part) if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load))


def _acts(node: ast.stmt, own: frozenset[str]) -> bool:
    """Return whether a top-level statement calls something, other than to store what a library returns."""
    parts = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt)]
    calls = [one for part in parts for one in ast.walk(part) if isinstance(one, ast.Call)]
    if isinstance(node, ast.Expr | ast.If | ast.For | ast.While | ast.With | ast.Try):
        return bool(calls)
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return any(isinstance(one.func, ast.Name) and one.func.id in own | {"input", "open"} for one in calls)
    return isinstance(node, ast.Raise | ast.Assert)
