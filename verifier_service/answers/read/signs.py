r"""Spell Unicode signs in LaTeX.

A table has the signs of mathematics. Characters outside it are spelled by what Unicode says about them: the digit, the
decomposition (`⅐`, `𝑥`, `㎏`, `⑴`), the category (blanks, dashes, invisible characters), the words of the name (`HEAVY
MINUS SIGN`). Superscripts stay powers and subscripts stay indices. Characters that are still unknown stay unchanged.
"""

import re
import unicodedata

_MOST_KNOWN = 5000  # bounds the table, since every character of a hostile text would enter it
_MOST_COMBINING = 64  # normalizing long runs of combining marks takes quadratic time

_SIGNS = {
    "×": r"\times ", "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "÷": r"\div ", "∕": "/", "⁄": "/",
    "∞": r"\infty ", "♾": r"\infty ", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≮": r"\ge ",
    "≯": r"\le ",
    "≠": r"\ne ",
    "≈": r"\approx ", "≃": r"\approx ", "≅": r"\cong ", "≡": r"\equiv ", "∼": r"\sim ", "∈": r"\in ", "∉": r"\notin ",
    "∪": r"\cup ", "⋃": r"\bigcup ", "∩": r"\cap ", "⋂": r"\bigcap ", "∖": r"\setminus ", "∅": r"\emptyset ",
    "⌀": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ", "°": r"^{\circ}", "º": r"^{\circ}", "˚": r"^{\circ}",
    "∘": r"\circ ",
    "√": r"\sqrt ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∮": r"\oint ",
    "∂": r"\partial ", "∇": r"\nabla ", "∆": r"\Delta ", "→": r"\to ", "↦": r"\mapsto ", "⇔": r"\Leftrightarrow ",
    "⟺": r"\Leftrightarrow ", "↔": r"\leftrightarrow ", "∧": r"\land ", "∨": r"\lor ", "¬": r"\lnot ", "∀": r"\forall ",
    "∃": r"\exists ", "∠": r"\angle ", "△": r"\triangle ", "∥": r"\parallel ", "⊥": r"\perp ", "∝": r"\propto ",
    "⊂": r"\subset ", "⊆": r"\subseteq ", "∴": r"\therefore ", "∣": "|", "‖": r"\| ", "∶": ":",
    "⟨": r"\langle ", "⟩": r"\rangle ",
    "〈": r"\langle ", "〉": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "…": r"\ldots ", "⋯": r"\cdots ", "´": "'", "、": ",", "。": ".", "￥": r"\yen ", "€": r"\euro ", "£": r"\pounds ",
    "¢": r"\text{ cents}", "¥": r"\yen ", "₹": r"\rupee ",
    "٫": ".", "٬": ",", "٪": "%", "،": ",", "ª": "", "\u2062": " ", "\u2063": ",",
    "\u20e3": "", "\u034f": "", "\u2800": " ", "\x0c": r"\f", "\x08": r"\b", "\x0b": r"\v", "\x07": r"\a",
}  # fmt: skip
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "ϕ": "phi",
    "ϵ": "epsilon", "ϑ": "theta",
}  # fmt: skip
_NAMES = (
    (re.compile(r"MINUS SIGN$|^(?:[A-Z]+ )?HYPHEN(?:-MINUS)?$"), "-"),
    (re.compile(r"(?<!MINUS-OR-)PLUS SIGN$"), "+"),
    (re.compile(r"MULTIPLICATION (?:SIGN|X)$"), r"\times "),
    (re.compile(r"DIVISION SIGN$"), r"\div "),
    (re.compile(r"EQUALS SIGN$"), "="),
    (re.compile(r"^(?!.*NOT)LESS-THAN.* EQUAL TO$"), r"\le "),
    (re.compile(r"^(?!.*NOT)GREATER-THAN.* EQUAL TO$"), r"\ge "),
    (re.compile(r"MIDDLE DOT$|DOT OPERATOR$"), r"\cdot "),
    (re.compile(r"ASTERISK(?: OPERATOR)?$"), "*"),
    (re.compile(r"QUADRUPLE PRIME$"), "''''"),
    (re.compile(r"TRIPLE PRIME$"), "'''"),
    (re.compile(r"DOUBLE PRIME$"), "''"),
    (re.compile(r"PRIME$|SINGLE.*QUOTATION MARK|SINGLE.*COMMA QUOTATION"), "'"),
    (re.compile(r"QUOTATION MARK"), '"'),
    (re.compile(r"^LEFT(?: WHITE| BLACK| FLATTENED| MEDIUM)* (?:PARENTHESIS|CORNER BRACKET|LENTICULAR BRACKET|"
                r"TORTOISE SHELL BRACKET|DOUBLE ANGLE BRACKET)"), "("),
    (re.compile(r"^RIGHT(?: WHITE| BLACK| FLATTENED| MEDIUM)* (?:PARENTHESIS|CORNER BRACKET|LENTICULAR BRACKET|"
                r"TORTOISE SHELL BRACKET|DOUBLE ANGLE BRACKET)"), ")"),
    (re.compile(r"LEFT WHITE SQUARE BRACKET|LEFT SQUARE BRACKET"), "["),
    (re.compile(r"RIGHT WHITE SQUARE BRACKET|RIGHT SQUARE BRACKET"), "]"),
    (re.compile(r"RIGHTWARDS DOUBLE ARROW$"), r"\Rightarrow "),
    (re.compile(r"RIGHTWARDS(?: [A-Z]+)? ?ARROW$"), r"\to "),
    (re.compile(r"CHECK MARK|^END OF PROOF|VARIATION SELECTOR|FILLER$"), ""),
)  # fmt: skip
"""What the name of a character means; the first match counts."""
_REVERSING = "\u202e"
"""What follows this character is displayed backwards: `12` as 21. A number like that cannot be trusted."""
_REVERSED = re.compile(f"{_REVERSING}([^{_REVERSING}\u202c]*)\u202c?")  # a single digit looks the same either way
_LETTER_NAME = re.compile(r"(?:NEGATIVE )?(?:CIRCLED|SQUARED) LATIN CAPITAL LETTER ([A-Z])")
_WIDE = ("<font>", "<wide>", "<narrow>", "<compat>", "<small>", "<noBreak>", "<initial>", "<vertical>")


class _Spelling(dict[int, str]):
    """The spelling of each character. Unknown ones are derived once and kept, up to a limit."""

    def __missing__(self, code: int) -> str:
        spelled = chr(code) if code < 128 else _derived(chr(code))
        if len(self) < _MOST_KNOWN:
            self[code] = spelled
        return spelled


def _derived(char: str) -> str:
    """Spell a character by its Unicode properties."""
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category[0] == "Z":
        return " " if category == "Zs" else "\n"
    if category == "Cf":
        return char if char == _REVERSING else ""
    if category == "Pd":
        return "-"
    kind, *codes = unicodedata.decomposition(char).split() or [""]
    parts = [int(part, 16) for part in codes]
    if kind.startswith("<"):
        spelled = _decomposed(kind, parts)
        if spelled is not None:
            return spelled
    elif kind and not parts:
        return _TABLE[int(kind, 16)]
    name = unicodedata.name(char, "")
    letter = _LETTER_NAME.fullmatch(name)
    if letter:
        return letter.group(1)
    return next((sign for pattern, sign in _NAMES if pattern.search(name)), char)


def _decomposed(kind: str, parts: list[int]) -> str | None:
    """Spell a character by the plainer ones it stands for."""
    plain = "".join(map(chr, parts))
    if kind == "<fraction>":
        top, _, bottom = plain.partition("\u2044")
        return rf"\frac{{{top}}}{{{bottom}}}" if bottom else f"{top}/"
    if kind == "<circle>":
        return rf"\textcircled{{{plain}}}" if plain.isdigit() else plain
    if kind in ("<super>", "<sub>"):
        return ("^" if kind == "<super>" else "_") + "{" + "".join(_TABLE[part] for part in parts).strip() + "}"
    if kind == "<square>":
        return " " + "".join(_TABLE[part] for part in parts)
    if kind in _WIDE and not (parts[0] == 32 and len(parts) > 1):
        return "".join(_TABLE[part] for part in parts)
    return None


_TABLE = _Spelling(
    {ord(sign): latex for sign, latex in _SIGNS.items()} | {ord(sign): f"\\{name} " for sign, name in _GREEK.items()}
)
_MARKED = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "overline", "\u0307": "dot", "\u20d7": "vec"}


def _raised(kind: str) -> str:
    """Return the characters of the first planes that Unicode calls superscripts or subscripts."""
    found = (chr(code) for code in range(0xA0, 0x2F00) if chr(code) not in "ªº")
    return "".join(
        c for c in found if unicodedata.decomposition(c).startswith(kind) and unicodedata.category(c) != "So"
    )


_UP, _DOWN = _raised("<super>"), _raised("<sub>")
_PLAIN = {ord(c): chr(int(unicodedata.decomposition(c).split()[1], 16)) for c in _UP + _DOWN}
# matches `¹⁄₂`, `³/₄`; not `x²/y`
_SMALL_FRACTION = re.compile(r"([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,40})[/⁄∕]([₀₁₂₃₄₅₆₇₈₉]{1,40})")
# matches the sign of `⁻5`, `= ⁻x`; not of `x⁻¹`
_RAISED_SIGN = re.compile(r"(?:(?<=^)|(?<=[\s(=,]))[⁻⁺](?=[0-9a-zA-Z.])")
# matches the small o of `45ᵒ`
_RAISED_O = re.compile(r"(?<=\d)ᵒ(?![\w⁰-⁹])")
_UP_RUN, _DOWN_RUN = re.compile(f"[{_UP}]+"), re.compile(f"[{_DOWN}]+")
# matches `x̄`, `3̇`, `1̅6̅`; one kind of mark on each run
_MARKED_RUN = re.compile("|".join(f"(?:[^\\W_]{mark}){{1,40}}" for mark in _MARKED))
_CROSSED = {"=": "≠", "∈": "∉", "<": "≮", ">": "≯"}
_CROSSED_SIGN = re.compile("([=∈<>])\u0338")  # a sign with a combining stroke through it


def spell_signs(text: str) -> str:
    """Spell every sign of a text that is not pure ASCII."""
    if sum(map(_is_mark, text)) <= _MOST_COMBINING:
        text = unicodedata.normalize("NFC", text)
        text = _CROSSED_SIGN.sub(lambda match: _CROSSED[match.group(1)], text)
        text = _MARKED_RUN.sub(_accented, text)
    text = _SMALL_FRACTION.sub(lambda m: rf"\frac{{{m[1].translate(_PLAIN)}}}{{{m[2].translate(_PLAIN)}}}", text)
    text = _RAISED_SIGN.sub(lambda match: match.group().translate(_PLAIN).replace("−", "-"), text)
    text = _RAISED_O.sub("°", text)
    text = _UP_RUN.sub(lambda match: "^{" + match.group().translate(_PLAIN) + "}", text)
    text = _DOWN_RUN.sub(lambda match: "_{" + match.group().translate(_PLAIN) + "}", text)
    if _REVERSING in text:
        text = _REVERSED.sub(lambda match: match[1] if match[1] == match[1][::-1] else match.group(), text)
    return text.translate(_TABLE)


def spell_controls(text: str) -> str:
    """Undo the escapes that a careless reader of `\\frac` left in an ASCII text."""
    return text.translate(_TABLE)


def _is_mark(char: str) -> bool:
    return char > "\u02ff" and unicodedata.combining(char) > 0


def _accented(match: re.Match[str]) -> str:
    """Write letters under a combining mark as LaTeX does."""
    run = match.group()
    return f"\\{_MARKED[run[1]]}{{{run[::2]}}}"
