"""Version ranges in npm's syntax: `*`, `3`, `3.12.x`, `^3.1`, `~3.1`, `>=3.10 <4`, and alternatives with `||`."""

import re

_TERM = re.compile(r"(\^|~|>=|<=|>|<|=)?v?(\*|x|\d{1,9}(?:\.(?:\d{1,9}|x|\*)){0,2})", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)*")

Version = tuple[int, int, int]


def number_of(text: str) -> str:
    """Return the version number in a program's description of itself: `3.13.5` in `Python 3.13.5`."""
    found = _NUMBER.search(text)
    parts = (found[0].split(".") if found else []) + ["0", "0", "0"]
    return ".".join(parts[:3])


def is_in(version: str, wanted: str) -> bool:
    """Return whether a version is in a range; an invalid range contains no version."""
    one = _whole([int(part) for part in version.split(".")])
    return any(_is_in_all(one, terms.split()) for terms in re.sub(r"([<>=^~])\s+", r"\1", wanted).split("||"))


def _is_in_all(version: Version, terms: list[str]) -> bool:
    return bool(terms) and all(_is_in_one(version, term) for term in terms)


def _is_in_one(version: Version, term: str) -> bool:
    found = _TERM.fullmatch(term)
    if found is None:
        return False
    given = [int(part) for part in found[2].split(".") if part.isdigit()]
    least = _whole(given)
    match found[1]:
        case ">=":
            return version >= least
        case "<":
            return version < least
        case ">":
            return version >= _next(given)
        case "<=":
            return version < _next(given)
        case "^":
            return least <= version < _next(given[: _first_not_zero(given) + 1])
        case "~":
            return least <= version < _next(given[:2])
        case _:
            return least <= version < _next(given)


def _first_not_zero(parts: list[int]) -> int:
    return next((index for index, part in enumerate(parts) if part), max(len(parts) - 1, 0))


def _whole(parts: list[int]) -> Version:
    first, second, third = [*parts, 0, 0, 0][:3]
    return first, second, third


def _next(parts: list[int]) -> Version:
    """Return the lowest version above all that begin with these parts."""
    return _whole([*parts[:-1], parts[-1] + 1]) if parts else (10**10, 0, 0)
