"""Where problems come from. A new task is one file here and one entry in the union below."""

from typing import Annotated

from pydantic import Field

from trainer.tasks.addition import Addition
from trainer.tasks.functions import Functions
from trainer.tasks.gsm8k import Gsm8k
from trainer.tasks.math import Math
from trainer.tasks.mbpp import Mbpp
from trainer.tasks.row import Problem
from trainer.tasks.rows import Rows

AnyTask = Annotated[Addition | Functions | Gsm8k | Math | Mbpp | Rows, Field(discriminator="kind")]

__all__ = ["AnyTask", "Problem"]
