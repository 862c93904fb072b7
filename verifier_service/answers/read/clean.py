"""Bring an answer's text into one spelling: Unicode signs become LaTeX, formatting goes, digit groups are joined.

Every pattern is linear: no nested repetition, no repetition that can match the empty string.
"""

import re
import unicodedata

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-", "－": "-", "×": r"\times ", "⋅": r"\cdot ",
    "·": r"\cdot ",
    "∘": r"\circ ",
    "∙": r"\cdot ", "•": r"\cdot ", "÷": r"\div ", "∕": "/", "⁄": "/", "π": r"\pi ", "𝜋": r"\pi ", "∞": r"\infty ",
    "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≃": r"\approx ",
    "≅": r"\cong ", "≡": r"\equiv ", "∈": r"\in ", "∉": r"\notin ", "∪": r"\cup ", "∩": r"\cap ", "∖": r"\setminus ",
    "∅": r"\emptyset ", "⌀": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ", "°": r"^{\circ}", "º": r"^{\circ}",
    "√": r"\sqrt ",
    "∛": r"\sqrt[3]", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∂": r"\partial ", "→": r"\to ", "↦": r"\mapsto ",
    "⇒": r"\Rightarrow ", "⟹": r"\Rightarrow ", "∧": r"\land ", "∨": r"\lor ", "¬": r"\lnot ", "∠": r"\angle ",
    "⟨": r"\langle ", "⟩": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "…": r"\ldots ", "⋯": r"\cdots ", "′": "'", "’": "'", "‘": "'", "″": "''", "“": '"', "”": '"', "，": ",", "、": ",",
    "：": ":",
    "；": ";", "（": "(", "）": ")", "［": "[", "］": "]", "｛": "{", "｝": "}", "＝": "=", "＋": "+",
    "＜": "<", "＞": ">", "％": "%",
    "。": ".", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2007": " ", "\u3000": " ", "\u200b": "", "\u200c": "",
    "\u200d": "", "\ufeff": "", "\u2060": "", "\u200e": "", "\u200f": "", "\u061c": "", "\u202a": "", "\u202b": "",
    "\u202c": "",
    "µ": r"\mu ",
    "℃": r"^{\circ}C", "℉": r"^{\circ}F", "¢": r"\text{ cents}",
    "€": r"\euro ", "£": r"\pounds ", "¥": r"\yen ", "₹": r"\rupee ", "￥": r"\yen ",
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
    "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}", "⅙": r"\frac{1}{6}",
    "⅚": r"\frac{5}{6}", "⅛": r"\frac{1}{8}", "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}",
    "٫": ".", "٬": ",", "٪": "%", "،": ",",
    "\x0c": r"\f", "\x08": r"\b", "\x0b": r"\v", "\x07": r"\a",
}  # fmt: skip
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΣΦΨΩϕϵϑ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Sigma",
            "Phi",
            "Psi",
            "Omega",
            "phi",
            "epsilon",
            "theta",
        ],
        strict=True,
    )
)
_TABLE = str.maketrans({**_SIGNS, **{sign: f"\\{name} " for sign, name in _GREEK.items()}})

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙₖₓ", "0123456789+-()nkx")
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ]+")
_SUBSCRIPT_RUN = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙₖₓ]+")

_CIRCLED_RUN = re.compile("[①-⑳]{2,}")  # ①③ names two statements; a lone ③ is a 3

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


def ascii_digits(text: str) -> str:
    """Replace the decimal digits of every script by 0 to 9."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and unicodedata.category(c) == "Nd" else c for c in text)


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
        text = _SUPERSCRIPT_RUN.sub(lambda m: "^{" + m.group().translate(_SUPERSCRIPTS) + "}", text)
        text = _SUBSCRIPT_RUN.sub(lambda m: "_{" + m.group().translate(_SUBSCRIPTS) + "}", text)
        text = _CIRCLED_RUN.sub(lambda m: "".join(rf"\textcircled{{{ord(c) - 0x245F}}}" for c in m.group()), text)
        text = ascii_digits(text.translate(_TABLE))
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)
    elif "\x0c" in text or "\x08" in text or "\x0b" in text or "\x07" in text:
        text = text.translate(_TABLE)
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
    return strip_sentence(text)


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
