"""What a quantity is measured in: units with their sizes, and nouns that are counted."""

from dataclasses import dataclass, field
from fractions import Fraction

Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Unit:
    """A unit: its dimension, its size (`scale` times a power of π), and what is added to a value before scaling."""

    dimension: Dimension = ()
    scale: Fraction = Fraction(1)
    pi: int = 0
    offset: Fraction = Fraction(0)


@dataclass(frozen=True)
class Measure:
    """What follows a value: the possible meanings of its units, and its nouns.

    `needed` marks letters that are a unit only if the other answer has one.
    """

    units: tuple[Unit, ...]
    nouns: frozenset[str] = frozenset()
    text: str = field(default="", compare=False)
    needed: bool = False

    @property
    def holds_pi(self) -> bool:
        """Whether the unit is a multiple of π, like a degree."""
        return any(unit.pi for unit in self.units)
