r"""Read formulas and reactions: `2\mathrm{H_2}+\mathrm{O_2}\rightarrow 2\mathrm{H_2O}`, `\ce{2H2 + O2 -> 2H2O}`."""

import re
from dataclasses import dataclass
from fractions import Fraction

_ELEMENTS = frozenset([
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca",
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",
    "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce",
    "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir",
    "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu",
])  # fmt: skip
_MAX_CHARS = 400

# matches `\mathrm`, `\ce`, `\text`, `{`, `_`, `\,`, `\left`, a blank, a dollar sign; not `\frac`
_DRESS = re.compile(
    r"\\(?:mathrm|ce|text|textrm|rm|mathsf|operatorname|left|right|quad|displaystyle)(?![a-zA-Z])|\\[,;:! ]|[{}_\s$]"
)
# matches `\to`, `\xrightarrow[a]{\Delta}`, `->`, `→`; not `\rightleftharpoons`
_ARROW = re.compile(
    r"\\(?:to|rightarrow|longrightarrow|Rightarrow)(?![a-zA-Z])|\\xrightarrow(?:\[[^\[\]{}]{0,40}\])?\{[^{}]{0,40}\}|--?>|→|⟶"
)
# matches `\rightleftharpoons`, `<=>`, `⇌`; not `\to`
_BOTH_WAYS = re.compile(r"\\(?:rightleftharpoons|leftrightarrow|rightleftarrows)(?![a-zA-Z])|<=>|⇌")
# matches `^{2+}`, `^-`, `^{+2}`; not `^2`
_CHARGE = re.compile(r"\^\s?(?:\{\s?(?P<size>\d?)\s?(?P<sign>[+-])\s?(?P<after>\d?)\s?\}|(?P<bare>[+-]))")
# matches `\frac{1}{2}`, `\tfrac12`; not `\frac{x}{2}`
_HALF = re.compile(r"\\[dt]?frac\s?(?:\{(\d{1,3})\}\s?\{(\d{1,3})\}|(\d)\s?(\d))")
# matches `2H2O`, `13/2O2(g)`, `Ca(OH)2`, `SO4^2-`; not `2x`
_TERM = re.compile(
    r"(?P<count>\d{1,4}(?:/\d{1,3})?)?(?P<formula>(?:[A-Z][a-z]?\d{0,3}|[(\[](?=[A-Z])|[)\]]\d{0,3}){1,40}(?:\^\d?[mp])?)"
    r"(?:\((?P<state>s|l|g|aq)\))?"
)


@dataclass(frozen=True)
class Reaction:
    """A formula or an equation: for each side, the molecules and how often each occurs.

    `signs` are the arrows between the sides; `states` are the states of matter that are given.
    """

    signs: tuple[str, ...]
    sides: tuple[frozenset[tuple[str, Fraction]], ...]
    states: frozenset[tuple[int, str, str]]

    @property
    def is_told(self) -> bool:
        """Whether it has something that only chemistry has: a molecule of two elements, or a subscript."""
        return any(_atoms(name) > 1 or any(map(str.isdigit, name)) for side in self.sides for name, _ in side)


def read_reaction(text: str) -> Reaction | None:
    """Read a chemical formula or equation. Return None for anything else."""
    if len(text) > _MAX_CHARS:
        return None
    text = _BOTH_WAYS.sub("~", _ARROW.sub(">", text))
    text = _CHARGE.sub(_spelled_charge, _HALF.sub(r"\1\3/\2\4 ", text))
    pieces = re.split("([>~=])", _DRESS.sub("", text).rstrip("."))
    sides: list[frozenset[tuple[str, Fraction]]] = []
    states: set[tuple[int, str, str]] = set()
    for place, side in enumerate(pieces[::2]):
        counts: dict[str, Fraction] = {}
        for term in side.split("+"):
            match = _TERM.fullmatch(term)
            if match is None or not _is_formula(match["formula"]):
                return None
            name = match["formula"]
            counts[name] = counts.get(name, Fraction(0)) + _count(match["count"])
            if match["state"]:
                states.add((place, name, match["state"]))
        sides.append(frozenset(counts.items()))
    return Reaction(tuple(pieces[1::2]), tuple(sides), frozenset(states))


def _spelled_charge(match: re.Match[str]) -> str:
    sign = match["sign"] or match["bare"]
    size = match["size"] or match["after"] or ""
    return f"^{'' if size == '1' else size}{'p' if sign == '+' else 'm'}"


def _count(text: str | None) -> Fraction:
    if not text:
        return Fraction(1)
    top, _, bottom = text.partition("/")
    return Fraction(int(top), int(bottom or 1) or 1)


def _is_formula(name: str) -> bool:
    """Return whether each letter of a formula is an element."""
    return all(element in _ELEMENTS for element in re.findall("[A-Z][a-z]?", name))


def _atoms(name: str) -> int:
    return len(re.findall("[A-Z]", name))


__all__ = ["Reaction", "read_reaction"]
