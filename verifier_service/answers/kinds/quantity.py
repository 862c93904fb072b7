r"""Values with a unit, a currency, a percent sign or a degree sign.

A unit, a currency, a percent sign or a degree sign that stands on one side only does not matter: `5 cm` equals 5,
`28\%` equals 28. The percentage sign is a unit like others, so `28\%` is not the bare number 0.28. Where both sides
name units that are known, they are converted (`50 cm` equals `0.5 m`, 50 cents equal $0.50) and units of another
dimension make the answers different; words that are no known unit (`9 multiples`) do not matter. An angle in degrees
equals the same angle in radians: 45° equals π/4.
"""

import re
from fractions import Fraction
from functools import lru_cache

from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.read import words
from verifier_service.answers.tree.nodes import PI, Node, number, rebuild, walk

_MARKED = ("quantity", "percent", "deg")
_DEGREE_WORDS = frozenset({"degree", "degrees", "deg", "°"})
_RADIAN_WORDS = frozenset({"radian", "radians", "rad"})
_PERCENT_WORDS = frozenset({"%", "percent", "pct", "percentage"})
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_COMPOUND = {"mph": "mile / hour", "kph": "km / hour", "kmh": "km / hour", "km/h": "km / hour", "m/s": "m / s"}


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side has a unit, a percent sign or a degree sign at its top."""
    left, right = _lift(left), _lift(right)
    if left.op not in _MARKED and right.op not in _MARKED:
        return _degrees_inside(left, right, same)
    (a, mark_a), (b, mark_b) = _split(left), _split(right)
    if mark_a is None or mark_b is None:
        bare = same(a, b)
        if bare.equal or "degree" not in (mark_a, mark_b):
            return bare if bare.equal else Decision(False, bare.why)
        marked, other = (a, b) if mark_a else (b, a)
        return same(Node("mul", (marked, Node("div", (PI, number(180))))), other) if _is_radian(other) else bare
    if mark_a == mark_b:
        return same(a, b)
    return _convert(a, mark_a, b, mark_b, same)


def _lift(node: Node) -> Node:
    """Pull a unit out of a sign and out of a sum whose terms all carry it."""
    if node.op == "neg":
        inner = _lift(node.args[0])
        if inner.op in _MARKED:
            return Node(inner.op, (Node("neg", (inner.args[0],)), *inner.args[1:]))
    if node.op == "quantity":
        inner = _lift(node.args[0])
        if inner.op in ("percent", "deg") or (inner.op == "quantity" and inner.args[1] == "dollar"):
            return inner
    if node.op == "mul" and len(node.args) == 2 and node.args[0].op in _MARKED and node.args[1].op == "text":
        return node.args[0]
    return node


def _split(node: Node) -> tuple[Node, str | None]:
    """Return the value and its mark: degree, percent, or the words of the unit."""
    if node.op == "percent":
        return node.args[0], "percent"
    if node.op == "deg":
        return node.args[0], "degree"
    if node.op == "quantity":
        value, unit = node.args
        unit = unit.strip(" .,").strip()
        if unit.lower() in _DEGREE_WORDS:
            return value, "degree"
        if unit.lower().split()[:1] and unit.lower().split()[0] in _PERCENT_WORDS:
            return value, "percent"
        return value, unit
    return node, None


def _is_radian(node: Node) -> bool:
    return _has_pi(node) or (node.op == "fn" and str(node.args[0]).startswith("arc"))


def _has_pi(node: Node) -> bool:
    return any(part == PI for part in walk(node))


def _convert(a: Node, mark_a: str, b: Node, mark_b: str, same: Same) -> Decision:
    first, second = _measure(mark_a), _measure(mark_b)
    if first is None or second is None:
        return same(a, b)
    if first[0] != second[0]:
        return Decision(False, f"{mark_a} and {mark_b} do not measure the same thing")
    if first[1] == second[1]:
        return same(a, b)
    scaled = same(Node("mul", (a, number(first[1]))), Node("mul", (b, number(second[1]))))
    return Decision(scaled.equal, f"{scaled.why} after converting {mark_a} and {mark_b}")


Dimension = tuple[tuple[str, int], ...]


@lru_cache(maxsize=4096)
def _measure(unit: str) -> tuple[Dimension, Fraction] | None:
    """Return the dimension and the size of a unit such as `km/h`, `square inches`, `m^2`; None where it is not
    known."""
    if unit == "degree":
        return (("angle", 1),), Fraction(1)
    if unit == "percent":
        return (("percent", 1),), Fraction(1)
    text = (
        unit.strip(" .")
        .replace("\\", " ")
        .replace(" per ", " / ")
        .replace("^", " ^")
        .replace("²", " ^2")
        .replace("³", " ^3")
    )
    text = _COMPOUND.get(text.lower(), text).replace("/", " / ").replace("*", " ")
    dimension: dict[str, int] = {}
    size, sign, pending, last = Fraction(1), 1, 1, None
    for word in text.split():
        if word == "/":
            sign = -1
        elif word.lower().strip(".") in _POWERS:
            power = _POWERS[word.lower().strip(".")]
            if word.lower().endswith("ed") and last:
                dimension[last[0]] = dimension.get(last[0], 0) + last[2] * (power - 1)
                size *= last[1] ** (last[2] * (power - 1))
            else:
                pending = power
        elif re.fullmatch(r"\^\{?-?\d\}?", word) and last:
            power = int(word.strip("^{}"))
            dimension[last[0]] = dimension.get(last[0], 0) + last[2] * (power - 1)
            size *= last[1] ** (last[2] * (power - 1))
        else:
            found = _unit(word.strip("(){},."))
            if found is None:
                return None
            name, scale = found
            dimension[name] = dimension.get(name, 0) + sign * pending
            size *= scale ** (sign * pending)
            last, pending = (name, scale, sign), 1
    if not dimension:
        return None
    return tuple(sorted((name, power) for name, power in dimension.items() if power)), size


_TABLES = (
    ("length", words.LENGTHS_M), ("time", words.TIMES_S), ("mass", words.MASSES_KG), ("energy", words.ENERGIES_J),
    ("force", words.FORCES_N), ("power", words.POWERS_W), ("frequency", words.FREQUENCIES_HZ),
    ("voltage", words.VOLTAGES_V),
)  # fmt: skip


def _unit(word: str) -> tuple[str, Fraction] | None:
    for candidate in (word, words.singular(word), words.singular(word.lower())):
        for name, table in _TABLES:
            if candidate in table:
                return name, Fraction(table[candidate])
        if candidate in words.VOLUMES_L:
            return "volume", Fraction(words.VOLUMES_L[candidate])
        if candidate in words.MONEY:
            currency, scale = words.MONEY[candidate]
            return f"money {currency}", Fraction(scale)
    if word.lower() in _RADIAN_WORDS:
        return "radian", Fraction(1)
    return None


def _degrees_inside(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where only one side writes its angles in degrees, as in `30^\\circ + 360^\\circ k` and `30 + 360k`."""
    marked = [_has_degrees(left), _has_degrees(right)]
    if marked[0] == marked[1]:
        return None
    degrees, other = (left, right) if marked[0] else (right, left)
    if _has_pi(other):
        return None
    return same(_without_degrees(degrees), other)


def _has_degrees(node: Node) -> bool:
    if node.op == "fn":
        return False
    if node.op == "deg":
        return True
    return node.op in ("add", "mul", "neg", "div", "pm", "mp") and any(
        _has_degrees(arg) for arg in node.args if isinstance(arg, Node)
    )


def _without_degrees(node: Node) -> Node:
    if node.op == "deg":
        return node.args[0]
    if node.op == "fn":
        return node
    return rebuild(node, _without_degrees)
