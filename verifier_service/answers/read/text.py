r"""Read answers in words: names, yes and no, parity, "no solution".

Two texts are equal if they are the same words, ignoring case, punctuation, an article, and the `\text{}` around them. A
few phrases that mean the same are equal too: `there is no solution`, `none`, `\emptyset`; `all real numbers`,
`\mathbb{R}`; `the series diverges`, `divergent`.
"""

import re

from verifier_service.answers.read.words import PLAIN_GREEK

# Commands that only format words.
_COMMANDS = re.compile(
    r"\\(?:text|mathrm|textbf|textit|mbox|textrm|operatorname|mathbf|textsf|texttt|emph|boldsymbol|textnormal|hbox)(?![A-Za-z])\s*"
)
_SPACES = re.compile(r"\\(?:quad|qquad)(?![A-Za-z])|\\[,;:! ]|~|\s")  # blanks, written as such or as commands
_SAID = {
    "empty": [
        "nosolution", "nosolutions", "nosuchsolution", "norealsolution", "norealsolutions", "nosolutionexists",
        "nosolutionsexist", "norealroot", "norealroots", "noroots",
        "none", "emptyset", r"\emptyset", r"\varnothing", r"\{\}",
        "empty", "无解", "无实数解",
    ],
    "dne": ["doesnotexist", "doesn'texist", "dne", "notexist", "donotexist", "nonexistent", "不存在"],
    "undefined": ["undefined", "notdefined"],
    "reals": ["allrealnumbers", "allreals", r"\mathbb{r}", r"(-\infty,\infty)", r"(-\infty,+\infty)", "allrealnumber",
              "anyrealnumber", "realnumbers"],
    "integers": ["allintegers", "integers", "allinteger", r"\mathbb{z}"],
    "infinitelymany": ["infinitelymany", "infinitelymanysolutions", "infinite", "infinitenumberofsolutions"],
    r"\infty": [r"\infty", "infinity"],
    "diverges": ["diverges", "diverge", "divergent", "doesnotconverge", "doesn'tconverge", "notconvergent"],
    "converges": ["converges", "converge", "convergent"],
    "undetermined": ["cannotbedetermined", "can'tbedetermined", "undetermined", "notenoughinformation"],
    "impossible": ["impossible", "notpossible"],
    "true": ["true", "正确"], "false": ["false", "错误"], "yes": ["yes", "是"], "no": ["no", "否"],
}  # fmt: skip
_PHRASES = {phrase: meaning for meaning, phrases in _SAID.items() for phrase in phrases}
_SHORT = frozenset(["no", "dne", "无解", "不存在", "正确", "错误", "是", "否"])
# matches what comes before the phrase in `there is no solution`, `the series diverges`, `it does not exist`
_BEFORE = re.compile(
    r"(?:(?:so|thus|hence|therefore),?\s+)?(?:there\s+(?:is|are|exists?)|(?:it|(?:the|this)\s+(?:equation|system|series|"
    r"sequence|integral|limit|sum|inequality|set|solution\s+set|function|value))(?:\s+(?:is|has))?|is|are|has|have|we\s+have)\s+"
    r"(?:the\s+|an?\s+)?"
)
_ENDS = ' .,;:"'
# matches `**No**`, `_yes_`, `No!`; not `A*`, `5!`, `f'`
_MARKED = re.compile(r"[*_]{0,3}([^\W\d_]{2}[^\d\\^_=<>+*/()\[\]|!?]*)[*_!?.]{0,3}")
# Any command left after formatting was removed: the braces are then part of it.
_COMMAND = re.compile(r"\\[a-z]")
# matches the words before the noun of `a circle`, `on a Tuesday`, `on Friday`; not of `on the left`
_ARTICLES = re.compile(r"^(?:on\s+(?:an?\s+)?(?=\w{2,6}days?$)|(?:the|an|a)\s+(?=\w{2}))")


def normal_text(cleaned: str) -> str:
    """Return a text in normal form: lower case, without blanks, formatting and outer punctuation, phrases unified."""
    text = _COMMANDS.sub("", cleaned).strip(_ENDS).lower()
    marked = _MARKED.fullmatch(text)
    text = marked.group(1).strip(_ENDS) if marked else text
    bare = _bare(_ARTICLES.sub("", text))
    if bare in _PHRASES:
        return _PHRASES[bare]
    before = _BEFORE.match(text)
    return _PHRASES.get(_bare(text[before.end() :]), bare) if before else bare


# matches `\text{reject }`; not `\text{m}`, `\text{Area: 5}`
_PLAIN_TEXT = re.compile(r"\\(?:text|mathrm|textrm|mbox)\s?\{([A-Za-z ]{4,80})\}")
_CAPITALIZED = re.compile(r"(?<![A-Za-z\\])[A-Z][a-z]{3,}(?![A-Za-z])")  # Reject; not \Delta, AB, Tr


def unstyled(cleaned: str) -> str:
    r"""Write words next to a formula in one way: `\text{Reject }H_0` becomes `reject H_0`."""
    if "\\" in cleaned:
        cleaned = _PLAIN_TEXT.sub(lambda match: match[1] if re.search(r"\w{4}", match[1]) else match.group(), cleaned)
    return _CAPITALIZED.sub(
        lambda match: match.group() if match.group().lower() in PLAIN_GREEK else match.group().lower(), cleaned
    )


def _bare(text: str) -> str:
    """Return a text without blanks and braces."""
    bare = _SPACES.sub("", text).strip(_ENDS)
    if not _COMMAND.search(bare) and "\\{" not in bare:
        bare = bare.replace("{", "").replace("}", "")
    return bare


def is_words(cleaned: str) -> bool:
    """Return whether a text is words, not a formula.

    Words are letters, hyphens, apostrophes and blanks, with at least one run of three letters.
    """
    text = _COMMANDS.sub("", cleaned).replace("{", "").replace("}", "")
    if "\\operatorname" in cleaned:
        return False
    if len(text) < 12 and text.strip(_ENDS + "*_!?").lower() in _SHORT:
        return True
    return bool(re.fullmatch(r"[^\W\d_][^\d\\^_=<>+*/()\[\]|]*", text)) and bool(re.search(r"[^\W\d_]{3}", text))
