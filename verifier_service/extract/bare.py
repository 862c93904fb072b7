"""Find a program that stands in a text without a fence, perhaps with sentences around it.

For Python the parser finds where the program begins and ends; other languages are recognized only by lines that look
like code. What is cut off must look like sentences, so a program with an error in it stays whole.
"""

import re
import textwrap
from collections.abc import Iterator
from itertools import takewhile

from verifier_service.extract.python import Reader

MAX_CHARS = 64 * 1024
"""No program is searched for in a longer text."""
MAX_LINE = 300
"""How much of a line is examined."""
MAX_STARTS = 6  # bounds the parsing of hostile texts
MAX_CUTS = 4  # likewise: each cut costs a parse

# The beginning of a line of code: preprocessor lines and comments, imports, modifiers, definitions, declarations,
# control flow, shell commands, decorators, assignments, calls, docstring quotes.
_CODE_START = re.compile(
    r"#include\b|#define\b|#!|#\[|//|/\*|\}|using\s+\w|import\s+[\w*\"{(]|from\s+[\w.]+\s+import\b|package\s+\w+;?$|"
    r"(?:public|private|protected|static|final|abstract|export|extern|typedef|template|struct|enum|impl|trait|mod)\b.*[;{(<>]|"
    r"(?:async\s+)?def\s+\w+\s*[(\[]|class\s+\w+.*[:{(]|class\s+\w+$|(?:pub\s+)?(?:fn|func)\s+[\w(]|func\s|use\s+[\w:]+.*;|"
    r"(?:let|const|var|val|auto|int|long|void|double|bool|string|char|unsigned)\s+.*[=;({]|function\b.*[({]|"
    r"(?:if|for|while|switch|elif|with|try|else|return|match)\b.*[:{();]|(?:if|while|until)\s+\[|for\s+\w+\s+in\b|"
    r"(?:read|echo|printf|set|local|declare|awk|sed|sort|tr|grep|cut|wc|seq|mapfile|fi|done|do|then|cat)\b(?:\s|$)|"
    r"@\w|[\w.\[\]$]+\s*(?:[-+*/|&%:<>^]|//|\*\*)?=(?!=)|[\w.:]+\(.*\)?|[\w.:]+!?\(|'''|\"\"\""
)
# The end of a line of code: `;`, `{` or `}`, or a shell keyword that closes a block.
_CODE_END = re.compile(r"[;{}]\s*$|^\s*(?:fi|done|esac)\s*$")
# The beginning of a sentence, perhaps in a list or a quotation: "- **The** ", "1. First,", "> so".
_SENTENCE = re.compile(r"[ \t>*#-]*(?:\d+[.)]\s+)?[*_`\"'(]*[^\W\d_][\w'’`-]*[,:.!?*]*(?:[ \t]|$)")
# Signs that are frequent in code and rare in prose.
_SIGN = re.compile(r"[=;{}()\[\]]")
_WORD = re.compile(r"[^\W\d_]{2,}")  # a word of prose: two letters or more


def looks_like_code(line: str) -> bool:
    """Return whether a line looks like code, in any language."""
    stripped = line.strip()
    return bool(stripped) and bool(_CODE_START.match(stripped[:MAX_LINE]) or _CODE_END.search(stripped[-MAX_LINE:]))


def looks_like_text(line: str) -> bool:
    """Return whether a line looks like prose: words, without the signs that code is full of."""
    stripped = line.strip()
    if not stripped or looks_like_code(stripped) or not _SENTENCE.match(stripped):
        return False
    return stripped.endswith((".", ":", "!", "?", ")", "**")) or len(_WORD.findall(stripped[:200])) >= 2


def is_mostly_code(text: str) -> bool:
    """Return whether a text is probably a program: it begins with code, and most lines could be code."""
    lines = [line for line in text[:MAX_CHARS].split("\n") if line.strip()]
    if not lines or not looks_like_code(lines[0]):
        return False
    return 2 * sum(map(looks_like_text, lines)) < len(lines)


def programs(text: str, reader: Reader | None) -> Iterator[str]:
    """Return possible programs in a text, the likeliest first. `reader` is given if it should be Python."""
    if len(text) <= MAX_CHARS:
        # split as Python counts lines: `splitlines` would also split at form feeds
        lines = [f"{line}\n" for line in text.split("\n")]
        if reader is None:
            yield from _trimmed(lines)
        else:
            yield from _python(lines, reader)
            yield from _indented(lines, reader)


def _python(lines: list[str], reader: Reader) -> Iterator[str]:
    starts = [at for at, line in enumerate(lines) if line[:1].strip() and looks_like_code(line)]
    for start in starts[:MAX_STARTS]:
        if all(map(_may_come_before, lines[:start])):
            yield from _python_from(lines[start:], reader)


def _indented(lines: list[str], reader: Reader) -> Iterator[str]:
    """Return the program of a block marked by indentation, the oldest form of Markdown."""
    start = next((at for at, line in enumerate(lines) if looks_like_code(line)), None)
    if start is None or lines[start][:1].strip() or not all(map(_may_come_before, lines[:start])):
        return
    indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
    inside = takewhile(lambda line: line.startswith(indent) or not line.strip(), lines[start:])
    program = textwrap.dedent("".join(inside))
    if reader.read(program) is not None:
        yield program


def _may_come_before(line: str) -> bool:
    """Return whether a line before the program can be dropped.

    A line that looks like code is kept. The exception is a sentence that merely begins like code (`for each n we
    count`): more than three words and none of code's signs.
    """
    return not looks_like_code(line) or (len(_WORD.findall(line)) > 3 and not _SIGN.search(line))


def _python_from(lines: list[str], reader: Reader) -> Iterator[str]:
    """Return the program at the beginning of some lines, if only sentences follow it."""
    end = len(lines)
    for _ in range(MAX_CUTS):
        program = "".join(lines[:end])
        after = next((line for line in lines[end:] if line.strip()), None)
        wrong = reader.error_line(program)
        if wrong is None:
            if (after is None or looks_like_text(after)) and reader.read(program) is not None:
                yield program
            return
        end = min(wrong, end) - 1
        if end <= 0:
            return


def _trimmed(lines: list[str]) -> Iterator[str]:
    """Return the lines from the first that looks like code to the last that could end a program."""
    first = next((at for at, line in enumerate(lines) if looks_like_code(line) and not looks_like_text(line)), None)
    last = next(
        (at for at in range(len(lines) - 1, -1, -1) if lines[at].strip() and not looks_like_text(lines[at])), -1
    )
    if first is not None and first <= last and all(looks_like_text(line) for line in lines[:first] if line.strip()):
        yield "".join(lines[first : last + 1])
