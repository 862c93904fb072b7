"""Cut the reason or remark after an answer: `12, which is 5 more than 7` becomes 12."""

import re

from verifier_service.extract.math.wording import any_of, words_of

_SIGN_AND_CURRENCY = r"[-+−±]?\s?(?:\\?[$€£¥₹]\s?)?"
_VALUE = re.compile(
    rf"(?:about |approximately |exactly"
    rf"|only )?[$(\\]{{0,3}}(?:[A-Za-z]\w{{0,3}}\s?=\s?)?{_SIGN_AND_CURRENCY}(?:\d|\.\d)"
    r"|\(?\\?(?:frac|sqrt|pi|infty|text|mathrm|left|begin|\{)|\(?[A-J]\)?(?=[\s,.;:)—–-]|$)"
)
"""The beginning of a value: `12 apples`, `$x = 5`, `(B)`; not `the number 5`."""

_NUMBER_ALONE = re.compile(
    rf"[\s*_(\[$\\]{{0,4}}(?:[A-Za-z]\w{{0,3}}\s?=\s?)?{_SIGN_AND_CURRENCY}[\d.][\d.,/: ]{{0,30}}(?:\\?%|°)?"
    r"(?:\s?[^\W\d_]{1,15}){0,2}[\s*_)\]$.]{0,4}|\(?[A-J]\)?[\s*_.]{0,3}"
)
"""A number with at most two words, or a letter: `12`, `n = 12 apples`, `(B)`; not `2x + 1`."""

_COMMA = r"\s{0,3}[,;]\s{0,3}"
_SUBJECT = any_of("it | the | there | we | this | that | they | he | she | all | each | both")
_REASON = re.compile(
    rf"\s{{0,3}}\({words_of('not | since | because | as | see | check | from | by | that is | in total | total')}"
    rf"|(?:{_COMMA}|\s{{1,3}})(?:\\text\s?\{{\s{{0,3}})?(?:(?:because|since|due\sto|given\sthat)\b"
    rf"|as\s(?:{_SUBJECT}|{any_of('shown | required | desired | expected | claimed | needed | promised | stated')}"
    r"|\w{1,3}\s?[=<>])(?![\w-])"
    r"|it\s(?:can['’]t|cannot|can\snot|doesn['’]t)\b|I\shope\b|不是|因为)"
    rf"|(?:{_COMMA}|\s{{1,3}})(?:not|non)\s"
)
"""A reason that can follow any answer: `because`, `, not `, ` (since `."""

_AFTER_COMMA = (
    "which | where(?:as)? | while | so | thus | hence | therefore | but | though | although | then | after | giving"
    "| making | meaning | leaving | that is | this | it | i\\.?e\\.? | namely | equivalently | altogether"
    "| half | about"
    "| approximately | roughly | thanks | in (?:total|all|other words|the end)"
)
_AFTER_AND = (
    "the | this | that | it | we | I | all | they | there | these | our | its | so | not | is | are | thus | hence"
    "| therefore | nothing | no"
)
_WORKED_OUT = (
    any_of("obtained | computed | calculated | derived | deduced | proven | proved | shown | verified | confirmed")
    + r"|found\s(?:by|from|using|via|with|through)|by\s(?:the|theorem|lemma|part|step|symmetry|induction)"
    + r"|see\s(?:above|below|the|theorem|lemma|part|step|figure|section|page|table)"
)
"""`obtained`, `found by`, `see part`; not `found in 5 of 7 cases`."""
_AFTER_VALUE = re.compile(
    rf"{_COMMA}(?:{any_of(_AFTER_COMMA)}|(?:and|as)\s{any_of(_AFTER_AND)}\b(?!\s(?:other|second|third|rest)\b))\b"
    rf"|{_COMMA}(?:{_WORKED_OUT})\b(?!.{{0,200}}?{_COMMA}and\s[^\w]{{0,3}}\d)"
    rf"|{_COMMA}for\s(?:\d|it|we|there)\b(?=[^,;]{{0,80}}\s{any_of('is | are | equals | gives | makes')}\s)"
    r"|\s{1,3}which\s(?:is|means|gives|equals|makes)\b"
    rf"|\s{{1,3}}and\s{words_of('this | that | it | we | I | so | not | thus | hence | therefore | they | nothing')}"
    r"|\s{1,3}so\s(?:that\s)?(?:the|we|it|I|they|this|that)\b"
    r"|;\s{1,3}(?=[^;$=]{0,60}\b(?:is|are|was|does|we|it|I|has|would)\b)|:\s{1,3}(?=[A-Za-z]{2}|\d[\d.,]{0,20}\s(?:groups|sets|rows|times|plus|minus|more|less)\b)"
    r"|\s{1,3}(?:—|--|⟵|←)\s{0,3}(?=\S)|\s{1,3}[–-]\s{1,3}(?=[A-Za-z]{2})"
)
"""A remark that follows what begins with a value: `, which`, ` — `, `: it is`."""

_CONDITION = any_of(
    "as | when | whenever | while | where | if | after | before | so | by | once | provided | for which | is"
    "| are | was"
    "| were | equals | will | would | unless | using | from | for(?=\\s[A-Za-z]\\s?=)"
)
_NO_REMARK = any_of(
    "mod | base | or | maybe | perhaps | possibly | repeating | recurring | thousand | million | billion"
)
_AFTER_NUMBER = re.compile(
    rf"\s{{1,3}}{_CONDITION}\s|\s{{1,3}}\((?!\s{{0,2}}{_NO_REMARK}\b)(?=[^()?]{{3,200}}\))(?=[^()]{{0,200}}\s)"
)
"""What follows a bare number: ` when n is 5`, ` (5 more than 7)`. After anything else it could be part of a formula."""

# Words that introduce a case; two of them make the answer a case distinction.
_CASES = re.compile(r"\b(?:if|when|whenever|for|otherwise|else|where)\b")
_TORN_TEXT = re.compile(r"\\(?:text|textrm|mathrm|mbox|textbf)\s?\{[^{}]{1,200}$")  # `\text{Yes`
_OPENED = re.compile(r"(?:\\(?:text|textrm|mathrm|mbox)\s?\{|\\q?quad|\\[,;: ]|[\s,;(~])+$")  # `, \text{(`


def without_reason(answer: str) -> str:
    """Cut the reason after an answer: `D, it can't be A` becomes D.

    Two conditions are not a reason: `1 if x > 0 and 2 if x < 0` stays.
    """
    if "\\begin" in answer:
        return answer
    answer = _cut(answer, _REASON)
    if not begins_with_value(answer):
        return answer
    answer = _cut(answer, _AFTER_VALUE)
    number = _AFTER_NUMBER.search(answer)
    if number and len(_CASES.findall(answer)) < 2 and _NUMBER_ALONE.fullmatch(answer[: number.start()]):
        return _cut(answer, _AFTER_NUMBER)
    return answer


def begins_with_value(answer: str) -> bool:
    """Return whether a statement begins with a number, a formula, or the letter of a choice."""
    return bool(_VALUE.match(answer))


def is_balanced(text: str) -> bool:
    """Return whether all braces and parentheses in a text are balanced."""
    return text.count("{") == text.count("}") and text.count("(") == text.count(")")


def shortened(answer: str, end: int) -> str:
    """Cut an answer at a place, along with what opened there. Keep it whole if the cut would split a bracket."""
    head = answer[:end]
    opened = _OPENED.search(head[-40:])
    if opened:
        head = head[: len(head) - len(opened.group())]
    if _TORN_TEXT.search(head[-240:]):
        head += "}"
    return head if head.strip() and is_balanced(head) else answer


def _cut(answer: str, pattern: re.Pattern[str]) -> str:
    """Cut an answer at the first match that has something before it."""
    for found in pattern.finditer(answer):
        if found.start() > 0:
            return shortened(answer, found.start())
    return answer
