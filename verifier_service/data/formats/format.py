"""The type of formats: how to recognize a row, and how to read it."""

from collections.abc import Callable
from dataclasses import dataclass

from verifier_service.data.row import Row
from verifier_service.data.task import Task


@dataclass(frozen=True)
class Format:
    """One format. `fits` returns whether a row has its columns; `read` raises Fault for a row that cannot be used."""

    name: str
    sets: str
    fits: Callable[[Row], bool]
    read: Callable[[Row], Task]
