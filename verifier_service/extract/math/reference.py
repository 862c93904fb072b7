"""Find the answer in a reference: a bare value, a whole solution, or a sentence that states it."""

import re

from verifier_service.extract.math import boxed, marked, phrase
from verifier_service.extract.math.remark import without_remark
from verifier_service.schema import ExtractionRule

_LABEL = re.compile(
    r"[\s*_#]{0,6}(?:(?:the|our|final|correct)\s){0,3}(?:answers?|solutions?|ans|result)[*_]{0,3}(?:\s(?:is|are)\s{0,2}:?|\s?[:：=]|\.(?=\s)|\s—)[\s*_]{0,4}"
    r"|(?:答案|答)(?:是|为)?[:：]\s{0,2}",
    re.IGNORECASE,
)
"""`Solution is:`, `Answer: `, `**Answer:**`; not `answer`."""

_SUBJECT = r"[A-Z$\\][^.!?\n=]{0,150}?\s(?:is|are|equals|was|will\sbe)(?:\sequal\sto|\sgiven\sby|\sexactly)?:?\s{1,3}"
_FORMULA_ONLY = r"\$(?P<formula>[^$]{1,1000})\$"
_NUMBER_WITH_UNIT = (
    r"(?P<number>[-−+]?(?:\\?\$)?\d[\d,.]{0,30}(?:/\d{1,9})?\s?(?:%|°)?(?:\s{1,2}(?!(?:or|and|to|than|times|of|more|less|is|as|in|on|at|by)\b)"
    r"(?!\w*(?:er|est|fold)\b)[A-Za-z][a-z/²³^]{0,14}){0,2})"
)
_SENTENCE = re.compile(
    r"(?:There\s(?:is|are)\s|"
    + _SUBJECT
    + r")(?:"
    + _FORMULA_ONLY
    + r"(?P<unit>(?:\s[a-z]{1,12})?)|"
    + _NUMBER_WITH_UNIT
    + r")\s?\.?"
)
"""`The mode is $1/3$.`, `The steady state current is 2 amps.`; not `The sequence is bounded by $3$.`"""

# Words that make a sentence something other than the statement of a value.
_UNSURE = re.compile(
    r"\b(?:not|never|neither|no|if|when|whether|either|maybe|unless|except|cannot|at\s(?:least|most))\b|n['’]t\b|"
    r"\b(?:is|are|was|were)\b.{1,200}\band\b.{1,200}\b(?:is|are|was|were)\b",
    re.IGNORECASE | re.DOTALL,
)
# What makes such a sentence something else: `No angle is 5`, `Alice is 5 and Bob is 6`; not `The sum of a and b is 5`.
# A last sentence that announces the answer: `Hence the answer is 5`.
_LAST_SENTENCE = re.compile(r"(?:^|[.\n]\s{0,3})[^.\n]{0,60}\banswer\sis[:\s][^\n]{1,300}$")


def find(text: str) -> tuple[str, ExtractionRule]:
    """Return the answer of a reference and the rule that found it, or the text itself if it is not a solution."""
    for rule, look in _IN_SOLUTIONS.items():
        found = look(text)
        if found is not None:
            return without_remark(found.text), rule
    bare = text.strip()
    label = _LABEL.match(bare)
    rest = bare[label.end() :].strip().rstrip("*") if label else ""
    said = _stated(rest) or _bare(rest) if rest.strip(" .") else _stated(bare)
    return (without_remark(said), ExtractionRule.PHRASE) if said else (without_remark(bare), ExtractionRule.LAST_LINE)


def _stated(text: str) -> str | None:
    """Return the value that a sentence states, if any. `The graph is connected.` is an answer in words, not a value."""
    if len(text) > 400:
        text = text[-400:]
    sentence = _SENTENCE.fullmatch(text)
    if sentence and not _UNSURE.search(text):
        number = sentence["number"]
        return number.rstrip(".") if number else sentence["formula"].strip() + (sentence["unit"] or "")
    if _LAST_SENTENCE.search(text):
        found = phrase.find(text)
        return found.text if found else None
    return None


def _bare(text: str) -> str:
    r"""Return what follows a label, without a full stop, and without the dollars if it is a single formula."""
    kept = text.removesuffix(".").strip()
    inner = kept[1:-1]
    return inner.strip() if len(kept) > 2 and kept[0] == kept[-1] == "$" and "$" not in inner else kept


_IN_SOLUTIONS = {
    ExtractionRule.BOXED: boxed.find,
    ExtractionRule.TAG: marked.tag,
    ExtractionRule.HASHES: marked.hashes,
}
