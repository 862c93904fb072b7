"""What a format is: how its rows are known, and how one is read."""

from collections.abc import Callable
from dataclasses import dataclass

from verifier_service.data.row import Row
from verifier_service.data.task import Task


@dataclass(frozen=True)
class Format:
    """One format. `fits` looks at the columns of a row; `read` raises Fault for a row that cannot be used."""

    name: str
    sets: str
    fits: Callable[[Row], bool]
    read: Callable[[Row], Task]
