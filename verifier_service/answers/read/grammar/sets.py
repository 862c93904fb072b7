"""Read sets in braces: their members, or a head with a condition."""

from verifier_service.answers.read.grammar.cursor import listed
from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import Builder, Node, Set


class Sets(Scripts):
    """Reads what stands in the braces of a set."""

    def braced_set(self, _: str) -> Node:
        r"""Read `\{...\}`: members, or a head with a condition after a bar or a colon."""
        divider = self._divider()
        bars, self.bars = self.bars, []
        if self.accept("\\}") or (self.peek().kind == "cmd" and self.peek().value == "}" and self.take()):
            self.bars = bars
            return Set(())
        if divider is None:
            inner = self.sequence()
            self._close_set()
            self.bars = bars
            return Set(listed(inner))
        stop, self.stop = self.stop, divider
        head = self.sequence()
        if self.at != divider:
            raise NotMath("the head of a set is not understood")
        self.stop = stop
        self.at += 1
        condition = self.sequence(top=True)
        self._close_set()
        self.bars = bars
        return Builder(head, condition)

    def _close_set(self) -> None:
        token = self.take()
        if token.kind != "cmd" or token.value != "}":
            raise NotMath("a set is not closed")

    def _divider(self) -> int | None:
        """Find the bar or colon that ends the head of a set, if it has one."""
        depth, bars = 0, []
        for index in range(self.at, self.stop):
            token = self.tokens[index]
            if token.kind not in ("op", "cmd"):
                continue
            if token.value in ("(", "[", "{"):
                depth += 1
            elif token.kind == "cmd" and token.value == "}" and depth == 0:
                break
            elif token.value in (")", "]", "}"):
                depth -= 1
            elif depth == 0 and token.value in (":", "mid", "colon"):
                return index
            elif depth == 0 and token.value == "|":
                bars.append(index)
        return bars[0] if len(bars) % 2 else None
