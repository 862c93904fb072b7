"""Verdicts, and the rules that find an answer."""

from verifier_service.schema.base import Worded


class Verdict(Worded):
    """What was concluded about one submission, or about one test."""

    ACCEPTED = "accepted", "Every test passed, or the answer equals the reference."
    WRONG_ANSWER = "wrong_answer", "The program ran or the answer was read, and it is not the expected one."
    NO_ANSWER = "no_answer", "The completion has no answer, or no code, that can be judged."
    COMPILE_ERROR = "compile_error", "The program could not be compiled."
    RUNTIME_ERROR = "runtime_error", "The program failed, ended too early, or broke the sandbox twice."
    TIME_LIMIT_EXCEEDED = "time_limit_exceeded", "The program used more CPU time, or waited longer, than allowed."
    MEMORY_LIMIT_EXCEEDED = "memory_limit_exceeded", "The program asked for more memory than allowed."
    OUTPUT_LIMIT_EXCEEDED = "output_limit_exceeded", "The program wrote more than allowed."
    JUDGE_ERROR = (
        "judge_error",
        "The service failed, or the request cannot be judged. It says nothing about the completion; the score is null.",
    )

    @property
    def score(self) -> str:
        """The scores that go with it, in words."""
        match self:
            case Verdict.ACCEPTED:
                return "1"
            case Verdict.JUDGE_ERROR:
                return "null"
            case Verdict.NO_ANSWER | Verdict.COMPILE_ERROR:
                return "0"
            case _:
                return "weighted share of the tests that passed; 0 for math"


class ExtractionRule(Worded):
    """Where in a completion the answer was found. The rules are tried in this order, the most trusted first."""

    BOXED = "boxed", "The last `\\boxed{}` or `\\fbox{}`."
    TAG = "tag", "The last `<answer>...</answer>`, also `<final_answer>` and `<ans>`."
    HASHES = "hashes", "What follows the last `####` on its line."
    PHRASE = "phrase", 'What follows the last "the answer is", "Final Answer:" and the like, in twelve languages.'
    LAST_LINE = (
        "last_line",
        "The last line, if it is a formula, has one, ends with a word in bold, or is a short answer.",
    )
    LAST_NUMBER = "last_number", "The last number, with its sign, unit and what it is listed with."
