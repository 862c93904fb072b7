"""Environments with rows: matrices, systems, case distinctions."""

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.read.grammar.signs import END
from verifier_service.answers.tree.bounds import MAX_ITEMS, NotMath
from verifier_service.answers.tree.nodes import Cases, Function, List, Matrix, Node, Relation, Text

_MATRICES = {"matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "array",
             "smallmatrix", "psmallmatrix", "bsmallmatrix"}  # fmt: skip
_ROWS = {"aligned", "align", "gathered", "split", "eqnarray", "gather", "equation", "alignedat", "multline", "tabular"}


class Environments(Scripts):
    """Read from `\\begin{...}` to its end."""

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
        raise NotMath(f"the environment {name} is not known")

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
        """Read a piecewise definition; rows without a condition make a system."""
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
            separated = False
            while self.is_sign((",", "&", "quad", "qquad", ";", ":", ".")) or self._condition_word():
                separated = True
                self.at += 1
            condition: Node | None = None
            if separated and not (self.is_sign(("\\", "cr")) or self.peek().kind == "end"):
                condition = self._condition()
            elif separated and self.tokens[self.at - 1].kind in ("text", "word"):
                condition = Text("otherwise")
            rows.append((value, condition))
            while self.is_sign((",", ".", ";")):
                self.at += 1
        self.bars = bars
        if not rows or len(rows) > MAX_ITEMS:
            raise NotMath("a case distinction without cases")
        if all(condition is None for _, condition in rows):
            return rows[0][0] if len(rows) == 1 else List(",", tuple(value for value, _ in rows))
        return Cases(tuple(rows))

    def _condition_word(self) -> bool:
        token = self.peek()
        return token.kind in ("text", "word") and token.value.split()[0].strip(" ,.:").lower() in words.CONDITION_WORDS

    def _condition(self) -> Node:
        first = self.relation()
        while self.is_sign((",",)) or self.peek().kind in ("text", "word"):
            token = self.take()
            if self.is_sign(("\\", "cr")) or self.peek().kind == "end":
                break
            joiner = "or" if "or" in token.value.lower().split() else "and"
            first = List(joiner, (first, self.relation()))
        return first
