"""Normalize an answer's spelling: Unicode signs become LaTeX, formatting is removed, digit groups are joined.

Every pattern is linear: no nested repetition, and no repetition that can match the empty string.
"""

import re

from verifier_service.answers.read.signs import spell_controls, spell_signs

# `\frac`, `\(`: a command, as opposed to `\\frac`, which was escaped twice.
_SINGLE_COMMAND = re.compile(r"(?<!\\)\\[A-Za-z(\[]")
_DOUBLE_COMMAND = re.compile(r"\\\\[A-Za-z(\[]")  # `\\frac`, as JSON escaped twice leaves it
# A tab that was `\t` before something took it for an escape: `\text{`, `\times`, `\theta`, `\tan`.
_LOST_TAB = re.compile(r"\t(?=ext\{|imes|heta\b|an\b|frac\{|extbf\{)")

# A comma between digit groups: `5,\!866`, `14{,}916`.
_GROUP_COMMA = re.compile(r"(?<=\d)[ ~]{0,3}(?:\{[ ]?,[ ]?\}|,[ ]{0,2}\\!|\\!,)[ ~]{0,3}(?=\d{3}(?!\d))")
# Blanks between digit groups: `1 000`, `12\,345\,678`.
_GROUP_SPACE = re.compile(r"(?<![\d.,])(\d{1,3})((?:(?:\\[,;: ]|~|\\!|[ ])\d{3})+)(?![\d])")
# Apostrophes between digit groups: `1'000`.
_GROUP_APOSTROPHE = re.compile(r"(?<![\d.,])(\d{1,3})((?:'\d{3})+)(?!\d)")
# A decimal comma in braces: `3{,}5`; digit groups were joined before.
_DECIMAL_COMMA_BRACES = re.compile(r"(?<=\d)\{,\}(?=\d)")

# Horizontal and vertical space: `\,`, `\quad`, `\hspace{1em}`, `\phantom{0}`.
_SPACING = re.compile(
    r"\\(?:[,;:!> ]|quad(?![A-Za-z])|qquad(?![A-Za-z])|hspace\*?\{[^{}]{0,20}\}|hskip[ ]?-?[\d.]{1,6}[a-z]{2}|"
    r"phantom\{[^{}]{0,40}\}|vspace\{[^{}]{0,20}\})"
)
# Commands that change only the look: `\displaystyle`, `\left`, `\big`.
_STYLING = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|big|Big|"
    r"bigg|Bigg|bigm|middle|mathstrut|strut|hfill|hline|null|noindent|allowbreak|nobreak|rm|bf|it|cal|large|Large|small|"
    r"tiny|boldmath|unboldmath)(?![A-Za-z])"
)
_PAIRED_BAR = re.compile(r"\\(left|right)\|")  # \left|x\right|; not \left.x\right|, which has only one of the two
_MODULE = re.compile(r"(?<![\w.])(?:np|numpy|math|cmath|sympy|sp)\.(?=[a-z])")  # np.arcsin(x); not amp.s
_SIZE = re.compile(
    # f\left(x\right) is f(x), and f\!\big(x\big) too; not \leftarrow, not 3\! m
    r"(?:\\!\s{0,3})?\\(?:left|right|[bB]igg?[lrm]?)\s{0,3}(?=[()\[\]])|\\!\s{0,3}(?=\()"
)
# `\(`, `\]`, `$$`, `$`; not `\$`.
_DELIMITERS = re.compile(r"\\[()\[\]]|\$\$|(?<!\\)\$")
# `**5**`; not `2**3`.
_BOLD = re.compile(r"(?<![\w)*])\*\*(?=[^\s*])([^*]{1,300})\*\*(?![\w*(])")
# The ending of an ordinal number: `5^{\text{th}}`, `5th`, `2nd`.
_ORDINAL = re.compile(
    r"(?<=\d)\s?(?:\^\s?\{\s?\\(?:text|mathrm|textrm)\s?\{(?:st|nd|rd|th)\}\s?\}|\^\s?\{\s?(?:st|nd|rd|th)\s?\}|"
    r"\^?\s?\\(?:text|mathrm|textrm)\s?\{\s?(?:st|nd|rd|th)\s?\}|(?:(?<=1)st|(?<=2)nd|(?<=3)rd|th)(?![A-Za-z]))"
)
_FACTORIAL = re.compile(r"(?:[^\W_]|[)}\]!]|\\[A-Za-z]{1,10} )!$")  # n!, (n+1)!, \pi !; not 42 ! or \text{yes} !
_ENDS = " \t\r\n"
_QUOTES = {'"': '"', "'": "'", "`": "`"}


def undouble_backslashes(text: str) -> str:
    r"""Undo one level of escaping, if every command has two backslashes, as in `\\frac{1}{2}`."""
    if "\\\\" in text and _DOUBLE_COMMAND.search(text) and not _SINGLE_COMMAND.search(text):
        return text.replace("\\\\", "\\")
    if "\\\\" in text and "\\begin" not in text:
        return _DOUBLE_COMMAND.sub(lambda match: match.group()[1:], text)
    return text


def spell(text: str) -> str:
    """Spell Unicode math in LaTeX and undo escaping. Keeps layout and dollar signs."""
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
    r"""Join digit groups that only a thousands separator explains: `5,\!866`, `14{,}916`, `1 000`, `1'000`."""
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
    """Prepare an answer for the grammar: one spelling, no delimiters, no styling, no punctuation at the end."""
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    text = spell(text)
    text = join_digit_groups(text)
    if "." in text:
        text = _MODULE.sub("", text)
    if "\\" in text:
        # Set the line breaks `\\` aside, so that their second backslash does not look like the start of a command.
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
    """Cut the quotation marks around a whole answer: `"5"`, `'B'`, `` `x` ``. Those of `5'` and `"a" and "b"` stay."""
    close = _QUOTES[text[0]]
    inner = text[1:-1]
    if len(text) > 2 and text[-1] == close and text[0] not in inner and close not in inner and inner.strip():
        return strip_sentence(inner)
    if text.startswith("``") and text.endswith("''") and len(text) > 4 and "'" not in text[2:-2]:
        return strip_sentence(text[2:-2])
    return text


def clean_dollars(text: str) -> str:
    """Distinguish money from math delimiters in a text without backslashes: a single dollar sign is money."""
    stripped = text.strip(_ENDS + ".,;")
    if stripped.count("$") == 1:
        return text.replace("$", "\\dollar ")
    return text.replace("$", " ")


def strip_sentence(text: str) -> str:
    """Cut blanks at both ends and sentence punctuation at the end. Three dots stay."""
    text = text.strip(_ENDS)
    while text and text[-1] in ".,;:!?" and not text.endswith(("...", "\\,", "\\;", "\\:", "\\!")):
        if text[-1] == "!" and _FACTORIAL.search(text[-14:]):
            break
        text = text[:-1].rstrip(_ENDS)
    return text
