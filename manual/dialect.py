"""Differences between GitHub and Python-Markdown: anchors and tables follow GitHub, all others are warnings."""

import logging
import re
from xml.etree.ElementTree import Element, SubElement

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

log = logging.getLogger("mkdocs.manual.dialect")

FENCE = re.compile(r"\s*(`{3,}|~{3,})")
ITEM = re.compile(r"(\s*)(?:[-*+]|\d+[.)])\s+\S")
BARE_PIPE = re.compile(r"(?<!\\)\|")
TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$")


class GitHubTables(Extension):
    """Shows `\\|` in a table's code as GitHub does, without the backslash, and lets long names break after each `_`."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register with a Markdown parser."""
        md.treeprocessors.register(_Cells(md), "github_tables", 10)  # after code elements are created (20)


class _Cells(Treeprocessor):
    def run(self, root: Element) -> None:
        """Change the code in the tables of one page."""
        for table in root.iter("table"):
            for code in list(table.iter("code")):
                first, *others = re.split(r"(?<=_)", (code.text or "").replace("\\|", "|"))
                code.text = AtomicString(first)
                for part in others:
                    SubElement(code, "wbr").tail = AtomicString(part)


def slug(heading: str, separator: str) -> str:
    """Return a heading's anchor as GitHub makes it: `Rows, and columns` is `rows-and-columns`."""
    return re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", separator)


def check(markdown: str, page: str) -> None:
    """Warn about lists and tables that GitHub shows and Python-Markdown does not."""
    fence, before, in_list = "", "", False
    for number, line in enumerate(markdown.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            item = ITEM.match(line)
            if item and not in_list and before:
                _warn(page, number, "a list needs an empty line before it")
            if item and len(item[1]) % 4:
                _warn(page, number, "a list inside a list is indented by four spaces")
            if TABLE_RULE.match(line) and _in_paragraph(markdown, number):
                _warn(page, number, "a table needs an empty line before it")
            if line.startswith("|") and any(BARE_PIPE.search(code) for code in line.split("`")[1::2]):
                _warn(page, number, "a | in the code of a table is written \\|", "GitHub begins a new cell")
            in_list = bool(item) or (in_list and not (line.strip() and not before and not line.startswith(" ")))
        before = line.strip()


def _in_paragraph(markdown: str, rule_number: int) -> bool:
    """Return whether the header of a table, whose rule is on this line, directly follows text."""
    lines = markdown.splitlines()
    return rule_number >= 3 and bool(lines[rule_number - 3].strip())


def _warn(page: str, number: int, rule: str, otherwise: str = "the manual shows it as text") -> None:
    log.warning("%s, line %d: %s, or %s", page, number, rule, otherwise)
