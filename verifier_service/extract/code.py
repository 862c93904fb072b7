"""Find the program in a completion: the last fenced block of the language, else the whole text.

In order:

1. what a model thought to itself (`<think> ... </think>`) is cut off; a thought that never ends leaves nothing,
2. the last fenced block (three or more backticks or tildes) whose label is a name of the language,
3. else the last fenced block without a label,
4. else, if there is no fence at all, the whole text.

A block whose fence is never closed (a completion that was cut) goes to the end of the text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_OPENING = re.compile(r"^[ \t>]*(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*$")
_THOUGHT_TAGS = ("think", "thinking", "reasoning", "thought")


@dataclass(frozen=True)
class _Block:
    label: str
    code: str


def without_thoughts(text: str) -> str:
    """Return `text` without what stands in `<think>` and similar tags; an unclosed one swallows the rest."""
    for tag in _THOUGHT_TAGS:
        opening, closing = f"<{tag}>", f"</{tag}>"
        if closing in text and (opening not in text or text.index(closing) < text.index(opening)):
            text = text[text.index(closing) + len(closing) :]  # chat templates often put the opening tag in the prompt
        while (start := text.find(opening)) >= 0:
            end = text.find(closing, start)
            text = text[:start] + (text[end + len(closing) :] if end >= 0 else "")
    return text


def _blocks(text: str) -> list[_Block]:
    blocks = []
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        opening = _OPENING.match(lines[at].rstrip("\r\n"))
        at += 1
        if opening is None:
            continue
        fence, label = opening[1], opening[2]
        indent = len(lines[at - 1]) - len(lines[at - 1].lstrip(" \t"))
        end = _closing_line(lines, at, fence)
        body = [_dedent(line, indent) for line in lines[at:end]]
        if end < len(lines) and (last := lines[end].rstrip()[: -len(fence)]).strip(" \t>"):
            body.append(_dedent(last, indent))
        blocks.append(_Block(label.strip("{}.").lower(), "".join(body)))
        at = end + 1
    return blocks


def _closing_line(lines: list[str], start: int, fence: str) -> int:
    """Return the line that closes the fence: one of the fence alone, else one that ends with it, else the end."""
    ends_with_fence = len(lines)
    for at in range(start, len(lines)):
        line = lines[at].strip(" \t\r\n>")
        if line.startswith(fence) and not line.strip(fence[0]):
            return min(at, ends_with_fence)
        if ends_with_fence == len(lines) and line.endswith(fence) and not _OPENING.match(lines[at].rstrip("\r\n")):
            ends_with_fence = at
    return ends_with_fence


def _dedent(line: str, indent: int) -> str:
    return line[indent:] if not line[:indent].strip(" \t") else line


def extract_code(completion: str, fences: Iterable[str]) -> str | None:
    """Return the program in `completion`, or None if there is none.

    `fences` are the labels of the language, in lower case, for instance `("python", "py")`.
    """
    text = without_thoughts(completion)
    names = set(fences)
    blocks = _blocks(text)
    chosen = [b for b in blocks if b.label in names] or [b for b in blocks if not b.label]
    code = chosen[-1].code if chosen else text if not blocks else ""
    return code if code.strip() else None
