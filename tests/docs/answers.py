"""Whether a printed JSON answer is what a page shows.

A page can omit parts that differ from run to run, and parts that would be too long:

- a key or an item `"..."` means that there are more;
- a string that ends in `...` is the beginning of the real one;
- measured and random values are compared by type only: see `VOLATILE`.
"""

import json
import re
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

CUT = "..."
VOLATILE = re.compile(
    r".*_s|.*_time|seconds|.*_at|timestamp|memory_mb|made_by|verifier|image|ids|.*_id|digest|suite|version|uptime.*|.*_ms"
)
"""Keys of times, memory, digests and random ids: their values have the right type, and that is all that can be said."""


class NotJson(Exception):
    """The output is not a sequence of JSON texts."""


def texts(printed: str) -> list[Json]:
    """Read consecutive JSON texts, with or without white space between them.

    Raises:
        NotJson: The output has something else as well.
    """
    found: list[Json] = []
    rest = printed.strip()
    while rest:
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except json.JSONDecodeError as error:
            raise NotJson(f"{error} in {rest[:300]!r}") from None
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def difference(shown: Json, real: Json, where: str = "", volatile: bool = False) -> str | None:
    """Return the first difference between the page and the real answer, or None."""
    here = where or "the answer"
    if isinstance(shown, dict) and isinstance(real, dict):
        return _between_objects(shown, real, here, volatile)
    if isinstance(shown, list) and isinstance(real, list):
        return _between_lists(shown, real, here, volatile)
    if _kind(shown) != _kind(real):
        return f"{here}: the page shows {shown!r}, it is {real!r}"
    if volatile or shown == real or (isinstance(shown, str) and _begins(shown, str(real))):
        return None
    return f"{here}: the page shows {shown!r}, it is {real!r}"


def _between_objects(shown: dict[str, Json], real: dict[str, Json], here: str, volatile: bool) -> str | None:
    missing = shown.keys() - real.keys() - {CUT}
    more = real.keys() - shown.keys() if CUT not in shown else set[str]()
    if missing or more:
        return f"{here}: the page has keys that are not there {sorted(missing)}, and lacks {sorted(more)}"
    for key in shown.keys() - {CUT}:
        found = difference(shown[key], real[key], f"{here}.{key}", volatile or bool(VOLATILE.fullmatch(key)))
        if found:
            return found
    return None


def _between_lists(shown: list[Json], real: list[Json], here: str, volatile: bool) -> str | None:
    cut = bool(shown) and shown[-1] == CUT
    kept = shown[:-1] if cut else shown
    if len(real) < len(kept) or (len(real) > len(kept) and not cut):
        return f"{here}: the page shows {len(kept)} items, there are {len(real)}"
    found = (difference(*pair, f"{here}[{n}]", volatile) for n, pair in enumerate(zip(kept, real, strict=False)))
    return next((one for one in found if one), None)


def _begins(shown: str, real: str) -> bool:
    return shown.endswith(CUT) and real.startswith(shown.removesuffix(CUT))


def _kind(value: Json) -> str:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
