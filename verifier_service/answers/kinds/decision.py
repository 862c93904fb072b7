"""The result of comparing two answers of one kind: equal or not, and why."""

from collections.abc import Callable
from typing import NamedTuple

from verifier_service.answers.tree.nodes import Node


class Decision(NamedTuple):
    """Whether two answers are equal, and a clause that says why."""

    equal: bool
    why: str


Same = Callable[[Node, Node], Decision]
"""Compares two parts of an answer, whatever their kinds."""

Kind = Callable[[Node, Node, Same], Decision | None]
"""Compares two answers of one kind, or returns None if neither is of that kind. Their order must not matter."""
