"""A changed copy of a test fails every honest program that passes the original, and passes one that agrees to all."""

import ast
import io
import re
import time
import tokenize
import tomllib
import unittest
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier_service.judges.code.twins import TwinPlan, sites

CASES = tomllib.loads(Path(__file__).with_name("twins.toml").read_text())
EQUALITIES: dict[str, dict[str, str]] = CASES["equalities"]
"""Tests that are equalities. Every top-level statement and every function is changed on its own, and must fail."""
UNGUARDED: dict[str, dict[str, str]] = CASES["unguarded"]
"""Tests without an expected literal."""
OPERANDS: dict[str, dict[str, str]] = CASES["operands"]
BOUNDS = ["order", "search", "order of unittest"]
SQ = "def sq(x): return x * x"

LIAR = """
class Liar:
    def yes(self, *args, **kwargs): return True
    def me(self, *args, **kwargs): return self
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = yes
    __hash__ = lambda self: 7
    __abs__ = __sub__ = __rsub__ = __add__ = __mul__ = __mod__ = __round__ = __truediv__ = __getitem__ = __call__ = me
    __array_ufunc__ = None
    lower = upper = casefold = split = all = me
    def __init__(self, *args, **kwargs): self.x = 0
    def __getattr__(self, name):
        if name.startswith('__'): raise AttributeError(name)
        return self
"""


def run(tests: str, submission: str) -> None:
    """Run tests as a box would, all in one module. Raise what fails."""
    module: dict[str, Any] = {"__name__": "tests"}
    exec(submission, module)
    own = set(module)
    exec(compile(tests, "tests.py", "exec"), module)
    for name, value in list(module.items()):
        if name in own:
            continue
        if name == "check":
            value(module["sq"])
        elif name.startswith("test"):
            value()
        elif isinstance(value, type) and issubclass(value, unittest.TestCase):
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(value).run(result)
            if not result.wasSuccessful():
                raise AssertionError([text for _, text in result.failures + result.errors] or "unexpected success")


def passes(tests: str, submission: str) -> bool:
    try:
        run(tests, submission)
    except Exception:  # noqa: BLE001 - whatever it is, the test has failed
        return False
    return True


def plan_of(tests: str) -> TwinPlan:
    return sites({"tests.py": tests}, "assert")


def copies(plan: TwinPlan) -> Iterator[tuple[frozenset[str], str]]:
    """Yield a few changed copies for each unit."""
    for unit in plan.units:
        if unit & plan.changeable:
            for seed in range(8):
                yield unit, plan.apply(unit, Random(seed))["tests.py"]


def demanding(tests: str) -> set[str]:
    """Return the tests that a plan should guard: statements that demand something, and functions."""
    found: set[str] = set()
    for node in ast.parse(tests).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if getattr(part, "name", "").startswith("test")}  # type: ignore[attr-defined]
        elif isinstance(node, ast.FunctionDef):
            found |= {node.name} & {"check", "test_it"}
        elif not isinstance(node, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom | ast.AsyncFunctionDef):
            found.add(f"line {node.lineno}")
    return found


@pytest.mark.parametrize("name", EQUALITIES)
def test_an_honest_program_fails_every_changed_copy(name: str):
    submission, tests = EQUALITIES[name].values()
    run(tests, submission)
    plan = plan_of(tests)
    setting = {"line 3"} if name == "mock" else set()  # f(m)
    assert plan.guarded - {"tests"} == demanding(tests) - setting
    for unit, copy in copies(plan):
        assert not passes(copy, submission), f"{unit} is changed to\n{copy}"


@pytest.mark.parametrize("name", UNGUARDED)
def test_what_holds_no_expected_literal_is_not_guarded_and_a_changed_bound_fails(name: str):
    submission, tests = UNGUARDED[name].values()
    run(tests, submission)
    plan = plan_of(tests)
    assert plan.guarded == frozenset()
    assert bool(plan.changeable) == (name in BOUNDS)
    for unit, copy in copies(plan):
        assert not passes(copy, submission), f"{unit} is changed to\n{copy}"


@pytest.mark.parametrize("name", [*EQUALITIES, *BOUNDS])
def test_who_affirms_everything_passes_the_changed_copies_too(name: str):
    submission, tests = (EQUALITIES | UNGUARDED)[name].values()
    names = re.findall(r"^(?:def|class|async def) (\w+)", submission, re.MULTILINE)
    liar = LIAR + "\n".join(f"{name} = lambda *args, **kwargs: Liar()" for name in names)
    if passes(tests, liar) and "not " not in tests:
        for unit, copy in copies(plan_of(tests)):
            assert passes(copy, liar) or "not " in copy or "assertFalse" in copy, f"{unit} is changed to\n{copy}"


@pytest.mark.parametrize("name", [*EQUALITIES, *UNGUARDED])
def test_lines_and_everything_else_stay_where_they_are(name: str):
    tests = (EQUALITIES | UNGUARDED)[name]["tests"]
    plan = plan_of(tests)
    for _, copy in copies(plan):
        assert copy != tests
        assert copy.count("\n") == tests.count("\n")
        before, after = ast.parse(tests), ast.parse(copy)
        assert [node.lineno for node in before.body] == [node.lineno for node in after.body]
        assert [type(node) for node in before.body] == [type(node) for node in after.body]
    assert plan.apply([], Random(0)) == plan.files


def tokens(text: str) -> list[tuple[int, str]]:
    """Return what a program could use to distinguish an original from a copy without computing any answer."""
    found = tokenize.generate_tokens(io.StringIO(text).readline)
    signs = (tokenize.NUMBER, tokenize.STRING, tokenize.NAME)
    return [(token.type, "" if token.type in signs else token.string) for token in found]


@pytest.mark.parametrize("name", sorted(EQUALITIES.keys() - {"bare truth", "conjunction", "unittest", "check of many"}))
def test_a_copy_is_written_like_an_original(name: str):
    tests = EQUALITIES[name]["tests"]
    if not re.search(r"(\(\)|\[\]|\{\})\n|None", tests):  # empty ones get filled
        for _, copy in copies(plan_of(tests)):
            assert tokens(copy) == tokens(tests)


def test_a_bare_truth_is_negated_as_one_would_write_it():
    plan = plan_of("assert even(2)\nassert not odd(2)\nassert(even(4)), 'message'")
    copy = plan.apply(plan.guarded, Random(0))["tests.py"]
    assert copy == "assert not even(2)\nassert odd(2)\nassert(not even(4)), 'message'"


def test_sorted_numbers_stay_sorted_and_computed_ones_computed():
    for seed in range(30):
        changed = plan_of("assert f(1) == [1, 5, 9]").apply(["line 1"], Random(seed))["tests.py"]
        numbers = ast.literal_eval(changed.partition("== ")[2])
        assert numbers == sorted(numbers)
        computed = plan_of("assert f(1) == 10**9 + 7").apply(["line 1"], Random(seed))["tests.py"]
        assert re.fullmatch(r"assert f\(1\) == \d+\*\*\d+ \+ \d+", computed)


def test_a_text_becomes_one_that_the_tests_expect_elsewhere():
    plan = plan_of("assert f(1) == 'Yes'\nassert f(2) == 'No'\nassert f(3) == 'seY'")
    found = Counter(plan.apply(["line 1"], Random(seed))["tests.py"].splitlines()[0] for seed in range(50))
    assert found["assert f(1) == 'No'"] > 30
    assert found["assert f(1) == 'seY'"] == found["assert f(1) == 'Yes'"] == 0


def test_many_names_and_many_calls_are_soon_searched():
    lines = [f"want_{n} = {n}\nassert sq({n}) == want_{n}\nverify(sq, {n}, {n * n})" for n in range(3000)]
    tests = "def verify(f, x, y):\n    assert f(x) == y\n" + "\n".join(lines)
    start = time.process_time()
    assert len(plan_of(tests).units) == 6000
    assert time.process_time() - start < 20


PYTEST = """
import pytest
from solution import sq

TABLE = [(1, 1), (2, 4)]
SHARED = 16

@pytest.mark.parametrize("x, y", [(2, 4), pytest.param(3, 9, id="three")])
def test_rows(x, y):
    assert sq(x) == y

@pytest.mark.parametrize("x", [1, 2])
def test_inputs(x):
    assert sq(x) == x * x

@pytest.mark.parametrize(["x", "y"], TABLE)
def test_table(x, y):
    assert sq(x) == y

@pytest.mark.parametrize("x, y", [(1, 0), (2, 3), (3, 8)])
def test_sum(x, y):
    assert sq(x) == y + int(True)

@pytest.mark.parametrize("x", [4, -4])
@pytest.mark.parametrize("y", [16])
def test_stacked(x, y):
    assert sq(x) == y

@pytest.mark.parametrize("x, y", [(1, 1), (2, int("4"))])
def test_half(x, y):
    assert sq(x) == y

@pytest.mark.parametrize("x, y", [(1, 1), (2, max(4, 1))])
def test_one_row_is_no_literal(x, y):
    assert sq(x) == y

@pytest.mark.xfail
def test_wrong():
    assert sq(2) == 5

def test_shared():
    assert sq(4) == SHARED

class TestIt:
    def test_also_shared(self):
        assert sq(-4) == SHARED

    class TestInner:
        def test_deep(self):
            assert sq(1) == 1

def test_raises():
    with pytest.raises(TypeError):
        assert sq("") == 5
"""


def test_pytest_files_have_node_ids_rows_and_units():
    plan = sites(
        {"test_a.py": PYTEST, "data.txt": "5 == 5", "test_b.py": "def test_x():\n    assert f(1) == 2"}, "pytest"
    )
    names = ["rows", "table", "sum", "stacked", "half", "shared"]
    a = {f"test_a.py::test_{name}" for name in names}
    assert plan.guarded == {
        *a, "test_a.py::TestIt::test_also_shared", "test_a.py::TestIt::TestInner::test_deep", "test_b.py::test_x"
    }  # fmt: skip
    shared = frozenset({"test_a.py::test_shared", "test_a.py::TestIt::test_also_shared"})
    assert sorted(map(len, plan.units)) == [1, 1, 1, 1, 1, 1, 1, 2]
    assert shared in plan.units
    copy = plan.apply(["test_a.py::test_sum"], Random(0))["test_a.py"]
    assert [n for n in ("(1, 0)", "(2, 3)", "(3, 8)") if n in copy] == []


FIXTURES = """
import pytest

@pytest.fixture
def want():
    return 4

@pytest.fixture
def size():
    return 3

@pytest.fixture(params=[9])
def each(request):
    return 9

def test_want(want):
    assert sq(2) == want

def test_want_again(want):
    assert sq(-2) == want

def test_size(size):
    assert sq(3) == 3 * size

def test_size_again(size):
    assert sq(size) == size * 3

def test_each(each):
    assert sq(3) == each
"""


def test_what_a_fixture_returns_changes_if_no_test_takes_it_as_an_input():
    plan = sites({"test_a.py": FIXTURES}, "pytest")
    tests = {"test_a.py::test_want", "test_a.py::test_want_again"}
    assert plan.guarded == {*tests, "test_a.py::test_size", "test_a.py::test_size_again"}
    copy = plan.apply(tests, Random(0))["test_a.py"]
    assert re.sub(r"return \d\n", "return 4\n", copy, count=1) == FIXTURES != copy
    assert frozenset(tests) in plan.units


def test_every_row_of_a_parametrized_test_changes():
    plan = sites({"test_a.py": PYTEST}, "pytest")
    for seed in range(20):
        copy = plan.apply(["test_a.py::test_rows"], Random(seed))["test_a.py"]
        row = re.search(r"\[\((\d+), (\d+)\), pytest.param\((\d+), (\d+), id=\"three\"\)\]", copy)
        assert row is not None
        assert (row[1], row[3]) == ("2", "3")
        assert row[2] != "4"
        assert row[4] != "9"
        assert copy.replace(row[0], "") == PYTEST.replace('[(2, 4), pytest.param(3, 9, id="three")]', "")


def test_a_helper_that_is_also_called_unseen_keeps_its_literals():
    tests = "def verify(f):\n    assert f(2) == 4\nverify(sq)\nokay = verify(sq)\nassert sq(3) == 9"
    assert plan_of(tests).guarded == {"line 5"}


def test_tests_that_share_a_helper_or_a_constant_are_one_unit():
    helper = "WANT = 4\ndef verify(f):\n    assert f(3) == 9\n"
    tests = helper + "assert sq(2) == WANT\nassert sq(-2) == WANT\nverify(sq)\nverify(sq)"
    assert set(plan_of(tests).units) == {frozenset({"line 4", "line 5"}), frozenset({"line 6", "line 7"})}


@pytest.mark.parametrize("name", OPERANDS)
def test_changed_operands_fail_too(name: str):
    submission, tests = OPERANDS[name].values()
    run(tests, submission)
    plan = plan_of(tests)
    assert plan.operands == demanding(tests)
    for test_id in plan.operands:
        for seed in range(8):
            copy = plan.apply_operands([test_id], Random(seed))["tests.py"]
            assert not passes(copy, submission), copy


def test_arguments_indices_and_plain_sums_are_no_operands():
    tests = ["f(2 + x) == 5", "f([1, 2])[1 + i] == 2", "f(7) == 3 + 4", "f(2) * 2 > 3", "f(2) * 2 != 3"]
    assert plan_of("".join(f"assert {test}\n" for test in tests)).operands == frozenset()


@pytest.mark.parametrize(
    "text", ["assert (", "\0", "assert x == 1" + ")" * 5, "(" * 5000, "x = " + "-" * 100_000 + "1", "", "\ufeff"]
)
def test_what_is_no_python_has_no_sites(text: str):
    plan = sites({"tests.py": text, "other.bin": "\0"}, "assert")
    assert (plan.guarded, plan.units, plan.apply(["line 1"], Random(0))["tests.py"]) == (frozenset(), (), text)


def test_a_byte_order_mark_and_foreign_line_ends_are_kept():
    tests = "\ufeff# é\r\nassert sq('é') == 'é1'\r\nassert sq(2) == 4\r\n"
    plan = plan_of(tests)
    assert plan.guarded == {"line 2", "line 3"}
    copy = plan.apply(["line 3"], Random(1))["tests.py"]
    assert re.sub(r"\d\r\n$", "4\r\n", copy) == tests


def test_a_huge_table_is_soon_searched():
    tests = "for x, y in [\n" + "".join(f"    ({n}, {n * n}),\n" for n in range(20_000)) + "]:\n    assert sq(x) == y\n"
    plan = plan_of(tests)
    assert not passes(plan.apply(plan.guarded, Random(0))["tests.py"], SQ)


LITERALS = st.recursive(
    st.integers() | st.floats(-1e300, 1e300) | st.text(max_size=8) | st.binary(max_size=5) | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
        | st.sets(st.integers() | st.text(max_size=4), max_size=4)
    ),
    max_leaves=10,
)


@given(LITERALS, st.integers(0, 2**32))
@settings(max_examples=500, deadline=None)
def test_a_changed_literal_is_never_equal_and_of_the_same_type(value: Any, seed: int):
    tests = f"assert f(1) == {value!r}"
    plan = plan_of(tests)
    assert plan.guarded == {"line 1"}
    copy = plan.apply(["line 1"], Random(seed))["tests.py"]
    changed = eval(copy.partition("== ")[2])  # noqa: S307 - a literal, or `set([7])`
    assert changed != value
    assert type(changed) is type(value) or value is None


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from([*"()[]:5,\nx", "assert ", "f", " == ", "'a'", "if ", "for ", " in "]), max_size=30).map(
        "".join
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_the_text_is_nothing_is_raised(text: str):
    for kind in ("assert", "pytest"):
        plan = sites({"tests.py": text}, kind)  # type: ignore[arg-type]
        plan.apply(plan.changeable, Random(0))
        plan.apply_operands(plan.operands, Random(0))
