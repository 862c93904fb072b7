"""The completions of one prompt, wherever they were written.

TRL lays the completions of a batch out one group after the other and cuts that into equal parts, one for each process;
a group may lie across the cut. What depends on a whole group is therefore computed on all of them, by every process.
"""

from collections.abc import Sequence
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import gather_object

T = TypeVar("T")


class Groups:
    """Puts the parts of a batch together and takes this process's part out again. `size` is TRL's `num_generations`."""

    def __init__(self, size: int, processes: int = 1) -> None:
        self.size = size
        self.processes = processes

    def whole(self, own: Sequence[T]) -> list[list[T]]:
        """Return the values of all processes, group by group. `own` has one for each completion of this process."""
        values = list(gather_object(list(own))) if self.processes > 1 else list(own)
        return [values[start : start + self.size] for start in range(0, len(values), self.size)]

    def own(self, groups: Sequence[Sequence[T]]) -> list[T]:
        """Return this process's values of all groups, in the order of its completions."""
        values = [value for group in groups for value in group]
        share = len(values) // self.processes
        first = PartialState().process_index * share if self.processes > 1 else 0
        return values[first : first + share]
