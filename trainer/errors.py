"""What can stop a training run, one class for each boundary that was crossed.

TrainerError
├── RecipeError       the recipe's: it has to be changed
├── DataError         a dataset lacks a column, a file or a slice that the recipe asks for
├── VerifierDown      no answer for longer than `verifier.patience_s`: the run is saved and can be resumed
└── VerifierRefused   the verifier answered that it will never take this request (401, 404, 413, 422)

A wrong answer, a crashed program and a `judge_error` are not here: they are values in a result.
"""


class TrainerError(Exception):
    """Base of every error that the trainer raises on purpose."""


class RecipeError(TrainerError):
    """The recipe asks for what cannot be had; each problem names the field and what is right."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(f"{source}: " + "; ".join(problems))


class DataError(TrainerError):
    """A dataset is not what the recipe says it is."""


class VerifierDown(TrainerError):
    """The verifier gave no usable answer for `silent_s` seconds; nothing may be concluded about any completion."""

    def __init__(self, url: str, silent_s: float, last_problem: str) -> None:
        self.url = url
        self.silent_s = silent_s
        self.last_problem = last_problem
        trouble = f"gave no answer for {silent_s:.0f} s; the last try" if silent_s else "cannot be reached"
        super().__init__(f"the verifier at {url} {trouble}: {last_problem}")


class VerifierRefused(TrainerError):
    """The verifier will not take this request however often it is sent; the message is what it said."""

    def __init__(self, url: str, status: int, detail: str) -> None:
        self.url = url
        self.status = status
        super().__init__(f"the verifier at {url} refused the request with status {status}: {detail}")
