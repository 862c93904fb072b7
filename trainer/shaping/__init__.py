"""The parts a reward can be made of. A new one is one file here and one entry in the union below."""

from typing import Annotated

from pydantic import Field

from trainer.shaping.correctness import Correctness
from trainer.shaping.format import Format
from trainer.shaping.judged import Judged, Shaping
from trainer.shaping.long_wrong_answer import LongWrongAnswer
from trainer.shaping.overlong import Overlong
from trainer.shaping.partial_credit import PartialCredit
from trainer.shaping.repetition import Repetition
from trainer.shaping.verbosity import Verbosity

AnyShaping = Annotated[
    Correctness | PartialCredit | Format | LongWrongAnswer | Verbosity | Overlong | Repetition,
    Field(discriminator="kind"),
]

__all__ = ["AnyShaping", "Judged", "Shaping"]
