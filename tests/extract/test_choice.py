"""Which of several blocks is the answer: the last that compiles, does something and defines what the tests need."""

import pytest

from verifier_service.extract.code import extract_code
from verifier_service.extract.wanted import NOTHING, Wanted, by_asserts, by_call, by_pytest
from verifier_service.languages import load_languages

LANGUAGES = load_languages()
DOUBLE = "def double(n):\n    return n * 2\n"
WORSE = "def double(n):\n    return n\n"
HELPED = "def double(n):\n    return twice(n)\n"
TWICE = "def twice(n):\n    return n * 2\n"
CALL = by_call("double")
READS = "n = int(input())\nprint(n * 2)\n"


def answer(*codes: str, wanted: Wanted = CALL) -> str | None:
    """Return what is extracted from Python blocks with these codes."""
    return extract_code("\nThen:\n".join(f"```python\n{code}```\n" for code in codes), LANGUAGES["python"], wanted)


@pytest.mark.parametrize(
    "later",
    [
        "", "\n\n", "print(double(4))  # 8\n", ">>> double(4)\n8\n", "8\n", "def double(n: int) -> int\n",
        "from solution import double\nprint(double(4))\n", "from solution import *\nprint(double(4))\n",
        "assert double(4) == 8\n", "def double(n):\n    return (n *\n", "from math import *\nprint(double(4))\n",
        "    return n * 2\n", "return n * 2\n",
    ],
)  # fmt: skip
def test_a_later_block_that_cannot_be_the_answer_is_passed_over(later: str) -> None:
    assert answer(DOUBLE, later) == DOUBLE


@pytest.mark.parametrize(
    "later",
    [
        "double = lambda n: n * 2\n",
        "from operator import neg as double\n",
        "if True:\n    def double(n):\n        return n * 2\n",
        "exec('def double(n): return n * 2')\n",
    ],
)
def test_a_later_block_that_defines_the_name_in_any_way_is_the_answer(later: str) -> None:
    assert answer(WORSE, later) == later


@pytest.mark.parametrize(
    "later",
    [
        "def double[T](n: T) -> T:\n    return n * 2\n",
        "type Number = int\ndef double(n: Number):\n    return n * 2\n",
        "def double(n):\n    d = {'a': 2}\n    f'{d['a']}'\n    return n * 2\n",
        "def double(n):\n    try:\n        return n * 2\n    except TypeError, ValueError:\n        pass\n",
    ],
)
def test_syntax_younger_than_this_interpreter_is_no_reason_to_pass_a_block_over(later: str) -> None:
    assert answer(WORSE, later) == later


def test_where_no_block_can_be_the_answer_the_last_is_taken() -> None:
    assert answer("def double(n:\n", "def double(m:\n") == "def double(m:\n"
    assert answer("def f(): pass\n", "def g(): pass\n") == "def g(): pass\n"


def test_blocks_that_need_each_other_are_taken_together() -> None:
    assert answer(TWICE, HELPED) == f"{TWICE}\n{HELPED}"
    assert answer(HELPED, TWICE) == f"{TWICE}\n{HELPED}"
    assert answer(TWICE, HELPED, "print(double(2))\n") == f"{TWICE}\n{HELPED}"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (CALL, {"double"}),
        (by_call("Solution.double"), {"Solution.double"}),
        (by_asserts("import math\nassert math.floor(double(2)) == len(xs())", None), {"double", "xs"}),
        (by_asserts("assert math.floor(double(2)) == 4", None), {"double"}),
        (by_asserts("assert sum(2, 3) == 6", None), {"sum"}),
        (by_asserts("def check(candidate):\n    assert candidate(helper()) == 2", "double"), {"double"}),
        (by_asserts("from solution import double\ny = 1\nassert double(y) == 2", None), {"double"}),
        (by_asserts("assert (", None), set()),
        (
            by_pytest({"test_a.py": "from solution import a\nimport solution as s\nassert s.b\n"}, "solution"),
            {"a", "b"},
        ),
        (by_pytest({"test_a.py": "import other\nassert other.b\n"}, "solution"), set()),
        (NOTHING, set()),
    ],
)
def test_tests_ask_for_the_names_that_they_take_from_the_submission(wanted: Wanted, names: set[str]) -> None:
    assert wanted.names == names


def test_a_method_is_asked_for_with_its_class() -> None:
    good = f"class Solution:\n    {DOUBLE.replace(chr(10), chr(10) + '    ').rstrip()}\n"
    other = "class Solution:\n    def triple(self, n):\n        return n * 3\n"
    assert answer(good, other, wanted=by_call("Solution.double")) == good
    assert answer(other, good, wanted=by_call("Solution.double")) == good


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((READS, "6\n"), READS),
        ((READS, "pip install x\n"), READS),
        ((READS, "def other(n):\n    return n\n"), READS),
        ((f"{DOUBLE}{READS}", "print(double(4))\n"), f"{DOUBLE}{READS}"),
        ((DOUBLE, "print(double(int(input())))\n"), f"{DOUBLE}\nprint(double(int(input())))\n"),
        (("print(1)\n", READS), READS),
    ],
)
def test_of_programs_that_read_and_write_the_last_that_does_so_is_taken(codes: tuple[str, ...], expected: str) -> None:
    assert answer(*codes, wanted=NOTHING) == expected


def test_a_block_without_a_label_is_the_answer_where_the_labelled_one_only_uses_it() -> None:
    text = f"```\n{DOUBLE}```\nUse it:\n```python\nprint(double(3))\n```\n"
    assert extract_code(text, LANGUAGES["python"], CALL) == DOUBLE


@pytest.mark.parametrize(
    ("language", "program", "fragment"),
    [
        ("cpp", "int main() {}\n", "int f();\n"),
        ("java", "class Main { public static void main(String[] a) {} }\n", "int x = 1;\n"),
        ("go", "package main\nfunc main() {}\n", "x := 1\n"),
        ("rust", "fn main() {}\n", "let x = 1;\n"),
    ],
)
def test_in_other_languages_the_last_block_with_a_main_is_the_answer(
    language: str, program: str, fragment: str
) -> None:
    text = f"```{language}\n{program}```\nThe key:\n```{language}\n{fragment}```\n"
    assert extract_code(text, LANGUAGES[language]) == program
    assert extract_code(f"```{language}\n{fragment}```\n", LANGUAGES[language]) == fragment
