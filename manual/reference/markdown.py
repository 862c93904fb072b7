"""The Markdown of the generated pages: tables, JSON, sentences."""

import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a `|` inside a cell is escaped."""
    lines = [_row(head), "|" + "---|" * len(head), *(_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def prose(text: str) -> str:
    """Return a docstring, or other plain text, as paragraphs and lists of at most `WIDTH` columns."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(
        part if part.startswith(("- ", "```")) else textwrap.fill(" ".join(part.split()), WIDTH) for part in parts
    )


def json_block(value: object, model: str) -> str:
    """Return a fenced block of JSON, with the comment that makes a test read it as this wire type."""
    return f"<!-- test: type: {model} -->\n```json\n{json_text(value)}\n```\n"


def json_text(value: object, indent: int = 0, before: int = 0) -> str:
    """Return JSON with short objects and lists on one line; `before` is the length of the text before it."""
    one_line = json.dumps(value, ensure_ascii=False)
    if indent + before + len(one_line) < WIDTH - 20 or not isinstance(value, (dict, list)) or not value:
        return one_line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        inner = [
            f"{pad}{(key := json.dumps(name, ensure_ascii=False))}: {json_text(one, indent + 2, len(key) + 3)}"
            for name, one in value.items()
        ]
        return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + json_text(one, indent + 2) for one in value) + "\n" + " " * indent + "]"


def anchor(title: str) -> str:
    """Return the anchor of a heading, as GitHub and the site generate it."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())


def join(*parts: str) -> str:
    """Return a page: its parts with a blank line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"
