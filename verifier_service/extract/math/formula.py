r"""Recognize formulas in a text: `$...$`, `$$...$$`, `\(...\)`, `\[...\]`, and lines of pure math."""

import re

FORMULAS = re.compile(
    r"\$\$([^$]{1,2000})\$\$|(?<!\\)\$([^$\n]{1,2000})(?<!\\)\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]"
)
"""`$x = 5$`, `\\(x\\)`; not `\\$5`."""

_WORD = re.compile(r"(?<![\\A-Za-z{])(?:[A-Za-z]{3,}|(?:[Ii]t|[Ii]s|[Ss]o|[Ww]e|[Hh]e|[Mm]y)(?![A-Za-z]))")
"""`apples`, `is`; not `ab` nor `\\frac`."""
_TEXT_OR_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mbox|operatorname)\s?\{[^{}]*\}|\\[A-Za-z]+")  # `\text{ cm}`
_OF_FORMULAS = frozenset(
    "sqrt sin cos tan log exp pi and inf infinity max min mod gcd lcm frac".split()  # noqa: SIM905 -- reads better
)


def inside(formula: re.Match[str]) -> str:
    """Return the content of a formula that `FORMULAS` matched."""
    return next(part for part in formula.groups() if part).strip()


def is_formula(line: str) -> bool:
    """Return whether a whole line is math, not a sentence."""
    bare = _TEXT_OR_COMMAND.sub(" ", line)
    words = [word for word in _WORD.findall(bare) if word.lower() not in _OF_FORMULAS]
    foreign = any(sign.isalpha() and not sign.isascii() and not "Α" <= sign <= "ω" for sign in bare)
    return bool(line) and not words and not foreign and bool(re.search(r"\w", line))
