"""Resolve names in tests: variables assigned once, parameters, columns of tables.

A name is bound to the expressions it can stand for, all of which change together. Every use of it is known, because an
expected value that is also an input of the submission must stay.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from verifier_service.judges.code.twins.literals import Source
from verifier_service.judges.code.twins.reading import key_of, name_of

Function = ast.FunctionDef | ast.AsyncFunctionDef


_OWNERS = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.AsyncFor)
_OWNERS += (ast.GeneratorExp, ast.ListComp)


@dataclass(frozen=True)
class Value:
    """What a name stands for in one place.

    Attributes:
        node: the expression.
        scope: where the expression's own names are looked up.
        via: the uses of names through which it was reached.
        row: the table and the row it comes from, if any.
    """

    node: ast.expr
    scope: "Scope"
    via: frozenset[tuple[object, int]] = frozenset()
    row: tuple[int, int] | None = None


@dataclass
class Scope:
    """Names and what they stand for. Each has a key, which is equal for the same name of the same piece of text."""

    names: dict[str, tuple[object, list[Value]]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)

    def child(self) -> "Scope":
        """Return a scope in which more names can be bound."""
        return Scope(dict(self.names), dict(self.functions))


class Names:
    """Looks up the names in the tests of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.uses: dict[object, set[int]] = {}
        """For each key of a bound name, the places where it is read.

        A site must have been found through each of them.
        """
        self._depth = 0
        self._stores: dict[int, Mapping[str, int]] = {}
        self._reads = _reads_in(source.tree)
        self._harmless = set(_in_messages(source.tree))
        self._indices = {
            id(node.value): repr(node.slice.value)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        }
        self.module = Scope()
        self.bind_body(self.module, source.tree, source.tree.body)

    def bind(self, scope: Scope, name: str, owner: ast.AST, values: list[Value]) -> None:
        """Bind `name`, which is read within `owner`, in `scope`."""
        key = (id(owner), name)
        scope.names[name] = key, values
        if key not in self.uses:
            self.uses[key] = self.reads_of(owner, name) - self._harmless

    def bind_body(self, scope: Scope, owner: ast.AST, body: Sequence[ast.stmt]) -> None:
        """Bind the functions of a body, and the names assigned once at its top level."""
        stores = self.stores_in(owner)
        for statement in _straight(body):
            if isinstance(statement, Function):
                scope.functions[statement.name] = statement
            for name, node in _assigned(statement):
                if stores[name] == 1:
                    self.bind(scope, name, owner, [Value(node, scope)])

    def stores_in(self, owner: ast.AST) -> Mapping[str, int]:
        """Return how often each name is assigned in a function, class or module."""
        if id(owner) not in self._stores:
            self._stores[id(owner)] = _stores_in(owner)
        return self._stores[id(owner)]

    def reads_of(self, owner: ast.AST, name: str) -> set[int]:
        """Return where `name` is read in `owner`, except in functions that rebind it."""
        found = set()
        for use, around in self._reads.get(name, ()):
            inner = around[around.index(owner) + 1 :] if owner in around else None
            if inner is not None and not any(self._rebinds(node, name) for node in inner):
                found.add(use)
        return found

    def _rebinds(self, node: ast.AST, name: str) -> bool:
        if not isinstance(node, Function | ast.Lambda):
            return False
        arguments = node.args
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        if any(argument is not None and argument.arg == name for argument in names):
            return True
        return not isinstance(node, ast.Lambda) and self.stores_in(node).get(name) == 1

    def looked_up(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return what a name stands for, recording this use of it in each value."""
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return self._picked(node, node.slice.value, scope)
        while isinstance(node, ast.Subscript):
            node = node.value
        found = scope.names.get(key_of(node) or "")
        if found is None:
            return []
        key, values = found
        return [replace(value, via=value.via | {(key, id(node))}) for value in values]

    def _picked(self, node: ast.Subscript, index: object, scope: Scope) -> list[Value]:
        """Return what `case["y"]` or `case[1]` stands for.

        It has its own key, because other elements of `case` can be inputs.
        """
        found = scope.names.get(key_of(node.value) or "")
        if found is None:
            return [
                replace(element, via=element.via | value.via)
                for value in (self.looked_up(node.value, scope) if isinstance(node.value, ast.Subscript) else [])
                for element in [element_of(value, index)]
                if element is not None
            ]
        whole, values = found
        key = (whole, repr(index))
        if key not in self.uses:
            self.uses[key] = {use for use in self.uses[whole] if self._indices.get(use, key[1]) == key[1]}
        elements = [(value, element_of(value, index)) for value in values]
        return [
            replace(element, via=value.via | {(key, id(node.value))})
            for value, element in elements
            if element is not None
        ]

    def rows(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return the rows of a table of literals, or of a name for one."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [Value(element, scope) for element in node.elts]
        if isinstance(node, ast.Call) and name_of(node.func) in ("list", "tuple", "sorted", "reversed", "iter"):
            return self.rows(node.args[0], scope) if node.args else []
        if isinstance(node, ast.Call) and name_of(node.func) == "items" and isinstance(node.func, ast.Attribute):
            return [row for value in self._all(node.func.value, scope) for row in _items_of(value)]
        found = self.looked_up(node, scope)
        return [
            replace(row, via=row.via | value.via, row=row.row or value.row)
            for value in found
            for row in self.rows(value.node, value.scope)
        ]

    def _all(self, node: ast.expr, scope: Scope) -> list[Value]:
        return [Value(node, scope)] if isinstance(node, ast.Dict) else self.looked_up(node, scope)

    def bind_target(self, target: ast.expr, rows: Sequence[Value], owner: ast.AST, scope: Scope) -> None:
        """Bind what a loop assigns in each iteration."""
        if isinstance(target, ast.Name):
            self.bind(scope, target.id, owner, list(rows))
        elif isinstance(target, ast.Tuple | ast.List):
            for index, part in enumerate(target.elts):
                column = [element_of(row, index, len(target.elts)) for row in rows]
                self.bind_target(part, [value for value in column if value is not None], owner, scope)

    def bind_loop(self, target: ast.expr, iterable: ast.expr, owner: ast.AST, scope: Scope) -> None:
        """Bind the names of `for target in iterable`."""
        parts = target.elts if isinstance(target, ast.Tuple) else []
        name = name_of(iterable.func) if isinstance(iterable, ast.Call) else ""
        arguments = iterable.args if isinstance(iterable, ast.Call) else []
        if name == "zip" and len(parts) == len(arguments):
            for part, argument in zip(parts, arguments, strict=True):
                self.bind_target(part, self.rows(argument, scope), owner, scope)
        elif name == "enumerate" and len(parts) == 2 and arguments:
            self.bind_target(parts[1], self.rows(arguments[0], scope), owner, scope)
        else:
            self.bind_target(target, self.rows(iterable, scope), owner, scope)


def _in_messages(tree: ast.AST) -> Iterator[int]:
    """Yield the nodes inside messages, f-strings and names of sub-tests: reading a value there is harmless."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Assert):
            parts = [node.msg]
        elif isinstance(node, ast.JoinedStr):
            parts = [node]
        elif isinstance(node, ast.Call) and name_of(node.func) in ("subTest", "print"):
            parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Call) and name_of(node.func).startswith("assert"):
            parts = [*node.args[2:], *(keyword.value for keyword in node.keywords if keyword.arg == "msg")]
        for part in parts:
            if part is not None:
                yield from map(id, ast.walk(part))


def _straight(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run exactly once, in order."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.With | ast.AsyncWith):
            yield from _straight(statement.body)


def _assigned(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Return the names that a statement assigns individually, each with its expression."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return []
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = list(zip(target.elts, value.elts, strict=True))
    else:
        pairs = [(target, value)]
    return [(name, node) for part, node in pairs if (name := key_of(part)) is not None]


def stored_names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.Attribute) and isinstance(part.ctx, ast.Store | ast.Del):
            yield key_of(part) or ""
        elif isinstance(part, ast.alias):
            yield (part.asname or part.name).partition(".")[0]
        elif isinstance(part, ast.Global | ast.Nonlocal):
            # Twice, so that a global or nonlocal name never counts as assigned once.
            yield from (name for name in part.names for _ in range(2))


def _stores_in(owner: ast.AST) -> Mapping[str, int]:
    """Return how often each name is assigned in a function, class or module, without the functions inside it."""
    counts: defaultdict[str, int] = defaultdict(int)
    waiting = list(ast.iter_child_nodes(owner))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            if isinstance(owner, ast.Module):  # a function can declare it global
                globals_ = (part for part in ast.walk(node) if isinstance(part, ast.Global))
                for name in (name for part in globals_ for name in part.names):
                    counts[name] += 2
            if not isinstance(node, ast.Lambda):
                counts[node.name] += 1
            if not isinstance(owner, ast.ClassDef):
                continue
        if not isinstance(node, ast.stmt | ast.expr | ast.alias | ast.excepthandler | ast.withitem | ast.match_case):
            continue
        if isinstance(node, ast.Name | ast.Attribute | ast.alias | ast.Global | ast.Nonlocal):
            for name in stored_names(node) if not isinstance(node, ast.Attribute) else _own_store(node):
                counts[name] += 1
        waiting.extend(ast.iter_child_nodes(node))
    return counts


def _own_store(node: ast.Attribute) -> list[str]:
    name = key_of(node)
    return [name] if name and isinstance(node.ctx, ast.Store | ast.Del) else []


def _reads_in(tree: ast.AST) -> dict[str, list[tuple[int, tuple[ast.AST, ...]]]]:
    """Return where each name is read, with the functions, classes and loops around it from the outside in."""
    found: defaultdict[str, list[tuple[int, tuple[ast.AST, ...]]]] = defaultdict(list)
    waiting: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(tree, ())]
    while waiting:
        node, around = waiting.pop()
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = key_of(node)
            if name is not None:
                found[name].append((id(node), around))
        if isinstance(node, _OWNERS):
            around = (*around, node)
        waiting += [(child, around) for child in ast.iter_child_nodes(node)]
    return found


def element_of(value: Value, index: object, count: int | None = None) -> Value | None:
    """Return an element of a display; `pytest.param(1, 2)` counts as one."""
    node = value.node
    if isinstance(node, ast.Dict):
        for key, item in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == index and type(key.value) is type(index):
                return replace(value, node=item)
        return None
    elements = node.args if isinstance(node, ast.Call) and name_of(node.func) == "param" else getattr(node, "elts", [])
    if count not in (None, len(elements)) or any(isinstance(element, ast.Starred) for element in elements):
        return None
    if isinstance(node, ast.Set) or not isinstance(index, int) or not -len(elements) <= index < len(elements):
        return None
    return replace(value, node=elements[index])


def _items_of(value: Value) -> list[Value]:
    if not isinstance(value.node, ast.Dict):
        return []
    pairs = zip(value.node.keys, value.node.values, strict=True)
    return [replace(value, node=ast.Tuple([key, item], ast.Load())) for key, item in pairs if key is not None]
