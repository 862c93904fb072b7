"""The vocabulary of answers: functions, constants, Greek letters, and the small words between them."""

from typing import Literal

FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "arccot",
        "arcsec",
        "arccsc",
        "sinh",
        "cosh",
        "tanh",
        "coth",
        "sech",
        "csch",
        "arsinh",
        "arcosh",
        "artanh",
        "arcoth",
        "arsech",
        "arcsch",
        "arcsinh",
        "arccosh",
        "arctanh",
        "asin",
        "acos",
        "atan",
        "acot",
        "asec",
        "acsc",
        "asinh",
        "acosh",
        "atanh",
        "ln",
        "log",
        "lg",
        "exp",
        "sqrt",
        "cbrt",
        "abs",
        "floor",
        "ceil",
        "sgn",
        "sign",
        "gcd",
        "lcm",
        "max",
        "min",
        "det",
        "tr",
        "Re",
        "Im",
        "arg",
        "erf",
        "gamma",
    ]
)
"""Functions that can be computed. In plain text they are recognized without a backslash too."""

RENAMED_FUNCTIONS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot", "asec": "arcsec", "acsc": "arccsc",
    "asinh": "arsinh", "acosh": "arcosh", "atanh": "artanh", "arcsinh": "arsinh", "arccosh": "arcosh",
    "arctanh": "artanh", "tg": "tan", "ctg": "cot", "arctg": "arctan", "arcctg": "arccot", "sh": "sinh", "ch": "cosh",
    "th": "tanh", "sgn": "sign", "ceiling": "ceil", "lcm": "lcm", "trace": "tr", "Gamma": "gamma", "cosec": "csc",
    "cosech": "csch", "acoth": "arcoth", "arccoth": "arcoth", "asech": "arsech", "arcsech": "arsech", "acsch": "arcsch",
    "arccsch": "arcsch",
    "Arg": "arg", "sech": "sech",
}  # fmt: skip

NAMED = frozenset(
    ["Var", "var", "Cov", "cov", "Corr", "corr", "SD", "rank", "rk", "diag", "span", "ker", "adj", "ord", "Hom"]
)
"""Functions that cannot be computed. Their brackets hold their operands."""

INVERSES = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec", "csc": "arccsc",
    "sinh": "arsinh", "cosh": "arcosh", "tanh": "artanh", "coth": "arcoth", "sech": "arsech",
    "csch": "arcsch",
}  # fmt: skip

PLAIN_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "kappa",
        "lambda",
        "mu",
        "rho",
        "sigma",
        "tau",
        "phi",
        "chi",
        "psi",
        "omega",
    ]
)
"""Greek letters that plain text can spell out."""

ACCENTS = (
    "hat", "widehat", "tilde", "widetilde", "dot", "ddot", "overrightarrow", "overleftrightarrow",
    "overarc", "arc", "wideparen", "check", "breve", "acute", "vec",
)  # fmt: skip
"""Commands that put a sign over letters and so make another name of them."""

JOINERS: dict[str, Literal["and", "or"]] = {
    "and": "and", "und": "and", "et": "and", "y": "and", "&": "and", "и": "and", "和": "and", "与": "and", "及": "and",
    "と": "and", "와": "and", "과": "and", "그리고": "and",
    "且": "and", "以及": "and", "or": "or", "oder": "or", "ou": "or", "или": "or", "或": "or", "或者": "or",
    "或是": "or", "または": "or", "또는": "or",
}  # fmt: skip

CONDITION_WORDS = frozenset(
    [
        "if",
        "for",
        "when",
        "where",
        "while",
        "whenever",
        "otherwise",
        "else",
        "with",
        "such",
        "that",
        "as",
        "is",
        "provided",
        "in",
    ]
)

MONTHS = {
    name: index
    for index, names in enumerate(
        (
            ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",), ("june", "jun"),
            ("july", "jul"), ("august", "aug"), ("september", "sep", "sept"), ("october", "oct"), ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip

NUMBER_NAMES = {
    name: value
    for value, name in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
}
