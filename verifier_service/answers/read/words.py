"""The vocabulary of answers: functions, constants, Greek letters, units, currencies, and the small words between
them."""

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
"""Functions that are computed; in a plain text they are also known without a backslash."""

RENAMED_FUNCTIONS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot", "asec": "arcsec", "acsc": "arccsc",
    "asinh": "arsinh", "acosh": "arcosh", "atanh": "artanh", "arcsinh": "arsinh", "arccosh": "arcosh",
    "arctanh": "artanh", "tg": "tan", "ctg": "cot", "arctg": "arctan", "arcctg": "arccot", "sh": "sinh", "ch": "cosh",
    "th": "tanh", "sgn": "sign", "ceiling": "ceil", "lcm": "lcm", "trace": "tr", "Gamma": "gamma", "cosec": "csc",
    "cosech": "csch", "acoth": "arcoth", "arccoth": "arcoth", "asech": "arsech", "arcsech": "arsech", "acsch": "arcsch",
    "arccsch": "arcsch",
    "Arg": "arg", "sech": "sech",
}  # fmt: skip

INVERSES = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec", "csc": "arccsc",
    "sinh": "arsinh", "cosh": "arcosh", "tanh": "artanh", "coth": "arcoth", "sech": "arsech",
    "csch": "arcsch",
}  # fmt: skip

GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "omicron",
        "rho",
        "varrho",
        "sigma",
        "varsigma",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
        "ell",
        "hbar",
        "partial",
        "nabla",
        "Pi",
    ]
)

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
"""Greek names that a plain text may spell out."""

JOINERS = {
    "and": "and", "und": "and", "et": "and", "y": "and", "&": "and", "и": "and", "和": "and", "与": "and", "及": "and",
    "と": "and", "와": "and", "과": "and", "그리고": "and",
    "or": "or", "oder": "or", "ou": "or", "или": "or", "或": "or", "或者": "or", "または": "or", "또는": "or",
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

LENGTHS_M = {
    "m": "1", "meter": "1", "metre": "1", "cm": "1/100", "centimeter": "1/100", "centimetre": "1/100", "mm": "1/1000",
    "millimeter": "1/1000", "millimetre": "1/1000", "km": "1000", "kilometer": "1000", "kilometre": "1000",
    "dm": "1/10", "in": "127/5000", "inch": "127/5000", "inches": "127/5000", "ft": "381/1250", "foot": "381/1250",
    "feet": "381/1250", "yd": "1143/1250", "yard": "1143/1250", "mi": "201168/125", "mile": "201168/125",
    "nm": "1/1000000000", "um": "1/1000000", "pm": "1/1000000000000", "angstrom": "1/10000000000",
}  # fmt: skip
TIMES_S = {
    "s": "1", "sec": "1", "second": "1", "ms": "1/1000", "millisecond": "1/1000", "min": "60", "minute": "60",
    "h": "3600", "hr": "3600", "hour": "3600", "day": "86400", "week": "604800", "ns": "1/1000000000",
    "us": "1/1000000",
}  # fmt: skip
MASSES_KG = {
    "kg": "1", "kilogram": "1", "g": "1/1000", "gram": "1/1000", "mg": "1/1000000", "milligram": "1/1000000",
    "t": "1000", "tonne": "1000", "lb": "45359237/100000000", "lbs": "45359237/100000000",
    "pound": "45359237/100000000", "oz": "45359237/1600000000", "ounce": "45359237/1600000000",
}  # fmt: skip
VOLUMES_L = {"l": "1", "L": "1", "liter": "1", "litre": "1", "ml": "1/1000", "mL": "1/1000", "milliliter": "1/1000",
             "millilitre": "1/1000", "cc": "1/1000"}  # fmt: skip
ENERGIES_J = {"J": "1", "joule": "1", "kJ": "1000", "kilojoule": "1000", "MJ": "1000000", "erg": "1/10000000"}
FORCES_N = {"N": "1", "newton": "1", "kN": "1000", "dyne": "1/100000"}
POWERS_W = {"W": "1", "watt": "1", "kW": "1000", "kilowatt": "1000", "MW": "1000000", "mW": "1/1000"}
FREQUENCIES_HZ = {"Hz": "1", "hertz": "1", "kHz": "1000", "MHz": "1000000", "GHz": "1000000000"}
VOLTAGES_V = {"V": "1", "volt": "1", "kV": "1000", "mV": "1/1000"}
MONEY = {"dollar": ("usd", "1"), "usd": ("usd", "1"), "cent": ("usd", "1/100"), "euro": ("eur", "1"), "eur": ("eur",
    "1"),
         "pounds": ("mass-or-money", "1"), "gbp": ("gbp", "1"), "yen": ("jpy", "1"), "rupee": ("inr", "1"),
         "yuan": ("cny", "1"), "rmb": ("cny", "1")}  # fmt: skip
OTHER_UNITS = frozenset(
    [
        "unit",
        "degree",
        "deg",
        "radian",
        "rad",
        "percent",
        "percentage",
        "pct",
        "mph",
        "kph",
        "kmh",
        "hz",
        "khz",
        "mhz",
        "ghz",
        "n",
        "newton",
        "j",
        "joule",
        "kj",
        "w",
        "watt",
        "kw",
        "v",
        "volt",
        "a",
        "amp",
        "ampere",
        "ohm",
        "k",
        "kelvin",
        "pa",
        "kpa",
        "atm",
        "mol",
        "mole",
        "m/s",
        "km/h",
        "square",
        "cubic",
        "sq",
        "cu",
        "gallon",
        "gal",
        "quart",
        "pint",
        "cup",
        "people",
        "person",
        "student",
        "child",
        "children",
        "boy",
        "girl",
        "apple",
        "item",
        "way",
        "time",
        "year",
        "month",
        "point",
        "mark",
        "piece",
        "box",
        "ton",
        "bit",
        "byte",
        "ft-lb",
        "ev",
        "erg",
        "dyne",
    ]
)

SINGLE_LETTER_UNITS = frozenset(["m", "g", "s", "h", "L", "N", "J", "W", "V", "A", "K", "t", "l"])
"""Read as a unit only where it stands apart, as in `5 m`; `5m` is a product."""

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


def singular(word: str) -> str:
    """Cut the plural ending of a unit's name."""
    if word in LENGTHS_M or word in TIMES_S or word in MASSES_KG or word in MONEY:
        return word
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def is_unit(word: str) -> bool:
    """Tell whether a word names a unit that is known here."""
    base = singular(word)
    lower = singular(word.lower())
    return (
        base in LENGTHS_M
        or base in TIMES_S
        or base in MASSES_KG
        or base in VOLUMES_L
        or lower in MONEY
        or base in ENERGIES_J
        or base in FORCES_N
        or base in POWERS_W
        or base in FREQUENCIES_HZ
        or base in VOLTAGES_V
        or lower in OTHER_UNITS
        or (len(word) > 2 and (lower in LENGTHS_M or lower in TIMES_S or lower in MASSES_KG or lower in VOLUMES_L))
    )
