"""Stand-ins behave like the submission's objects, but never let them decide about the tests' plain data."""

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
    code = "assert list(map(f, [1, 2])) == []\nassert all(map(f, [1]))\nassert [x for x in map(f, [1])] == []\nassert f is not None"
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
    assert list(told.outcomes.values()) == ["failed", "failed", "passed", "passed"]


# What the submission may decide

HONEST = """
import functools
@functools.total_ordering
class Money:
    def __init__(self, amount): self.amount = amount
    def __eq__(self, other): return self.amount == getattr(other, "amount", other)
    def __lt__(self, other): return self.amount < getattr(other, "amount", other)
    def __hash__(self): return hash(self.amount)
    def __add__(self, other): return Money(self.amount + getattr(other, "amount", other))
    def __sub__(self, other): return self.amount - getattr(other, "amount", other)
class Vec:
    def __init__(self, *xs): self.xs = xs
    def __eq__(self, other): return self.xs == (other.xs if isinstance(other, Vec) else tuple(other))
    def __mul__(self, k): return Vec(*(x * k for x in self.xs))
class Version:
    def __init__(self, text): self.parts = [int(p) for p in text.split(".")]
    def __lt__(self, other): return self.parts < Version(other).parts if isinstance(other, str) else self.parts < other.parts
    def __eq__(self, other): return self.parts == (Version(other) if isinstance(other, str) else other).parts
class Span:
    def __init__(self, low, high): self.low, self.high = low, high
    def __contains__(self, x): return self.low <= x <= self.high
class NoCase:
    def __init__(self, text): self.text = text
    def __eq__(self, other): return self.text.lower() == other.text.lower()
class Clock:
    def __init__(self, hours): self.hours = hours % 24
    def __eq__(self, other): return self.hours == other.hours
class Counted:
    asked = 0
    def __init__(self, x): self.x = x
    def __eq__(self, other):
        Counted.asked += 1
        return self.x == other
def make(x): return Money(x)
"""


@pytest.mark.parametrize(
    "claim",
    [
        "Money(5) == 5", "5 == Money(5)", "Money(5) != 6", "not Money(5) == 6", "Vec(1, 2) == (1, 2)", "Vec(1, 2) == [1, 2]",
        "Vec(1, 2) != (2, 1)", "Version('1.2') < '1.10'", "Version('1.2') == '1.2'", "Money(5) > 3", "3 < Money(5) < 7",
        "not Money(5) < 3", "5 in Span(1, 10)", "50 not in Span(1, 10)", "NoCase('Ab') == NoCase('aB')", "Clock(25) == Clock(1)",
        "not Money(5) < float('nan')", "Version('1.2') < Version('1.10')", "sorted([Money(9), Money(3), Money(5)])[2] == 9",
        "Money(5) == Money(5)", "Money(5) in [Money(4), Money(5)]", "make(5) == Money(5)", "make(5) == make(5)",
        "Money(5) + 3 == 8", "Money(5) + Money(3) == Money(8)", "Vec(1, 2) * 3 == Vec(3, 6)", "{Money(1): 2}[Money(1)] == 2",
        "sorted([Money(3), Money(1)])[0] == 1", "max(Money(3), Money(9)) == Money(9)", "Counted(3) == 3 and Counted.asked == 0",
    ],
)  # fmt: skip
def test_an_honest_class_decides_what_it_is_there_for(claim: str) -> None:
    told = run(HONEST, f"assert {claim}")
    assert told.accepted, told.messages


ALWAYS = """
class Solution:
    def __init__(self, *args): self.args = args
    def f(self, *args): return self
    def __eq__(self, other): return {eq}
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __contains__ = __lt__
    __hash__ = None
    def __sub__(self, other): return 0
    def __rsub__(self, other): return 0
def Other(*args): return Solution(*args)
class Between:
    def f(self): return self
    def __lt__(self, other): return -12 < other < 12
    __gt__ = __le__ = __ge__ = __lt__
class Same:
    def __init__(self, items): self.items = items
    def __eq__(self, other): return sorted(self.items) == sorted(other)
"""


@pytest.mark.parametrize(
    "eq",
    [
        "True", "isinstance(other, type(3))", "other != 'x' and other != 4", "not isinstance(other, str)",
        "hash(str(other)) % 2 == 0", "(setattr(Solution, 'seen', getattr(Solution, 'seen', 0) + 1), Solution.seen == 1)[1]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("claim", ["Solution().f(2) == {}", "{} in [Solution(1).f()]", "[Solution().f()] == [{}]"])
def test_an_object_that_affirms_more_than_one_value_of_a_line_up_is_not_believed(eq: str, claim: str) -> None:
    told = run(ALWAYS.format(eq=eq), "".join(f"assert {claim.format(value)}\n" for value in (14, 230, 4711, 99, 65536)))
    assert not told.accepted, told.messages


@pytest.mark.parametrize(
    "claim",
    [
        "Solution().f() < 3", "Solution().f() >= 3", "5 in Solution().f()", "Solution(1) == Solution(2)", "Solution().f() == None",
        "Solution().f() == True", "Solution().f() == []", "Solution(1).f() == Other(2)", "Solution(1) < Solution(2)",
        "3.14 < Between().f() < 3.15", "Between().f() > 3.14", "[1, 2, 3] == Same([3, 1, 2])", "Same('abc') == 'cba'",
    ],
)  # fmt: skip
def test_an_object_that_never_denies_is_not_believed(claim: str) -> None:
    told = run(ALWAYS.format(eq="True"), f"assert {claim}")
    assert told.passed == 0, told.messages


def test_an_object_is_not_asked_in_the_process_that_goes_on() -> None:
    source = "import os\nHERE = os.getpid()\nclass C:\n    def __init__(self, x): pass\n    def __eq__(self, other): return os.getpid() == HERE\n"
    assert run(source, "assert C(1) == 3\nassert C(1) == C(2)").passed == 0


def test_a_submission_cannot_choose_what_the_tests_draw() -> None:
    source = "import random\ndef f(n):\n    random.seed(1)\n    return n\n"
    code = "import random\nrandom.seed(7)\nx = random.Random(7)\nassert f(3) == 3\nassert random.random() == x.random()"
    assert run(source, code).accepted


# Containers that both ends share

LIVE = """
class Log:
    def __init__(self, out): self.out = out
    def write(self, text): self.out.append(text)
class Board:
    def __init__(self):
        self.grid = [[0] * 3 for _ in range(3)]
        self.names = {}
    def total(self): return sum(map(sum, self.grid)) + len(self.names)
REG = {}
def register(name): REG[name] = len(REG)
def same(x): return x
def grid(n): return [[0] * n] * n
def grow(node, v):
    node.children.append(v)
    return node
def lazily(xs):
    for x in xs: yield x
@__import__("functools").cache
def primes(n): return [2, 3, 5]
"""


@pytest.mark.parametrize(
    "code",
    [
        "out = []\nlog = Log(out)\nlog.write('a')\nlog.write('b')\nassert out == ['a', 'b']\nout.clear()\nlog.write('c')\nassert log.out == ['c']",
        "b = Board()\nb.grid[1][2] = 5\nb.names['x'] = 1\nassert b.total() == 6\nrow = b.grid[0]\nrow[0] = 2\nassert b.total() == 8 and b.grid[0] is row",
        "import solution\nregister('a')\nassert solution.REG == {'a': 0}\nsolution.REG.clear()\nregister('b')\nassert solution.REG == {'b': 0}",
        "a = [1]\nassert same(a) is a\nassert same([a, a])[0] is same([a, a])[1]",
        "g = grid(3)\ng[0][0] = 1\nassert g == [[1, 0, 0]] * 3 and g[0] is g[1]",
        "class N:\n    def __init__(self): self.children = []\nn = N()\nassert grow(grow(n, 1), 2).children == [1, 2]\nassert n.children == [1, 2]",
        "xs = [1]\nit = lazily(xs)\nassert next(it) == 1\nxs.append(2)\nassert next(it) == 2",
        "primes(9).append(7)\nassert primes(9) == [2, 3, 5, 7]",
    ],
)  # fmt: skip
def test_a_container_is_one_object_on_both_sides(code: str) -> None:
    told = run(LIVE, code)
    assert told.accepted, (told.messages, told.lost, told.broken)


# Changes of the tests to their world

WORLD = """
import logging, os, random, subprocess, sys, time, warnings
class Old(UserWarning): pass
log = logging.getLogger("app")
def home(): return os.environ.get("APP_HOME", "none")
def draw(): return random.randint(1, 10**9)
def run(command): return subprocess.run(command, shell=True).returncode
def read(name):
    with open(name) as file: return file.read()
def arguments(): return sys.argv[1:]
def warn():
    warnings.warn("odd", Old)
    log.info("done %d", 3)
def show(x): print("value", x)
"""
UNDER_TEST = "import os, random, sys, time, logging, warnings\nfrom unittest.mock import mock_open, patch\nimport pytest, solution\nfrom solution import *\n"


@pytest.mark.parametrize(
    "body",
    [
        "assert home() == 'none'\n    os.environ['APP_HOME'] = '/x'\n    assert home() == '/x'\n    del os.environ['APP_HOME']\n    assert home() == 'none'",
        "with patch.dict(os.environ, {'APP_HOME': '/y'}):\n        assert home() == '/y'\n    assert home() == 'none'",
        "random.seed(4)\n    a = draw()\n    random.seed(4)\n    assert draw() == a\n    random.seed(4)\n    assert random.randint(1, 10**9) == a",
        "state = random.getstate()\n    a = draw()\n    b = draw()\n    random.setstate(state)\n    assert [draw(), draw()] == [a, b]",
        "with patch('subprocess.run') as fake:\n        fake.return_value.returncode = 3\n        assert run('ls') == 3\n    fake.assert_called_once_with('ls', shell=True)",
        "with patch('builtins.open', mock_open(read_data='abc')) as fake:\n        assert read('x') == 'abc'\n    fake.assert_called_once_with('x')",
        "monkeypatch.setattr(sys, 'argv', ['prog', '-n', '4'])\n    assert arguments() == ['-n', '4']",
        "with pytest.warns(solution.Old):\n        warn()",
        "with caplog.at_level(logging.INFO):\n        warn()\n    assert 'done 3' in caplog.text",
        "with patch('builtins.print') as fake:\n        show(3)\n    fake.assert_called_once_with('value', 3)\n    show(4)\n    assert capsys.readouterr().out == 'value 4\\n'",
    ],
)  # fmt: skip
def test_what_the_tests_change_reaches_the_submission(body: str) -> None:
    told = run(WORLD, {"test_a.py": f"{UNDER_TEST}\ndef test_a(monkeypatch, capsys, caplog):\n    {body}\n"})
    assert told.accepted, (told.messages, told.lost, told.broken)


def test_what_is_forgotten_while_a_message_is_read_may_still_be_named_in_it() -> None:
    source = "class Own: pass\ndef f(xs):\n    for i in range(len(xs)): xs[i] = Own()\n    return xs\n"
    told = run(source, "xs = [3, 1, 2]\nassert f(xs) is xs\nassert f(xs)[1] is xs[1] and len(xs) == 3")
    assert told.accepted, (told.messages, told.lost)
