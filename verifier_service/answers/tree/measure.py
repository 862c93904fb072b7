"""What a quantity is measured in: units with their sizes, and nouns that are counted."""

from dataclasses import dataclass, field
from fractions import Fraction

Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Unit:
    """What is measured, how large one is (`scale` times a power of π), and what is added to a value before scaling."""

    dimension: Dimension = ()
    scale: Fraction = Fraction(1)
    pi: int = 0
    offset: Fraction = Fraction(0)


@dataclass(frozen=True)
class Measure:
    """What stands after a value: the meanings of its units, and its nouns. `needed` marks letters after a value that
    are a unit only where the other answer has one."""

    units: tuple[Unit, ...]
    nouns: frozenset[str] = frozenset()
    text: str = field(default="", compare=False)
    needed: bool = False

    @property
    def holds_pi(self) -> bool:
        """Return whether the unit is a multiple of π, as a degree is."""
        return any(unit.pi for unit in self.units)
