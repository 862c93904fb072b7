"""Plan twins: find the tests in files, what can be changed in each, and write the changed files."""

import ast
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from verifier_service.judges.code.twins.literals import Edit, Source, apply_edits
from verifier_service.judges.code.twins.names import Function, Scope, Value, element_of
from verifier_service.judges.code.twins.reading import name_of
from verifier_service.judges.code.twins.sides import Kind, Site
from verifier_service.judges.code.twins.walk import Walk

_EXPECTED_TO_FAIL = {"xfail", "expectedFailure", "skip"}
_SET_UPS = ("setUp", "setUpClass", "setup_method", "setup_class", "asyncSetUp")


MOSTLY = 0.75
"""How often an expected literal is changed when a bound could be changed instead."""


@dataclass(frozen=True, eq=False)
class TwinPlan:
    """What can be changed in which test.

    Attributes:
        guarded: tests with an expected literal; an honest program fails them when it is changed.
        changeable: these, and tests in which only a bound or a searched item can change, to something no honest value
            meets.
        operands: tests that compare the result of arithmetic with literals.
        units: groups of tests that share a literal and so can only change together.
    """

    files: Mapping[str, str]
    found: Mapping[str, Mapping[str, tuple[Site, ...]]]
    """For each test: its sites in each file."""

    @property
    def guarded(self) -> frozenset[str]:
        """The ids of tests with an expected literal."""
        return self._with(Kind.EQUAL)

    @property
    def changeable(self) -> frozenset[str]:
        """The ids of tests that `apply` changes."""
        return self._with(Kind.EQUAL, Kind.ORDER)

    @property
    def operands(self) -> frozenset[str]:
        """The ids of tests that `apply_operands` changes."""
        return self._with(Kind.OPERAND)

    @property
    def units(self) -> tuple[frozenset[str], ...]:
        """The changeable tests in groups: a change in one test of a group changes the others too."""
        leader = {test_id: test_id for test_id in self.found}

        # Union-find with path halving: tests with a common edit end up with a common leader.
        def find(test_id: str) -> str:
            while leader[test_id] != test_id:
                leader[test_id] = leader[leader[test_id]]
                test_id = leader[test_id]
            return test_id

        owner: dict[tuple[str, int, int], str] = {}
        for test_id, by_file in self.found.items():
            for file, found in by_file.items():
                for edit in (edit for site in found for edit in site.edits):
                    other = owner.setdefault((file, edit.start, edit.end), test_id)
                    leader[find(test_id)] = find(other)
        groups: defaultdict[str, set[str]] = defaultdict(set)
        for test_id, by_file in self.found.items():
            if any(by_file.values()):
                groups[find(test_id)].add(test_id)
        return tuple(map(frozenset, groups.values()))

    def apply(self, ids: Collection[str], rng: Random, turn: int | None = None) -> dict[str, str]:
        """Return the files with one site changed in each test of `ids`, or one for each row of its parameters.

        One is enough for every honest program to fail. If all were changed, a program that knows one answer and steals
        the others would fail as well and look honest. The site is drawn at random, or chosen by `turn`. Line numbers do
        not change.
        """
        return self._applied(ids, rng, (Kind.EQUAL, Kind.ORDER), turn, one=True)

    @property
    def most_sites(self) -> int:
        """The number of sites of the test that has the most."""
        return max((len(self._sites(test_id, (Kind.EQUAL, Kind.ORDER))) for test_id in self.found), default=0)

    def apply_operands(self, ids: Collection[str], rng: Random) -> dict[str, str]:
        """Return the files with changed operands (what is added, multiplied and so on) in the tests `ids`."""
        return self._applied(ids, rng, (Kind.OPERAND,), None, one=False)

    def _with(self, *kinds: Kind) -> frozenset[str]:
        return frozenset(
            test_id
            for test_id, by_file in self.found.items()
            if any(site.kind in kinds for found in by_file.values() for site in found)
        )

    def _sites(self, test_id: str, kinds: Collection[Kind]) -> list[tuple[str, Site]]:
        by_file = self.found.get(test_id, {})
        return [(file, site) for file, found in by_file.items() for site in found if site.kind in kinds]

    def _applied(
        self, ids: Collection[str], rng: Random, kinds: Collection[Kind], turn: int | None, *, one: bool
    ) -> dict[str, str]:
        edits: defaultdict[str, dict[tuple[int, int], Edit]] = defaultdict(dict)
        for test_id in sorted(ids):
            found = self._sites(test_id, kinds)
            for file, site in _one_of_each_row(found, rng, turn) if one else found:
                for edit in site.edits:
                    edits[file].setdefault((edit.start, edit.end), edit)
        return {
            file: apply_edits(text, edits[file].values(), rng) if file in edits else text
            for file, text in self.files.items()
        }


def _one_of_each_row(found: Sequence[tuple[str, Site]], rng: Random, turn: int | None) -> list[tuple[str, Site]]:
    """Return one site that every case of a test meets, or else one for each case made by its parameters."""
    for_all = [pair for pair in found if pair[1].row is None]
    in_rows = [pair for pair in found if pair[1].row is not None]
    if for_all and (not in_rows or rng.random() < 0.5):
        equal = [pair for pair in for_all if pair[1].kind is Kind.EQUAL]
        if turn is not None:
            return [for_all[turn % len(for_all)]]
        return [rng.choice(equal if equal and rng.random() < MOSTLY else for_all)]
    rows: defaultdict[object, list[tuple[str, Site]]] = defaultdict(list)
    for pair in in_rows:
        rows[pair[0], pair[1].row].append(pair)
    return [rng.choice(pairs) for pairs in rows.values()]


def sites(files: Mapping[str, str], kind: Literal["assert", "pytest"]) -> TwinPlan:
    """Return what can be changed in the tests of `files`.

    Ids are the tester's: `line 3`, `check`, `test_x` and `Class.test_x` for `assert`; for `pytest`,
    `file::Class::test_x` without parameters in brackets. A file that is not valid Python has no tests.
    """
    found: dict[str, dict[str, tuple[Site, ...]]] = {}
    for file, text in files.items():
        if not file.endswith(".py"):
            continue
        for test_id, test_sites in _sites_of(text, kind):
            if test_sites:
                name = f"{file}::{test_id}" if kind == "pytest" else test_id
                before = found.setdefault(name, {}).get(file, ())
                found[name][file] = (*before, *test_sites)
    return TwinPlan(dict(files), found)


def _sites_of(text: str, kind: str) -> list[tuple[str, tuple[Site, ...]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns about strings like "\d" in the tests
        try:
            walk = Walk(Source(text))
            tests = _Tests(walk)
            found = list(tests.of_pytest() if kind == "pytest" else tests.of_asserts())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
    return _sure(found, walk.uses, tests.row_counts)


def _sure(
    found: list[tuple[str, list[Site]]], uses: Mapping[object, set[int]], row_counts: Mapping[int, int]
) -> list[tuple[str, tuple[Site, ...]]]:
    """Omit sites that change more than what is expected.

    A site seen through names stays if each use of each name leads to some site that stays. Sites in rows of
    `parametrize` stay if no case would pass unchanged.
    """
    kept = [(test_id, list(test_sites)) for test_id, test_sites in found]
    # Dropping a site can make another impure, so repeat until nothing changes.
    while True:
        reached: defaultdict[object, set[int]] = defaultdict(set)
        for _, test_sites in kept:
            for key, use in (step for site in test_sites for step in site.via):
                reached[key].add(use)
        impure = {key for key, places in reached.items() if not uses.get(key, set()) <= places}
        left = [(i, [s for s in all_ if not any(key in impure for key, _ in s.via)]) for i, all_ in kept]
        left = [(test_id, _covering(test_sites, row_counts)) for test_id, test_sites in left]
        if sum(len(s) for _, s in left) == sum(len(s) for _, s in kept):
            return [(test_id, tuple(test_sites)) for test_id, test_sites in left]
        kept = left


def _covering(test_sites: list[Site], row_counts: Mapping[int, int]) -> list[Site]:
    rows: defaultdict[int, set[int]] = defaultdict(set)
    for site in test_sites:
        if site.row is not None and site.kind is Kind.EQUAL:
            rows[site.row[0]].add(site.row[1])
    whole = any(site.row is None and site.kind is Kind.EQUAL for site in test_sites)
    if whole or any(len(numbers) == row_counts[table] for table, numbers in rows.items()):
        return test_sites
    return [site for site in test_sites if site.row is None]


class _Tests:
    """The tests of a file, each with its sites."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.body = walk.source.tree.body
        self.row_counts: dict[int, int] = {}
        """How many rows each `parametrize` has."""
        self.takers: defaultdict[str, set[int]] = defaultdict(set)
        """The functions' parameters by name, which can be that of a fixture."""
        for node in ast.walk(walk.source.tree):
            if isinstance(node, ast.arg):
                self.takers[node.arg].add(id(node))

    def of_asserts(self) -> Iterator[tuple[str, list[Site]]]:
        """Yield the tests of assert code: its statements, functions and methods."""
        alone = True
        for node in self.body:
            if isinstance(node, Function):
                if node.name == "check" or node.name.startswith("test"):
                    alone = False
                    yield node.name, self._function(node, self.walk.module)
            elif isinstance(node, ast.ClassDef):
                methods = list(self._methods(node, self.walk.module))
                alone = alone and not methods
                yield from ((f"{node.name}.{name}", found) for name, found in methods)
            else:
                alone = alone and not any(isinstance(part, ast.Assert) for part in ast.walk(node))
                yield f"line {node.lineno}", list(self.walk.statements([node], self.walk.module))
        if alone:  # without any assert, the whole code is one test
            yield "tests", list(self.walk.statements(self.body, self.walk.module))

    def of_pytest(self) -> Iterator[tuple[str, list[Site]]]:
        """Yield the tests of a pytest file: its functions and the methods of its classes."""
        yield from self._of_body(self.body, self.walk.module, "")

    def _of_body(self, body: Iterable[ast.stmt], scope: Scope, prefix: str) -> Iterator[tuple[str, list[Site]]]:
        for node in body:
            if isinstance(node, Function) and node.name.startswith("test"):
                yield prefix + node.name, self._function(node, scope)
            elif isinstance(node, ast.ClassDef):
                yield from ((f"{prefix}{node.name}::{name}", found) for name, found in self._methods(node, scope))
                classes = [inner for inner in node.body if isinstance(inner, ast.ClassDef)]
                yield from self._of_body(classes, scope, f"{prefix}{node.name}::")

    def _methods(self, node: ast.ClassDef, scope: Scope) -> Iterator[tuple[str, list[Site]]]:
        inner = scope.child()
        functions = [method for method in node.body if isinstance(method, Function)]
        inner.functions.update({f"self.{method.name}": method for method in functions})
        for method in functions:
            if method.name in _SET_UPS:
                own = inner.child()
                self.walk.bind_body(own, node, method.body)
                inner.names.update({key: value for key, value in own.names.items() if key.startswith("self.")})
        for method in functions:
            if method.name.startswith("test"):
                yield method.name, self._function(method, inner, node.decorator_list)

    def _function(self, node: Function, scope: Scope, outer: Iterable[ast.expr] = ()) -> list[Site]:
        decorators = [*node.decorator_list, *outer]
        names = {name_of(each.func if isinstance(each, ast.Call) else each) for each in decorators}
        if names & _EXPECTED_TO_FAIL:
            return []
        bound = self._fixtures(node)
        for decorator in decorators:
            if isinstance(decorator, ast.Call) and name_of(decorator.func) == "parametrize":
                bound.update(self._parameters(decorator))
        return list(self.walk.function(node, scope, bound))

    def _fixtures(self, node: Function) -> dict[str, list[Value]]:
        """Return the values of the fixtures that the test `node` takes, if this file defines them as an expression."""
        found: dict[str, list[Value]] = {}
        for argument in node.args.args:
            fixture = self.walk.module.functions.get(argument.arg)
            if fixture is not None and (result := _result_of(fixture)) is not None:
                key = ("fixture", id(fixture))
                self.walk.uses[key] = self.takers[argument.arg]
                found[argument.arg] = [Value(result, self.walk.module, frozenset({(key, id(argument))}))]
        return found

    def _parameters(self, decorator: ast.Call) -> dict[str, list[Value]]:
        """Return what the names of `parametrize` stand for, row by row."""
        given = {keyword.arg: keyword.value for keyword in decorator.keywords}
        arguments = dict(zip(("argnames", "argvalues"), decorator.args, strict=False)) | given
        if "indirect" in given or not {"argnames", "argvalues"} <= set(arguments):
            return {}
        names = _names_in(arguments["argnames"])
        rows = self.walk.rows(arguments["argvalues"], self.walk.module)
        self.row_counts[id(decorator)] = len(rows)
        rows = [replace(row, row=(id(decorator), number)) for number, row in enumerate(rows)]
        if len(names) == 1 and not isinstance(arguments["argnames"], ast.List | ast.Tuple):
            return {names[0]: [_unwrapped(row) for row in rows]}
        columns: dict[str, list[Value]] = {}
        for index, name in enumerate(names):
            column = [element_of(row, index, len(names)) for row in rows]
            columns[name] = [value for value in column if value is not None]
        return columns


def _names_in(node: ast.expr | None) -> list[str]:
    """Return the names in `"x, y"` or `["x", "y"]`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [name.strip() for name in node.value.split(",") if name.strip()]
    parts = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _unwrapped(row: Value) -> Value:
    """Return the value in `pytest.param(value)`."""
    node = row.node
    wrapped = isinstance(node, ast.Call) and name_of(node.func) == "param" and len(node.args) == 1
    return replace(row, node=node.args[0]) if wrapped else row  # type: ignore[attr-defined]


def _result_of(fixture: Function) -> ast.expr | None:
    """Return what a fixture returns or yields, if it does nothing else and runs once per test."""
    names = {name_of(each) for each in fixture.decorator_list}
    body = [node for node in fixture.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if names != {"fixture"} or len(body) != 1:
        return None
    node = body[0]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield):
        return node.value.value
    return node.value if isinstance(node, ast.Return) else None
