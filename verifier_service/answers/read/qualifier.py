r"""Read qualifiers: what an answer says about its letters, besides the answer itself.

`2k\pi, k \in \mathbb{Z}`, `cx \text{ for any real } c`, `p^2 \text{ where } p \text{ is prime}` are split into the
answer and a qualifier: the letters, and marks for what they stand for, such as `Z`, `positive`, `prime`. Words that are
not understood become a mark of their own, so that they are never lost.
"""

import re
from typing import NamedTuple

from verifier_service.answers.tree.greek import GREEK

_MAX_CHARS = 2000  # a longer answer has no qualifiers cut out
_MAX_REMARK = 60  # how many tokens a qualifier after a comma can have


class Qualifier(NamedTuple):
    """The letters a qualifier is about, and the marks of each: `Z`, `positive`; none for `for all x`."""

    names: tuple[str, ...]
    marks: frozenset[str]


_MARKS = {
    "integer": "Z", "whole": "Z", "natural": "N", "real": "R", "rational": "Q", "complex": "C",
    "positive": "positive", "negative": "negative", "nonnegative": "nonnegative", "nonzero": "nonzero", "odd": "odd",
    "even": "even", "prime": "prime", "composite": "composite", "coprime": "coprime", "整数": "Z", "正整数": "Z+",
    "自然数": "N", "实数": "R", "有理数": "Q", "正数": "positive", "奇数": "odd", "偶数": "even", "质数": "prime",
    "素数": "prime",
}  # fmt: skip
"""What a word says about a letter."""

_SILENT = frozenset(
    [
        *("a", "an", "the", "is", "are", "be", "being", "any", "all", "every", "each", "some", "arbitrary", "constant"),
        *("number", "value", "of", "parameter", "fixed", "given", "denote", "denotes", "real-valued", "integration"),
        *("for", "where", "with", "such", "that", "here", "over", "常数", "任意常数", "任意", "为", "是", "均", "都"),
    ]
)
"""Words that cannot exclude a value."""

_OPENERS = frozenset(["for", "where", "with", "\\forall", "whenever", "其中", "对于", "对任意", "对"])
_PLURALS = {
    word + "s": word
    for word in ("integer", "constant", "number", "value", "real", "rational", "parameter", "prime", "natural")
}
# matches `\in`, `\{`, `non-zero`, `整数`, `x`, `2.5`, one sign
_TOKEN = re.compile(
    r"\\[A-Za-z]+|\\.|[A-Za-z]+(?:-[A-Za-z]+)*|其中|对任意|对于|任意常数|任意|常数|正整数|自然数|整数|有理数|实数|正数|奇数|"
    r"偶数|质数|素数|\d+(?:\.\d+)?|\S",
    re.DOTALL,
)
# matches `\text{ where }`, `\mathrm{is\ prime}`, `\text{with c \in \mathbb{R}}`; _TELLING says which are unwrapped
_WORDED = re.compile(
    r"\\(?:text|mathrm|textrm|mbox|textit|textnormal|hbox|operatorname)\s*\{((?:[^{}]|\{[^{}]{0,20}\}){0,200})\}"
)
_WORD = (
    r"integers?|constants?|arbitrary|reals?|rationals?|primes?|odd|even|composite|coprime|positive|negative|non-?negative|"
    r"non-?zero"
)
# The words of a qualifier; a text command with one of these is unwrapped.
_TELLING = re.compile(
    r"\b(?:for|where|with|whenever|is|are|any|all|every|numbers?|and|or|" + _WORD + r")\b|其中|数|为|是|对",
    re.IGNORECASE,
)
# a text without any of these has no qualifier
_HINT = re.compile(
    r"\\in\b|\\forall|\b(?:for|where|with|whenever|" + _WORD + r")\b|=[^=]*dots|其中|数|对|,[^,]*(?:[<>]|\\[gln]e)",
    re.IGNORECASE,
)
# `\mathbb{Z}`, `\mathbb Z`, `Z`
_SET = re.compile(
    r"\\(?:mathbb|mathbf|mathrm|bf|Bbb)\s*(?:\{\s*(?P<braced>[ZNQRC])\s*\}|(?P<faced>[ZNQRC]))|"
    r"(?P<plain>[ZNQRC])(?![A-Za-z])"
)
# matches `^+`, `^{*}`, `_{>0}`, `_{\ge 0}`, `_+`, `_0`, `\setminus\{0\}`
_SET_PART = re.compile(
    r"\s*(?:\^\s*\{?\s*(?P<up>[+*-])\s*\}?|_\s*\{?\s*(?P<down>\+|\*|-|>\s*0|<\s*0|0|\\(?:ge|geq|geqslant)\s*0|\\(?:ne|neq)\s*0)"
    r"\s*\}?|\\(?:setminus|backslash)\s*\\\{\s*(?P<out>0)\s*\\\})"
)
_RELATIONS = {"<": "<", ">": ">", "\\le": "<=", "\\leq": "<=", "\\leqslant": "<=", "\\ge": ">=", "\\geq": ">=",
              "\\geqslant": ">=", "\\ne": "!=", "\\neq": "!=", "=": "="}  # fmt: skip
_SIGN_MARKS = {">0": "positive", "<0": "negative", ">=0": "nonnegative", "!=0": "nonzero"}
_BLANKS = ("\\quad", "\\qquad", "\\ ", "\\,", "\\;")
_CLOSERS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}


class _Span(NamedTuple):
    """One token, and where it stands."""

    text: str
    start: int
    end: int


def split_qualifiers(cleaned: str) -> tuple[str, tuple[Qualifier, ...]]:
    """Split a cleaned answer into the answer proper, which is never empty, and its qualifiers."""
    if len(cleaned) > _MAX_CHARS or _HINT.search(cleaned) is None:
        return cleaned, ()
    text = _WORDED.sub(_unwrapped, cleaned)
    spans = [_Span(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    reader = _Reader(text, spans)
    kept, found = reader.cut()
    if not kept or not found:
        return cleaned, ()
    return kept, tuple(found)


def same_marks(one: frozenset[str], other: frozenset[str]) -> bool:
    """Return whether two sets of marks allow the same values. `N` can begin with 0 or with 1."""
    first, second = settled(one), settled(other)
    if first == second or not (first | second) - {"R"}:
        return True
    naturals = (frozenset({"Z", "positive"}), frozenset({"Z", "nonnegative"}))
    return {"N"} in (first, second) and (first in naturals or second in naturals)


def settled(marks: frozenset[str]) -> frozenset[str]:
    """Drop the marks that others imply: an odd number is an integer, a prime is positive."""
    rest = set(marks) - {"C"}
    if rest & {"odd", "even", "prime", "composite", "coprime"}:
        rest -= {"Z", "N"}
    if rest & {"prime", "composite"}:
        rest.discard("positive")
    if "N" in rest and rest & {"positive", "nonnegative"}:
        rest = rest - {"N"} | {"Z"}
    if rest - {"R"}:
        rest.discard("R")
    return frozenset(rest)


class _Reader:
    """One pass over the tokens of an answer. A qualifier can only be outside all brackets."""

    def __init__(self, text: str, spans: list[_Span]) -> None:
        self.text = text
        self.spans = spans
        self.words = [span.text.lower() for span in spans]

    def cut(self) -> tuple[str, list[Qualifier]]:
        """Return the text without its qualifiers, and the qualifiers."""
        kept: list[str] = []
        found: list[Qualifier] = []
        depth = copied = index = 0
        while index < len(self.spans):
            piece = self._piece(index) if depth == 0 else None
            if piece is None:
                depth += _step(self.spans[index].text)
                index += 1
                continue
            qualifiers, after = piece
            start = self.spans[index].start
            kept.append(self.text[copied:start].rstrip(" ,;"))
            found.extend(qualifiers)
            index = after
            copied = self.spans[after].start if after < len(self.spans) else len(self.text)
        kept.append(self.text[copied:])
        return _without_blanks(" ".join(part for part in kept if part.strip())), found

    def _piece(self, at: int) -> tuple[list[Qualifier], int] | None:
        """Return the qualifiers that begin at a token and the index after them, or None if none begins there."""
        word = self.words[at]
        if word in _OPENERS:
            end = self._end(at + 1, splits=word not in ("where", "with", "其中"))
            leads = at == 0
            if end == at + 1 or (leads and not (end < len(self.spans) and self.words[end] == ",")):
                return None
            return self._statements(at + 1, end), end + 1 if leads else end
        if at == 0:
            return None
        if word in ("(", "["):
            return self._bracketed(at)
        if self.words[at - 1] in (",", ";", "，", *_BLANKS) or self.spans[at - 1].end < self.spans[at].start:
            return self._range(at) or self._bound(at) or self._remark(at)
        return None

    def _bracketed(self, at: int) -> tuple[list[Qualifier], int] | None:
        """Read `(k \\in Z)`, `(C is a constant)`, `(where p is prime)`. The brackets must hold nothing else."""
        end = self._end(at + 1, splits=False)
        if end >= len(self.spans) or self.words[end] != _CLOSERS[self.words[at]]:
            return None
        inner = at + 2 if self.words[at + 1] in _OPENERS else at + 1
        range_ = self._range(inner)
        if (
            inner > at + 1
            or (range_ is not None and self._all_ranges(inner, end))
            or (self._bounds(inner, at) and self.spans[at - 1].end < self.spans[at].start)
            or self._known(inner, end)
        ):
            return self._statements(inner, end), end + 1
        return None

    def _all_ranges(self, at: int, end: int) -> bool:
        while at < end:
            piece = self._range(at)
            if piece is None:
                return False
            at = piece[1]
            while at < end and self.words[at] in (",", ";", "and"):
                at += 1
        return True

    def _range(self, at: int) -> tuple[list[Qualifier], int] | None:
        """Read `k, n \\in \\mathbb{Z}`."""
        names, index = self._names(at)
        apart = self.words[at - 1] in (",", ";", "(", "[", "and", *_BLANKS, *_OPENERS)
        if not names or (len(names) > 1 and not apart) or index >= len(self.spans) or self.words[index] != "\\in":
            return None
        membership = self._number_set(index + 1)
        if membership is None:
            return None
        marks, after = membership
        return [Qualifier(tuple(names), marks)], after

    def _names(self, at: int) -> tuple[list[str], int]:
        names: list[str] = []
        while (name := self._name(at)) is not None:
            names.append(name[0])
            at = name[1]
            if not (at < len(self.words) and self.words[at] in (",", "and") and self._name(at + 1)):
                break
            at += 1
        return names, at

    def _remark(self, at: int) -> tuple[list[Qualifier], int] | None:
        """Read `n is any integer`, `C constant`, `k = 0, \\pm 1, \\ldots` after a comma, if all its words are known."""
        if self.words[at - 1] not in (",", ";", *_BLANKS):
            return None
        if not (self._name(at) or self.words[at] in _SILENT or self.words[at] in _MARKS):
            return None
        end = self._end(at, splits=True, limit=_MAX_REMARK)
        return (self._statements(at, end), end) if self._known(at, end) else None

    def _bound(self, at: int) -> tuple[list[Qualifier], int] | None:
        """Read `c > 0` after the comma of `f(x) = cx, c > 0`: the only bound, on a letter that precedes it."""
        if self.words[at - 1] not in (",", *_BLANKS) or not self._bounds(at, at - 1):
            return None
        if any(word in _RELATIONS and word != "=" for word in self.words[:at]):
            return None
        end = self._end(at, splits=True, limit=_MAX_REMARK)
        return self._statements(at, end), end

    def _bounds(self, at: int, before: int) -> bool:
        """Return whether `c >` or `c \\ne` begins at a token, for a letter that occurs before it."""
        name = self._name(at)
        if name is None or name[1] >= len(self.words) or self.words[name[1]] == "=":
            return False
        return self.words[name[1]] in _RELATIONS and self.spans[at].text in self.text[: self.spans[before].start]

    def _known(self, at: int, end: int) -> bool:
        """Return whether tokens are about letters and only in known words, or list one letter's values with dots."""
        words = [_PLURALS.get(word, word) for word in self.words[at:end]]
        if len(words) > 4 and words[1] == "=" and self._name(at) and words[-1] in ("\\ldots", "\\dots", "\\cdots"):
            return True
        named = any(self._name(index) for index in range(at, end))
        telling = any(word in _MARKS or word in ("constant", "arbitrary", "常数", "任意常数") for word in words)
        known = all(
            word in _MARKS or word in _SILENT or word in (",", "and", "_") or self._name(at + place) or word.isdigit()
            for place, word in enumerate(words)
        )
        return named and telling and known

    def _end(self, at: int, splits: bool, limit: int = _MAX_CHARS) -> int:
        """Find the end of a statement: a semicolon, the closing bracket, another opener, or a new assignment."""
        depth = 0
        for index in range(at, min(at + limit, len(self.spans))):
            word = self.words[index]
            if depth == 0 and index > at:
                if word in _OPENERS or word in (";", "\\\\") or self._breaks(index):
                    return index
                if splits and word in (",", "and", "or") and self._assigns(index + 1):
                    return index
            depth += _step(self.spans[index].text)
            if depth < 0:
                return index
        return len(self.spans)

    def _breaks(self, at: int) -> bool:
        """Return whether a line ends before a token."""
        return "\n" in self.text[self.spans[at - 1].end : self.spans[at].start]

    def _assigns(self, at: int) -> bool:
        """Return whether `f(x) =`, `y =` or `a_n =` begins at a token."""
        if at < len(self.words) and self.words[at] in ("and", "or"):
            at += 1
        if self._name(at) is None:
            return False
        for index in range(at + 1, min(at + 10, len(self.words))):
            if self.words[index] == "=":
                return "\\ldots" not in self.words[index:] and "\\dots" not in self.words[index:]
            if self.words[index] not in ("(", ")", "_", "{", "}", ",") and self._name(index) is None:
                return False
        return False

    def _name(self, at: int) -> tuple[str, int] | None:
        """Read a letter, perhaps with an index (`c_1`), and return where it ends. The article `a` is not a letter."""
        if at >= len(self.spans):
            return None
        token = self.spans[at].text
        if token[0] == "\\" and token[1:] in GREEK:
            token = token[1:]
        elif not (len(token) == 1 and token.isascii() and token.isalpha()):
            return None
        following = self.words[at + 1] if at + 1 < len(self.words) else ""
        if (
            token in "aA"
            and following[:1].isalpha()
            and len(following) > 1
            and following not in ("and", "is", "are", "or")
        ):
            return None
        if following == "_" and at + 2 < len(self.words):
            if self.words[at + 2] == "{" and at + 4 < len(self.words) and self.words[at + 4] == "}":
                return f"{token}_{self.spans[at + 3].text}", at + 5
            return f"{token}_{self.spans[at + 2].text}", at + 3
        return token, at + 1

    def _number_set(self, at: int) -> tuple[frozenset[str], int] | None:
        """Read `\\mathbb{Z}`, `\\mathbb{Q}_{>0}`, `N^*`, `R \\setminus \\{0\\}` after `\\in`."""
        if at >= len(self.spans):
            return None
        match = _SET.match(self.text, self.spans[at].start)
        if match is None:
            return None
        letter = match.group("braced") or match.group("faced") or match.group("plain")
        marks, position = {letter}, match.end()
        while (part := _SET_PART.match(self.text, position)) is not None:
            position = part.end()
            sign = "".join((part.group("up") or part.group("down") or part.group("out")).split())
            marks = self._narrowed(marks, sign, out=part.group("out") is not None)
        after = at
        while after < len(self.spans) and self.spans[after].start < position:
            after += 1
        return frozenset(marks), after

    @staticmethod
    def _narrowed(marks: set[str], sign: str, out: bool) -> set[str]:
        """Add the meaning of a sign at a set; `N^*` are the positive integers."""
        if sign == "0" and not out:
            return {"Z", "nonnegative"} if "N" in marks else marks
        if out or sign == "*" or sign.startswith("\\ne"):
            said = "nonzero"
        elif sign in ("-", "<0"):
            said = "negative"
        else:
            said = "positive" if sign in ("+", ">0") else "nonnegative"
        if "N" in marks:
            return {"Z", "positive"}
        return marks | {said}

    def _statements(self, at: int, end: int) -> list[Qualifier]:
        """Read a qualifier's statements one after the other: letters with their marks."""
        found: list[Qualifier] = []
        names: list[str] = []
        marks: set[str] = set()
        leading: frozenset[str] = frozenset()
        marks_first = False

        def flush() -> None:
            nonlocal leading, marks_first
            if names or marks:
                found.append(Qualifier(tuple(names), frozenset(marks or leading)))
            leading = frozenset(marks) if marks_first and marks else (leading if not marks else frozenset())
            marks_first = False
            names.clear()
            marks.clear()

        while at < end:
            word = self.words[at]
            if word in (",", ";", "and", "&", "or", "和", "或", "且"):
                if names and marks:
                    flush()
                at += 1
                continue
            name = self._name(at)
            if name is not None and name[1] <= end:
                names.append(name[0])
                at = name[1]
                continue
            said, at = self._said(at, end)
            marks_first = marks_first or (bool(said) and not names)
            marks |= said
        flush()
        return found

    def _said(self, at: int, end: int) -> tuple[set[str], int]:
        """Return the marks of a token and of what belongs to it, and the index after it."""
        word = _PLURALS.get(self.words[at], self.words[at])
        if word == "\\in":
            membership = self._number_set(at + 1)
            if membership is not None and membership[1] <= end:
                return set(membership[0]), membership[1]
        if word in _RELATIONS:
            return self._related(at, end)
        if word in ("relatively", "mutually", "co") and at + 1 < end and self.words[at + 1].startswith("prime"):
            return {"coprime"}, at + 2
        plain = word.replace("-", "")
        if word in _SILENT or plain in _SILENT or word in _BLANKS:
            return set(), at + 1
        if plain == "non" and at + 1 < end:
            plain, at = plain + self.words[at + 1], at + 1
        mark = _MARKS.get(plain, plain)
        return ({"Z", "positive"} if mark == "Z+" else {mark}), at + 1

    def _related(self, at: int, end: int) -> tuple[set[str], int]:
        """Read `> 0`, `\\ne 1`, `= 0, \\pm 1, \\ldots` after a letter."""
        operator = _RELATIONS[self.words[at]]
        listed = operator == "=" and any(word in ("\\ldots", "\\dots", "\\cdots") for word in self.words[at:end])
        stop = at + 1
        while stop < end and (listed or not (self.words[stop] in (",", "and", "or", ";") or self._marks(stop, end))):
            stop += 1
        values = [word for word in self.words[at + 1 : stop] if word not in _BLANKS]
        if listed and "\\pm" in values:
            return {"Z"}, stop
        if listed and values[0] in ("0", "1"):
            return {"Z", "nonnegative" if values[0] == "0" else "positive"}, stop
        said = operator + "".join(values)
        return {_SIGN_MARKS.get(said, said)}, stop

    def _marks(self, at: int, end: int) -> bool:
        r"""Return whether a further statement about a letter begins after its bound: `k \ge 0 is an integer`."""
        for ahead in (("is", "are"), ("a", "an")):
            at += at + 1 < end and self.words[at] in ahead
        return _PLURALS.get(self.words[at], self.words[at]).replace("-", "") in _MARKS


def _unwrapped(match: re.Match[str]) -> str:
    """Take words that might belong to a qualifier out of their command."""
    return f" {match.group(1)} " if _TELLING.search(match.group(1)) else match.group()


def _step(token: str) -> int:
    """Return by how much a token deepens the nesting of brackets."""
    if token in _CLOSERS or token == "\\lfloor":
        return 1
    return -1 if token in (")", "]", "}", "\\}", "\\rfloor") else 0


def _without_blanks(text: str) -> str:
    """Cut blanks and commas at both ends."""
    text = text.strip(" ,;\n")
    while text.endswith(("\\quad", "\\qquad")):
        text = text[: text.rfind("\\")].rstrip(" ,;\n")
    return text
