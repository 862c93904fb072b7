r"""Skip numbers at the end of a text that are only mentioned next to its answer.

They stand in a reason (`it is 2/5, as 4 of the 10 balls are red`), in parentheses (`15 (10 boys and 5 girls)`), in a
comparison (`58 left out of 85`, `24, which is 6 fewer than 30`), or name something (`problem 3`). The answer is
searched for before them.
"""

import re

from verifier_service.extract.math.number import last_number
from verifier_service.extract.math.sentence import sentence_before
from verifier_service.extract.math.wording import any_of

_BECAUSE = re.compile(
    r"(?:,?\s(?:because|since|given\sthat|due\sto)\s|,\sas\s(?!"
    + any_of(
        "well | many | much | long | soon | far | follows | usual | a result | a consequence | expected | required"
        "| shown | stated | desired | claimed | before"
    )
    + r"\b)|\sas\s(?:it|there|they)\s(?:is|are|was|were|has|have)\s)"
    r"(?!.*\b(?:so|thus|hence|therefore|we|giving)\b)"
)
"""` because 3 + 4 = 7`, `, as 4 of the 10 balls are red`; not `, as well as`, `since n is 5, we get`."""

_OPENS = r"[\s:$(\\*_]{0,6}$"
_EARLIER = any_of(
    r"original | initial | total(?:\sof)? | first | whole | usual | regular | normal | previous | planned"
)
_WHOLE = rf"(?:\s(?:the|an?|his|her|their|its|our|every|all))?(?:\s{_EARLIER})?"
_FROM_WHOLE = any_of(
    r"compared (?:with|to) | as opposed to | instead of | rather than | in contrast (?:with|to) | versus | vs\."
    r"| down from | up from | (?:change|back|left) from | (?<=,\s)not"
)
_MORE_OR_LESS = any_of(
    "more | less | fewer | greater | larger | smaller | higher | lower | longer | shorter | older | younger"
)
_OWNER = (
    r"\s(?:the|his|her|their|its|our|all|these|those|an?)(?:\s(?:original|initial|total|previous|first|whole|other))?"
)
_COMPARED = re.compile(
    rf"\s(?:(?P<ratio>(?<=\d\s)out\sof)|out\sof|{_FROM_WHOLE}){_WHOLE}{_OPENS}"
    rf"|\s(?:of|from(?=\s\w{{1,5}}\s(?:original|initial|total|previous|first))){_OWNER}{_OPENS}"
    r"|(?:,?\s(?:which|that|this)\s(?:is|are|was))?(?:,?\s|^)[$(]{0,2}\d[\d.,]{0,20}%?[$)]{0,2}(?:\s[^\W\d_]{1,15}){0,2}"
    rf"\s{_MORE_OR_LESS}(?:\s[^\W\d_]{{1,15}}){{0,2}}\sthan(?:{_OWNER})?{_OPENS}",
    re.IGNORECASE,
)
"""` out of `, ` of the `, `, which is 6 fewer than `; not `less than ` without a number before it."""
_ADJUNCT = re.compile(
    r"\s(?:(?:by|after|before|from|when|while|without)\s(?:\w{1,20}\s)?\w{2,20}ing|(?:left|remaining)?\s?from\sthe|left\safter"
    r"|ways?\s(?:to|of|in\swhich|for))\s(?=[^=,;:]{0,120}$)"
    r"(?!.*\b(?:so|thus|hence|is|are|was|were|equals|gives|makes|leaves|leaving|giving|then|total)\b)",
    re.IGNORECASE,
)
"""` by selling ` after `18 dollars`, ` to choose ` after `7 ways`; not `by adding 3 the total is 7`."""
_WHERE = re.compile(
    r"\b(?:is|are|was|equals|be)\s[$*(\\]{0,4}[-−]?\d[\d.,/]{0,20}[$*)\\]{0,4}(?:\s[^\W\d_]{1,12}){0,2}"
    r"(?P<where>,?\s(?:(?:and\sis\s)?(?:attained|reached|achieved|obtained)\s)?(?:at|when|for|where|if)\s[$(\\]{0,3}[A-Za-z]\s?=\s?)$"
)
"""`, attained at x = ` after `is 7`, ` when n = ` after `is 7`; not `the minimum is at x = `."""
_OPERAND = re.compile(
    r",?\s(?:and\s)?\b(?:divid|multipl|add|subtract)\w{1,6}\s(?:(?:it|this|that|both\ssides|everything|all)\s)?(?:by\s)?$",
    re.IGNORECASE,
)
"""`now we divide by `; not `35 divided by `, which has a value of its own."""
_NAMED = re.compile(
    rf"\s?\b(?:in|of|for|to|with|solves?|answer|finish(?:es)?|completes?)?\s?(?:the\s)?"
    rf"{any_of('question | problem | exercise | puzzle')}\s(?:number\s|no\.?\s)?#?$"
    rf"|(?:^|(?<=\n))[ *_#]{{0,8}}{any_of('step | part | case | method | example | section')}\s$",
    re.IGNORECASE,
)
"""`question `, `in problem #`, `### Step ` that begins a line; not `the error is in step `."""
_BRACKET = re.compile(r"(?<=\s)\((?!(?:or|and|base|mod)\b)[^()=\n]{0,300}$", re.IGNORECASE)  # `(10 boys and `
_REMARK = re.compile(
    r"[^()=\n]{0,300}(?:(?<![\\A-Za-z])(?!and\b)[^\W\d_]{3}|\d\s?[-+*/×·]\s?\d)[^()=\n]{0,300}\)", re.IGNORECASE
)
"""`10 boys and 5 girls)`, `10 + 5)`; not `3, 4)`."""
_DIGIT = re.compile(r"\d")
_MORE = re.compile(r"\d|\\[A-Za-z]")  # what continues a number: `2`, `\\frac`; not the end of `\\(x = 2\\)`
_MAX_CUTS = 4


def without_because(text: str, value: re.Pattern[str]) -> str:
    """Cut the reason after a value in the last line of a text."""
    because = _BECAUSE.search(text, text.rfind("\n") + 1)
    return text[: because.start()] if because and value.search(sentence_before(text, because.start())) else text


def without_mentions(text: str) -> str:
    """Cut the end of a text from where numbers are only mentioned. The result is empty if only mentions are there."""
    text = without_because(text, _DIGIT)
    for _ in range(_MAX_CUTS):
        number = last_number(text)
        place = _mention(text, number) if number else None
        if place is None:
            return text
        text = text[:place]
    return text


def _mention(text: str, number: re.Match[str]) -> int | None:
    """Return where the words begin that make a number a mere mention, or None if it is more."""
    if _MORE.search(text, number.end()):
        return None
    window = max(0, number.start() - 330)
    before = text[window : number.start()]
    bracket = _BRACKET.search(before)
    if bracket and _REMARK.match(text, window + bracket.start() + 1):
        place = window + bracket.start()
        return place if re.search(r"\d", sentence_before(text, place)) else None
    compared = _COMPARED.search(before[-120:])
    if compared and not compared["ratio"]:
        return number.start() - len(compared.group())
    sentence = sentence_before(text, number.start())
    adjunct = _ADJUNCT.search(sentence)
    if adjunct and re.search(r"\d", sentence[: adjunct.start()]):
        return number.start() - len(sentence) + adjunct.start()
    where = _WHERE.search(before[-120:])
    if where:
        return number.start() - len(where["where"])
    operand = _OPERAND.search(before[-60:])
    if operand and not before[: len(before) - len(operand.group())].rstrip()[-1:].isdigit():
        return number.start() - len(operand.group())
    named = _NAMED.search(before[-40:])
    return number.start() - len(named.group()) if named else None
