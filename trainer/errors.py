"""What can stop a training run: one class for each boundary.

TrainerError
├── RecipeError       the recipe has to be changed
├── DataError         a data set lacks a column, a file or a slice that the recipe names
└── SavingFailed      weights or a checkpoint could not be written, mostly because the disk is full
VerifierError         from the client; see `verifier_service.client.errors`
├── VerifierDown      no answer for longer than `verifier.patience_s`: the run is saved and can be resumed
├── VerifierRefused   the verifier will never accept this request (401, 404, 413, 422)
└── NotAVerifier      something other than a verifier answers at this address

Wrong answers, crashed programs and judge errors are not errors here: they are values in a result.
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
    """Base class of all errors that the trainer raises on purpose."""


class RecipeError(TrainerError):
    """The recipe is invalid. Each problem names the field and what is allowed."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(f"{source}: " + "; ".join(problems))


class DataError(TrainerError):
    """A data set does not match what the recipe says about it, or a folder does not hold what it should."""


class SavingFailed(TrainerError):
    """Something could not be saved completely. Earlier checkpoints are intact."""

    def __init__(self, folder: Path, problem: str) -> None:
        free = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
        super().__init__(f"{folder} could not be saved: {problem} ({free / 1024**3:.1f} GiB of disk space left)")


Stop = TrainerError | VerifierError
"""An error that ends a run and whose text is meant for the user."""
STOPS = (TrainerError, VerifierError)
"""The same, for `except`."""
