"""Stand-ins in the tester look like the submission's objects, and never let them decide about the tests' plain data."""

# ruff: noqa: E501 (tables with a program and its test in each row)

import pytest

from tests.harness.wall import run

LIAR = """
class Liar:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __contains__ = __lt__
    def __hash__(self): return 1
    def __sub__(self, other): return 0
    def __iter__(self): return iter([self])
    def __enter__(self): return self
    def __exit__(self, *error): return True
def f(*args): return Liar()
"""


@pytest.mark.parametrize(
    "claim",
    [
        "f(1) == 3", "3 == f(1)", "not f(1) != 3", "f(1) in [1, 2]", "f(1) in {1}", "3 in f(1)", "[f(1)] == [3]",
        "{'k': f(1)} == {'k': 3}", "f(1) < 3", "f(1) >= 3", "max(f(1), 3) == 3", "f(1) - 3 == 0", "abs(f(1) - 3) < 1",
        "f(1) == None", "f(1) == ()", "f(1) is 3", "isinstance(f(1), int)", "f(1).__class__ is int", "type(f(1)) == int",
        "sorted([f(1), 2]) == [2, 2]", "str(f(1)) == '3'", "f'{f(1)}' == '3'", "hash(f(1)) == hash(3)", "bool(f(1)) is False",
        "f(1) == range(3)", "[3] == list(f(1))",
    ],
)  # fmt: skip
def test_an_object_never_decides_about_plain_data(claim: str) -> None:
    told = run(LIAR, f"assert {claim}")
    assert (told.broken, told.passed) == ("", 0)


def test_assertions_in_a_with_block_cannot_be_swallowed() -> None:
    told = run(LIAR, "with f():\n    assert 1 == 2\nwith f() as x:\n    y = f(1) + 1\n    assert y == 3")
    assert (told.collected, told.passed) == (["line 1", "line 3"], 0)


@pytest.mark.parametrize(
    "kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "StopAsyncIteration"]
)
def test_no_exception_ends_or_misleads_the_tests(kind: str) -> None:
    code = "assert list(map(f, [1, 2])) == []\nassert all(map(f, [1]))\nassert [x for x in map(f, [1])] == []\nassert 1 == 1"
    told = run(f"def f(x): raise {kind}(1)", code)
    assert list(told.outcomes.values()) == ["error", "error", "error", "passed"]


def test_an_exit_that_the_tests_name_arrives_as_itself() -> None:
    code = "try:\n    f()\n    assert False\nexcept SystemExit as error:\n    assert error.code == 3"
    assert run("import sys\ndef f(): sys.exit(3)", code).accepted


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("def f(a, b=2, *c, d, **e): return a, b, c, d, e", "assert f(1, 3, 4, d=5, z=6) == (1, 3, (4,), 5, {'z': 6})"),
        ("def f(): return {(1, 2): {3}, None: [b'x', 1j, 2**100, float('inf')]}",
         "assert f() == {(1, 2): {3}, None: [b'x', 1j, 2**100, float('inf')]}"),
        ("import math\ndef f(): return math, print, int", "import math\nassert f()[0].sqrt(4) == 2 and f()[2] is int"),
        ("class C:\n    @property\n    def x(self): return self._x\n    @x.setter\n    def x(self, v): self._x = v * 2",
         "c = C()\nc.x = 4\nassert c.x == 8"),
        ("class C:\n    def __getattr__(self, name): return {}[name]", "c = C()\nassert isinstance(c, C)"),
        ("class C:\n    def __init__(self): self.items = [1]\n    def get(self): return self.items",
         "c = C()\nassert c.get() == [1] and c.items == [1] and vars(c) == {'items': [1]}"),
        ("class A: pass\nclass B(A): pass\ndef f(): return B()",
         "assert isinstance(f(), A) and issubclass(B, A) and type(f()).__name__ == 'B' and B.__mro__[1] is A"),
        ("def f(xs): xs.append(len(xs)); return xs", "a = [1]\nb = f(a)\nassert a == [1, 1] and b == a"),
        ("def f(d): d.clear()", "d = {1: 2}\nf(d)\nassert d == {}"),
        ("def f(x, acc=[]): acc.append(x); return acc", "assert f(1) == [1] and f(2) == [1, 2]"),
        ("def f(): yield from range(3)", "a, *b = f()\nassert (a, b) == (0, [1, 2])"),
        ("def outer(g): return lambda x: g(x) + 1", "assert outer(lambda x: x * 2)(3) == 7"),
        ("def f(g): return g(f2)\ndef f2(x): return x + 1", "assert f(lambda h: h(1)) == 2"),
        ("from functools import partial, lru_cache\ng = partial(pow, 2)\n@lru_cache\ndef h(x): return x",
         "assert g(3) == 8 and h(2) == 2 and h.cache_info().misses == 1"),
        ("class M(type):\n    def __len__(cls): return 7\n    def __getitem__(cls, k): return k\nclass C(metaclass=M): pass",
         "assert len(C) == 7 and C['x'] == 'x'"),
        ("import enum\nclass E(enum.Enum):\n    A = 'a'\ndef f(): return {E.A: [E.A]}",
         "assert f() == {E.A: [E.A]} and f()[E.A][0] is E.A and E('a') is E.A"),
        ("class C:\n    def __mul__(self, o): return NotImplemented\nclass D:\n    def __rmul__(self, o): return 'd'",
         "assert C() * D() == 'd'"),
        ("class C:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x\ndef f(x): return C(x)",
         "assert f(1) == f(1) and f(1) != f(2) and [f(1)] == [f(1)]"),
        ("def f(p): return p.name, p.exists()", "from pathlib import Path\nassert f(Path('/')) == ('', True)"),
        ("import threading\ndef f(g):\n    out = []\n    ts = [threading.Thread(target=lambda i=i: out.append(g(i))) for i in range(4)]\n"
         "    [t.start() for t in ts]; [t.join() for t in ts]\n    return sorted(out)", "assert f(lambda x: x * x) == [0, 1, 4, 9]"),
        ("import multiprocessing\ndef sq(x): return x * x\ndef f():\n    with multiprocessing.get_context('fork').Pool(2) as p: return p.map(sq, [1, 2])",
         "assert f() == [1, 4]"),
        ("def f(x):\n    '''Doc.'''\n    return x", "import inspect\nassert f.__doc__ == 'Doc.' and str(inspect.signature(f)) == '(x)'"),
        ("class C:\n    def m(self, a: int, b='x') -> str: ...", "import inspect\nassert str(inspect.signature(C().m)) == \"(a: int, b='x') -> str\""),
        ("class S:\n    def __len__(self): return 0\ndef f(): return S()", "assert not f() and len(f()) == 0"),
        ("def f(n): return list(range(n))", "assert f(200_000) == list(range(200_000))"),
        ("def f(x):\n    for _ in range(300): x = [x]\n    return x", "x = 1\nfor _ in range(300):\n    x = [x]\nassert f(1) == x"),
        ("class Node:\n    def __init__(self, v, n=None): self.v, self.n = v, n",
         "n = Node(1)\nn.n = n\nassert n.n is n and n.n.n.v == 1"),
        ("def f(cls): return cls(3)", "class T:\n    def __init__(self, x): self.x = x\nassert f(T).x == 3 and isinstance(f(T), T)"),
        ("import copy\nclass C:\n    def __init__(self): self.x = [1]", "import copy\nc = C()\nd = copy.deepcopy(c)\nd.x = 2\nassert c.x == [1] and d.x == 2"),
        ("value = 3\ndef set_value(x):\n    global value\n    value = x", "import solution\nset_value(9)\nassert solution.value == 9"),
        ("def f(): return 'a' * 10, '\\ud800', b'\\x00'", "assert f() == ('a' * 10, '\\ud800', b'\\x00')"),
        ("def memoize(f):\n    cache = {}\n    def wrapper(n):\n        if n not in cache: cache[n] = f(n)\n        return cache[n]\n    return wrapper",
         "@memoize\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nassert fib(250) == 7896325826131730509282738943634332893686268675876375"),
        ("def numbers(n):\n    yield from range(n)\n    raise KeyError(n)",
         "got = []\ntry:\n    for x in numbers(5000):\n        got.append(x)\nexcept KeyError as error:\n    got.append(error.args)\nassert got == [*range(5000), (5000,)]"),
        ("def numbers(n): yield from range(n)", "assert list(numbers(100_000)) == list(range(100_000)) and sum(1 for _ in numbers(64)) == 64"),
        ("import numbers\nclass F(float):\n    def half(self): return F(self / 2)", "assert F(3).half() == 1.5 and F(3) + 1 == 4.0"),
    ],
)  # fmt: skip
def test_ordinary_tests_do_not_notice(source: str, code: str) -> None:
    told = run(source, code)
    assert told.accepted, (told.messages, told.broken, told.lost)


def test_a_submission_cannot_rewrite_what_the_tests_look_at() -> None:
    source = """
def f(thing):
    for name, value in {"called": True, "call_count": 1, "assert_called_once": lambda *a: None, "value": 4}.items():
        try: setattr(thing, name, value)
        except AttributeError: pass
"""
    code = """
from unittest import mock
spy = mock.Mock()
f(spy)
assert spy.called
assert spy.call_count == 1
try:
    spy.assert_called_once()
except AssertionError:
    seen = True
assert seen and spy.value == 4
"""
    told = run(source, code)
    assert list(told.outcomes.values()) == ["failed", "failed", "passed"]
