"""Find the fenced blocks of a Markdown text, read more loosely than CommonMark because models write loosely.

Beyond CommonMark, a fence can follow other words on its line (`Answer: ```python`). It can be closed at the end of the
last line of code, by a shorter fence, by one that words follow, or by the next fence with a label. It can share one
line with its code. The first block can have been opened by the prompt. Where the language can be parsed, `Dialect`
distinguishes a fence inside a string literal from one that ends the program.

The work is bounded by the number of fences: the last `MAX_FENCES` are examined, and `MAX_AHEAD` more for the end of a
block.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from verifier_service.extract.marks import INVISIBLE, TAIL, TOKEN

MAX_FENCES = 1000
MAX_AHEAD = 100
MAX_ENDS = 8
"""How many ends of one block are tried."""

_RUN = re.compile(r"`{3,}+|~{3,}+")  # a run of at least three backticks or tildes
_BEFORE = re.compile(rf"[ \t>{INVISIBLE}]*+$")  # what can stand before a fence in CommonMark: blanks and quote marks
_MARKUP = re.compile(
    rf"(?:[ \t>*_+|{INVISIBLE}-]|\d{{1,3}}[.)]|<[/\w]{{1,30}}>|{TOKEN})*+$"
)  # before a fence, beyond CommonMark: "- ```", "1. ```", "<answer>```"
# "    ", "- ", "12. ": a fence indented under a list item, whose code is indented as well.
_LIST = re.compile(r"[ \t]*+(?:[-*+]|\d{1,3}[.)])?[ \t]*+$")
# before a fence that is part of a comment with an example: "/// ```", "# ```"
_COMMENT = re.compile(r"[ \t]*(?:#|///?!?|--|\*)[ \t]*$")
# The quote marks of a quotation, nested or not: "> ", ">> ".
_QUOTES = re.compile(r"(?:[ \t]*>)+[ ]?")
# {.python}, python:double.py, c++ 17: (label, what follows it)
_LABEL = re.compile(r"[ \t]*\{?[ \t]*\.?([^\s:,;={}()\[\]<>|\"'`]*)[ \t}]*(.*)")
_WORDS = re.compile(r"[ \t]+\S+[ \t]+\S|[.,;:!?)]")  # what follows a fence in running text: more than a label


@dataclass(frozen=True)
class Block:
    """One fenced block; `start` and `end` delimit it in the text, fences included.

    `label` is lower case, without attributes. `rest` is what follows it on the line of the fence. A block `of_prompt`
    was opened in the prompt. A block that is not closed ends at the next one, or with the text.
    """

    label: str
    code: str
    start: int
    end: int
    rest: str = ""
    is_closed: bool = True
    is_one_line: bool = False
    of_prompt: bool = False


@dataclass(frozen=True)
class Dialect:
    """What the program's language adds: which texts are programs in it.

    `is_program(label, code)` is asked about a block whose end is in doubt. `is_opened(code)` is asked about the text
    before the first fence: is it a program whose fence the prompt opened?
    """

    is_program: Callable[[str, str], bool]
    is_opened: Callable[[str], bool]


PLAIN = Dialect(is_program=lambda label, code: True, is_opened=lambda code: False)
"""For a language that is not parsed: every text could be a program."""


@dataclass(frozen=True)
class _Line:
    """A line with a fence, which begins at `at` and has `length` signs; `following` is where the next line begins.

    It `leads` if only blanks and quote marks stand before it, and `is_bare` if only marks follow it. `last_at` is where
    the last of its `fences` begins.
    """

    start: int
    at: int
    following: int
    sign: str
    length: int
    before: str
    after: str
    fences: int
    last_at: int
    leads: bool
    is_bare: bool

    def may_close(self, opening: "_Line") -> bool:
        """Whether a block can end here: at a fence alone, one after code, or one that opens the next block."""
        if self.sign != opening.sign:
            return False
        return self.fences == 1 and (self.leads or (self.is_bare and not _COMMENT.match(self.before)))

    @property
    def opens_next(self) -> bool:
        """Whether a fence inside a block has a label and so begins another block."""
        return self.leads and not self.is_bare and not _WORDS.match(self.after)

    @property
    def opens(self) -> bool:
        """Whether it opens a block when none is open."""
        if self.fences > 1:
            return False
        if self.leads:
            return True
        before = self.before.rstrip()
        if not self.is_bare:
            return not _WORDS.match(self.after)
        return before.endswith((":", "：")) or _MARKUP.match(before) is not None or len(before.split()) > 2


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    for run in list(_RUN.finditer(text))[-MAX_FENCES:]:
        if lines and run.start() < lines[-1].following:
            continue
        start = text.rfind("\n", 0, run.start()) + 1
        end = text.find("\n", run.end())
        end = len(text) if end < 0 else end
        inner = [one.start() for one in _RUN.finditer(text, run.start(), end)]
        before, after = text[start : run.start()], text[run.end() : end].rstrip("\r")
        line = _Line(
            start=start,
            at=run.start(),
            following=min(end + 1, len(text)),
            sign=run.group()[0],
            length=len(run.group()),
            before=before,
            after=after,
            fences=len(inner),
            last_at=inner[-1],
            leads=_BEFORE.match(before) is not None,
            is_bare=TAIL.match(after) is not None,
        )
        lines.append(line)
    return lines


def has_fence(text: str) -> bool:
    """Return whether a text has any fence."""
    return "```" in text or "~~~" in text


def blocks(text: str, dialect: Dialect = PLAIN) -> list[Block]:
    """Return the fenced blocks of a text in order."""
    if not has_fence(text):
        return []
    lines = _lines(text)
    found: list[Block] = []
    at = 0
    if lines and (lines[0].fences == 1 and not (lines[0].leads and lines[0].opens_next)):
        head = text[: lines[0].at]
        if dialect.is_opened(head):
            found.append(Block("", head, 0, lines[0].at + lines[0].length, of_prompt=True))
            at = 1
    while at < len(lines):
        line = lines[at]
        if line.fences > 1:
            found += _one_line(text, line)
        elif line.opens:
            block, at = _block(text, lines, at, dialect)
            found.append(block)
            continue
        at += 1
    return found


def _one_line(text: str, line: _Line) -> Iterator[Block]:
    """Return the block of a line that both opens and closes it: ```python print(1)```."""
    inner = text[line.at + line.length : line.last_at]
    if not has_fence(inner) and inner.strip():
        label, rest = _label(inner)
        end = line.last_at + line.length
        yield Block(label, inner, line.at, end, rest, is_one_line=True)


def _label(info: str) -> tuple[str, str]:
    """Return the label of an info string, and what follows it."""
    found = _LABEL.match(info)
    assert found is not None, "every part of it may be empty"
    return found[1].lower().strip("."), found[2]


def _block(text: str, lines: Sequence[_Line], at: int, dialect: Dialect) -> tuple[Block, int]:
    """Return the block opened by line `at`, and the line to continue from."""
    opening = lines[at]
    ends = _ends(opening, lines, at)
    label, rest = _label(opening.after)
    if len(ends) > 1:
        # A fence at the end of a line of code can be part of a comment, so such an end is tried last.
        for end in sorted(ends[:MAX_ENDS], key=lambda end: end is None or not lines[end].leads):
            if dialect.is_program(label, _body(text, opening, lines, end)):
                return _made(text, opening, label, rest, lines, end)
    return _made(text, opening, label, rest, lines, ends[0])


def _made(
    text: str, opening: _Line, label: str, rest: str, lines: Sequence[_Line], end: int | None
) -> tuple[Block, int]:
    code = _body(text, opening, lines, end)
    if end is None:
        return Block(label, code, opening.at, len(text), rest, is_closed=False), len(lines)
    closing = lines[end]
    if closing.opens_next:
        return Block(label, code, opening.at, closing.start, rest, is_closed=False), end
    return Block(label, code, opening.at, closing.at + closing.length, rest), end + 1


def _ends(opening: _Line, lines: Sequence[_Line], at: int) -> list[int | None]:
    """Return the lines at which the block can end, the likeliest first; None is the end of the text."""
    ahead = range(at + 1, min(at + 1 + MAX_AHEAD, len(lines)))
    closing = [i for i in ahead if lines[i].may_close(opening)]
    long = [i for i in closing if lines[i].length >= opening.length]
    if opening.sign == "`" and not long:
        long = closing
    return [*long, None]


def _body(text: str, opening: _Line, lines: Sequence[_Line], end: int | None) -> str:
    """Return what stands between two fences, without the quote marks and the indentation of the opening one."""
    if end is None:
        raw = text[opening.following :]
    else:
        closing = lines[end]
        raw = text[opening.following : closing.start if closing.leads else closing.at]
    quotes = opening.before.count(">") if opening.leads else 0
    if quotes:
        raw = _unquoted(raw, quotes)
    column = len(_QUOTES.sub("", opening.before.lstrip(INVISIBLE)))
    return _dedent(raw, column) if column and _LIST.match(_QUOTES.sub("", opening.before)) else raw


def _unquoted(text: str, quotes: int) -> str:
    """Strip the quote marks before each line, and the blank after them if all lines have it."""
    mark = re.compile(rf"(?:[ \t]*>){{1,{quotes}}}")
    lines = text.splitlines(keepends=True)
    ends = [found.end() if (found := mark.match(line)) else 0 for line in lines]
    spaced = all(
        line[end : end + 1] == " " or not line[end:].strip() for line, end in zip(lines, ends, strict=True) if end
    )
    return "".join(
        line[end:].removeprefix(" ") if end and spaced else line[end:] for line, end in zip(lines, ends, strict=True)
    )


def _dedent(text: str, column: int) -> str:
    """Strip as many blanks before each line as all lines have, at most `column`."""
    lines = text.splitlines(keepends=True)
    indents = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
    common = min([column, *indents])
    return "".join(line[common:] if line.strip() else line.lstrip(" \t") for line in lines) if common else text
