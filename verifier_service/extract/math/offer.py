"""Recognize sentences that commit to nothing: several candidates, or an unsolved problem."""

import re

from verifier_service.extract.math.sentence import sentence_before
from verifier_service.extract.math.wording import any_of, words_of

_UNSURE = re.compile(
    words_of(
        "or (?:maybe|perhaps|possibly|even|might|could|is it|else) | maybe | perhaps | possibly"
        "| one of (?:these|those|them)"
    )
    + r"|\b(?:could|might|may)\s(?:also\s|even\s|well\s)?(?:be|have\sbeen|equal)\b|\bnot\s(?:\w{1,20}\s)?(?:sure"
    r"|certain)\b|"
    + words_of(
        "unsure | uncertain | (?:cannot|can't|can not) (?:tell|decide|say) | (?:don't|do not) know | no idea"
        "| who knows"
        "| take your pick | either (?:way|one) | your choice"
    ),
    re.IGNORECASE,
)
"""What makes several values mere candidates: `7, or maybe 8`, `3 or 4, not sure`."""
_COULD_BE = re.compile(
    r"\b(?:could|might|may)\s(?:also\s|even\s|well\s)?(?:be|have\sbeen|equal)\b(?!\s\w{1,20}(?:ed|en|wn|nd)\b)",
    re.IGNORECASE,
)
"""`it could also be 6`; not `as could be seen`."""
_OR = re.compile(r"\bor(?:\selse)?[\s:$(\\\[]{1,8}$", re.IGNORECASE)  # before an alternative: `, or $`
_SEVERAL = re.compile(r"\b(?:or|either)\b|/", re.IGNORECASE)

_WORD = r"(?:\w{1,20}\s)?"
_NOT_SOLVED = re.compile(
    rf"\b(?:(?:I|we)\s{_WORD}(?:could|can|was|were|am|are|did|do)(?:\s?not|n['’]t)\s{_WORD}(?:able\sto\s)?{_WORD}"
    + any_of(
        "solve | answer | finish | complete | know | determine | figure out | find | work out | compute"
        "| calculate | crack"
        "| understand"
    )
    + r"(?:\s(?:how\sto\s(?:solve|do|answer)\s)?(?:this|it|what|which|an?\s(?:answer|solution)|the\s"
    + any_of("problem | question | answer | task | exercise | puzzle | solution")
    + r")\b|[.,;!])|"
    + any_of(r"I give up | I(?:'m| am) (?:stuck|lost) | (?:is|was) (?:unsolvable|beyond me) | no idea\b")
    + r"|(?:unable|failed|unsuccessful)\s(?:to|in)\s(?:solv|answer|find|determin)\w*)",
    re.IGNORECASE,
)
"""`I could not solve this problem`, `I don't know.`; not `I could not find any other`."""
_NOBODY_CAN = (
    r"(?:(?:could|can|was|were|am|are|is|did|do)(?:\s?not|n['’]t)|cannot|(?:was|were|am|are|is)\sunable\sto"
    rf"|failed\sto|(?:is|was)(?:\snot|n['’]t)\spossible\sto|(?:is|was)\simpossible\sto)\s{_WORD}(?:able\sto\s|possible\sto\s)?{_WORD}"
)
_NOT_FOUND = re.compile(
    _NOBODY_CAN
    + any_of(
        "solve | answer | finish | complete | determine | figure out | find | work out | compute | calculate | obtain"
        "| reach | get | give | provide | come up with | help with | assist with | help | assist | commit to"
    )
    + r"\s(?:(?:the|an?|its|their|his|her|any|your|this|that)\s(?!other|more|further|larger|smaller|greater)"
    + r"(?:\w{1,20}\s)?"
    + any_of(
        "values? | answers? | results? | solutions? | number | amount | total | sum | request | question | problem"
    )
    + r"\b|with\b|you\b|(?:questions?|problems?|this)\b)"
    r"|\b(?:is|are)\s(?:undetermined|indeterminate)\b|\bI\s(?:can(?:\s?not|['’]t))\s(?:say|tell)\b"
    r"|(?:answer|value|it|this|that|result|solution|number)\s(?:(?:can|could)(?:\s?not|n['’]t)|cannot)\sbe\s"
    + any_of("determined | found | solved | computed | calculated | known | decided | answered | given | worked out")
    + r"\b(?!\sby\b)|"
    + words_of(
        "not enough (?:information|data|details) | insufficient (?:information|data) | none of (?:them|these|which)"
        " (?:led|leads|gave|gives|works|worked|succeeded|helped) | ran out of (?:time|space|tokens|room)"
        "| (?:only|just) got (?:to|as far as) | (?:will|must|have to) stop here | (?:do not|don't) commit to"
    ),
    re.IGNORECASE,
)
"""`it could not be determined`, `we cannot find their values`; not `we cannot find any other value`."""
# What announces an answer after the author gave up.
_STILL = re.compile(
    words_of(
        "but | however | so | therefore | thus | hence | guess | numerically | approximately | instead | yet"
        "| still | answer"
    ),
    re.IGNORECASE,
)
_NOT_SOLVED_BEFORE = 300  # how far back the words of giving up count


def are_candidates(sentence: str) -> bool:
    """Return whether a sentence offers several answers and commits to none: `7, or maybe 8`."""
    return bool(_COULD_BE.search(sentence)) or bool(_UNSURE.search(sentence) and _SEVERAL.search(sentence))


def is_alternative(text: str, start: int) -> bool:
    """Return whether the answer at a place is the last of several that are offered: `it may be 5, or 6`."""
    return bool(_OR.search(text[max(0, start - 16) : start])) and are_candidates(sentence_before(text, start))


def gives_up(text: str) -> bool:
    """Return whether a text says that the problem was not solved."""
    return bool(_NOT_SOLVED.search(text))


def found_nothing(sentence: str) -> bool:
    """Return whether the rest of a sentence says that the value was not found."""
    return bool(_NOT_FOUND.search(sentence))


def gave_up(text: str, start: int) -> bool:
    """Return whether a text gives up shortly before a place and does not continue like `but still`."""
    before = text[max(0, start - _NOT_SOLVED_BEFORE) : start]
    said = _NOT_SOLVED.search(before) or _NOT_FOUND.search(before)
    return bool(said) and not _STILL.search(before, said.end())
