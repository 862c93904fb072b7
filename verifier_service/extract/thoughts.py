"""Cut a model's thoughts from what it answered. One rule for every kind of submission.

- A thought stands between `<think>` and `</think>` (or another tag of the table), outside fenced blocks. A tag in
  quotes, in inline code or after a comment sign is text.
- A thought that is never closed hides all that follows, unless an `<answer>` opens in it.
- A tag in the middle of a line opens a thought only if it is closed and an answer follows; otherwise it is only
  mentioned.
- A closing tag alone ends a thought that the prompt opened, if it is outside fenced blocks and an answer follows.
"""

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verifier_service.extract.fences import blocks
from verifier_service.extract.marks import INVISIBLE, TOKEN

MAX_TAGS = 1000
"""With more tags than this, only the last are examined."""

MAX_AHEAD = 100
"""How many tags after an opening one are examined for the one that closes it."""

MAX_BEFORE = 200
"""How much of a line is examined before and after a tag."""

MAX_TRIED = 4
"""For how many closing tags without an opening one it is checked whether an answer follows."""

_NAMES = "think|thinking|thought|thoughts|reasoning|scratchpad|reflection|seed:think"
_TAG = re.compile(
    rf"<[ \t]{{0,3}}(?P<slash>/?)[ \t]{{0,3}}(?P<name>{_NAMES})[ \t]{{0,3}}>"
    r"|\[(?P<slash2>/?)THINK\]"
    r"|◁(?P<slash3>/?)think▷"
    r"|<\|(?P<word>begin|end)_of_thought\|>"
    r"|<\|channel\|>(?P<channel>analysis|commentary|final)[^<>\n]{0,60}<\|message\|>",  # gpt-oss thinks in channels
    re.IGNORECASE,
)
# what stands before a tag that is only text: a quote, or a comment sign
_SPOKEN_OF = re.compile(r"[\"'`“‘«]$|(?:^|\s)(?:#|//)")
# What can stand before a tag that opens its line: blanks, quote marks, emphasis, tokens, other tags.
_LINE_START = re.compile(rf"(?:[ \t>*{INVISIBLE}]|{TOKEN}|</?\w{{1,30}}>)*+$")
# An answer that opens a line.
_ANSWER = re.compile(r"^[ \t]*<(answer|final_answer|solution)[ \t]{0,3}>", re.IGNORECASE | re.MULTILINE)

MAX_SCANS = 4
"""How often fenced blocks are searched again after a thought that ended inside one."""


@dataclass(frozen=True)
class _Tag:
    """A tag at `text[start:end]`. It is `of_line` if it begins its line (opening) or stands alone on it (closing)."""

    start: int
    end: int
    closes: bool
    of_line: bool


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    is_closed: bool = True


class _Fences:
    """The fenced blocks of a text whose thoughts are found one by one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._scans = 0
        self._spans = self._scan(0)

    def _scan(self, position: int) -> list[_Span]:
        found = blocks(self._text[position:]) if self._scans < MAX_SCANS else []
        self._scans += 1
        return [_Span(position + one.start, position + one.end, one.is_closed) for one in found]

    def around(self, position: int) -> _Span | None:
        """Return the block around a position."""
        at = bisect_right(self._spans, position, key=lambda span: span.start) - 1
        return self._spans[at] if at >= 0 and position < self._spans[at].end else None

    def was_left_open(self, block: _Span, position: int) -> bool:
        """Return whether a block should have ended at a position in it.

        It should if it has no end, or if all blocks are closed when the text is read from there.
        """
        if not block.is_closed:
            return True
        found = self._scan(position)
        return bool(found) and all(span.is_closed for span in found)

    def go_on_from(self, position: int) -> None:
        """Rescan where a thought ended: a fence opened inside the thought is no longer open."""
        if self.around(position) is not None:
            self._spans = self._scan(position)


def without_thoughts(text: str, holds_answer: Callable[[str], bool]) -> str:
    """Return `text` without its thoughts.

    Args:
        text: the completion.
        holds_answer: returns whether a text holds an answer of the kind looked for; called a bounded number of times.
    """
    tags = _tags(text)
    if not tags:
        return text
    asked = 0

    def answers(rest: str) -> bool:
        nonlocal asked
        asked += 1
        return asked <= 2 * MAX_TRIED and holds_answer(rest)

    thoughts, lone = _thoughts(text, tags, answers)
    for end in reversed(lone[-MAX_TRIED:]):
        answer = _rest(text, end, thoughts)
        if answers(answer):
            return answer
    return _rest(text, 0, thoughts)


def _rest(text: str, start: int, thoughts: Sequence[_Span]) -> str:
    kept = []
    for thought in thoughts:
        if thought.end > start:
            kept.append(text[start : thought.start])
            start = thought.end
    return "".join([*kept, text[start:]])


def _tags(text: str) -> list[_Tag]:
    tags = []
    if not any(sign in text for sign in ">]▷"):
        return tags
    for found in deque(_TAG.finditer(text), MAX_TAGS):
        line_start = max(text.rfind("\n", 0, found.start()) + 1, found.start() - MAX_BEFORE)
        before = text[line_start : found.start()]
        if _SPOKEN_OF.search(before):
            continue
        words = ((found["word"] or "").lower(), (found["channel"] or "").lower())
        closes = any((found["slash"], found["slash2"], found["slash3"], words[0] == "end", words[1] == "final"))
        alone = before.strip() == "" and text[found.end() : found.end() + MAX_BEFORE].partition("\n")[0].strip() == ""
        of_line = alone if closes else _LINE_START.match(before) is not None
        tags.append(_Tag(found.start(), found.end(), closes, of_line))
    return tags


def _thoughts(text: str, tags: Sequence[_Tag], answers: Callable[[str], bool]) -> tuple[list[_Span], list[int]]:
    """Return the thoughts that were opened, and where closing tags without an opening one end."""
    fences = _Fences(text)
    thoughts, lone = list[_Span](), list[int]()
    position = 0
    for at, tag in enumerate(tags):
        if tag.start < position:
            continue
        block = fences.around(tag.start)
        if tag.closes and (block is None or (tag.of_line and fences.was_left_open(block, tag.end))):
            lone.append(tag.end)
        if tag.closes or block is not None:
            continue
        closing = _closing(tags, at, fences)
        if not tag.of_line and (closing is None or not answers(text[closing.end :])):
            continue
        if closing is not None:
            position = closing.end
            fences.go_on_from(position)
        else:
            answer = _ANSWER.search(text, tag.end)
            position = answer.start() if answer else len(text)
        thoughts.append(_Span(tag.start, position))
    return thoughts, lone


def _closing(tags: Sequence[_Tag], opening: int, fences: _Fences) -> _Tag | None:
    """Return the tag that closes a thought: the first outside fenced blocks, or else the first."""
    closing = [tag for tag in tags[opening + 1 : opening + 1 + MAX_AHEAD] if tag.closes]
    return next((tag for tag in closing if fences.around(tag.start) is None), closing[0] if closing else None)
