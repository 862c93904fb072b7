"""What a kind of answer says about two answers: equal or not, and why."""

from collections.abc import Callable
from typing import NamedTuple

from verifier_service.answers.tree.nodes import Node


class Decision(NamedTuple):
    """Whether two answers are equal, and the clause that says why."""

    equal: bool
    why: str


Same = Callable[[Node, Node], Decision]
"""Compares two parts of an answer, whatever their kinds."""

Kind = Callable[[Node, Node, Same], Decision | None]
"""Compares two answers of one kind; None where neither is of that kind. The order of the two must not matter."""
