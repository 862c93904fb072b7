"""Units: the words and the signs of money after a value."""

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.cursor import Cursor


class Units(Cursor):
    """Read the words after a value as its unit."""

    def unit(self) -> str | None:
        """Take the words after a value as its unit; None where no words follow."""
        token = self.peek()
        if (
            token.kind == "word"
            and token.value not in words.JOINERS
            and token.value.lower() not in words.CONDITION_WORDS
        ):
            parts = []
        elif token.kind == "text" and token.value.strip(" ,.").lower() not in words.JOINERS:
            if token.value.split()[0].strip(",.").lower() in words.CONDITION_WORDS - {"in"}:
                return None
            parts = []
        elif token.kind == "cmd" and token.value in ("dollar", "%", "euro", "pounds", "pound", "yen", "rupee"):
            self.at += 1
            return "%" if token.value == "%" else {"dollar": "dollar"}.get(token.value, token.value)
        else:
            return None
        while self.peek().kind in ("word", "text") and not (
            self.peek().value.strip(" ,.").lower() in words.JOINERS
            or (parts and self.peek().value.lower() in words.CONDITION_WORDS)
        ):
            parts.append(self.take().value)
            if self.is_sign(("^",)):
                self.at += 1
                parts.append("^" + self._plain_script())
            while self.is_sign(("/", "cdot", "*")) and self.peek(1).kind in ("word", "text", "sym"):
                parts.append("/" if self.take().value == "/" else "*")
                parts.append(self.take().value)
                if self.is_sign(("^",)):
                    self.at += 1
                    parts.append("^" + self._plain_script())
        return " ".join(parts)

    def _plain_script(self) -> str:
        """Take an exponent that belongs to a unit and return its text."""
        if self.accept("{"):
            parts = []
            while not self.is_sign(("}",)):
                parts.append(self.take().value)
            self.at += 1
            return "".join(parts)
        return self.take().value
