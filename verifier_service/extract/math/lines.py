"""Read values that stand one per line after `the answers are`."""

import re

from verifier_service.extract.math.formula import FORMULAS, inside, is_formula

_PLURAL = re.compile(
    r"\b(?:answers|solutions|results|are)\b", re.IGNORECASE
)  # `the solutions are:`; not `the answer is`
_BULLET = re.compile(r"\s{0,8}(?:[-*•]\s{1,4}|\(?(?P<number>\d{1,2})[.)]\s{1,4})?")  # `- `, `2. `; not the `-` of `-2`
_JOIN = " ,;.*"
_MAX_LINES = 50
_MAX_LINE = 200


def values(phrase: str, rest: str) -> tuple[str, int] | None:
    """Return the values that a text begins with, one per line, and where they end, if there are two or more."""
    if not _PLURAL.search(phrase):
        return None
    found: list[str] = []
    at = end = 0
    for line in rest.split("\n", 2 * _MAX_LINES)[: 2 * _MAX_LINES]:
        value = _value(line, len(found) + 1) if line.strip() else ""
        if value is None:
            break
        if value:
            found.append(value)
            end = at + len(line)
        at += len(line) + 1
    return (", ".join(found), end) if len(found) > 1 else None


def _value(line: str, place: int) -> str | None:
    """Return the formula that makes up a line. A number before it is a bullet if it counts the lines."""
    bullet = _BULLET.match(line)
    numbered = bullet is not None and bullet["number"] is not None
    if len(line) > _MAX_LINE or (bullet is not None and numbered and int(bullet["number"]) != place):
        return None
    said = line[bullet.end() if bullet else 0 :].strip(_JOIN).removesuffix(" and").strip(_JOIN)
    formula = FORMULAS.fullmatch(said)
    if formula:
        return inside(formula)
    return said if is_formula(said) else None
