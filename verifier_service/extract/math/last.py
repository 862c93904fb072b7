"""Read the end of a text that announces no answer: its last line if a formula, its last number, its last letter."""

import re

from verifier_service.extract.math import denial, emphasis, offer, value
from verifier_service.extract.math.formula import FORMULAS, inside, is_formula
from verifier_service.extract.math.found import Found
from verifier_service.extract.math.mention import without_because, without_mentions
from verifier_service.extract.math.number import NUMBER, last_number
from verifier_service.extract.math.sentence import SPECIAL, sentence_before
from verifier_service.extract.math.wording import any_of

_MAX_LINE = 3_000  # how much of the last line is read
_MAX_TAIL = 4_000  # how much of the end is searched for a number

_THANKS = any_of(
    "I (?:hope|checked|verified|double|used) | hope this | let me know | feel free | thank | checked | verified"
    "| checking"
    "| double-check | verification | check: | this took | we (?:checked|verified|used) | good luck | done\\b"
    "| would you like | do you want | want me to | shall I | is there anything | if you (?:have|need|want|would)"
    "| we can (?:check|verify|confirm)"
    "| to (?:check|verify|confirm)(?: (?:this|it|that|our answer|the answer))?\\s?[,:]"
    "| note:"
)
_AFTERWORD = re.compile(
    r"(?<=\s)\((?!(?:or|and|base|mod)\b)(?=[A-Za-z]{3,20}[\s:,]|[^()]{0,200}\b"
    + any_of("not | since | because | rejected | invalid | discarded? | extraneous")
    + r"\b)[^()]{0,300}\)[.\s]{0,3}$|(?:(?<=[.!?]\s)|(?<=\n)|(?<=[.!?]\s\s))"
    + _THANKS
    + r"[^\n]{0,300}$",
    re.IGNORECASE,
)
"""A remark at the end that is not about the answer: `(Checked in 3 steps.)`, `I hope this helps!`."""

_OPTION = re.compile(
    r"[*_`\s]{0,6}(?:(?:so|thus|hence|therefore)\b[,:]?\s)?(?:(?:it(?:['’]s|\sis)|i\s(?:think|believe)(?:\sit['’]s)?)\s)?(?:(?:the|correct|right|my|final|selected|chosen)\s){0,3}(?:option|choice|answer|alternative|letter)?[\s:—–-]{0,4}"
    r"[*_`(\[]{0,5}([A-J])[)\]*_`.。]{0,5}",
    re.IGNORECASE,
)
"""`Option C`, `**Choice: D**`, `(B)`."""
_BOLD_END = re.compile(
    r"(?:\b(?:is|are|was|be|on|as|equals|called|named|becomes|gives|get|obtain|falls)|[=:])\s(?:(?:an?|the|thus|therefore)\s)?"
    r"\*{1,3}(?P<said>[^*\n]{1,60})\*{1,3}[.!\s]{0,4}$",
    re.IGNORECASE,
)
"""`will be a **Friday**.`, `is **x^2**`; not `this is **very** hard`."""
# Words that make a bold value a guess.
_UNSURE = re.compile(
    r"\b(?:maybe|perhaps|possibly|might|could|may|unsure|guess|if|whether|not\s(?:sure|certain))\b", re.IGNORECASE
)
_MAX_BOLD_WORDS = 4  # longer bold text is a sentence
_LETTER_FIRST = re.compile(r"\(?[A-J][.)。]|[A-J](?![\x00-\x7f])")  # `B)`, `B是`
# a word, `5 apples`, `B) 5`
_BARE = re.compile(r"(?!I\s|sorry|idk)[^\d]*$|(?:[-+−]|\\?\$|[€£¥])?\s?[\d.]|[A-J][.):]\s")
# `2\frac{1}{3}` or `3\sqrt{2}` outside dollars.
_BARE_FRACTION = re.compile(
    r"-?(?:\d{1,9})?\\[dt]?frac\s?\{[^{}]{1,60}\}\s?\{[^{}]{1,60}\}|-?\d{0,9}\\sqrt\s?\{[^{}]{1,60}\}"
)
# The percent sign after a formula: `$20$%`, `$20$ percent`.
_PERCENT = re.compile(r"[\s$)\\]{0,4}(%|percent\b|pct\b)")
# The letter of a choice, alone: `(C)`, `B`. `A` only at the end of the text, because it is also an article.
_LETTER = re.compile(r"(?<![\w'’\\$])(?:\(([A-J])\)|([B-H]|A(?=[\s.)*]{0,5}$)))(?![\w'’$])")
_BETWEEN_FORMULAS = re.compile(r"\s{0,3}(?:,\s{0,3}and\b|,|and\b|(?:,\s{0,3})?(\sor)\b)\s{0,3}")  # `$5$ or $6$`
_ANOTHER_LETTER = re.compile(r"\b[A-J][)*\]]{0,3}\s?(?:,|/|,?\s(?:or|and))\s?[(*\[]{0,3}$")  # `A or `
_CUT_OFF = re.compile(
    r"(?:[+×÷·^<({\[,;=/]|\s[*−–—-]|\\(?:times|cdot|div|pm|mp|leq?|geq?|neq?|frac|sqrt|left|text|mathrm|approx|equiv)"
    r"|[\s,](?:and|or|plus|minus|times|the|an|by|than|because|which|we|he|she|they|then|so|equals|if|when|from|into|of"
    r"|his|their|our|my|its|but|let|each|every|has|have|are|is))\s{0,20}$"
)
"""The end of a text that breaks off in the middle of a sentence: `45 +`, `45 apples and`; not `**45**`."""
# Before a number that is only an example: `for instance `
_MERE_EXAMPLE = re.compile(
    r"\b(?:"
    + any_of(
        "for example | for instance | such as | something like | e\\.g\\. | say , | (?:value|number|answer)s? like"
    )
    + r")[\s,:$(]{0,5}$",
    re.IGNORECASE,
)
_FOR_EXAMPLE = re.compile(r"[\s,$)]{1,4}(?:for\s(?:example|instance)|say)\b", re.IGNORECASE)  # `100, for example`
_OPEN_AND_SHUT = {"$$": "$$", "\\]": "\\[", "$": "$"}


def last_line(text: str) -> Found | None:
    """Return the last line if it is a formula, a displayed formula, or a short answer that is the whole text."""
    whole = _without_end(text)
    tail = whole[-_MAX_LINE:]
    line = tail.rsplit("\n", 1)[-1].strip()
    opener = _OPEN_AND_SHUT.get(line)
    if opener:
        start = tail.rfind(opener, 0, len(tail) - len(line))
        if start >= 0:
            return Found(tail[start + len(opener) : -len(line)].strip(), len(whole))
    said = _of_line(line, is_all=whole.strip() == line)
    return Found(said, len(whole)) if said is not None else None


def _of_line(line: str, is_all: bool) -> str | None:
    formula = FORMULAS.fullmatch(line)
    if formula:
        return inside(formula)
    if is_formula(line):
        return line
    option = _OPTION.fullmatch(line)
    if option and option.group(1).isupper():
        return option.group(1)
    bold = _bold_formula(line)
    if bold is not None:
        return bold
    line = without_mentions(line)
    bold = _bold_end(line)
    if bold is not None:
        return bold
    formulas = list(FORMULAS.finditer(line))
    if formulas:
        return _last_formula(line, formulas)
    if is_all and len(line) <= 60 and len(line.split()) <= 4 and _BARE.match(line):
        number = NUMBER.match(line)
        return "" if number and denial.is_denied(line, 0, number.end()) else line
    if is_all and _LETTER_FIRST.match(line):
        return line
    bare = _BARE_FRACTION.findall(line)
    return bare[-1] if bare and not re.search(r"\d", line.rsplit(bare[-1], 1)[-1]) else None


def _bold_formula(line: str) -> str | None:
    """Return the bold formula that ends a line, or the bold clause that states something."""
    place = emphasis.formula_at_end(line)
    clause = emphasis.clause_at_end(line)
    if place is None and clause is None:
        return None
    start, said = (place[0], line[place[0] : place[1]]) if place else clause or (0, "")
    end = start + len(said)
    return "" if _is_none(line, start, end) or _UNSURE.search(sentence_before(line, start)) else said


def _bold_end(line: str) -> str | None:
    """Return the bold word or formula that ends a sentence like `the day is **Friday**`; "" if that is uncertain."""
    bold = _BOLD_END.search(line)
    said = bold["said"].strip(" .") if bold else ""
    if not bold or not re.search(r"[^\W\d_]", said) or len(said.split()) > _MAX_BOLD_WORDS:
        return None
    if re.search(r"\d", said) and not is_formula(said):
        return None
    sentence = sentence_before(line, bold.start("said"))
    is_none = denial.is_denied(line, bold.start("said"), bold.end("said")) or _UNSURE.search(sentence)
    return "" if is_none or offer.gave_up(line, bold.start()) else said


def _last_formula(line: str, formulas: list[re.Match[str]]) -> str | None:
    """Return a line's last formula, with those listed with it, if no number follows. Return "" if it is denied."""
    match = formulas.pop()
    formula, after = inside(match), line[match.end() :]
    if re.search(r"\d", after):
        return None
    if denial.is_denied(line, match.start(), match.end()):
        return ""
    if _PERCENT.match(after):
        return formula + r"\%"
    formula += value.unit_after(line, match.end())
    start = match.start()
    while formulas and len(formula) < _MAX_LINE:
        before = formulas.pop()
        between = _BETWEEN_FORMULAS.fullmatch(line, before.end(), start)
        if between is None:
            break
        formula, start = f"{inside(before)}{between.group(1) or ','} {formula}", before.start()
    return formula


def last_value(text: str) -> Found | None:
    """Return the last number of a text, with the rest of its list, or the last letter if there is no number."""
    whole = _without_end(text)
    shift = max(0, len(whole) - _MAX_TAIL)
    tail = whole[shift:]
    if _CUT_OFF.search(tail[-40:]):
        return Found("", len(whole))
    kept = without_mentions(tail)
    last = last_number(kept)
    if kept is not tail and (kept.endswith("\n") or not re.search(r"\d", sentence_before(kept, len(kept)))):
        return Found("", len(whole))
    if last is None:
        return _last_choice(tail, shift)
    bold = emphasis.around(kept, last.start(), last.end())
    start, end = bold or value.around(kept, last.start(), last.end())
    if _is_none(tail, start, end):
        return Found("", shift + end)
    return Found(tail[start:end].strip(), shift + end)


def _is_none(tail: str, start: int, end: int) -> bool:
    """Return whether the number at a place is not an answer: denied, asked about, offered, or only mentioned."""
    if denial.is_denied(tail, start, end) or denial.is_asked(tail, end) or denial.is_bound(tail, start):
        return True
    if _MERE_EXAMPLE.search(tail[max(0, start - 40) : start]) or _FOR_EXAMPLE.match(tail, end):
        return True
    sentence = sentence_before(tail, start) + tail[start : end + 200].split("\n", 1)[0]
    if offer.are_candidates(sentence) or offer.gives_up(sentence):
        return True
    if offer.found_nothing(tail[end : end + 200].split("\n", 1)[0]):
        return True
    return offer.gave_up(tail, start) or offer.gives_up(tail[end : end + 400])


def _last_choice(tail: str, shift: int) -> Found | None:
    """Return the last letter of a choice that is not denied, for texts without any number."""
    tail = without_because(tail, _LETTER)
    for match in reversed(list(_LETTER.finditer(tail))):
        if not denial.is_denied(tail, match.start(), match.end()):
            is_one_of_several = _ANOTHER_LETTER.search(tail[max(0, match.start() - 20) : match.start()])
            is_meant = not is_one_of_several and not denial.is_asked(tail, match.end())
            return Found((match.group(1) or match.group(2)) if is_meant else "", shift + match.end())
    return None


def _without_end(text: str) -> str:
    """Cut what follows the end of the turn, and closing remarks if something stands before them."""
    special = SPECIAL.search(text)
    kept = (text[: special.start()] if special else text).rstrip()
    # A few remarks can follow one another: "(Checked.) I hope this helps! Let me know."
    for _ in range(3):
        tail = kept[-400:]
        remark = _AFTERWORD.search(tail)
        before = kept[: len(kept) - len(tail) + remark.start()].rstrip() if remark else ""
        if not re.search(r"\w", before[-400:]):
            return kept
        kept = before
    return kept
