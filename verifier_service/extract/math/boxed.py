r"""Find the last `\boxed{}`, or the last boxes if they form one list."""

import re

from verifier_service.extract.math import denial, dependent, offer, value
from verifier_service.extract.math.found import MAX_EXTRACTED_CHARS, Found
from verifier_service.extract.math.remark import is_crossed

_BOX = re.compile(
    r"(?<!\\)\\{1,4}(?:(?:boxed|fbox|framebox)\s{0,5}(?=[{\d\\A-Za-z])|box\s{0,5}(?=\{))|\x08oxed\s{0,5}(?=\{)"
)
"""`\\boxed{5}`, `\\boxed 5`, `\\\\boxed{5}` escaped twice; not a bare `\\boxed` at the end.

`\\x08oxed` is a box whose `\\b` was read as the escape for backspace.
"""

_BRACES = re.compile(r"\\\\|\\[{}]|[{}]")  # `{` and `}`; `\{` and `\\` match too, so that they are skipped
_TOKEN = re.compile(r"\\[A-Za-z]+|\d+|[A-Za-z]")  # what `\boxed 5` contains without braces
# The name before a box: `x = `, `x_1 = `.
_NAME = r"(?P<name>(?<![A-Za-z\\])[A-Za-z](?:_(?:\w|\{\w{1,3}\}))?)\s?=\s?"
# The label of a part between boxes: `**Part (b):** `, `(iv) `.
_PART = r"(?P<part>[*_\s]{0,6}(?:part\s{0,2}|question\s{0,2})?\((?:[a-h]|i{1,3}|iv|vi?|[1-8])\)[\s*_:.)]{0,6})"
_BETWEEN = re.compile(
    r"(?:[\s$.,;:&]|\\[()\[\]]|\\quad|\\qquad|\\[,;: ]|\\text\{|\}|(?:and|or|und|oder|et|ou)\b|\\\\)*"
    + rf"(?:{_PART}[\s$]{{0,3}}(?:\\[(\[])?\s{{0,3}})?(?:{_NAME})?",
    re.IGNORECASE,
)
"""`$ and $`, `\\quad\\text{or}\\quad`, `$ or $x = `, `$\n**Part (b):** $`; not `then`."""
_NAMED = re.compile(_NAME + "$")  # before a box: `x_1 = `

_OR = re.compile(r"\b(?:or|oder|ou)\b", re.IGNORECASE)  # joined by `or`, boxes are alternatives
_CONTRAST = re.compile(
    r"[\s$,.;()\\\[\]]{0,12}(?:and\s)?(?:not|instead of|rather than|never)\b[\s$(\\\[]{0,12}(?:[A-Za-z]\s?=\s?)?",
    re.IGNORECASE,
)
"""What stands between the boxes of `\\boxed{6}, not \\boxed{5}`."""

_PERCENT = re.compile(
    r"[\s$]{0,4}(?:\\\)|\\\])?\s{0,3}(\\%|%|percent\b|pct\b)"
)  # after a box: `\boxed{20}$\%`, `\boxed{20} percent`
_UNIT_AFTER = re.compile(r"(?:\$|\\\))?(?=\s)")  # the sign that closes the formula, between a box and its unit
# A box with one of these already has a unit, or is not a bare number.
_HAS_UNIT = re.compile(r"\\(?:text|mathrm)|%|[A-Za-z]{2}|=")
_ESCAPED = re.compile(r"\\+")  # a run of backslashes

_MAX_BETWEEN = 60  # boxes further apart are not one list
_MAX_NAME = 12  # how far before a box its name can begin
_MAX_BOXES = 50  # of more boxes, the last are joined
_MAX_DENIED = 8  # after so many denied boxes there is no answer


def find(text: str) -> Found | None:
    """Return the last affirmed box. Boxes joined only by `and`, `or`, commas and blanks form one list."""
    boxes = list(_BOX.finditer(text))
    denied = 0
    while boxes:
        last = boxes.pop()
        content = _content(text, last)
        if content is None:
            continue
        inner, end = content
        # An empty answer: the author committed to neither value, so no other rule may pick one.
        if _depends(text, boxes, last, end):
            return Found("", end)
        if not (denial.is_denied(text, last.start(), end) or offer.is_alternative(text, last.start())):
            return Found(_list(text, boxes, last, inner, end), end)
        denied += 1
        if not boxes or denied > _MAX_DENIED or not _is_contrast(text, boxes[-1], last):
            return Found("", end)
    return None


def _depends(text: str, before: list[re.Match[str]], last: re.Match[str], end: int) -> bool:
    """Return whether a box holds one of two values, each under its own condition."""
    if dependent.is_one_of_two(text, end):
        return True
    content = _content(text, before[-1]) if before else None
    return content is not None and dependent.are_two(text, content[1], last.start(), end)


def _is_contrast(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Return whether two boxes stand as in `\\boxed{6}, not \\boxed{5}`."""
    content = _content(text, one)
    return (
        content is not None
        and other.start() - content[1] <= _MAX_BETWEEN
        and bool(_CONTRAST.fullmatch(text, content[1], other.start()))
    )


def _list(text: str, before: list[re.Match[str]], last: re.Match[str], inner: str, end: int) -> str:
    """Return the content of a box, together with the boxes before it that belong to the same list."""
    chain = [_with_unit(inner, text[end : end + 60])]
    names = [_name(text, last.start())]
    left, joined_by_or = last.start(), False
    for match in reversed(before[-_MAX_BOXES:]):
        content = _content(text, match)
        if content is None:
            break
        inner, end = content
        if end > left:  # this box surrounds the one already taken
            left = min(left, match.start())
            if inner.strip().endswith("}") and _BOX.search(inner):
                continue
            break
        between = text[end:left] if left - end <= _MAX_BETWEEN else "far"
        if not _BETWEEN.fullmatch(between) or denial.is_struck_out(text, match.start()) or is_crossed(inner):
            break
        joined_by_or = joined_by_or or bool(_OR.search(between))
        chain.append(inner)
        names.append(_name(text, match.start()))
        left = match.start()
    if len(set(chain)) == 1:
        return chain[0].strip()
    if all(names) and len({name[0] for name in names}) == len(names):
        chain = [f"{name} = {inner}" for name, inner in zip(names, chain, strict=True)]
    return (" or " if joined_by_or else ", ").join(reversed(chain)).strip()


def _name(text: str, start: int) -> str:
    """Return the name to which a box is equated: `x_1` for `x_1 = \\boxed{5}`."""
    named = _NAMED.search(text[max(0, start - _MAX_NAME) : start])
    return named["name"] if named else ""


def _content(text: str, match: re.Match[str]) -> tuple[str, int] | None:
    """Return a box's content and where it ends. A box that is never closed holds the rest of its line."""
    start = match.end()
    if start >= len(text):
        return None
    if text[start] != "{":
        token = _TOKEN.match(text, start)
        return (token.group(), token.end()) if token else None
    inner, end = _in_braces(text, start)
    return (_unescaped(inner) if match.group().startswith("\\\\") else inner), end


def _in_braces(text: str, start: int) -> tuple[str, int]:
    depth = 0
    for brace in _BRACES.finditer(text, start, start + MAX_EXTRACTED_CHARS):
        sign = brace.group()
        if sign == "{":
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : brace.start()], brace.end()
    line = text[start + 1 : start + 1 + MAX_EXTRACTED_CHARS].split("\n", 1)[0]
    return line.rstrip(" $"), start + 1 + len(line)


def _unescaped(inner: str) -> str:
    r"""Halve the backslashes of a box that was escaped twice: `\\boxed{\\frac12}`."""
    runs = [len(run) for run in _ESCAPED.findall(inner)]
    return _ESCAPED.sub(lambda run: run.group()[::2], inner) if all(size % 2 == 0 for size in runs) else inner


def _with_unit(inner: str, following: str) -> str:
    """Append a percent sign or unit that stands right after the box."""
    unit = _UNIT_AFTER.match(following)
    if unit and not _HAS_UNIT.search(inner):
        said = value.unit_after(following, unit.end())
        if said:
            return rf"{inner}\text{{{said}}}"
    return inner + r"\%" if "%" not in inner and _PERCENT.match(following) else inner
