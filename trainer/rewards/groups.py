"""The groups of a batch, that is, the completions of each prompt, on whichever process they were written.

TRL lays out the completions of a batch group by group and cuts this list into equal parts, one for each process. A
group can lie across a cut. So every process gathers all groups before it computes anything that depends on a group.
"""

from collections.abc import Sequence
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import gather_object

T = TypeVar("T")


class Groups:
    """Gathers the groups of a batch, and extracts this process's part again. `size` is TRL's `num_generations`."""

    def __init__(self, size: int, processes: int = 1) -> None:
        self.size = size
        self.processes = processes

    def whole(self, own: Sequence[T]) -> list[list[T]]:
        """Return the values of all processes, by group. `own` has one value for each completion of this process."""
        values = list(gather_object(list(own))) if self.processes > 1 else list(own)
        return [values[start : start + self.size] for start in range(0, len(values), self.size)]

    def own(self, groups: Sequence[Sequence[T]]) -> list[T]:
        """Return this process's values from all groups, in the order of its completions."""
        values = [value for group in groups for value in group]
        share = len(values) // self.processes
        first = PartialState().process_index * share if self.processes > 1 else 0
        return values[first : first + share]
