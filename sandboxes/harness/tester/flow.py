"""Follow through test code what came from the submission: which statements depend on it, and which ones judge it.

Top-level names are followed in the order of the statements. A statement depends on the submission if it reads a name
that holds something from it, calls a function that does, or reads something outside of Python (files, streams, the
environment) after the submission was used. Such a statement can change every object that takes part in it, so all its
variables depend on the submission from then on.

The analysis is deliberately one-sided. If it assumes too much dependence, a test counts that proves little. If it
assumed too little, a test would be omitted that proves something.
"""

import ast
import builtins
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sandboxes.harness.tester.scopes import (
    FUNCTIONS,
    SCOPES,
    body_of,
    bound_at_top,
    from_outside,
    loaded_at_once,
    parts_at_once,
)

PURE_MODULES = frozenset(
    [
        "__future__",
        "abc",
        "array",
        "ast",
        "bisect",
        "calendar",
        "cmath",
        "collections",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "enum",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "json",
        "math",
        "numbers",
        "numpy",
        "operator",
        "pandas",
        "pytest",
        "re",
        "scipy",
        "statistics",
        "string",
        "struct",
        "textwrap",
        "types",
        "typing",
        "typing_extensions",
        "unittest",
        "uuid",
    ]
)
"""Modules that only compute. Any other module could observe what a submission did outside of Python."""
_BUILTINS = frozenset(dir(builtins))
_IMPORTS = (ast.Import, ast.ImportFrom)
_SEES_ALL = frozenset({"globals", "locals", "vars", "dir", "eval", "exec", "__import__", "open", "input"})
_JUDGES = re.compile(r"_*(assert|check|verify|expect|raises|warns|fail|ensure|validate|must|should|exit$|quit$)", re.I)
_FAILURES = frozenset({"AssertionError", "Exception", "SystemExit", "RuntimeError"})


@dataclass(frozen=True)
class _Defined:
    """A function or class of the tests: what it uses, and whether it can fail as an assertion does."""

    uses: frozenset[str]
    mentions: bool  # it names the submission's module in an import or a string
    outside: bool  # it uses a module that can observe things outside of Python
    judges: bool
    is_class: bool


@dataclass
class Flow:
    """What is known about the top-level names of one file while its statements are followed.

    `module` is the submission's module, and `held` are the names that hold something from it.
    """

    module: str
    held: set[str]
    used: bool = False
    """Whether any statement so far has used the submission."""
    _defined: dict[str, _Defined] = field(default_factory=dict)
    _modules: dict[str, bool] = field(
        default_factory=dict
    )  # imported names: whether they can observe things outside of Python

    def follow(self, node: ast.stmt) -> bool:
        """Process the next top-level statement, and return whether it depends on the submission."""
        parts = list(parts_at_once([node]))
        loaded = _read_by(node)
        depends = self._depends(loaded, [] if isinstance(node, _IMPORTS) and not self._mentions(parts) else parts)
        bound = self._bound_by(node)
        if depends:
            self.used = True
            self.held |= bound | {name for name in self._reached(loaded) if self._is_variable(name)}
        elif isinstance(node, (ast.Assign, ast.AnnAssign, *FUNCTIONS, ast.ClassDef)):
            self.held -= bound
        self._note(parts, depends)
        return depends

    def _bound_by(self, node: ast.stmt) -> set[str]:
        """Return the names that the statement binds; for an import of several modules, only the submission's."""
        if not isinstance(node, ast.Import):
            return bound_at_top(node)
        own = [alias for alias in node.names if self.is_named(alias.name)]
        return {alias.asname or alias.name.partition(".")[0] for alias in own}

    def _depends(self, loaded: set[str], parts: list[ast.AST]) -> bool:
        if self._mentions(parts) or self.is_from_submission(loaded):
            return True
        return self.used and self._sees_outside(loaded, parts)

    def is_from_submission(self, names: Iterable[str]) -> bool:
        """Return whether one of these names holds something from the submission, or reaches a name that does."""
        reached = self._reached(names)
        if not self.held.isdisjoint(reached):
            return True
        known = [self._defined[name] for name in reached if name in self._defined]
        return any(one.mentions or (self.used and one.outside) for one in known)

    def judges(self, node: ast.AST) -> bool:
        """Return whether a statement judges: it asserts, raises, or calls something that does."""
        if _fails(parts_at_once([node]), any_raise=True):
            return True
        return any(self._defined[name].judges for name in self._reached(_read_by(node)) if name in self._defined)

    def function_depends(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Return whether a function of the tests uses the submission if it runs after all top-level statements."""
        parts = list(parts_at_once(body_of(function)))
        self.used, before = True, self.used
        try:
            return self._depends(from_outside(function), [function, *parts])
        finally:
            self.used = before

    # Details

    def _reached(self, names: Iterable[str]) -> set[str]:
        """Return `names` and everything that the functions and classes among them use."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                if name in self._defined:
                    waiting += self._defined[name].uses
        return found

    def _is_variable(self, name: str) -> bool:
        """Return whether a statement that depends on the submission can have changed the object with this name."""
        if name in self._defined:
            return self._defined[name].is_class
        return name not in self._modules and name not in _BUILTINS

    def _mentions(self, parts: Iterable[ast.AST]) -> bool:
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and self.is_named(part.value):
                return True
            if isinstance(part, ast.Import) and any(self.is_named(alias.name) for alias in part.names):
                return True
            if isinstance(part, ast.ImportFrom) and (self.is_named(part.module or "") or part.level):
                return True
        return False

    def is_named(self, text: str) -> bool:
        """Return whether a string names the submission's module."""
        return self.module in text and re.search(rf"\b{re.escape(self.module)}\b", text) is not None

    def _sees_outside(self, loaded: Iterable[str], parts: Iterable[ast.AST]) -> bool:
        if any(self._modules.get(name, name in _SEES_ALL) for name in self._reached(loaded)):
            return True
        return any(_imports_outside(part) for part in parts)

    def _note(self, parts: list[ast.AST], depends: bool) -> None:
        """Record what the statement imports and defines."""
        for part in parts:
            if isinstance(part, (ast.Import, ast.ImportFrom)):
                for alias in part.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self._defined.pop(name, None)
                    if name not in self.held:
                        self._modules[name] = _imports_outside(part)
            elif isinstance(part, (*FUNCTIONS, ast.ClassDef)):
                self._defined[part.name] = self._describe(part)
                self._modules.pop(part.name, None)
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self._modules.pop(part.id, None)
                self._define_lambda(part.id, parts)

    def _define_lambda(self, name: str, parts: list[ast.AST]) -> None:
        """Record that a variable holds a lambda, with the names that it uses, replacing the variable's old meaning."""
        uses = frozenset().union(*(from_outside(part) for part in parts if isinstance(part, ast.Lambda)))
        self._defined.pop(name, None)
        if uses:
            self._defined[name] = _Defined(uses, mentions=False, outside=False, judges=False, is_class=True)

    def _describe(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> _Defined:
        inner = [part for part in ast.walk(node) if part is not node]
        if isinstance(node, ast.ClassDef):
            scopes = [part for part in parts_at_once(node.body) if isinstance(part, SCOPES)]
            uses = loaded_at_once(node).union(*(from_outside(scope) for scope in scopes))
        else:
            uses = from_outside(node)
        return _Defined(
            frozenset(uses),
            mentions=self._mentions(inner),
            outside=any(_imports_outside(part) for part in inner) or not uses.isdisjoint(_SEES_ALL),
            judges=_fails(inner, any_raise=not isinstance(node, ast.ClassDef)) or _JUDGES.match(node.name) is not None,
            is_class=isinstance(node, ast.ClassDef),
        )


def _read_by(node: ast.AST) -> set[str]:
    """Return the names that a statement reads, including those in its lambdas, which can be called at any time."""
    lambdas = [part for part in parts_at_once([node]) if isinstance(part, ast.Lambda)]
    return loaded_at_once(node).union(*(from_outside(part) for part in lambdas))


def _imports_outside(part: ast.AST) -> bool:
    if isinstance(part, ast.Import):
        return any(alias.name.partition(".")[0] not in PURE_MODULES for alias in part.names)
    if isinstance(part, ast.ImportFrom):
        return (part.module or "").partition(".")[0] not in PURE_MODULES
    return False


def _fails(parts: Iterable[ast.AST], *, any_raise: bool) -> bool:
    for part in parts:
        match part:
            case ast.Assert():
                return True
            case ast.Raise() if any_raise or part.exc is None or _called_name(part.exc) in _FAILURES:
                return True
            case ast.Call() if _JUDGES.match(_called_name(part)):
                return True
            case _:
                pass
    return False


def _called_name(node: ast.expr | None) -> str:
    """Return the last name of `name`, `module.name`, or a call of one of these."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
