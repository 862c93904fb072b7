r"""Answers in words: names, yes and no, parity, "no solution".

Two texts are equal if they are the same words, whatever the case, the punctuation, an article, and the `\text{}`
around them. A few phrases that mathematicians use for one thing are one: `no solution`, `none`, `\emptyset`; `all
real numbers`, `\mathbb{R}`.
"""

import re

_COMMANDS = re.compile(
    r"\\(?:text|mathrm|textbf|textit|mbox|textrm|operatorname|mathbf|textsf|texttt|emph|boldsymbol|textnormal|hbox)(?![A-Za-z])\s*"
)
_SPACES = re.compile(r"\\(?:quad|qquad)(?![A-Za-z])|\\[,;:! ]|~|\s")
_PHRASES = {
    "nosolution": "empty", "nosolutions": "empty", "nosuchsolution": "empty", "norealsolution": "empty",
    "none": "empty",
    "norealsolutions": "empty", "emptyset": "empty", r"\emptyset": "empty", r"\varnothing": "empty",
    "theemptyset": "empty",
    r"\{\}": "empty", "doesnotexist": "dne", "dne": "dne", "undefined": "undefined", "notdefined": "undefined",
    "allrealnumbers": "reals", "allreals": "reals", r"\mathbb{r}": "reals", r"(-\infty,\infty)": "reals",
    r"(-\infty,+\infty)": "reals", "allrealnumber": "reals", "anyrealnumber": "reals", "therealnumbers": "reals",
    "allintegers": "integers", "theintegers": "integers", "integers": "integers", "allinteger": "integers",
    r"\mathbb{z}": "integers", "true": "true", "yes": "yes", "no": "no", "false": "false",
    "infinitelymany": "infinitelymany",
    "infinitelymanysolutions": "infinitelymany", "infinite": "infinitelymany", r"\infty": r"\infty",
    "infinity": r"\infty",
}  # fmt: skip
_ARTICLES = re.compile(r"^(?:the|an|a)\s+(?=\w{2})")


def normal_text(cleaned: str) -> str:
    """Return a text in one form: lower case, no blanks, no formatting, no punctuation at its ends, one word for a
    phrase."""
    text = _COMMANDS.sub("", cleaned)
    text = _ARTICLES.sub("", text.strip(" .,;:*\"'").lower())
    bare = _SPACES.sub("", text).strip(".,;:*\"'")
    if "\\" not in bare or not re.search(r"\\[a-z]", bare):
        bare = bare.replace("{", "").replace("}", "") if "\\{" not in bare else bare
    return _PHRASES.get(bare, bare)


def is_words(cleaned: str) -> bool:
    """Tell whether a text is words and no formula: letters, hyphens, apostrophes and blanks, at least one run of
    three letters."""
    text = _COMMANDS.sub("", cleaned).replace("{", "").replace("}", "")
    if "\\operatorname" in cleaned:
        return False
    return bool(re.fullmatch(r"[^\W\d_][^\d\\^_=<>+*/()\[\]|]*", text)) and bool(re.search(r"[^\W\d_]{3}", text))
