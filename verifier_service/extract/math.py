r"""Find the final answer in a completion, or in a reference that is a whole solution.

The rules, in order of trust; the first that finds something decides, and a request may restrict them:

| rule | what it takes |
|---|---|
| boxed | the last `\boxed{}` or `\fbox{}`; boxes joined by nothing but `and`, `or`, commas and blanks are one list |
| tag | the last `<answer>...</answer>` (also `<final_answer>`), read by the rules below if it holds a sentence |
| hashes | what follows the last `####` on its line |
| phrase | what follows the last "the answer is", "Final Answer:", "A:" and the like |
| last_line | the last line, if it is a formula or a displayed formula |
| last_number | the last number, with its sign, currency and percent sign |

What the model thought to itself is not looked at; `thoughts` says what that is.
An answer that its own sentence denies ("the answer is not 5", "`\boxed{5}` is wrong") is not an answer.
Every scan is linear in the length of the text.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from verifier_service.extract.thoughts import without_thoughts
from verifier_service.schema import ExtractionRule

MAX_EXTRACTED_CHARS = 100_000


@dataclass(frozen=True)
class Extracted:
    """The answer as it stands in the text, and the rule that found it."""

    text: str
    rule: ExtractionRule


_BOX = re.compile(r"(?<!\\)\\{1,4}(?:boxed|fbox|framebox)\s{0,5}(?=[{\d\\A-Za-z])|\x08oxed\s{0,5}(?=\{)")
_TAG = re.compile(r"<\s{0,3}(answer|final_answer|finalanswer|ans|final)\s{0,3}>", re.IGNORECASE)
_BETWEEN_BOXES = re.compile(
    r"(?:[\s$.,;:&]|\\[()\[\]]|\\quad|\\qquad|\\[,;: ]|\\text\{|\}|and|or|und|oder|et|ou|\\\\)*", re.IGNORECASE
)
_ALTERNATIVE = re.compile(r"\b(?:or|oder|ou)\b", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|(?:im_start|im_end|endoftext|eot_id|end_of_text|assistant|user|start_header_id)\|>|</s>")
_DENIED_AFTER = re.compile(
    r"[\s$.,:;)\\\]]{0,12}(?:(?:is|was|would be|seems|can(?:no|')t be|isn't|cannot be)\s{1,3}"
    r"(?:not\b(?!\s+(?:only|just|merely))|wrong\b|incorrect\b|false\b|clearly wrong|the wrong\b|an incorrect\b)|"
    r"(?:isn't|is n't|cannot be|can't be)\s)",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"(?:\bnot(?:\s{1,3}(?:be|equal(?:\s{1,2}to)?|simply|just|really|actually))?|\bisn['’]t|\bcan(?:no|['’])t\s{1,3}be|\bnever|"
    r"\binstead\s{1,3}of|\brather\s{1,3}than|\bdoes\s{1,3}not\s{1,3}equal|\bwrong\s{1,3}answer(?:\s{1,3}is)?|\bdoubt\s{1,3}it\s{1,3}is)"
    r"[\s:$(\\\[{*]{0,12}$",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"(?:final\s{1,3}answer(?:\s{1,3}(?:is|to\s{1,3}[^.\n]{1,80}?\s{1,3}is))?|"
    r"(?:correct|right|best|desired|required|overall|resulting)\s{1,3}(?:answer|option|choice|result)(?:\s{1,3}(?:is|are))?|"
    r"answer\s{1,3}(?:choice\s{1,3})?(?:is|are|will be|would be|should be|must be|equals|=)|answer\s{0,3}[:：]|"
    r"(?:answers|solutions|result|solution)\s{1,3}(?:is|are)|\bi\s(?:would\s)?(?:choose|pick)|"
    r"\bans\s{0,3}[:=]|(?:^|\n)\s{0,5}A\s{0,2}:|答案(?:就是|应该是|是|为|為|：|:)|答え(?:は|：|:)|answer=|"
    r"r[ée]ponse(?:\s{1,2}(?:finale\s{1,2})?(?:est|:)|\s?:)|respuesta(?:\s{1,2}(?:final\s{1,2})?(?:es|:)|\s?:)|"
    r"risposta(?:\s{1,2}(?:è|:)|\s?:)|resposta(?:\s{1,2}(?:é|:)|\s?:)|antwort(?:\s{1,2}(?:ist|lautet|:)|\s?:)|"
    r"ответ\s?(?::|—|-|равен)|정답(?:은|:)|답(?:은|:)|الإجابة(?:\s{1,2}(?:هي|:)|\s?:)|उत्तर(?:\s?:|\s{1,2}है))"
    r"\s{0,3}(?:(?:is|are|therefore|thus|simply|option|choice|then|clearly|definitely|surely|"
    r"for sure)\b\s{0,3}){0,3}[:：=]?",
    re.IGNORECASE,
)
_HASHES = re.compile(r"(?<!#)#{4,}[ \t]{0,10}([^\n#]{1,2000})")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9.\\^{_/])(?:[-−–]\s?)?(?:\\?[$€£¥₹]\s?)?[-−]?"
    r"(?:(?:\d{1,3}(?:(?:,|\\,|\{,\}|,\\!|\s|'|’|\u202f|\xa0)\d{3})+(?!\d)|\d+)(?:[.,]\d+)*|\.\d+)"
    r"(?:\s?/\s?\d+)?(?:\s{0,2}(?:\\%|%|percent\b|pct\b))?"
)


def extract_answer(text: str, rules: Sequence[ExtractionRule] | None) -> Extracted | None:
    """Return the final answer of a text by the first of the rules that finds one, or None.

    `rules` are those that may be used, in any order; None means all. A hedge, a denied answer and an empty box are not
    answers.
    """
    allowed = set(ExtractionRule) if rules is None else set(rules)
    visible = without_thoughts(text, _says_anything)
    for rule, find in _FINDERS.items():
        if rule in allowed:
            found = find(visible)
            if found is not None:
                return None if found == "" else Extracted(found[:MAX_EXTRACTED_CHARS], rule)
    return None


def extract_reference(text: str) -> Extracted:
    """Return the answer of a reference: by `boxed` or `hashes` where the text is a solution, else the text itself."""
    for rule in (ExtractionRule.BOXED, ExtractionRule.TAG, ExtractionRule.HASHES):
        found = _FINDERS[rule](text)
        if found is not None:
            return Extracted(found[:MAX_EXTRACTED_CHARS], rule)
    return Extracted(text.strip(), ExtractionRule.LAST_LINE)


def _says_anything(text: str) -> bool:
    return text.strip() != ""


def _boxed(text: str) -> str | None:  # noqa: C901 -- one pass over the boxes
    starts = list(_BOX.finditer(text))
    if not starts:
        return None
    chain: list[str] = []
    right_edge, joined_by_or = 0, False
    for match in reversed(starts):
        content = _box_content(text, match)
        if content is None:
            if chain:
                break
            continue
        inner, end = content
        if not chain:
            if _DENIED_AFTER.match(text, end) or _DENIED_BEFORE.search(text, max(0, match.start() - 60), match.start()):
                return ""
            chain.append(_with_percent(inner, text[end : end + 30]))
            right_edge = match.start()
            continue
        if end > right_edge:
            right_edge = min(right_edge, match.start())
            if chain and inner.strip().endswith("}") and _BOX.search(inner):
                continue
            break
        between = text[end:right_edge]
        if len(between) > 60 or not _BETWEEN_BOXES.fullmatch(between):
            break
        joined_by_or = joined_by_or or bool(_ALTERNATIVE.search(between))
        chain.append(inner)
        right_edge = match.start()
        if len(chain) > 50:
            break
    if not chain:
        return None
    chain.reverse()
    if len(chain) > 1 and len(set(chain)) == 1:
        chain = chain[:1]
    return (" or " if joined_by_or else ", ").join(chain).strip()


def _box_content(text: str, match: re.Match[str]) -> tuple[str, int] | None:
    """Return what a box holds and where it ends; a box that is never closed holds the rest of its line."""
    start = match.end()
    if start >= len(text):
        return None
    if text[start] != "{":
        token = re.compile(r"\\[A-Za-z]+|\d+|[A-Za-z]").match(text, start)
        return (token.group(), token.end()) if token else None
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


_BRACES = re.compile(r"\\\\|\\[{}]|[{}]")


def _with_percent(inner: str, following: str) -> str:
    """Add a percent or degree sign that stands right after the box."""
    match = re.match(r"[\s$]{0,4}(?:\\\)|\\\])?\s{0,3}(\\%|%|percent\b|pct\b)", following)
    return inner + r"\%" if match and "%" not in inner else inner


def _last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the last match without keeping the others."""
    last = deque(pattern.finditer(text), maxlen=1)
    return last[0] if last else None


def _tag(text: str) -> str | None:
    last = _last_match(_TAG, text)
    if last is None:
        return None
    close = re.compile(r"<\s{0,3}/\s{0,3}" + last.group(1) + r"\s{0,3}>", re.IGNORECASE).search(text, last.end())
    content = text[last.end() : close.start() if close else len(text)].strip()
    for find in (_boxed, _hashes, _phrase):
        found = find(content)
        if found is not None:
            return found
    return content


def _hashes(text: str) -> str | None:
    last = _last_match(_HASHES, text)
    return last.group(1).strip() if last else None


def _phrase(text: str) -> str | None:
    last = None
    text = text[-MAX_EXTRACTED_CHARS:]
    for match in _PHRASE.finditer(text):
        if text[match.end() : match.end() + 200].strip(" \n*:$.\"'"):
            last = match
    if last is None:
        return None
    start = last.end()
    rest = text[start : start + 3000]
    lines = [line for line in rest.lstrip(" *:\n\t").split("\n") if line.strip(" *$")]
    if not lines:
        return None
    answer = _without_reason(_statement(rest.lstrip(" *:\n\t")))
    if re.match(r"(?:not|never|neither)\b", answer, re.IGNORECASE):
        return ""
    return answer


_REASON = re.compile(
    r"\s{0,3}\(not\b|(?:[,;]\s{0,3}|\s{1,3})(?:because\b|since\b|it\s(?:can['’]t|cannot|can not|doesn['’]t)\b|"
    r"not\s|non\s|"
    r"which\s(?:is|means)\b|"
    r"I\shope\b|不是)"
)


def _without_reason(answer: str) -> str:
    """Cut the reason that follows an answer, as in `D, it can't be A`."""
    if "\\" in answer:
        return answer
    match = _REASON.search(answer)
    return answer[: match.start()].rstrip(" ,;") if match and match.start() > 0 else answer


def _statement(rest: str) -> str:
    """Cut the first statement: a displayed or inline formula, or the sentence."""
    special = _SPECIAL.search(rest)
    if special:
        rest = rest[: special.start()]
    rest = rest.strip()
    for opener, closer in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")):
        if rest.startswith(opener):
            end = rest.find(closer, len(opener))
            if end > 0 and not (opener == "$" and re.match(r"\$\s?\d[\d,.]*(?:\s|$)", rest) and "$" not in rest[1:40]):
                return _after_formula(rest, rest[len(opener) : end], end + len(closer))
    if rest.startswith("\\begin"):
        end = rest.rfind("}")
        return rest[: end + 1]
    sentence = re.match(r"(?:[^.。\n]|\.(?=\d)|\.(?=\S))*", rest)
    text = sentence.group().strip(" *\"'") if sentence else rest
    return _formula_inside(text)


def _after_formula(rest: str, formula: str, end: int) -> str:
    """Add to an inline formula the percent sign or the further formulas that belong to the same list."""
    following = rest[end : end + 200]
    percent = re.match(r"\s{0,2}(\\?%|percent\b|pct\b)", following)
    if percent:
        return formula + r"\%"
    more = re.match(r"\s{0,2}(,\s{0,2}and|,|and|or)\s{1,2}\$([^$]{1,80})\$", following)
    if more:
        return f"{formula} {more.group(1)} {more.group(2)}"
    return formula.strip()


def _formula_inside(text: str) -> str:
    """Return what a sentence says the answer is: what follows its last verb, its last formula there, or its last
    number."""
    option = _LETTER_WITH_REASON.match(text)
    if option:
        return option.group(1)
    parts = _VERB.split(text)
    tail = parts[-1].strip(" *:\"'")
    if not tail:
        return text
    if "$" in tail or "\\(" in tail:
        formulas = list(_FORMULAS.finditer(tail))
        if len(formulas) == 1:
            return next(part for part in formulas[0].groups() if part).strip()
        if formulas:
            return tail
    letter = _LETTER_WITH_REASON.match(tail)
    if letter:
        return letter.group(1)
    if re.search(r"\d", tail) and _FOREIGN.search(tail):
        return _amount(tail)
    words = re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[A-Za-z]+(?:\{[A-Za-z ]*\})?", " ", tail))
    if len(words) > 4 and re.search(r"\d", tail) and not re.search(r"\b(?:or|either|and)\b", tail):
        return _amount(tail)
    return tail


_LETTER_WITH_REASON = re.compile(
    r"\(?([A-J])\)?[,;:.]\s{1,3}(?:it|as|so|the|this|that|because|since|I|we|they|there)\b"
)
_FOREIGN = re.compile(r"[^\W\d_a-zA-ZΑ-ω]")
_MONEY = re.compile(r"(?:[$€£¥]\s?(\d[\d.,]*)|(\d[\d.,]*)\s?[$€£¥])")


def _amount(sentence: str) -> str:
    """Return the number of a sentence: the only sum of money if there is one, else the last number."""
    money = [first or second for first, second in _MONEY.findall(sentence)]
    if len(money) == 1:
        return money[0]
    return _last_number(sentence) or sentence


_VERB = re.compile(r"\s(?:is|are|was|equals|would be|will be|should be|must be)\s(?!(?:not|never)\b)")


def _last_line(text: str) -> str | None:
    special = _SPECIAL.search(text)
    if special:
        text = text[: special.start()]
    tail = text.rstrip()[-3000:]
    line = tail.rsplit("\n", 1)[-1].strip()
    if line in ("$$", "\\]", "$", "```"):
        opener = "\\[" if line == "\\]" else line
        start = tail.rfind(opener, 0, len(tail) - len(line))
        if start >= 0 and line != "```":
            return tail[start + len(opener) : -len(line)].strip()
    whole = _FORMULAS.fullmatch(line)
    if whole:
        return next(part for part in whole.groups() if part).strip()
    if _is_formula(line):
        return line
    formulas = _FORMULAS.findall(line)
    if formulas:
        formula = next(part for part in formulas[-1] if part).strip()
        after = line.rsplit(formula, 1)[-1]
        if not re.search(r"\d", after):
            percent = re.match(r"[\s$)\\]{0,4}(%|percent\b|pct\b)", after)
            return formula + r"\%" if percent else formula
        return None
    if text.strip() == line and len(line) <= 60 and len(line.split()) <= 4 and _BARE.match(line):
        return line
    if text.strip() == line and _OPTION.match(line):
        return line
    bare = _BARE_FRACTION.findall(line)
    return bare[-1] if bare and not re.search(r"\d", line.rsplit(bare[-1], 1)[-1]) else None


_OPTION = re.compile(r"\(?[A-J][.)。]|[A-J](?![\x00-\x7f])")
_BARE_FRACTION = re.compile(
    r"-?(?:\d{1,9})?\\[dt]?frac\s?\{[^{}]{1,60}\}\s?\{[^{}]{1,60}\}|-?\d{0,9}\\sqrt\s?\{[^{}]{1,60}\}"
)


_BARE = re.compile(r"(?!I\s|sorry|idk)[^\d]*$|(?:[-+−]|\\?\$|[€£¥])?\s?[\d.]|[A-J][.):]\s")


_FORMULAS = re.compile(
    r"\$\$([^$]{1,2000})\$\$|(?<!\\)\$([^$\n]{1,2000})(?<!\\)\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]"
)
_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{3,}")
_FORMULA_WORDS = frozenset(
    [
        "sqrt",
        "sin",
        "cos",
        "tan",
        "log",
        "exp",
        "pi",
        "and",
        "inf",
        "infinity",
        "max",
        "min",
        "mod",
        "gcd",
        "lcm",
        "frac",
    ]
)


def _is_formula(line: str) -> bool:
    """Tell whether a whole line is mathematics and not a sentence."""
    bare = re.sub(r"\\(?:text|mathrm|textbf|mbox|operatorname)\s?\{[^{}]*\}|\\[A-Za-z]+", " ", line)
    words = [word for word in _WORD.findall(bare) if word.lower() not in _FORMULA_WORDS]
    foreign = any(sign.isalpha() and not sign.isascii() and not "Α" <= sign <= "ω" for sign in bare)
    return bool(line) and not words and not foreign and bool(re.search(r"\w", line))


def _last_number(text: str) -> str | None:
    special = _SPECIAL.search(text)
    if special:
        text = text[: special.start()]
    tail = text[-4000:]
    last = _last_match(_NUMBER, tail)
    if last is None:
        return _last_choice(tail)
    if _DENIED_BEFORE.search(tail, max(0, last.start() - 60), last.start()):
        return ""
    return last.group().strip()


_LETTER = re.compile(r"(?<![\w'’\\$])(?:\(([A-J])\)|([B-H]|A(?=[\s.)*]{0,5}$)))(?![\w'’$])")


def _last_choice(tail: str) -> str | None:
    """Return the last letter of a choice that is not denied; only where a text has no number at all."""
    for match in reversed(list(_LETTER.finditer(tail))):
        if not _DENIED_BEFORE.search(tail, max(0, match.start() - 60), match.start()):
            return match.group(1) or match.group(2)
    return None


_FINDERS = {
    ExtractionRule.BOXED: _boxed,
    ExtractionRule.TAG: _tag,
    ExtractionRule.HASHES: _hashes,
    ExtractionRule.PHRASE: _phrase,
    ExtractionRule.LAST_LINE: _last_line,
    ExtractionRule.LAST_NUMBER: _last_number,
}
