"""Where problems come from. A new task is one file here and one entry in the union below."""

from typing import Annotated

from pydantic import Field

from trainer.data.tasks.addition import Addition
from trainer.data.tasks.dataset import KnownDataset
from trainer.data.tasks.functions import Functions
from trainer.data.tasks.gsm8k import Gsm8k
from trainer.data.tasks.math import Math
from trainer.data.tasks.mbpp import Mbpp
from trainer.data.tasks.products import Products
from trainer.data.tasks.row import Problem
from trainer.data.tasks.rows import Rows

AnyTask = Annotated[
    Addition | KnownDataset | Functions | Gsm8k | Math | Mbpp | Products | Rows, Field(discriminator="kind")
]

__all__ = ["AnyTask", "Problem"]
