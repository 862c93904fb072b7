r"""Read numbered parts: `(a) 5, (b) 6`, `(1) 5; (2) 6`, `a) 5 b) 6`, `A: 5, B: 6`, `①5 ②6` become the tuple `(5, 6)`.

The labels must count up from the first letter or number, each followed by a part. Circled numbers alone, `①③`, are the
list of these numbers.
"""

import re

_MAX_CHARS = 2000  # a longer text is not split into parts
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
# matches `(a)`, `\text{(ii)}`, `b)`, `A:`, `1.` before a blank, `\textcircled{1}`; not the `(x)` of `f(x)`, `2.5`
_LABEL = re.compile(
    r"(?:(?<=[\s,;])|^)(?:\\(?:text|textbf|mathrm|textrm|mbox)\s*\{\s*)?(?:part\s+)?(?:"
    r"\(\s*(?P<round>[1-9]|[a-jA-J]|[ivx]{1,4})\s*\)\s*:?|(?P<half>[1-9]|[a-jA-J]|[ivx]{1,4})\)|(?P<colon>[A-Ja-j])\s?:(?=\s)|"
    r"(?P<dot>[1-9A-J])\.(?=\s))\s*\}?|\\textcircled\s*\{(?P<circled>\d{1,2})\}",
    re.IGNORECASE,
)
# matches `\textcircled{1}, \circled{3}` and nothing else
_CIRCLED_ONLY = re.compile(r"(?:\\textcircled\{\d{1,2}\}(?:[\s,;]|and|和|与|、){0,9}){1,20}")
_CIRCLED = re.compile(r"\\textcircled\{(\d{1,2})\}")
# what a part cannot begin or end with, because its label would be a factor
_NO_PART = re.compile(r"[-+*/^=<>_.!']\s|[*/^=<>_!)]|\\(?:cdot|times|le|ge|in|to)\b")
# An operator or an open bracket at the end of a part: the next label belongs to a formula.
_OPEN_END = re.compile(r"[-+*/^=<>_(\[{]$|\\(?:cdot|times|le|ge|in|to|frac|sqrt)$")
_ENDS = ("\\qquad", "\\quad", "\\\\", " and")


def without_labels(cleaned: str) -> str:
    """Write numbered parts as a tuple. Any other text is returned unchanged."""
    if len(cleaned) > _MAX_CHARS:
        return cleaned
    if "\\textcircled" in cleaned:
        if _CIRCLED_ONLY.fullmatch(cleaned):
            return ", ".join(_CIRCLED.findall(cleaned))
    elif ")" not in cleaned and ":" not in cleaned and ". " not in cleaned:
        return cleaned
    parts = _parts(cleaned)
    if parts is None:
        return cleaned
    return "(" + ", ".join(f"{{{part}}}" if "," in part else part for part in parts) + ")"


def _parts(cleaned: str) -> list[str] | None:
    """Return the parts after the labels, or None if the text is not a sequence of labelled parts."""
    labels = list(_LABEL.finditer(cleaned))
    if len(labels) < 2 or labels[0].start() != 0 or not _counts_up(labels):
        return None
    ends = [label.start() for label in labels[1:]] + [len(cleaned)]
    parts = []
    for label, end in zip(labels, ends, strict=True):
        part = _trimmed(cleaned[label.end() : end])
        if not part or _NO_PART.match(part) or _OPEN_END.search(part) or part.count("(") != part.count(")"):
            return None
        if label.lastgroup == "dot" and end < len(cleaned) and not re.search(r"[\n;,]\s*$", cleaned[label.end() : end]):
            return None
        parts.append(part)
    return parts


def _trimmed(part: str) -> str:
    """Cut blanks, commas and `and` at the ends of a part."""
    part = part.strip(" ,;\n\t")
    while (cut := next((end for end in _ENDS if part.endswith(end)), None)) is not None:
        part = part[: -len(cut)].rstrip(" ,;\n\t")
    return part


def _counts_up(labels: list[re.Match[str]]) -> bool:
    """Return whether labels are 1, 2, 3 or a, b, c or i, ii, iii, all in the same style."""
    kinds = {label.lastgroup for label in labels}
    values = [label.group(label.lastgroup or 0).lower() for label in labels]
    if len(kinds) != 1:
        return False
    count = len(values)
    return values in (
        [str(number) for number in range(1, count + 1)],
        list("abcdefghij"[:count]),
        list(_ROMAN[:count]),
    )
