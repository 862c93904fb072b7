"""The math judge: groups, twins, extraction rules, unusable references, hostile completions."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from verifier_service.dispatch import judge_all
from verifier_service.judges.math.judge import MathJudge
from verifier_service.observability.build import made_by
from verifier_service.schema import ExtractionRule, Form, MathResult, MathSubmission, Rounding, Verdict
from verifier_service.settings import Settings

EXECUTED = Path("/tmp/executed-by-math-judge")


def submission(completion: str, reference: str = "42", extract: list[ExtractionRule] | None = None) -> MathSubmission:
    """Make a submission with a name."""
    return MathSubmission(kind="math", id="a", completion=completion, reference=reference, extract=extract)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def judge() -> AsyncIterator[MathJudge]:
    """A warm judge with two workers."""
    made = MathJudge(Settings(math_workers=2))
    await made.start()
    yield made
    await made.close()


async def test_a_right_answer_is_accepted_and_the_result_says_what_was_read_and_why(judge: MathJudge) -> None:
    """All fields of the result are set."""
    (result,) = await judge_all("math", judge, [submission("so \\boxed{\\frac{84}{2}}")])
    assert result.judge_s > 0
    assert result == MathResult(
        queue_s=result.queue_s,
        judge_s=result.judge_s,
        id="a",
        verdict=Verdict.ACCEPTED,
        score=1.0,
        extracted="\\frac{84}{2}",
        extracted_by=ExtractionRule.BOXED,
        message="\\frac{84}{2} equals 42: equal in value",
        made_by=made_by(),
    )


async def test_a_completion_without_an_answer_has_none(judge: MathJudge) -> None:
    """It scores 0, and nothing was extracted."""
    (result,) = await judge_all("math", judge, [submission("I do not know.")])
    assert (result.verdict, result.score, result.extracted) == (Verdict.NO_ANSWER, 0.0, None)
    tried = "boxed, tag, hashes, phrase, last_line, last_number"
    assert result.message == f"no answer was found in the completion by {tried}"


async def test_a_request_can_restrict_the_rules(judge: MathJudge) -> None:
    """An answer that only another rule would find is not found."""
    results = await judge_all(
        "math",
        judge,
        [
            submission("the answer is 42", extract=[ExtractionRule.BOXED]),
            submission("the answer is 42", extract=[ExtractionRule.BOXED, ExtractionRule.PHRASE]),
        ],
    )
    assert [result.verdict for result in results] == [Verdict.NO_ANSWER, Verdict.ACCEPTED]
    assert results[0].message == "no answer was found in the completion by boxed"


async def test_results_of_a_mixed_batch_keep_their_places(judge: MathJudge) -> None:
    """Groups of several references, twins included, come back in the order of the request."""
    batch = [submission(f"\\boxed{{{number % 5}}}", str(number % 3)) for number in range(200)]
    results = await judge_all("math", judge, batch)
    assert [result.score for result in results] == [float(n % 5 == n % 3) for n in range(200)]


@pytest.mark.parametrize("reference", ["", "   ", "\\boxed{}", "9" * 100_001])
async def test_an_unusable_reference_is_our_failure(judge: MathJudge, reference: str) -> None:
    """In a batch it is a judge_error with the reason and no score. Its neighbor is judged."""
    bad, good = await judge_all("math", judge, [submission("\\boxed{42}", reference), submission("\\boxed{42}")])
    assert (bad.verdict, bad.score) == (Verdict.JUDGE_ERROR, None)
    assert bad.message
    assert good.score == 1.0


async def test_words_formulas_and_whole_solutions_can_be_references(judge: MathJudge) -> None:
    """None of them is an unusable reference."""
    references = ("42", "\\text{Navin}", "so #### 18", "\\frac", "\\{1, 2\\}", "the answer is \\boxed{3}")
    results = await judge_all("math", judge, [submission("\\boxed{x}", reference) for reference in references])
    assert [result.verdict for result in results] == [Verdict.WRONG_ANSWER] * len(references)


@pytest.mark.parametrize("reference", ["\\frac{1}{2", "\\text{Navin", "5}", "\\frac{1}{\\}"])
async def test_a_reference_whose_braces_do_not_match_proves_no_answer_wrong(judge: MathJudge, reference: str) -> None:
    """It is truncated, so nothing is known of an answer that differs from it, and such an answer has no score."""
    alone, beside, right = [
        submission("\\boxed{8}", reference),
        MathSubmission(kind="math", completion="\\boxed{8}", reference=[reference, "7"]),
        MathSubmission(kind="math", completion="\\boxed{7}", reference=[reference, "7"]),
    ]
    results = await judge_all("math", judge, [alone, beside, right])
    assert [(result.verdict.value, result.score) for result in results] == [
        ("judge_error", None),
        ("judge_error", None),
        ("accepted", 1.0),
    ]
    assert "cannot be read as math: it opens" in results[0].message


async def test_of_several_references_any_one_counts(judge: MathJudge) -> None:
    """The message is about the one that is equal. Next to an unusable one, an answer cannot be known to be wrong."""
    several = [
        MathSubmission(kind="math", completion="\\boxed{0.5}", reference=["\\frac{1}{3}", "\\frac{1}{2}"]),
        MathSubmission(kind="math", completion="\\boxed{7}", reference=["8", "9"]),
        MathSubmission(kind="math", completion="\\boxed{7}", reference=["", "7"]),
        MathSubmission(kind="math", completion="\\boxed{7}", reference=["", "8"]),
    ]
    results = await judge_all("math", judge, several)
    assert [result.verdict.value for result in results] == ["accepted", "wrong_answer", "accepted", "judge_error"]
    assert results[0].message == "0.5 equals \\frac{1}{2}: equal in value"


async def test_the_same_answer_is_judged_by_what_each_submission_asks_of_it(judge: MathJudge) -> None:
    """In one batch and one after the other: the outcome for one form or rounding is not reused for another."""
    forms, roundings = (Form.EQUAL, Form.FINAL), (Rounding.NONE, Rounding.REFERENCE)
    asked = [
        MathSubmission(
            kind="math", completion=f"\\boxed{{{answer}}}", reference=reference, form=form, rounding=rounding
        )
        for answer, reference in (("1+1", "2"), ("1/3", "0.333"), ("1/6 + 1/6", "0.333"))
        for form in forms
        for rounding in roundings
    ]
    wanted = [1, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0]
    for batch in ([asked], [[one] for one in asked]):
        results = [result for part in batch for result in await judge_all("math", judge, part)]
        assert [result.score for result in results] == wanted
    assert results[2].message == "1+1 equals 2: equal in value; but it leaves an addition to be done"
    assert results[5].message == "1/3 rounds to 0.333"


async def test_of_several_references_an_answer_in_the_right_form_needs_one_only(judge: MathJudge) -> None:
    """It may leave undone what one of them leaves undone. If none does, the message is about the one it equals."""
    several = [
        MathSubmission(kind="math", completion="\\boxed{2^5-1}", reference=["31", "2^5-1"], form=Form.FINAL),
        MathSubmission(kind="math", completion="\\boxed{2^5-1}", reference=["30", "31"], form=Form.FINAL),
    ]
    results = await judge_all("math", judge, several)
    assert [result.score for result in results] == [1, 0]
    assert results[1].message == "2^5-1 equals 31: equal in value; but it leaves an addition to be done"


HOSTILE = [
    "9^{9^{9^9}}", "(10^9)!", "\\int_0^1 \\sin(e^{x^x}) dx", "\\lim_{x\\to\\infty} \\frac{x!^{x!}}{x^{x^x}}",
    "9" * 100_000, "x" * 100_000, "1+" * 50_000 + "1", "-" * 10_000 + "7", "7" + "!" * 1000, "\\sqrt{" * 10_000,
    "{" * 10_000 + "7" + "}" * 10_000, "(" * 10_000 + "7" + ")" * 10_000, "\\frac{" * 10_000 + "1" + "}{2}" * 10_000,
    "|" * 10_000, "\\begin{pmatrix}" * 3_000, "{1}_{" * 3_000, "\\text{" * 5_000, "$" * 100_000, "\\boxed{" * 30_000,
    "\\{" + ",".join(map(str, range(5_000))) + "\\}", "e^{" * 5_000 + "x" + "}" * 5_000,
    f"__import__('os').system('touch {EXECUTED}')", f"exec(\"import os; os.system('touch {EXECUTED}')\")",
    "\\sin(" * 5_000 + "x" + ")" * 5_000, ",".join(f"x^{{{n}}}" for n in range(5_000)), "1," * 50_000, "\u0000" * 1_000,
    "\\sum_{k=1}^{10^9} k", "2^{2^{2^{2^{2^2}}}}", "\\binom{10^9}{10^8}", "\ud7ff" * 5_000, "\\pm" * 5_000 + "7",
]  # fmt: skip


async def test_hostile_completions_are_rejected_and_nothing_is_executed(judge: MathJudge) -> None:
    """One after the other, boxed and bare. The neighbor of each is accepted. How long each takes is benchmarked."""
    EXECUTED.unlink(missing_ok=True)
    for text in HOSTILE:
        for completion in (f"\\boxed{{{text}}}", text):
            results = await judge_all("math", judge, [submission(completion), submission("\\boxed{42}")])
            assert [result.score for result in results] == [0.0, 1.0], text[:60]
    assert not EXECUTED.exists()


async def test_memory_stays_flat_over_ten_thousand_hostile_answers() -> None:
    """After the soak, the workers' memory is what it was after the first tenth, within a few MiB."""
    judge = MathJudge(Settings(math_workers=1))
    await judge.start()
    quick = [text for text in HOSTILE if "\\int" not in text and "\\lim" not in text and len(text) < 10_000]

    async def soak(rounds: int, start: int) -> None:
        batch = [
            submission(
                f"\\boxed{{{quick[n % len(quick)]}}} {n + start} \\boxed{{{quick[n % len(quick)]} + {n + start}}}"
            )
            for n in range(rounds)
        ]
        results = await judge_all("math", judge, batch)
        assert {result.score for result in results} == {0.0}

    await soak(1_000, 0)
    before = _children_rss_kb(os.getpid())
    await soak(9_000, 1_000)
    after = _children_rss_kb(os.getpid())
    await judge.close()
    assert after - before < 40 * 1024


def _children_rss_kb(parent: int) -> int:
    """Return the resident memory of all processes below one, in KiB."""
    table = subprocess.run(["ps", "-eo", "pid,ppid,rss"], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in table.splitlines()[1:]]
    below, total = {parent}, 0
    for _ in range(4):
        below |= {pid for pid, above, _ in rows if above in below}
    for pid, _, rss in rows:
        total += rss if pid in below and pid != parent else 0
    return total


async def test_a_cancelled_batch_leaves_the_judge_able_to_judge(judge: MathJudge) -> None:
    """A deadline cancels it in the middle; what comes next is answered."""
    slow = [submission(f"\\boxed{{\\lim_{{x\\to\\infty}} \\frac{{x!^{{x!}}+{n}}}{{x^{{x^x}}}}}}") for n in range(20)]
    task = asyncio.create_task(judge_all("math", judge, slow))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (result,) = await judge_all("math", judge, [submission("\\boxed{42}")])
    assert result.score == 1.0


async def test_many_callers_at_once_all_get_their_own_results(judge: MathJudge) -> None:
    """Fifty batches in one loop, each with its own reference."""
    batches = [[submission(f"\\boxed{{{n + k}}}", str(n)) for k in range(4)] for n in range(50)]
    results = await asyncio.gather(*(judge_all("math", judge, batch) for batch in batches))
    assert [[result.score for result in batch] for batch in results] == [[1.0, 0.0, 0.0, 0.0]] * 50


async def test_a_judge_that_is_not_started_gives_judge_errors_and_says_that_it_is_not_ready() -> None:
    """Our failure is never a score."""
    judge = MathJudge(Settings(math_workers=1))
    assert await judge.ready() == "math workers: not started"
    (result,) = await judge_all("math", judge, [submission("\\boxed{42}")])
    assert (result.verdict, result.score) == (Verdict.JUDGE_ERROR, None)


def test_judging_does_not_import_sympy_in_the_services_own_process() -> None:
    """The judge's module does not need sympy, which is only in the workers."""
    code = "import sys, verifier_service.judges.math.judge; assert 'sympy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
