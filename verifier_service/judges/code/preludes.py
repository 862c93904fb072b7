"""Preludes: what is placed before a program. Either the tests' own text, or a preset that contest sites provide.

Python runs the prelude in the program's namespace before the program, so `from __future__` works and line numbers stay
right. For other languages the two become one text, and line numbers in messages are converted back to the program's.
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
"""The order of the imports matters.

`typing` comes first, so that `Counter` ends up as that of `collections`. The builtins come after the other star
imports, so that `open` is the builtin. Modules come last, because `random` is also a function.
"""

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
"""Presets by name: each with its language and text."""

DESCRIPTIONS = {
    "contest": "Python: the star imports that contest scorers provide, and room for recursion",
    "leetcode": "Python: `contest`, and the classes ListNode and TreeNode",
}


@dataclass(frozen=True)
class Placed:
    """A program and its prelude as a box takes them.

    `prelude` is set only if the warm interpreter runs it; otherwise the prelude is part of `source`.
    """

    source: str
    prelude: str = ""
    lines_before: int = 0

    def own_lines(self, message: str, source_file: str) -> str:
        """Return `message` with line numbers converted to those of the program as sent.

        With 12 lines before it, `solution.js:14:3` becomes `solution.js:2:3`, and `solution.sh: line 14:` becomes
        `solution.sh: line 2:`.
        """
        if not self.lines_before:
            return message

        def set_back(found: re.Match[str]) -> str:
            line = int(found[2]) - self.lines_before
            return f"{found[1]}{line}" if line > 0 else found[0]

        # file.js:14, file.sh: line 14, File "file.py", line 14
        return re.sub(rf"({re.escape(source_file)}(?::|: line |\", line ))(\d{{1,9}})", set_back, message)


def resolve(prelude: str, language: Language) -> str:
    """Return the text of a prelude, which can be a preset's name.

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
