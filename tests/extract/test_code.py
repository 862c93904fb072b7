"""Which part of a completion is the program."""

import time

import pytest

from verifier_service.extract.code import extract_code
from verifier_service.languages import load_languages

PYTHON = load_languages()["python"]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("x = 1", "x = 1"),
        ("Sure!\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```py\na\n```\nbetter:\n```python\nb\n```", "b\n"),
        ("```Python3\na\n```", "a\n"),
        ("```python\na\n```\nIt prints\n```\n42\n```", "a\n"),
        ("```\na\n```", "a\n"),
        ("```text\nnot code\n```\n```\na\n```", "a\n"),
        ("```python\na = 1\nb = 2", "a = 1\nb = 2"),
        ("```python\nreturn_value = 3```\nThat is it.", "return_value = 3"),
        ("~~~python\na\n~~~", "a\n"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        ("1. First:\n   ```python\n   def f():\n       return 1\n   ```\n", "def f():\n    return 1\n"),
        ("```python\r\na = 1\r\n```\r\n", "a = 1\r\n"),
        ('```python title="solution.py"\na\n```', "a\n"),
        ("```{.python}\na\n```", "a\n"),
        ("<think>\n```python\nwrong\n```\n</think>\n```python\nright\n```", "right\n"),
        ("```python\nwrong\n```\n</think>\n```python\nright\n```", "right\n"),
        ("s = '`'", "s = '`'"),
    ],
)
def test_the_last_block_of_the_language_is_the_program(completion: str, expected: str) -> None:
    assert extract_code(completion, PYTHON) == expected


@pytest.mark.parametrize(
    "completion",
    ["", "  \n\t", "```python\n```", "<think>I wonder\n```python\nx\n```", "```cpp\nint main() {}\n```"],
)
def test_a_completion_without_code_of_the_language_has_none(completion: str) -> None:
    assert extract_code(completion, PYTHON) is None


@pytest.mark.parametrize(
    "part", ["`", "```\n", "```python\n", "<think>", "</think>", "<think></think>", "~~~x\n", "\n"]
)
def test_a_long_hostile_completion_is_read_in_linear_time(part: str) -> None:
    text = part * (400_000 // len(part))
    started = time.process_time()
    extract_code(text, PYTHON)
    assert time.process_time() - started < 5
