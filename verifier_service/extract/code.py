"""Find the program in a completion.

1. Cut the model's thoughts (`thoughts`), and what follows the end of its turn.
2. Search the last `<answer>` (or `[PYTHON]` and the like), then the whole text.
3. In either, try the blocks of the language from the last to the first, including a block that the prompt opened; then
   those without a label; then a single one whose label says nothing; then a program without a fence.
4. Take the first of these that can be the answer (`choice`): for Python, one that compiles and defines what the tests
   need; for other languages, one that has a `main` where they need one. If none can be, take the first.

The program is returned unchanged, except for what would keep any program from running: quote marks and indentation of
the block, and blanks that no compiler accepts.
"""

import re
import textwrap
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from verifier_service.extract import bare, labels, marks
from verifier_service.extract.choice import Candidate, choose
from verifier_service.extract.fences import Block, Dialect, blocks, has_fence
from verifier_service.extract.python import Reader
from verifier_service.extract.thoughts import without_thoughts
from verifier_service.extract.wanted import NOTHING, Wanted
from verifier_service.languages import Language

# a program that begins on the line of its fence: ```python def f(x):
_CODE_ON_FENCE = re.compile(r"(?:def|class|import|from|async)[ \t]|@\w|#include")
MAX_TAGS = 50  # of more tags, the last are examined
MAX_CANDIDATES = 30  # bounds the parsing of hostile completions

# literals that can span lines in some language: `...`, """...""", R"(...)", r#"..."#
_LITERAL_OF_LINES = re.compile(r"`|\"\"\"|R\"|r#*\"")


def extract_code(completion: str, language: Language, wanted: Wanted | None = None) -> str | None:
    """Return the program in `completion`, or None if there is none.

    Args:
        completion: the raw text.
        language: the language to look for; in Python, candidates are also parsed.
        wanted: the names that the tests need.
    """
    search = _Search(language, wanted or NOTHING)
    program = search.find(completion)
    return program if program is not None and program.strip() else None


class _Search:
    """The search for the program of one completion."""

    def __init__(self, language: Language, wanted: Wanted) -> None:
        self._language = language
        self._wanted = wanted
        self._reader = Reader() if language.has_tester else None
        self._dialect = Dialect(self._is_program, self._is_opened)
        self._found: dict[str, list[Block]] = {}

    def find(self, completion: str) -> str | None:
        text = self._without_label(marks.without_first_tokens(completion))
        if self._is_answer(text):
            return text
        visible = self._turn(without_thoughts(text, partial(self._holds_answer, fenced=has_fence(text))))
        if visible != text and self._is_answer(visible):
            return visible
        candidates = self._candidates(visible)
        if not candidates:
            return None
        if self._reader is not None:
            return choose(candidates, self._wanted, self._reader)
        main = re.compile(self._language.main)
        return next((one.code for one in candidates if main.search(one.code)), candidates[0].code)

    def _blocks(self, text: str) -> list[Block]:
        if text not in self._found:
            self._found[text] = blocks(text, self._dialect)
        return self._found[text]

    # Is the text a program, and does it hold one?

    def _is_answer(self, text: str) -> bool:
        """Return whether the whole text is the program, so that anything in it that looks like a mark is part of it."""
        # `~~~python` is also a Python expression, and `[DONE]` a list
        if self._reader is None or "~~~" in text or marks.has_brackets(text):
            return False
        facts = self._reader.read(text)
        if facts is None or facts.is_inert or facts.is_glimpse:
            return False
        return not self._wanted.names or facts.may_define_more or bool(facts.defines & self._wanted.names)

    def _is_asked_for(self, code: str) -> bool:
        """Return whether a block defines what the tests need, whatever its label says."""
        facts = self._reader.read(code) if self._reader is not None else None
        return facts is not None and bool(facts.defines & self._wanted.names)

    def _holds_answer(self, text: str, *, fenced: bool) -> bool:
        """Return whether a program is in what follows a thought.

        If blocks came before (`fenced`), it must be a whole one.
        """
        if has_fence(text) or marks.OPENING.search(text):
            return True
        if fenced and self._reader is not None:
            return next(bare.programs(text, self._reader), None) is not None
        return any(map(bare.looks_like_code, text[: bare.MAX_CHARS].split("\n")))

    def _turn(self, text: str) -> str:
        """Cut what follows the end of the turn. Inside a block, a token is part of the program."""
        found = marks.turn_end(text)
        if found is None:
            return text
        for block in self._blocks(text):
            if found is None or found.start() < block.start:
                break
            if found.start() < block.end and (block.is_closed or self._reads(block.code)):
                found = marks.turn_end(text, block.end)
        said = text[: found.start()] if found else ""
        return said if self._holds_answer(said, fenced=False) else text

    def _places(self, text: str) -> list[str]:
        """Return the parts of a text that were marked as the answer, the last first, then the text itself."""
        if not marks.may_hold_marks(text):
            return [text]
        spans = [(one.start, one.end) for one in self._blocks(text)]

        def is_outside(found: re.Match[str]) -> bool:
            quoted = text[: found.start()][-1:] in ('"', "'", "`")
            return not quoted and not any(start <= found.start() < end for start, end in spans)

        openings = [one for one in deque(marks.OPENING.finditer(text), MAX_TAGS) if is_outside(one)]
        closings = [one for one in deque(marks.CLOSING.finditer(text), MAX_TAGS) if is_outside(one)]
        places = []
        for opening in reversed(openings):
            closing = next((one for one in closings if one.start() >= opening.end() and _match(opening, one)), None)
            if closing is not None or not text[text.rfind("\n", 0, opening.start()) + 1 : opening.start()].strip():
                places.append(text[opening.end() : closing.start() if closing else len(text)])
        if not openings:
            places += [text[: one.start()] for one in closings[-1:]]
        return [*(place for place in places[:3] if place.strip()), text]

    # Collect candidates

    def _candidates(self, text: str) -> list[Candidate]:
        found: dict[str, Candidate] = {}
        places = self._places(text)
        for number, place in enumerate(places):
            alone = not (found or has_fence(text))
            for one in list(self._in_place(place, number, is_whole=place is places[-1], alone=alone)):
                if one.code.strip() and len(found) < MAX_CANDIDATES:
                    found.setdefault(one.code, one)
        return list(found.values())

    def _in_place(self, text: str, number: int, *, is_whole: bool, alone: bool) -> Iterator[Candidate]:
        fenced = list(_with_nested(self._blocks(text)))
        own, others = self._sorted(fenced)
        for block in chain(own, others):
            yield self._candidate(self._variants(block), number, block.start)
        if not fenced:
            text = text if is_whole else text.strip("\n")
            if alone or (not is_whole and (self._is_answer(text) or bare.is_mostly_code(text))):
                yield self._candidate(self._bare_variants(text), number, 0)
        elif self._reader is not None:
            head = text[: fenced[0].start]
            for program in bare.programs(head, self._reader):
                yield self._candidate(iter([program]), number, 0)

    def _sorted(self, fenced: Sequence[Block]) -> tuple[list[Block], list[Block]]:
        """Return the blocks of the language and those that might be in it, each from the last to the first."""
        own, bare_ones, unknown = list[Block](), list[Block](), list[Block]()
        for block in reversed(fenced):
            if block.of_prompt or labels.is_of(block.label, self._language):
                own.append(block)
            elif block.is_one_line or (block.label and labels.is_unknown(block.label, self._language)):
                unknown.append(block)
            elif not block.label:
                bare_ones.append(block)
        if own or bare_ones:
            return own, bare_ones
        if len(unknown) == 1:
            return own, unknown
        return own, [block for block in reversed(fenced) if self._is_asked_for(block.code)]

    def _candidate(self, variants: Iterator[str], place: int, start: int) -> Candidate:
        """Return the first variant that is a program, or else the first."""
        first = next(variants)
        if self._reader is None:
            return Candidate(first, place, start)
        for code in chain([first], variants):
            facts = self._reader.read(code)
            if facts is not None:
                return Candidate(code, place, start, facts)
        return Candidate(first, place, start)

    def _variants(self, block: Block) -> Iterator[str]:
        """Return what a block can mean, the likeliest first."""
        code = block.code
        if block.is_one_line and labels.is_of(block.label, self._language):
            code = block.rest
        if not block.label:
            code = self._without_label(code)
        if _CODE_ON_FENCE.match(block.rest) and not block.is_one_line:
            yield f"{block.rest}\n{code}"
        yield from self._repaired(code if block.is_closed else _cut(code), code)
        if not block.is_closed and self._reader is not None:
            yield from bare.programs(code, self._reader)

    def _bare_variants(self, text: str) -> Iterator[str]:
        text = self._without_label(text)
        trimmed = list(bare.programs(text, self._reader))
        if self._reader is None:
            yield from trimmed
            yield from self._repaired(_cut(text), text)
        else:
            yield from self._repaired(_cut(text), text)
            yield from trimmed

    def _repaired(self, code: str, whole: str) -> Iterator[str]:
        """Return a text without what keeps any program from running.

        For Python, `whole` comes first if it is a program, then `code` unchanged.
        """
        if self._reader is None:
            plain = marks.has_foreign_blanks(code) and not _LITERAL_OF_LINES.search(code)
            yield (marks.with_plain_indents(code) if plain else code).lstrip(marks.INVISIBLE)
            return
        if whole != code and not marks.has_brackets(whole) and self._reader.read(whole) is not None:
            yield whole
        yield code
        if marks.has_foreign_blanks(code):
            code = marks.with_plain_blanks(code)
            yield code
        yield textwrap.dedent(code)

    # What the language decides

    def _is_program(self, label: str, code: str) -> bool:
        if self._reader is None or (label != "" and not labels.is_of(label, self._language)):
            return True
        facts = (self._reader.read(text) for text in self._repaired(code, code))
        return any(one is not None and not one.is_inert for one in facts)

    def _is_opened(self, head: str) -> bool:
        head = self._without_label(head)
        if self._reader is not None:
            for code in self._repaired(head, head):
                facts = self._reader.read(code)
                if facts is not None and not facts.is_glimpse:
                    return not facts.is_inert
            if next(bare.programs(head, self._reader), None) is not None:
                return False  # the head is a program followed by words, so the fence after it opens a block
        return bare.is_mostly_code(head)

    def _reads(self, code: str) -> bool:
        return self._reader is None or any(self._reader.read(text) is not None for text in self._repaired(code, code))

    def _without_label(self, text: str) -> str:
        """Cut a first line that is only the language's name, left over when the prompt ended with the fence."""
        first, newline, rest = text.partition("\n")
        return rest if newline and len(first) < 30 and labels.is_name(first.strip().lower(), self._language) else text


def _with_nested(fenced: Sequence[Block]) -> Iterator[Block]:
    """Return blocks together with those inside Markdown blocks."""
    for block in fenced:
        yield block
        if block.label in ("markdown", "md"):
            for inner in blocks(block.code):
                yield replace(inner, start=block.start + inner.start)


def _cut(code: str) -> str:
    """Cut the tags and tokens after a program, as in a block that was never closed."""
    end = marks.end_of_answer(code)
    return code[:end] if code[:end].strip() else code


def _match(opening: re.Match[str], closing: re.Match[str]) -> bool:
    """Return whether two tags belong together."""
    names = [found["tag"] or found["capital"] or "" for found in (opening, closing)]
    return opening.lastgroup == closing.lastgroup and names[0].lower() == names[1].lower()
