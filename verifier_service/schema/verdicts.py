"""The judges' words for what was concluded."""

from enum import StrEnum


class Verdict(StrEnum):
    """What was concluded of one submission, or of one test."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    NO_ANSWER = "no_answer"
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT_EXCEEDED = "time_limit_exceeded"
    MEMORY_LIMIT_EXCEEDED = "memory_limit_exceeded"
    OUTPUT_LIMIT_EXCEEDED = "output_limit_exceeded"
    JUDGE_ERROR = "judge_error"

    @property
    def meaning(self) -> str:
        """One sentence that a person can read."""
        return _MEANINGS[self]


_MEANINGS = {
    Verdict.ACCEPTED: "Every test passed, or the answer equals the reference.",
    Verdict.WRONG_ANSWER: "The program ran or the answer was read, and it is not what was asked for.",
    Verdict.NO_ANSWER: "The completion holds no answer, or no code, that could be judged.",
    Verdict.COMPILE_ERROR: "The program could not be compiled.",
    Verdict.RUNTIME_ERROR: "The program ended with an error, ended too early, or broke the sandbox twice.",
    Verdict.TIME_LIMIT_EXCEEDED: "The program used more CPU time, or waited longer, than allowed.",
    Verdict.MEMORY_LIMIT_EXCEEDED: "The program asked for more memory than allowed.",
    Verdict.OUTPUT_LIMIT_EXCEEDED: "The program wrote more than allowed.",
    Verdict.JUDGE_ERROR: "We failed, or the request cannot be judged; nothing may be concluded. The score is null.",
}


class ExtractionRule(StrEnum):
    """Where in a completion the answer was found; the order is the order of trust."""

    BOXED = "boxed"
    TAG = "tag"
    HASHES = "hashes"
    PHRASE = "phrase"
    LAST_LINE = "last_line"
    LAST_NUMBER = "last_number"
