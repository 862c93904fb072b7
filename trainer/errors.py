"""What can stop a training run, one class for each boundary that was crossed.

TrainerError
├── RecipeError       the recipe's: it has to be changed
├── DataError         a dataset lacks a column, a file or a slice that the recipe asks for
└── SavingFailed      weights or a checkpoint could not be written: a full disk, mostly
VerifierError         the client's; see `verifier_service.client.errors`
├── VerifierDown      no answer for longer than `verifier.patience_s`: the run is saved and can be resumed
├── VerifierRefused   the verifier answered that it will never take this request (401, 404, 413, 422)
└── NotAVerifier      something else answers there

A wrong answer, a crashed program and a `judge_error` are not here: they are values in a result.
"""

import shutil
from pathlib import Path

from verifier_service.client import NotAVerifier, VerifierDown, VerifierError, VerifierRefused

__all__ = [
    "STOPS",
    "DataError",
    "NotAVerifier",
    "RecipeError",
    "SavingFailed",
    "Stop",
    "TrainerError",
    "VerifierDown",
    "VerifierRefused",
]


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


class SavingFailed(TrainerError):
    """What was to be saved is not there whole; checkpoints that were saved before are."""

    def __init__(self, folder: Path, problem: str) -> None:
        free = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
        super().__init__(f"{folder} could not be saved: {problem} ({free / 1024**3:.1f} GiB of the disk are free)")


Stop = TrainerError | VerifierError
"""What ends a run on purpose, with a sentence that says why."""
STOPS = (TrainerError, VerifierError)
"""The same, for `except`."""
