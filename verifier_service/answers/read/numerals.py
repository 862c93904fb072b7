r"""Write numbers in words as figures.

Examples: `minus 5`, `negative 5`, `twenty-one`, `five hundred`, `two thirds`, `three and a half`, `three point five`,
`0.3 repeating`, `0.1(6)`, `0.333...`, `5 below zero`. A word counts as a number only if it is the answer, an item of a
list, or stands before a unit.
"""

import re

from verifier_service.answers.read import measures, words

_ONES = words.NUMBER_NAMES | {
    "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "twentieth": 20, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_PARTS_OF_SEVERAL = {("halves" if name == "half" else name + "s"): value for name, value in _PARTS.items()}

_WORDS = "|".join(sorted({*_ONES, *_SCALES, *_PARTS, *_PARTS_OF_SEVERAL, "point", "a", "an", "and"}, key=len)[::-1])
_PART_NAMES = "|".join(sorted({*_PARTS, *_PARTS_OF_SEVERAL}, key=len)[::-1])
# matches `twenty-one`, `three and a half`, `a third`; the reading decides whether it is a number
_SPOKEN = re.compile(rf"(?<![A-Za-z\\{{-])(?:{_WORDS})(?:(?:\s+|\s?-\s?)(?:{_WORDS}))*(?![A-Za-z-])", re.IGNORECASE)
# A quick test: without any of these words there is no number in words.
_HINT = re.compile("|".join(sorted({*_ONES, *_SCALES, *_PARTS, "halves"})), re.IGNORECASE)
_MAX_CHARS = 400  # a longer text is not rewritten

# matches the word of `minus 5`, `\text{negative } \frac12`; not of `negative numbers`, `n minus`
_VALUE = r"(?=[\d.(|]|\\(?:frac|dfrac|tfrac|sqrt|infty|pi)(?![A-Za-z])|infinity\b|[a-zA-Z](?![A-Za-z]))"
_SIGNED = re.compile(
    rf"(?:\\(?:text|mathrm|textrm|mbox)\s*\{{\s*(minus|negative|plus|positive)\s*\}}|\b(minus|negative|plus|positive)\b)"
    rf"(?:\s|\\quad)*{_VALUE}",
    re.IGNORECASE,
)
_SIGN_WORDS = {"minus": "-", "negative": "-", "plus": "+", "positive": ""}
# matches `0.3 repeating`, `.12 \text{ (recurring)}`
_REPEATING_WORD = re.compile(
    r"(-?\s?\d{0,20})\.(\d{1,40})\s*(?:\\text\s*\{\s*)?\(?(?:repeating|recurring|repeated)\)?(?:\s*\})?", re.IGNORECASE
)
# matches `0.(3)`, `-1.1(6)`; not `2.5(x)`
_REPEATING_BRACKET = re.compile(r"(-?\s?\d{1,20})\.(\d{0,40})\((\d{1,40})\)")
# matches `0.333...`, `0.1666\ldots`, `0.121212…`; not `3.14159...`
_REPEATING_DOTS = re.compile(r"(-?\s?\d{0,20})\.(\d{0,6}?)(\d{1,3}?)(\3{2,40})\s*(?:\\[lc]?dots|\.\.\.)")
# matches `5 below zero`, `5^{\circ} below zero`
_BELOW_ZERO = re.compile(
    r"(\d[\d.]{0,20}\s*(?:\^\s*\{?\\circ\s*\}?\s*[CF]?|degrees?)?)\s*(?:\\text\s*\{\s*)?(?:degrees?\s*)?below\s+zero(?:\s*\})?",
    re.IGNORECASE,
)


_OPEN, _CLOSE = r"(?:\\(?:text|mathrm|textrm|mbox)\s?\{\s{0,3})?", r"(?:\s{0,3}\})?"
# matches `12 and a half`, `12\text{ and three quarters}`; not `12 and a half of x`, `1.5 and a half`, `3 and 5`
_AND_PART = re.compile(
    rf"(?<![\d./}}])(\d{{1,9}})\s{{0,3}}(?P<open>{_OPEN})\band\s{{1,3}}(?P<part>(?:an?|[a-z]{{3,9}})[\s-](?:{_PART_NAMES})|half)\b"
    rf"(?!\s{{1,3}}of\b)(?P<close>{_CLOSE})",
    re.IGNORECASE,
)
_TIMES = {"twice": 2, "double": 2, "thrice": 3, "triple": 3, "treble": 3, "quadruple": 4}
_FACTOR = r"-?\d[\d.,]{0,20}[a-z]?|[a-zA-Z]|\\[dt]?frac\{[^{}]{1,20}\}\{[^{}]{1,20}\}|\\sqrt\{[^{}]{1,20}\}|\\pi"
# matches `twice 8`, `half of 10`, `\text{a third of }12`, `20\% of 50 cm`; not `twice 8 + 1`, `half of the students`
_MULTIPLE = re.compile(
    rf"{_OPEN}(?:(?P<times>{'|'.join(_TIMES)})|(?P<part>(?:(?:an?|[a-z]{{3,9}})[\s-])?(?:{_PART_NAMES}))(?:\s{{1,3}}of)?|"
    rf"(?P<share>\d{{1,9}}/\d{{1,9}}|\\[dt]?frac\{{\d{{1,9}}\}}\{{\d{{1,9}}\}}|\\[dt]?frac\d\d|\d[\d.]{{0,9}}\s?\\?%)\s{{0,3}}{_OPEN}of)"
    rf"(?:\s{{0,3}}\}}\s{{0,3}}|\s{{1,3}})(?P<factor>{_FACTOR})(?P<unit>\s{{1,3}}[a-z]{{2,15}})?",
    re.IGNORECASE,
)
# matches `half an hour`, `half a mile`, `a quarter of an hour`; not `half of a`
_PART_OF_UNIT = re.compile(
    rf"{_OPEN}(?:half an?|(?P<part>an?\s(?:{_PART_NAMES})) of an?)\s(?P<unit>[a-z]{{3,12}}){_CLOSE}", re.IGNORECASE
)


# matches `0xFF`, `(FF)_{16}`, `\text{1A}_{16}`, `1A (base 16)`, `FF in base sixteen`, `ff hex`; not `FF`, `255 base 16`
_HIGH_DIGITS = re.compile(
    r"(?:0x(?P<code>[0-9A-Fa-f]{1,20})|"
    r"(?:\(|\{|\\(?:text|mathrm)\s?\{)(?P<marked>[0-9A-F]{2,20})[)}]\s?_\{?(?P<low>16)\}?|"
    r"(?P<digits>[0-9A-Fa-f]{2,20})\s\(?(?:in )?(?:base[ -]?(?P<base>1[1-9]|sixteen|twelve)|hex(?:adecimal)?)\)?)"
)
_BASES = {"twelve": "12", "sixteen": "16"}


def _high_digits(text: str) -> str:
    """Write digits above nine with their base as a subscript."""
    match = _HIGH_DIGITS.fullmatch(text)
    if match is None:
        return text
    digits = match["code"] or match["marked"] or match["digits"]
    base = match["base"] or "16"
    return text if digits.isdigit() else f"{digits.upper()}_{{{_BASES.get(base, base)}}}"


def in_figures(cleaned: str) -> str:
    """Write the numbers of a cleaned answer that are in words as figures."""
    if len(cleaned) > _MAX_CHARS:
        return cleaned
    text = _repeating(_high_digits(cleaned))
    below = _BELOW_ZERO.fullmatch(text)
    if below is not None:
        text = "-" + below.group(1)
    text = _multiple(text)
    if " and " in text or "{and " in text:
        text = _AND_PART.sub(_mixed, text)
    if _HINT.search(text):
        text = _SPOKEN.sub(_figure, _unwrapped(text))
    if "us" in text or "ive" in text.lower():
        text = _SIGNED.sub(lambda match: _SIGN_WORDS[(match.group(1) or match.group(2)).lower()], text)
    return text


def _multiple(text: str) -> str:
    """Write `twice 8`, `half of 10`, `20% of 50`, `half an hour` as products."""
    whole = _PART_OF_UNIT.fullmatch(text)
    if whole is not None:
        part = _part(whole["part"] or "half")
        return rf"{part} \text{{{whole['unit']}}}" if part and measures.is_unit(whole["unit"].lower()) else text
    match = _MULTIPLE.fullmatch(text)
    if match is None or not (match["unit"] is None or _counts(match["unit"].strip())):
        return text
    if match["unit"] and match["factor"] in ("a", "A"):  # 3/4 of a mile
        return text
    if match["times"]:
        share: str | None = str(_TIMES[match["times"].lower()])
    else:
        share = match["share"] or _part(match["part"])
    return rf"{share} \cdot {match['factor']}{match['unit'] or ''}" if share else text


def _mixed(match: re.Match[str]) -> str:
    part = _part(match["part"])
    bracket = match["open"] if match["open"] and not match["close"] else "" if match["open"] else match["close"]
    return f"{match[1]}{part} {bracket}" if part else match.group()


def _part(spoken: str) -> str | None:
    """Return the fraction that words stand for: `a half`, `three quarters`."""
    return _fraction(re.split(r"[\s-]+", spoken.lower()))


def _unwrapped(text: str) -> str:
    r"""Take a number in words out of its `\text`."""
    return re.sub(r"\\(?:text|mathrm|textrm|mbox)\s*\{([a-zA-Z -]{1,80})\}", _number_text, text)


def _number_text(match: re.Match[str]) -> str:
    spoken = _SPOKEN.fullmatch(match.group(1).strip())
    return f" {match.group(1)} " if spoken and _value(spoken.group().lower()) else match.group()


def _repeating(text: str) -> str:
    """Write a repeating decimal with a line over its period."""
    if "." not in text:
        return text
    word = _REPEATING_WORD.fullmatch(text)
    if word is not None:
        digits = word[2]
        return rf"{word[1]}.\overline{{{digits[0] if len(set(digits)) == 1 else digits}}}"
    match = _REPEATING_BRACKET.fullmatch(text)
    if match is not None:
        return rf"{match[1]}.{match[2]}\overline{{{match[3]}}}"
    match = _REPEATING_DOTS.fullmatch(text)
    return text if match is None else rf"{match[1]}.{match[2]}\overline{{{match[3]}}}"


def _figure(match: re.Match[str]) -> str:
    """Return the figures of a run of number words if it is used as a number, or else the words."""
    before = match.string[: match.start()].rstrip()
    after = match.string[match.end() :].lstrip(" }")
    following = re.match(r"[A-Za-z]+", after)
    ends = (
        not after or after[0] in ",;.)%\\" or (following and following.group() in ("and", "or", "percent", "degrees"))
    )
    opens = not before or before[-1] in ",;(=-" or re.search(r"\b(?:and|or|is|minus|negative|plus)$", before)
    if not opens or not (ends or (following and _counts(following.group()))):
        return match.group()
    spoken = match.group().lower()
    items = [_value(item) for item in re.split(r"\s+and\s+", spoken)]
    return _value(spoken) or (" and ".join(map(str, items)) if all(items) else match.group())


def _counts(word: str) -> bool:
    """Return whether a word after a number says what is counted: a unit, or things."""
    return measures.is_unit(word) or measures.is_plural(word)


def _value(spoken: str) -> str | None:
    """Return the figures of number words, or None if they are not a single number."""
    parts = [part for part in re.split(r"[\s-]+", spoken) if part]
    if "point" in parts:
        return _decimal(parts)
    if parts[-1] in _PARTS or parts[-1] in _PARTS_OF_SEVERAL:
        return _fraction(parts)
    whole = _whole(parts)
    return None if whole is None else str(whole)


def _decimal(parts: list[str]) -> str | None:
    """Read `three point one four`."""
    place = parts.index("point")
    whole = _whole(parts[:place]) if place else 0
    digits = [words.NUMBER_NAMES.get(part, 10) for part in parts[place + 1 :]]
    if whole is None or not digits or max(digits) > 9:
        return None
    return f"{whole}." + "".join(map(str, digits))


def _fraction(parts: list[str]) -> str | None:
    """Read `half`, `a third`, `two thirds`, `three and a half`."""
    *before, name = parts
    several = name in _PARTS_OF_SEVERAL
    bottom = _PARTS_OF_SEVERAL[name] if several else _PARTS[name]
    whole = None
    if "and" in before and before.index("and") and _whole(before[: before.index("and")]) is not None:
        whole = _whole(before[: before.index("and")])
        before = before[before.index("and") + 1 :]
    if before in (["a"], ["an"], ["one"]) or (not before and name == "half"):
        top = 1 if not several else None
    else:
        top = _whole(before) if several and len(before) == 1 else None
    if top is None:
        return None
    return rf"\frac{{{top}}}{{{bottom}}}" if whole is None else rf"{whole}\frac{{{top}}}{{{bottom}}}"


def _whole(parts: list[str]) -> int | None:
    """Read `one hundred and five`, `twenty one thousand`. Return None for `two three`, `a`."""
    if len(parts) > 1 and parts[0] in ("a", "an") and parts[1] in _SCALES:
        parts = ["one", *parts[1:]]
    total = group = 0
    last = 10**15
    if not parts or parts[-1] == "and":
        return None
    for place, part in enumerate(parts):
        if part == "and":
            if not place or parts[place - 1] not in _SCALES:
                return None
        elif part == "hundred":
            if not 0 < group < 100:
                return None
            group, last = group * 100, 100
        elif part in _SCALES:
            if not group or (total and _SCALES[part] >= total):
                return None
            total, group, last = total + group * _SCALES[part], 0, 1000
        elif part in _ONES:
            value = _ONES[part]
            size = 100 if value >= 20 else 10
            if group and (last <= 10 or (last == 20 and value > 9)):
                return None
            group, last = group + value, 20 if size == 100 else 10
        else:
            return None
    return total + group
