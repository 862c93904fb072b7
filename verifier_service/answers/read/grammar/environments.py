"""Read environments with rows: matrices, systems, case distinctions."""

import re

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.read.grammar.signs import END
from verifier_service.answers.tree.bounds import MAX_ITEMS, NotMath
from verifier_service.answers.tree.nodes import (
    ONE,
    ZERO,
    Cases,
    Congruent,
    Function,
    List,
    Matrix,
    Node,
    Product,
    Relation,
    Symbol,
    Text,
    number,
)

_MATRICES = {"matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "array",
             "smallmatrix", "psmallmatrix", "bsmallmatrix"}  # fmt: skip
_ROWS = {"aligned", "align", "gathered", "split", "eqnarray", "gather", "equation", "alignedat", "multline", "tabular"}


class Environments(Scripts):
    """Reads from `\\begin{...}` to its end."""

    def environment(self, name: str) -> Node:
        if name in _MATRICES:
            rows = self._rows(name)
            if name == "array" and self._looks_like_cases(rows):
                return List(",", tuple(row[0] for row in rows))
            node = Matrix(tuple(rows))
            return Function("det", (node,)) if name == "vmatrix" else node
        if name in ("cases", "dcases", "rcases"):
            return self._cases(name)
        if name in _ROWS:
            rows = self._rows(name, joined=True)
            items = tuple(row[0] for row in rows)
            return items[0] if len(items) == 1 else List(",", items)
        raise NotMath(f"unknown environment {name}")

    @staticmethod
    def _looks_like_cases(rows: list[tuple[Node, ...]]) -> bool:
        return all(len(row) == 1 and isinstance(row[0], Relation) for row in rows)

    def _rows(self, name: str, joined: bool = False) -> list[tuple[Node, ...]]:
        bars, self.bars = self.bars, []
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            self.skip_blank()
            token = self.peek()
            if token is END:
                raise NotMath(f"the environment {name} is not closed")
            if token.kind == "end":
                self.at += 1
                break
            if token.kind == "cmd" and token.value in ("\\", "cr", "hline", "newline"):
                self.at += 1
                if row:
                    rows.append(tuple(row))
                row = []
                continue
            if (token.kind == "op" and token.value == "&") or (joined and token.value in (",", ";")):
                self.at += 1
                continue
            row.append(self.relation())
        if row:
            rows.append(tuple(row))
        if not rows or sum(map(len, rows)) > MAX_ITEMS or (not joined and len({len(r) for r in rows}) != 1):
            raise NotMath("a matrix whose rows differ in length")
        self.bars = bars
        return rows

    def _cases(self, name: str) -> Node:
        """Read a piecewise definition. Rows without conditions form a system."""
        bars, self.bars = self.bars, []
        rows: list[tuple[Node, Node | None]] = []
        while True:
            self.skip_blank()
            token = self.peek()
            if token.kind == "end":
                self.at += 1
                break
            if token.kind == "cmd" and token.value in ("\\", "cr"):
                self.at += 1
                continue
            value = self.relation()
            rows.append((value, self._row_condition()))
            while self.is_sign((",", ".", ";")):
                self.at += 1
        self.bars = bars
        if not rows or len(rows) > MAX_ITEMS:
            raise NotMath("a case distinction without cases")
        if all(condition is None for _, condition in rows):
            return rows[0][0] if len(rows) == 1 else List(",", tuple(value for value, _ in rows))
        return Cases(tuple(rows))

    def _row_condition(self) -> Node | None:
        """Read what follows the value of a case, or return None if nothing does."""
        separated, said = False, ""
        while self.is_sign((",", "&", "quad", "qquad", ";", ":", ".")) or self._condition_word():
            separated = True
            token = self.take()
            said += f" {token.value}" if token.kind in ("text", "word") else ""
        if not separated:
            return None
        said = " ".join(word for word in _words_of(said) if word not in words.CONDITION_WORDS or word in _ELSE)
        if self._at_row_end():
            return _spoken(said) if said else None
        condition = self._condition()
        if not said or (isinstance(condition, Symbol) and _spoken(said) == _OTHERWISE):
            return _OTHERWISE if said else condition
        return List("and", (_spoken(said), condition))

    def _at_row_end(self) -> bool:
        return self.is_sign(("\\", "cr")) or self.peek().kind == "end"

    def _condition_word(self) -> bool:
        token = self.peek()
        return token.kind in ("text", "word") and token.value.split()[0].strip(" ,.:").lower() in words.CONDITION_WORDS

    def _condition(self) -> Node:
        """Read conditions joined by commas and words. Words can also describe the letter before them."""
        done: Node | None = None
        last, joiner, next_joiner = self.relation(), "and", "and"
        while self.is_sign((",",)) or self.peek().kind in ("text", "word"):
            said = _words_of(self.take().value)
            next_joiner = "or" if "or" in said else next_joiner
            said = [word for word in said if word not in _JOINING]
            last = _told(last, " ".join(said)) if said else last
            if self._at_row_end():
                break
            if not (self.is_sign((",",)) or self.peek().kind in ("text", "word")):
                done = last if done is None else List(joiner, (done, last))
                last, joiner, next_joiner = self.relation(), next_joiner, "and"
        last = _settled(last)
        return last if done is None else List(joiner, (done, last))


_JOINING = frozenset([",", "and", "or"])
_ELSE = frozenset(["otherwise", "else"])
_REST = frozenset(
    ["otherwise", "else", "elsewhere", "other", "others", "all", "any", "cases", "case", "values", "value", "of", "the",
     "rest", "remaining", "not"]
)  # fmt: skip
"""Words that make up the condition of all other cases."""

_OTHERWISE = Text("otherwise")

_PARITIES = {"even": ZERO, "odd": ONE}
# matches `is even`, `odd`, `is an odd integer`, `are even`
_PARITY = re.compile(r"(?:(?:is|are|be) )?(?:an? )?(even|odd)(?: (?:integer|number|natural number))?")
# matches `n is even`, `n odd`, `even n`
_OF_LETTER = re.compile(r"(?:([a-z]) )?(.{2,60}?)(?: ([a-z]))?")


def _words_of(said: str) -> list[str]:
    return [word for word in said.lower().replace("~", " ").strip(" ,.;:").split() if word.strip(" ,.;:")]


def _spoken(said: str) -> Node:
    """Read a condition that is only in words."""
    if set(said.split()) <= _REST:
        return _OTHERWISE
    match = _OF_LETTER.fullmatch(said)
    if match is not None and (match[1] is None) != (match[3] is None) and _PARITY.fullmatch(match[2]):
        return _told(Symbol(match[1] or match[3]), match[2])
    return Text(said)


def _settled(condition: Node) -> Node:
    """Read `n even` and `even n` as a whole condition."""
    match condition:
        case Text(said):
            return _spoken(" ".join(_words_of(said)))
        case Product((Text(said), Symbol() as subject)):
            return _told(subject, said)
        case _:
            return condition


def _told(subject: Node, said: str) -> Node:
    """Read what words say about a letter: `n` with `is even`."""
    match = _PARITY.fullmatch(said.lower())
    if match is not None and isinstance(subject, Symbol):
        return Relation(("=",), (subject, Congruent(_PARITIES[match[1]], number(2))))
    return List("and", (subject, Text(said)))
