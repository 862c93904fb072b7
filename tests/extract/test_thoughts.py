"""What is a thought and what is not. Both judges use the same rule."""

import pytest

from verifier_service.extract.thoughts import without_thoughts


def has_answer(text: str) -> bool:
    """Treat any fence as an answer."""
    return "```" in text


CODE = "```python\nx = 1\n```\n"


@pytest.mark.parametrize(
    "thought",
    [
        "<think>no</think>", "<thinking>\nno\n</thinking>\n", "<REASONING>no</REASONING>", "[THINK]no[/THINK]",
        "◁think▷no◁/think▷", "no</think>", "a</think>\nb</think>", "<think>a<think>b</think>c</think>",
        "<think>a</think><think>b</think>",
        "<think>I must write </think> first.</think>", "<|im_start|>assistant\n<think>no</think>",
        "<|channel|>analysis<|message|>no<|end|><|start|>assistant<|channel|>final<|message|>",
        "<|begin_of_thought|>no<|end_of_thought|>", f"<think>\n{CODE}</think>\n", f"{CODE}</think>\n",
        "<think>\n```python\nnever closed\n</think>\n", "```python\nnever closed\n</think>\n",
        "<think>\n```python\ns = '</think>'\n```\n</think>\n",
    ],
)  # fmt: skip
def test_a_thought_is_cut_off(thought: str) -> None:
    assert without_thoughts(f"{thought}{CODE}", has_answer).endswith(CODE)
    assert "no" not in without_thoughts(f"{thought}{CODE}", has_answer).removesuffix(CODE)
    assert without_thoughts(f"{thought}{CODE}", has_answer).count("```") == 2


@pytest.mark.parametrize(
    "text",
    [
        f"I think in `<think>` tags.\n{CODE}",
        f"{CODE}I closed my </think> tag.\n",
        f"{CODE}This is <think> and that is </think>.\n",
        f"Use <think> to think.\n{CODE}",
        "```python\nTAGS = ['<think>', '</think>']\n```\n",
        "```python\nT = '''\n<think>\n</think>\n'''\n```\n",
        "```python\n# <reasoning> none\n```\n```text\n</reasoning>\n```\n",
    ],
)
def test_a_tag_that_is_spoken_of_or_stands_in_a_block_is_text(text: str) -> None:
    assert without_thoughts(text, has_answer) == text


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (f"<think>hm\n{CODE}", ""),
        (f"So.\n<think>hm\n{CODE}", "So.\n"),
        (f"<think>hm\n<answer>\n{CODE}</answer>", f"<answer>\n{CODE}</answer>"),
        (f"<think>the format is <answer> code </answer>\n{CODE}", ""),
    ],
)
def test_a_thought_that_never_ends_leaves_nothing_but_an_answer_in_tags(text: str, rest: str) -> None:
    assert without_thoughts(text, has_answer) == rest
