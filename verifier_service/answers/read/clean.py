"""Bring an answer's text into one spelling: Unicode signs become LaTeX, formatting goes, digit groups are joined.

Every pattern is linear: no nested repetition, no repetition that can match the empty string.
"""

import re

from verifier_service.answers.read.signs import spell_controls, spell_signs

_SINGLE_COMMAND = re.compile(r"(?<!\\)\\[A-Za-z(\[]")
_DOUBLE_COMMAND = re.compile(r"\\\\[A-Za-z(\[]")
_LOST_TAB = re.compile(r"\t(?=ext\{|imes|heta\b|an\b|frac\{|extbf\{)")

_GROUP_COMMA = re.compile(r"(?<=\d)[ ~]{0,3}(?:\{[ ]?,[ ]?\}|,[ ]{0,2}\\!|\\!,)[ ~]{0,3}(?=\d{3}(?!\d))")
_GROUP_SPACE = re.compile(r"(?<![\d.,])(\d{1,3})((?:(?:\\[,;: ]|~|\\!|[ ])\d{3})+)(?![\d])")
_GROUP_APOSTROPHE = re.compile(r"(?<![\d.,])(\d{1,3})((?:'\d{3})+)(?!\d)")
_DECIMAL_COMMA_BRACES = re.compile(r"(?<=\d)\{,\}(?=\d)")

_SPACING = re.compile(
    r"\\(?:[,;:!> ]|quad(?![A-Za-z])|qquad(?![A-Za-z])|hspace\*?\{[^{}]{0,20}\}|hskip[ ]?-?[\d.]{1,6}[a-z]{2}|"
    r"phantom\{[^{}]{0,40}\}|vspace\{[^{}]{0,20}\})"
)
_STYLING = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|big|Big|"
    r"bigg|Bigg|bigm|middle|mathstrut|strut|hfill|hline|null|noindent|allowbreak|nobreak|rm|bf|it|cal|large|Large|small|"
    r"tiny|boldmath|unboldmath)(?![A-Za-z])"
)
_PAIRED_BAR = re.compile(r"\\(left|right)\|")  # \left|x\right|; not \left.x\right|, where the two are not as many
_MODULE = re.compile(r"(?<![\w.])(?:np|numpy|math|cmath|sympy|sp)\.(?=[a-z])")  # np.arcsin(x); not amp.s
_SIZE = re.compile(
    # f\left(x\right) is f(x), and f\!\big(x\big) too; not \leftarrow, not 3\! m
    r"(?:\\!\s{0,3})?\\(?:left|right|[bB]igg?[lrm]?)\s{0,3}(?=[()\[\]])|\\!\s{0,3}(?=\()"
)
_DELIMITERS = re.compile(r"\\[()\[\]]|\$\$|(?<!\\)\$")
_BOLD = re.compile(r"(?<![\w)*])\*\*(?=[^\s*])([^*]{1,300})\*\*(?![\w*(])")
_ORDINAL = re.compile(
    r"(?<=\d)\s?(?:\^\s?\{\s?\\(?:text|mathrm|textrm)\s?\{(?:st|nd|rd|th)\}\s?\}|\^\s?\{\s?(?:st|nd|rd|th)\s?\}|"
    r"\^?\s?\\(?:text|mathrm|textrm)\s?\{\s?(?:st|nd|rd|th)\s?\}|(?:(?<=1)st|(?<=2)nd|(?<=3)rd|th)(?![A-Za-z]))"
)
_FACTORIAL = re.compile(r"(?:[^\W_]|[)}\]!]|\\[A-Za-z]{1,10} )!$")  # n!, (n+1)!, \pi !; not 42 ! or \text{yes} !
_ENDS = " \t\r\n"
_QUOTES = {'"': '"', "'": "'", "`": "`"}


def undouble_backslashes(text: str) -> str:
    r"""Undo one level of escaping where every command is written with two backslashes, as in `\\frac{1}{2}`."""
    if "\\\\" in text and _DOUBLE_COMMAND.search(text) and not _SINGLE_COMMAND.search(text):
        return text.replace("\\\\", "\\")
    if "\\\\" in text and "\\begin" not in text:
        return _DOUBLE_COMMAND.sub(lambda match: match.group()[1:], text)
    return text


def spell(text: str) -> str:
    """Spell Unicode mathematics in LaTeX and undo escaping; keeps layout and dollar signs."""
    if not text.isascii():
        text = spell_signs(text)
    elif "\x0c" in text or "\x08" in text or "\x0b" in text or "\x07" in text:
        text = spell_controls(text)
    if "\t" in text:
        text = _LOST_TAB.sub(r"\\t", text)
    if "\\\\" in text:
        text = undouble_backslashes(text)
    return text


def join_digit_groups(text: str) -> str:
    r"""Join the digit groups that only a thousands separator can explain: `5,\!866`, `14{,}916`, `1 000`, `1'000`."""
    if "\\!" in text or "{" in text:
        text = _GROUP_COMMA.sub("", text)
        text = _DECIMAL_COMMA_BRACES.sub(".", text)
    if " " in text or "~" in text or "\\" in text:
        text = _GROUP_SPACE.sub(lambda m: m.group(1) + re.sub(r"\D", "", m.group(2)), text)
    if "'" in text:
        text = _GROUP_APOSTROPHE.sub(lambda m: m.group(1) + m.group(2).replace("'", ""), text)
    return text


def _pair(match: re.Match[str]) -> str:
    return r"\lvert " if match.group(1) == "left" else r"\rvert "


def clean(text: str) -> str:
    """Make an answer ready for the grammar: one spelling, no delimiters, no styling, no sentence punctuation at its
    end."""
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    text = spell(text)
    text = join_digit_groups(text)
    if "." in text:
        text = _MODULE.sub("", text)
    if "\\" in text:
        text = text.replace("\\\\", "\x01")
        text = _PAIRED_BAR.sub(_pair, text) if text.count("\\left|") == text.count("\\right|") else text
        text = _SIZE.sub("", text)
        text = _STYLING.sub(" ", text)
        text = _SPACING.sub(lambda m: "\\quad " if "quad" in m.group() else " ", text)
        text = text.replace("\\$", "\\dollar ")
        text = _DELIMITERS.sub(" ", text)
        text = text.replace("\x01", "\\\\")
    elif "$" in text:
        text = clean_dollars(text)
    if "th" in text or "st" in text or "nd" in text or "rd" in text:
        text = _ORDINAL.sub("", text)
    text = text.replace("~", " ").replace("**", "^" if "**Final" not in text else "")
    text = strip_sentence(text)
    return unquoted(text) if text[:1] in _QUOTES and text else text


def unquoted(text: str) -> str:
    """Cut the quotation marks around a whole answer: `"5"`, `'B'`, `` `x` ``; those of `5'`, `"a" and "b"` stay."""
    close = _QUOTES[text[0]]
    inner = text[1:-1]
    if len(text) > 2 and text[-1] == close and text[0] not in inner and close not in inner and inner.strip():
        return strip_sentence(inner)
    if text.startswith("``") and text.endswith("''") and len(text) > 4 and "'" not in text[2:-2]:
        return strip_sentence(text[2:-2])
    return text


def clean_dollars(text: str) -> str:
    """Tell money from math delimiters in a text without backslashes: a single dollar sign is money."""
    stripped = text.strip(_ENDS + ".,;")
    if stripped.count("$") == 1:
        return text.replace("$", "\\dollar ")
    return text.replace("$", " ")


def strip_sentence(text: str) -> str:
    """Cut blanks at both ends and the punctuation of the sentence at the end; three dots stay."""
    text = text.strip(_ENDS)
    while text and text[-1] in ".,;:!?" and not text.endswith(("...", "\\,", "\\;", "\\:", "\\!")):
        if text[-1] == "!" and _FACTORIAL.search(text[-14:]):
            break
        text = text[:-1].rstrip(_ENDS)
    return text
