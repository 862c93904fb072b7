"""Find what the words after "the answer is" say the answer is."""

import re

from verifier_service.extract.math import denial, dependent, number, offer, value
from verifier_service.extract.math.formula import FORMULAS, inside, is_formula
from verifier_service.extract.math.reason import begins_with_value, without_reason
from verifier_service.extract.math.sentence import SPECIAL

_SIGNS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))
_MONEY = re.compile(r"\$\s?\d[\d,.]*(?:\s|$|[,;:])")  # `$18 in all`
_SENTENCE = re.compile(r"(?:[^.。\n]|\.(?=\d)|\.(?=\S))*")  # up to `. ` or the end of the line
_NO = re.compile(
    r"(?:not|never|neither|nowhere|anything but|unclear|unknown to me)\b(?!\s{1,3}(?:only|just)\b)", re.IGNORECASE
)
_NOT_BUT = re.compile(
    r"not\s(?P<only>only\s|just\s)?(?P<one>.{1,60}?),?\sbut\s(?:rather\s|also\s|instead\s)?(?P<other>.{1,200})",
    re.IGNORECASE,
)
"""`not 5 but 6`, `not only 5 but also 6`."""
# a denied value: `not 5`, `not (B)`; `not possible` is an answer in words
_OF_VALUE = re.compile(r"\d|[$\\=]|\b[A-J]\b")
# A guess: `maybe 5`, `either 5 or 6, I don't know`
_MAYBE = re.compile(r"(?:maybe|perhaps|possibly|either\b(?=.*(?:sure|know|tell)))", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-J])\)?[,;:.]\s{1,3}(?:it|as|so|the|this|that|because|since|I|we|they|there)\b")  # `D, it`
_FOREIGN = re.compile(r"[^\W\d_a-zA-ZΑ-ω]")
# The verb after which a sentence states its value.
_VERB = re.compile(r"\s(?:is|are|was|equals|would be|will be|should be|must be)\s(?!(?:not|never)\b)")
_NOUN = re.compile(
    r"(?:the\s|an?\s)?(?:number|value|integer|fraction|expression|point|interval|letter)\s(?=[\d$\\(\[−-])"
)  # the number 5
_PERCENT = re.compile(r"\s{0,2}(\\?%|percent\b|pct\b)")
_MORE = re.compile(
    r"\s{0,2}(,\s{0,2}(?:and|or)|,|and|or|或者?|和|与|、|，)\s{0,2}\$([^$]{1,80})\$"
)  # ` and $6$`, ` 或 $6$`
_JOINERS = {"或": " or ", "或者": " or ", "和": ", ", "与": ", ", "、": ", ", "，": ", ", ",": ", "}
_MAX_MORE = 30  # how many formulas of a list are joined
_COMMAND = re.compile(r"\\[A-Za-z]+(?:\{[A-Za-z ]*\})?")  # LaTeX commands, whose names are not words
_WORDS = re.compile(r"[^\W\d_]{2,}")
_MANY_WORDS = 4  # more words than a unit has


def statement(rest: str) -> tuple[str, bool]:
    """Return the answer that a text begins with, and whether it is meant: not denied, and not one of several offered.

    It is a displayed or inline formula, or what the sentence says.
    """
    special = SPECIAL.search(rest)
    rest = (rest[: special.start()] if special else rest).strip()
    sentence = _first_sentence(rest)
    if offer.are_candidates(sentence):
        return sentence, False
    for opener, closer in _SIGNS:
        if rest.startswith(opener):
            end = rest.find(closer, len(opener))
            if end > 0 and not (opener == "$" and _is_money(rest, end)):
                return _after_formula(rest, rest[len(opener) : end], end + len(closer)), True
    if rest.startswith("\\begin"):
        return rest[: rest.rfind("}") + 1], True
    contrast = _NOT_BUT.match(sentence)
    if contrast:
        one, other = contrast["one"].strip(), without_reason(contrast["other"].strip())
        return (f"{one}, {other}" if contrast["only"] else other), True
    if _MAYBE.match(sentence) or (_NO.match(sentence) and _OF_VALUE.search(sentence)):
        return sentence, False
    noun = _NOUN.match(sentence)
    return _said(without_reason(sentence[noun.end() :] if noun else sentence))


def _first_sentence(rest: str) -> str:
    sentence = _SENTENCE.match(rest)
    return sentence.group().strip(" *\"'") if sentence else rest


def _is_money(rest: str, end: int) -> bool:
    """Return whether a dollar sign with another at `end` means money: `$18, which is $3 more`."""
    between = rest[1:end]
    return bool(_MONEY.match(rest)) and (
        not is_formula(between) or (between[-1:] == " " and rest[end + 1 : end + 2].isdigit())
    )


def _after_formula(rest: str, formula: str, end: int) -> str:
    """Append to an inline formula its percent sign, or the other formulas of its list."""
    following = rest[end : end + 200]
    if _PERCENT.match(following):
        return formula + r"\%"
    listed = formula.strip()
    for _ in range(_MAX_MORE):
        more = _MORE.match(rest, end, end + 200)
        if more is None:
            break
        listed, end = f"{listed}{_JOINERS.get(more.group(1), f' {more.group(1)} ')}{more.group(2)}", more.end()
    return listed + value.unit_after(rest, end)


def _said(text: str) -> tuple[str, bool]:
    """Return what a sentence says: what follows its last verb, its last formula there, or its last number."""
    option = _LETTER.match(text)
    if option:
        return option.group(1), True
    tail = text if begins_with_value(text) else _VERB.split(text)[-1].strip(" *:\"'")
    tail = _NOUN.sub("", tail)
    if not tail:
        return text, True
    if "$" in tail or "\\(" in tail:
        formulas = list(FORMULAS.finditer(tail))
        if len(formulas) == 1:
            return inside(formulas[0]), True
        if formulas:
            return tail, True
    letter = _LETTER.match(tail)
    if letter:
        return letter.group(1), True
    return _amount(tail) if re.search(r"\d", tail) and _is_wordy(tail) else (tail, True)


def _is_wordy(tail: str) -> bool:
    """Return whether the words around a number are not a unit: more than four, or in another script."""
    if _FOREIGN.search(tail):
        return True
    words = _WORDS.findall(_COMMAND.sub(" ", tail))
    return len(words) > _MANY_WORDS and not re.search(r"\b(?:or|either|and)\b", tail)


def _amount(tail: str) -> tuple[str, bool]:
    found = number.amount(tail)
    if found is None:
        return tail, True
    if dependent.begins_with_two(tail):
        return tail, False
    amount, start = found
    return amount, not (denial.is_denied_before(tail, start) or denial.is_bound(tail, start))
