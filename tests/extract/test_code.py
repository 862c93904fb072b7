"""Which part of a completion is the program."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier_service.extract.code import extract_code
from verifier_service.extract.wanted import by_call
from verifier_service.languages import Language, load_languages

LANGUAGES = load_languages()
PYTHON = LANGUAGES["python"]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("x = 1", "x = 1"),
        ("\n\nx = 1", "\n\nx = 1"),
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
    [
        "", "  \n\t", "```python\n```", "<think>I wonder\n```python\nx\n```", "```cpp\nint main() {}\n```",
        '```json\n{"a": 1}\n```', "<think>\n```python\nx = 1\n```\n</think>\n",
    ],
)  # fmt: skip
def test_a_completion_without_code_of_the_language_has_none(completion: str) -> None:
    assert extract_code(completion, PYTHON) is None


PROGRAMS = {
    "python": "import sys\n\ndef double(n):\n    return n * 2\n\nif __name__ == '__main__':\n    print(double(3))\n",
    "cpp": "#include <iostream>\nint main() {\n    int n;\n    std::cin >> n;\n    std::cout << n * 2;\n}\n",
    "bash": "read n\necho $((n * 2))\n",
}
TOKENS = ("<|im_end|>", "<|eot_id|>", "</s>", "<|endoftext|>", "<end_of_turn>", "<|end|>", "<｜end▁of▁sentence｜>")
LABELS = {
    "python": "python python:double.py python,linenos pypy3 ipython3 solution.py {python} tool_code python3.12 answer",
    "cpp": "cpp c++17 cpp:a.cpp main.cpp g++ gnu++17 {cpp} c++-20 answer",
    "bash": "bash sh shell run.sh bash,linenos answer",
}
NAMES = {"python": "PYTHON", "cpp": "CPP", "bash": "BASH"}
WRAPPINGS = (
    # The prompt opened the fence.
    "{code}```", "{code}```\n\nIt doubles the number.\n", "{code}```\nOutput:\n```text\n6\n```\n",
    "{label}\n{code}```\n",
    "{code}```{token}", "\n{code}\n```\n\n- one\n- two\n",
    # The model's turn ends.
    "```{label}\n{code}```{token}", "{code}{token}", "```{label}\n{code}{token}",
    "```{label}\n{code}```\n{token}{token}",
    "{code}{token}\n<|im_start|>user\nAnother one, please.", "<|im_start|>assistant\n```{label}\n{code}```",
    # Tags surround it.
    "<answer>```{label}\n{code}```</answer>", "<answer>\n{code}</answer>",
    "So.\n<solution>\n```{label}\n{code}```\n</solution>",
    "<answer> ```{label}\n{code}```\n</answer>{token}", "{code}</answer>", "<answer>\n```{label}\n{code}</answer>",
    "[{name}]\n{code}[/{name}]\n", "[BEGIN]\n{code}[DONE]\n", "{code}[DONE]\n\nYou are a programmer.\n",
    "I put it into <answer> tags.\n<answer>\n```{label}\n{code}```\n</answer>",
    # The model thinks.
    "<think>Hm.</think>\n```{label}\n{code}```", "Hm.\n</think>\n\n{code}",
    "<think>Hm.\n<answer>\n```{label}\n{code}```\n</answer>",
    "<think>\n```{label}\nno\n</think>\n```{label}\n{code}```", "```{label}\n{code}```\nI closed my </think> tag.",
    # Other words share the line of the fence.
    "Answer: ```{label}\n{code}```", "**Solution:** ```{label}\n{code}```", "- ```{label}\n{code}```",
    "```{label}\n{code}``` This doubles the number.\n", "```{label}\n{code}```. Done",
    # Invisible characters.
    "\ufeff```{label}\n{code}```", "\u200b{code}", "```{label}\n\ufeff{code}```", "Here:\n\u200b```{label}\n{code}```",
    # Fences of unequal length, and none at the end.
    "````{label}\n{code}```\n", "```{label}\n{code}````\n", "```{label}\n{code}",
    "````markdown\n# A\n```{label}\n{code}```\n````",
    "```{label}\n{code}```text\n6\n```\n",
    # No fence.
    "Here is the code:\n\n{code}\nThis doubles the number.\n", "{code}\n**Explanation:** it doubles the number.\n",
)  # fmt: skip


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_comes_out_of_every_wrapping_as_it_went_in(language: str, wrapping: str) -> None:
    code = PROGRAMS[language]
    for token in TOKENS:
        completion = wrapping.format(code=code, label=language, token=token, name=NAMES[language])
        found = extract_code(completion, LANGUAGES[language], by_call("double") if language == "python" else None)
        assert (found or "").strip() == code.strip(), completion


@pytest.mark.parametrize("language", LABELS)
def test_a_label_may_say_more_than_the_language_or_nothing(language: str) -> None:
    code = PROGRAMS[language]
    for label in LABELS[language].split():
        assert extract_code(f"```{label}\n{code}```\n", LANGUAGES[language]) == code, label


@pytest.mark.parametrize("mark", ["> ", ">", ">> ", "   "])
def test_quote_marks_and_indentation_of_a_block_are_no_part_of_the_program(mark: str) -> None:
    lines = f"```python\n{PROGRAMS['python']}```\n".splitlines(keepends=True)
    assert extract_code("".join(mark + line for line in lines), PYTHON) == PROGRAMS["python"]


def test_a_block_may_stand_on_one_line() -> None:
    assert extract_code("```python def f(n): return n```\n", PYTHON) == "def f(n): return n"
    assert extract_code("Answer: ```py print(1)``` as asked", PYTHON) == "print(1)"
    assert extract_code("```python import math\nprint(math.pi)\n```\n", PYTHON) == "import math\nprint(math.pi)\n"


@pytest.mark.parametrize(
    "code",
    [
        "s = '''\n```text\nx\n```\n'''\nprint(s)\n",
        "s = '''\n```\nx\n```\n'''\nprint(s)\n",
        "s = '```'\nprint(s)\n",
        "# it ends with ```\nprint(1)\n",
        "x = 1\ny = 2  # it ends with ```\nprint(x)\n",
        "print('<think>', '</think>', '<answer>', '</answer>', '<|im_end|>')\n",
        "# <reasoning> none\nprint(1)\n",
        "s = '''\n<think>\nx\n</think>\n<answer>\n<|im_end|>\n'''\nprint(s)\n",
        "s = '\xa0'\nprint(s)\n",
    ],
)
def test_what_looks_like_a_mark_inside_of_the_program_is_part_of_it(code: str) -> None:
    assert extract_code(f"<think>ok</think>\n```python\n{code}```\nOutput:\n```text\nx\n```\n", PYTHON) == code
    assert extract_code(code, PYTHON) == code


def test_a_fence_inside_of_a_comment_ends_no_block() -> None:
    code = "/// ```\n/// f();\n/// ```\nfn main() {}\n"
    assert extract_code(f"```rust\n{code}```\n", LANGUAGES["rust"]) == code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(n):\n\xa0\xa0\xa0\xa0return n\xa0* 2\n", "def f(n):\n    return n * 2\n"),
        ("def f(n):\n\u3000return '\xa0\u3000'  # \xa0\n", "def f(n):\n return '\xa0\u3000'  # \xa0\n"),
        ("def f(n):\n    return n\u200b\n", "def f(n):\n    return n\n"),
        ("    def f(n):\n        return n\n", "def f(n):\n    return n\n"),
    ],
)
def test_blanks_that_keep_python_from_compiling_are_mended_outside_of_literals(code: str, expected: str) -> None:
    assert extract_code(f"```python\n{code}```\n", PYTHON) == expected
    assert extract_code(f"{code}```\n", PYTHON) == expected


@pytest.mark.parametrize(
    "code", ["def f(n):\n    return n *\n", "print(1)\nx = = 3\nprint(2)\n", "def f(:\n    pass\n\nprint(3)\n"]
)
def test_a_program_with_an_error_in_it_stays_whole(code: str) -> None:
    """What is cut off must look like sentences; otherwise a wrong program could become a right one."""
    assert extract_code(code, PYTHON) == code
    assert extract_code(f"```python\n{code}```\n", PYTHON) == code


def test_a_block_with_another_label_is_taken_if_it_defines_what_is_asked_for() -> None:
    assert extract_code("```text\ndef f():\n    pass\n```\n", PYTHON, by_call("f")) == "def f():\n    pass\n"
    assert extract_code("```text\ndef f():\n    pass\n```\n", PYTHON, by_call("g")) is None


PIECES = (
    "```", "```python\n", "~~~", "\n", "<think>", "</think>", "<answer>", "</answer>", "[PYTHON]", "[DONE]", "> ", "`",
    "def double(n):\n    return n\n", "print(double(2))\n", "<|im_end|>", "x", "\xa0", "\ufeff", '"""', "'", "#", "\r",
    "\x0c", "\u2028", "\x00", "\ud800", "(", "{", "```markdown\n", "````", ":", "import ", "f'{", "    ", "\t", "exec(",
    "lambda", "\\", ">>> ", "1.", "- ", "def f(", "from x import *\n",
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join), st.sampled_from([*PROGRAMS]))
def test_extraction_never_raises_and_finds_the_same_again(completion: str, language: str) -> None:
    wanted = by_call("double") if language == "python" else None
    found = extract_code(completion, LANGUAGES[language], wanted)
    assert found is None or found.strip()
    assert extract_code(completion, LANGUAGES[language], wanted) == found


HOSTILE = (
    "`", "```\n", "```python\n", "<think>", "</think>", "<think></think>", "~~~x\n", "\n", "<", "<answer>", "</answer>",
    "> ```python\n", "````x\n```\n", "x```\n", "<think>```\n</think>", "</think>\n```\n", "<|im_end|>\n", "[PYTHON]",
    "```python\nx=(\n", "```python\nx=1\n```\n", "- ```python\n", "x <think> ", "\xa0", "(", "f(", "x = 1\n", '"""\n',
    "a<",
    "not ", "lambda: ", "[x for x in ", "{1:", "def f():\n", "<answer>```python\nx=1\n```\n</answer>\n",
    "#include <x>\n",
    "```a``` ", "Here it is: ```python\n", "[DONE]\n",
)  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize("language", [PYTHON, LANGUAGES["cpp"]], ids=["python", "cpp"])
def test_a_million_hostile_characters_are_read_in_linear_time(language: Language, part: str) -> None:
    """It takes a fifth of a second at most; anything quadratic takes minutes."""
    text = part * (1_000_000 // len(part))
    started = time.process_time()
    extract_code(text, language, by_call("double"))
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "unit", ["(", "[", "{0:", "f(", "-", "not ", "lambda: ", "a.", "a[", "if x:\n ", "x = ", "f'{"]
)
@pytest.mark.parametrize("end", ["", "1", "\n```\n"])
def test_what_is_nested_deeply_is_no_program_and_harms_nobody(unit: str, end: str) -> None:
    for times in (100, 5_000):
        completion = f"```python\ndef double(n):\n    return n\n```\n```python\n{unit * times}{end}"
        assert extract_code(completion, PYTHON, by_call("double")) == "def double(n):\n    return n\n"
