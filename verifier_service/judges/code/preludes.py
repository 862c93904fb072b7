"""What is placed before a program: text of the tests' own, or a preset that contest sites take for granted.

Python runs it in the program's namespace before the program, so `from __future__` and line numbers stay right. For
other languages the two are one text, and line numbers in messages are set back to those of the program.
"""

import re
from dataclasses import dataclass

from verifier_service.errors import BadItem
from verifier_service.languages import Language

CONTEST = """\
from typing import *
from bisect import *
from collections import *
from copy import *
from datetime import *
from fractions import *
from functools import *
from heapq import *
from io import *
from itertools import *
from json import *
from math import *
from operator import *
from random import *
from re import *
from statistics import *
from string import *
from sys import *
from time import *
from builtins import *
import array, bisect, collections, copy, datetime, decimal, fractions, functools, heapq, io, itertools, json, math
import operator, os, queue, random, re, statistics, string, sys, time
sys.setrecursionlimit(50_000)
"""
"""`typing` comes first, for `Counter` is that of `collections`. Builtins come after the others, so that `open` is what
it always is. Modules come last: `random` is one."""

LEETCODE = (
    CONTEST
    + """

class ListNode:
    def __init__(self, val=0, next=None):
        self.val = val
        self.next = next


class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val = val
        self.left = left
        self.right = right
"""
)

PRESETS = {"contest": ("python", CONTEST), "leetcode": ("python", LEETCODE)}
"""Presets by name, each with its language."""

DESCRIPTIONS = {
    "contest": "Python: the star imports that contest scorers provide, and room for recursion",
    "leetcode": "Python: `contest`, and the classes ListNode and TreeNode",
}


@dataclass(frozen=True)
class Placed:
    """A program with its prelude as a box takes them: `prelude` is for the warm interpreter, else it is in `source`."""

    source: str
    prelude: str = ""
    lines_before: int = 0

    def own_lines(self, message: str, source_file: str) -> str:
        """Return `message` with the line numbers of the program as it was sent.

        With 12 lines before, `solution.js:14:3` becomes `solution.js:2:3`, and `solution.sh: line 14:` likewise.
        """
        if not self.lines_before:
            return message

        def set_back(found: re.Match[str]) -> str:
            line = int(found[2]) - self.lines_before
            return f"{found[1]}{line}" if line > 0 else found[0]

        return re.sub(rf"({re.escape(source_file)}(?::|: line |\", line ))(\d{{1,9}})", set_back, message)


def resolve(prelude: str, language: Language) -> str:
    """Return the text of a prelude that may be the name of a preset.

    Raises:
        BadItem: the preset is for another language.
    """
    if prelude not in PRESETS:
        return prelude
    wanted, text = PRESETS[prelude]
    if language.name != wanted:
        raise BadItem("tests.prelude", prelude, f"this preset is for {wanted}, and the language is {language.name}")
    return text


def place(prelude: str, program: str, language: Language) -> Placed:
    """Put a prelude before a program."""
    if not prelude:
        return Placed(program)
    if not language.run:
        return Placed(program, prelude)
    head = prelude if prelude.endswith("\n") else f"{prelude}\n"
    if language.line_directive:
        return Placed(f"{head}{language.line_directive}\n{program}")
    return Placed(head + program, lines_before=head.count("\n"))
