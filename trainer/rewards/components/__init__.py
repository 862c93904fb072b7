"""The components a reward can be made of. A new one is one file here and one entry in the union below."""

from typing import Annotated

from pydantic import Field

from trainer.rewards.components.correctness import Correctness
from trainer.rewards.components.format import Format
from trainer.rewards.components.judged import Component, Judged
from trainer.rewards.components.long_wrong_answer import LongWrongAnswer
from trainer.rewards.components.overlong import Overlong
from trainer.rewards.components.partial_credit import PartialCredit
from trainer.rewards.components.repetition import Repetition
from trainer.rewards.components.verbosity import Verbosity

AnyComponent = Annotated[
    Correctness | PartialCredit | Format | LongWrongAnswer | Verbosity | Overlong | Repetition,
    Field(discriminator="kind"),
]

# Components that say what the verifier concluded; all others shape.
FROM_VERDICT = ("correctness", "partial_credit")

__all__ = ["FROM_VERDICT", "AnyComponent", "Component", "Judged"]
