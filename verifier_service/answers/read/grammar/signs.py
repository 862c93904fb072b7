"""Signs that several modules of the grammar share."""

from typing import Literal

from verifier_service.answers.read.tokens import Token

END = Token("end of text", "", False)

RELATIONS = {
    "=": "=", "==": "=", ":=": "=", "equiv": "=", "doteq": "=", "cong": "=", "coloneqq": "=", "triangleq": "=",
    "<": "<", ">": ">", "<=": "<=", "=<": "<=", ">=": ">=", "!=": "!=", "<>": "!=",
    "lt": "<", "gt": ">", "le": "<=", "leq": "<=", "leqslant": "<=", "leqq": "<=", "ge": ">=", "geq": ">=",
    "geqslant": ">=", "geqq": ">=", "ne": "!=", "neq": "!=", "in": "in", "notin": "notin",
    "approx": "~", "simeq": "~", "sim": "sim", "propto": "propto",
    "->": "->", "to": "->", "rightarrow": "->", "longrightarrow": "->", "mapsto": "->",
    "subset": "subset", "subseteq": "subset", "supset": "supset", "supseteq": "supset",
    "mid": "mid", "parallel": "parallel", "perp": "perp",
    "=>": "=>", "Rightarrow": "=>", "implies": "=>", "Longrightarrow": "=>",
    "iff": "<=>", "Leftrightarrow": "<=>", "leftrightarrow": "<=>",
}  # fmt: skip
SET_OPERATORS: dict[str, Literal["union", "inter", "minus"]] = {
    "cup": "union", "bigcup": "union", "cupdot": "union", "sqcup": "union", "uplus": "union",
    "cap": "inter", "bigcap": "inter",
    "setminus": "minus", "smallsetminus": "minus", "backslash": "minus", "\\": "minus",
}  # fmt: skip
DOTS = {"ldots", "cdots", "dots", "dotsc", "dotsb", "dotsm", "vdots", "ddots", "..."}
TIMES = {"cdot", "times", "*", "ast", "bullet", "cdotp", "star"}
OPENERS = {"lbrack", "langle", "lparen"}
CLOSERS = {")", "]", "rbrack", "rangle", "rparen"}
SIGNED = {"+", "-", "pm", "mp"}

NO_FACTOR = frozenset(
    {"rvert", "rVert", "rfloor", "rceil", "rangle", "rbrack", "rparen", "}", "&", "%", "#", "\\", "_", " ",
     "dollar", "euro", "pounds", "pound", "yen", "rupee", "degree", "circ", "prime", "quad", "qquad", "div", "bmod",
     "mod", "pmod", "choose", "over", "newline", "cr", "colon", "text", "land", "lor", "vee", "wedge",
     "oplus", "veebar", "not"}
).union(RELATIONS, SET_OPERATORS, TIMES, DOTS, SIGNED)  # fmt: skip
"""Commands that cannot begin a factor."""
