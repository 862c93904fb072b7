r"""Cut what stands next to an answer in its box without being part of it: marks of a finished proof, reasons, titles.

`5 ✓`, `5\ \text{(since } x > 0)`, `\text{The answer is } 5` and `\Rightarrow 5` all become 5. Anything that could
change the value stays.
"""

import re

from verifier_service.extract.math.reason import is_balanced, shortened
from verifier_service.extract.math.wording import any_of

_BLANK = r"(?:\s|~|\\[,;:! ]|\\q?quad(?![A-Za-z]))"
_TEXT = r"\\(?:text|textbf|textrm|textit|mathrm|mbox)\s?\{"
_ARROWS = any_of(
    "to | therefore | implies | Rightarrow | Longrightarrow | rightarrow | longrightarrow | iff | hence | because"
)
_LEADING = re.compile(rf"{_BLANK}{{0,5}}(?:\\{_ARROWS}(?![A-Za-z])|[∴⇒→⟹➜➡]|=>){_BLANK}{{0,5}}(?=\S)")
r"""`\Rightarrow 5`, `∴ 5`."""

_MARK = (
    r"(?:[✓✔✅☑🎉■□∎◻◼]|\\(?:checkmark|qedhere|qed|blacksquare|square|Box|QED)(?![A-Za-z])(?:\{\})?|\bQ\.?E\.?D\b\.?"
    rf"|{_TEXT}\s?(?:\\checkmark|\\qed|✓|✔|Q\.?E\.?D\.?)\s?\}})"
)
_TRAILING = re.compile(rf"(?:{_BLANK}|[,;.])*{_MARK}(?:{_BLANK}|[,;.\ufe0f]|{_MARK})*$")
r"""`\checkmark`, `\blacksquare`, `✅` at the end."""

_TITLE = re.compile(
    rf"(?:{_TEXT})?\s{{0,3}}(?:(?:(?:so|thus|hence|therefore),?\s{{1,3}})?(?:(?:the|our|my)\s{{1,3}})?(?:final\s|correct\s)?"
    r"(?:answer|result|solution|value|ans|option|choice)(?:\s{1,3}(?:is|are|equals)\s?[:=]?|\s{0,3}[:：=])"
    r"|(?:so|thus|hence|therefore|finally|there\s(?:are|is))\b,?)"
    r"\s{0,3}(?P<brace>\})?(?:\s|~|\\[,;: ]){0,5}(?!not?\b|never\b|wrong|in?correct)(?=\S)",
    re.IGNORECASE,
)
r"""`The answer is`, `\text{Answer: }`, `\text{So }`; not `The answer is not`."""

_KIND = any_of(
    "only | unique | final | correct | right | required | desired | smallest | largest | least | greatest | minimum"
    "| maximum | minimal | maximal | best | optimal | exact | wanted | requested | integer | real | positive | possible"
    "| valid | local | global | absolute | simplified"
)
_NOUN = any_of(
    "solutions? | answer | value | minimum | maximum | min\\.? | max\\.? | result | root | number | one"
    "| option | choice"
    "| integer"
)
_REASON = re.compile(
    r"\b(?:since|because|due to|given that|by symmetry"
    rf"|as (?:{any_of('required | desired | needed | wanted | expected | claimed | requested')}"
    r"|\}?\s?[A-Za-z]\s?(?:[<>=]|\\[gln]e)))"
    rf"|\bis (?:(?:the|our|my) (?:{_KIND} ){{0,3}}{_NOUN}|correct|right|unique)(?=[\s.!}}]{{0,4}}$)"
)
"""`since x > 0`, `is the only solution`; not `is the opposite`."""

_CHECKED = any_of(
    "verified | checked | proven | proved | exact | exactly | simplified | final | total | in total"
    "| altogether | unique"
    "| only | (?:in )?simplest form | reduced | correct | given | shown | from above"
)
_TITLE_AFTER = re.compile(
    rf"(?:{_TEXT})?\s{{0,3}}\(\s{{0,2}}(?:the\s)?(?:{_KIND}\s){{0,2}}(?:{_NOUN}|{_CHECKED})\s{{0,2}}\)\s{{0,2}}\}}?$",
    re.IGNORECASE,
)
r"""`(minimum)`, `\text{(the only solution)}`; not `(mod 7)`, `(dollars)`."""

_CROSS = r"[✗✘❌✖]\ufe0f?"
_CALLED_WRONG = rf"\(\s?{any_of('wrong | incorrect | not correct | not right | rejected | crossed out')}\s?[.!]?\s?\)"
_CROSSED = re.compile(
    rf"(?<=\S)(?:{_BLANK}{{0,5}}(?:{_TEXT})?\s{{0,3}}(?:{_CROSS}|(?<!(?-i:[A-J]))(?<!(?-i:[A-J])\s){_CALLED_WRONG})[\s}}]{{0,4}})$",
    re.IGNORECASE,
)
r"""`7 ✗`, `7 \text{ (wrong)}`; not `✗` alone, nor the text of an option in `B (Incorrect)`."""
_CROSS_FIRST = re.compile(rf"{_BLANK}{{0,5}}(?:{_TEXT})?\s{{0,3}}{_CROSS}[\s}}]{{0,3}}(?=\S)")  # `❌ 7`

_ALL_TEXT = re.compile(rf"{_TEXT}([^{{}}]{{1,2000}})\}}")  # `\text{Answer: 5}`
_OR_IN_BRACKETS = re.compile(rf"\s{{0,3}}(?:{_TEXT}\s?)?\(\s{{0,2}}(or\s[^()]{{1,200}})\)(?:\s?\}})?$")  # `5 (or 6)`
_QUOTED = re.compile(r"(`{1,3})([^`]{1,2000})\1|(_{1,3})([^_]{1,200})\3")  # `5` in backticks, `__B__`; not `a_1`
_NEAR_END = 100


def without_remark(answer: str) -> str:
    """Return an answer without the marks and remarks around it. One that has nothing else stays."""
    kept = answer.strip()
    quoted = _QUOTED.fullmatch(kept)
    if quoted:
        kept = (quoted.group(2) or quoted.group(4)).strip() or kept
    kept = _without_title(_without_marks(kept))
    reason = _REASON.search(kept)
    if reason and reason.start() > 0:
        kept = shortened(kept, reason.start())
    described = _TITLE_AFTER.search(kept[-_NEAR_END:])
    if described:
        kept = shortened(kept, len(kept) - len(described.group()))
    alternative = _OR_IN_BRACKETS.search(kept[-2 * _NEAR_END :])
    if alternative:
        kept = f"{kept[: len(kept) - len(alternative.group())]} {alternative.group(1)}"
    return kept or answer


def is_crossed(answer: str) -> bool:
    """Return whether an answer is marked with a cross or called wrong: `7 ✗`, `7 (wrong)`."""
    return bool(_CROSS_FIRST.match(answer) or _CROSSED.search(answer[-_NEAR_END:]))


def _without_marks(answer: str) -> str:
    leading = _LEADING.match(answer)
    if leading:
        answer = answer[leading.end() :]
    trailing = _TRAILING.search(answer[-_NEAR_END:])
    return answer[: len(answer) - len(trailing.group())] or answer if trailing else answer


def _without_title(answer: str) -> str:
    wrapped = _ALL_TEXT.fullmatch(answer)
    titled = wrapped.group(1) if wrapped else answer
    title = _TITLE.match(titled)
    if title and is_balanced(titled[title.end() :]) and bool(title["brace"]) == ("{" in title.group()):
        return titled[title.end() :].strip()
    return answer
