"""Finding the final answer: the order of the rules, what they omit, and that every scan is linear."""

import pytest

from verifier_service.answers.read.reading import read
from verifier_service.answers.tree.bounds import MAX_ANSWER_CHARS
from verifier_service.extract.math import Extracted, extract_answer, extract_reference
from verifier_service.schema import ExtractionRule as Rule

EVERYWHERE = (
    "Answer: 1\n#### 2\n<answer>3</answer>\nso \\boxed{4} and\n<answer>5</answer>\n#### 6\nThe answer is 7.\n"
    "last line: x = 8 or so 9"
)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (None, Extracted("4", Rule.BOXED)),
        ([Rule.TAG, Rule.HASHES, Rule.PHRASE], Extracted("5", Rule.TAG)),
        ([Rule.LAST_NUMBER, Rule.HASHES], Extracted("6", Rule.HASHES)),
        ([Rule.PHRASE], Extracted("7", Rule.PHRASE)),
        ([Rule.LAST_NUMBER], Extracted("9", Rule.LAST_NUMBER)),
    ],
)
def test_the_most_trusted_of_the_allowed_rules_decides(rules: list[Rule] | None, expected: Extracted) -> None:
    """The order in which a request names the rules does not matter."""
    assert extract_answer(EVERYWHERE, rules) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("\\boxed{1} or \\boxed{2}", "1 or 2"),
        ("\\boxed{1}\\quad\\text{and}\\quad\\boxed{2}", "1, 2"),
        ("\\boxed{\\{1,2\\}}", "\\{1,2\\}"),
        ("\\boxed{a \\boxed{b}}", "b"),
        ("\\fbox{7}", "7"),
        ("\\boxed 7", "7"),
        ("\\boxed{7", "7"),
        ("\\boxed{20}\\%", "20\\%"),
        ("<think>\\boxed{1}</think>\\boxed{2}", "2"),
        ("<think>one <think> two</think> \\boxed{3}", "3"),
        ("\\boxed{1}</think>\\boxed{2}", "2"),
        ("<answer> 7 </answer>", "7"),
        ("<ANSWER>The answer is 7.</ANSWER>", "7"),
        ("#### 1,234", "1,234"),
        ("The final answer is $\\frac{1}{2}$. I hope it is correct.", "\\frac{1}{2}"),
        ("the answer is 1/3.", "1/3"),
        ("x\n\\[ x = 5 \\]", "x = 5"),
        ("She pays $18.50 in all", "$18.50"),
        ("\\boxed{6}, not \\boxed{5}", "6"),
        ("\\\\boxed{\\\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{5}. Wait, that's wrong. \\boxed{6}, I mean: it is \\boxed{7}", "7"),
        ("\\boxed{5}\n\nWait, that's wrong. The correct answer is 6.", "6"),
        ("\\boxed{5}\n\nWait, let me double-check: 2 + 3 = 5. Correct.", "5"),
        ("\\boxed{5}. A common mistake is to say 6, but that is wrong.", "5"),
        ("The answer is not only 5 but also 6.", "5, 6"),
        ("The answer is 12, which is 5 more than 7.", "12"),
        ("It is 7 or 8.", "7 or 8"),
        ("$x = 12$\n\n(Checked in 3 steps.)", "x = 12"),
        ("\\boxed{5\\ \\text{(since } x>0)}", "5"),
        ("**Option C**", "C"),
    ],
)
def test_what_is_extracted(text: str, expected: str) -> None:
    """One text, one answer."""
    found = extract_answer(text, None)
    assert found is not None
    assert found.text == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "I am not at all sure about this one.", "\\boxed{}", "\\boxed{42} is not the answer.",
        "\\boxed{42} is wrong.", "The answer is not 42.",
        "The answer is not \\boxed{42}", "It cannot be 42.", "I doubt it is 42", "<think>it is \\boxed{42}",
        "<think>The answer is 42", "<answer></answer>", "\\boxed{42}. I made a mistake.", "So is it \\boxed{42}? No.",
        "Maybe 41 or 42.", "It is not the case that the answer is 42.", "\\boxed{42?}",
        "If the answer is 42, then n = 6.",
    ],
)  # fmt: skip
def test_what_is_denied_hidden_or_empty_is_no_answer(text: str) -> None:
    """A denied answer is not replaced by a less trusted one."""
    assert extract_answer(text, None) is None


def test_a_reference_is_read_from_a_box_a_tag_or_hashes_and_else_taken_whole() -> None:
    """A bare value is never searched for a phrase or a number."""
    assert extract_reference("so \\boxed{7}, the answer is 8").text == "7"
    assert extract_reference("3 + 4 = 7\n#### 7").text == "7"
    assert extract_reference(" x = 5 or so ").text == "x = 5 or so"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The mode is $1/3$.", "1/3"),
        ("Solution is: $k=4$.", "k=4"),
        ("The steady state current is 2 amps.", "2 amps"),
        ("The answer is 72.", "72"),
        ("The sequence is bounded by $3$.", "The sequence is bounded by $3$."),
        ("The value is not $3$.", "The value is not $3$."),
        ("The path is 5 times longer.", "The path is 5 times longer."),
    ],
)
def test_a_reference_that_is_a_sentence_is_the_value_that_it_states(text: str, expected: str) -> None:
    """A sentence that states no value is an answer in words."""
    assert extract_reference(text).text == expected


PIECES = [
    "a", "\\boxed{", "{", "}", "1 ", "$", "<think>", "</think>", "answer is ", "\\boxed{1} or ", "1,", " ", "not ",
    "#", "\\",
    "<answer>", "1 000 ", "\\[", "A: \n", "the ", "is not ", "\n", "-", "1/", ".", "\\text{", "=", "é", "答案是",
    "\\\\",
    "\\frac{",
    "x^", "'", "1'000", "1.000", ",\\!", "~", "\t", "*", "9", "\\sqrt{", "(", "|", "A. ", "$1$", "\\(", "\\boxed{1}",
    "< answer", "isn't ",
    "Wait, that's ", "hmm ", "\\boxed{5}, not ", "not the ", "my a b answer ", "or 5 ", "because ", "(since ", "✓ ",
    "\\overline{", "a.m.", "January ", "1:", "\\quad ", "\\,", "and ", "² ", "\u0660",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_a_million_characters_are_scanned_to_their_end(piece: str) -> None:
    """With any repeated piece; a quadratic scan would hang. How long it takes is benchmarked."""
    text = piece * (1_000_000 // len(piece))
    extract_answer(text, None)
    extract_reference(text)


@pytest.mark.parametrize("piece", PIECES)
def test_an_answer_as_long_as_is_read_at_all_is_read_to_its_end(piece: str) -> None:
    """The cleaning and the grammar do not hang either, whatever comes at the end."""
    for tail in ("", "x", "}", "5"):
        text = piece * (MAX_ANSWER_CHARS // len(piece) - 1) + tail
        read(text)
