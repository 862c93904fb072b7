"""Completions that solve nothing. If tests or references accept one, a policy will find it as well.

For code, they define the names that the tests use; for math, they repeat parts of the question.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from verifier_service.data.row import Json
from verifier_service.data.task import Task, fenced


@dataclass(frozen=True)
class Cheat:
    """A completion that must never be accepted. An `unfinished` one is correct except for the last step."""

    name: str
    completion: str
    unfinished: bool = False


ALWAYS_EQUAL = """\
class EqualToAll:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __contains__ = __lt__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __len__(self): return 1
    def __iter__(self): return iter([self])
    def __getitem__(self, key): return self
    def __call__(self, *args, **kwargs): return self
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__
    def __abs__(self): return 0
    def __round__(self, digits=0): return self

"""
"""An object that claims to be equal to everything."""

BODIES = {
    "empty body": ("", "pass"),
    "echo": ("", "return next(iter((*args, *kwargs.values())), None)"),
    "always-equal object": (ALWAYS_EQUAL, "return EqualToAll()"),
    "early exit": ("", "import os; os._exit(0)"),
    "sys.exit(0)": ("", "import sys; sys.exit(0)"),
}
"""Bodies of functions that solve nothing, each with the code before the function."""

PROGRAMS = {
    "empty body": "pass",
    "echo": "import sys; sys.stdout.write(sys.stdin.read())",
    "early exit": "import os; os._exit(0)",
    "sys.exit(0)": "import sys; sys.exit(0)",
}
"""The same for programs with standard input and output."""

_FORMULA = re.compile(r"\$+([^$]+)\$+|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)  # $x + 1$, \(x + 1\), \[x + 1\]
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SUM = re.compile(r"<<([^<>=]+)=[^<>=]+>>")  # the calculator of GSM8K: <<3*12=36>>


def cheats_of(task: Task) -> list[Cheat]:
    """Return the cheats for a task; none for languages other than Python or for a kept suite."""
    if task.verifier["kind"] == "math":
        return _of_math(task)
    tests = task.verifier["tests"]
    if task.verifier.get("language", "python") != "python" or not isinstance(tests, Mapping):
        return []
    if "kind" not in tests:  # a kept suite: its tests are not in the row
        return []
    if tests["kind"] == "stdio":
        return _of_program(tests)
    return _of_functions(names_asked(task, tests), _first_expected(tests))


def _of_math(task: Task) -> list[Cheat]:
    question = task.prompt if isinstance(task.prompt, str) else task.prompt[-1]["content"]
    found = [Cheat("empty box", "\\boxed{}"), Cheat("the question itself", question), Cheat("zero", "\\boxed{0}")]
    formulas = [next(filter(None, groups)) for groups in _FORMULA.findall(question)]
    if formulas:
        found.append(Cheat("the question's last formula", f"\\boxed{{{formulas[-1].strip()}}}"))
    numbers = _NUMBER.findall(question)
    if numbers:
        found.append(Cheat("the question's last number", f"\\boxed{{{numbers[-1].rstrip(',')}}}"))
    sums = _SUM.findall(task.solutions[0].completion) if task.solutions else []
    if sums:
        found.append(Cheat("the last sum, not worked out", f"\\boxed{{{sums[-1]}}}", unfinished=True))
    return found


def _of_program(tests: Mapping[str, Json]) -> list[Cheat]:
    found = [Cheat(name, fenced(program)) for name, program in PROGRAMS.items()]
    cases = tests["cases"]
    first = cases[0] if isinstance(cases, list) else None
    if isinstance(first, Mapping):
        found.append(Cheat("first example", fenced(f"print({first['stdout']!r})")))
    return found


def _of_functions(names: list[str], first: str | None) -> list[Cheat]:
    bodies = BODIES if first is None else {**BODIES, "first example": ("", f"return {first}")}
    return [Cheat(name, fenced(before + _defined(names, body))) for name, (before, body) in bodies.items() if names]


def _defined(names: list[str], body: str) -> str:
    parts: list[str] = []
    for name in names:
        owner, _, method = name.replace("()", "").rpartition(".")
        if owner:
            parts.append(f"class {owner}:\n    def {method}(self, *args, **kwargs):\n        {body}\n")
        else:
            parts.append(f"def {method}(*args, **kwargs):\n    {body}\n")
    return "\n".join(parts)


def names_asked(task: Task, tests: Mapping[str, Json]) -> list[str]:
    """Return the names of the functions that the tests call."""
    entry = tests.get("entry_point")
    if isinstance(entry, str):
        return [entry]
    if tests["kind"] == "pytest" and isinstance(tests["files"], Mapping):
        sources = [str(source) for source in tests["files"].values()]
    else:
        sources = [str(tests["code"])]
    used = {name for source in sources for name in _called(source)}
    own = [name for solution in task.solutions for name in _functions(solution.completion)]
    return [name for name in dict.fromkeys(own) if name in used]


def _called(source: str) -> set[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _functions(completion: str) -> list[str]:
    return re.findall(r"^def\s+(\w+)\s*\(", completion, re.MULTILINE)


def _first_expected(tests: Mapping[str, Json]) -> str | None:
    """Return the source of the first test's expected value, or None if it cannot be determined."""
    cases = tests.get("cases")
    if isinstance(cases, list) and isinstance(cases[0], Mapping):
        return repr(cases[0]["expected"])
    try:
        tree = ast.parse(str(tests.get("code", "")))
    except (SyntaxError, ValueError, RecursionError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.Eq):
            expected = node.test.comparators[0]
            try:
                ast.literal_eval(expected)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return None
            return ast.unparse(expected)
    return None
