"""Marks that chat templates and prompts put around an answer and that are not part of it."""

import re
from collections import deque

INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\u180e"
"""A byte order mark and other characters without width."""

BLANKS = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""Blanks that no programming language accepts as white space."""

TOKEN = (
    r"(?:<[|｜][\w▁./-]{1,40}[|｜]>"  # <|im_end|>, <|eot_id|>, <｜end▁of▁sentence｜>
    r"|</?s>|<(?:eos|bos|pad|unk|eot|EOT|end_of_turn|start_of_turn|end_of_utterance|turn\||\|turn)>"
    r"|\[/?INST\]|\[/?EOS\])"
)
"""A token of a chat template."""

_NAMES = "answer|final_answer|solution|final_solution|final|code|program|response|output"
_CAPITALS = "PYTHON|CODE|ANSWER|SOLUTION|CPP|C\\+\\+|JAVA|JAVASCRIPT|RUST|GO|BASH|SCRIPT"

OPENING = re.compile(
    rf"<(?P<tag>{_NAMES})(?:[ \t][^<>\n]{{0,100}})?>|\[(?P<capital>{_CAPITALS})\]|(?P<begin>\[BEGIN\])"
    r"|(?P<token><\|begin_of_solution\|>)",
    re.IGNORECASE,
)
"""What opens an answer: `<answer>`, `[PYTHON]`, `[BEGIN]`."""

CLOSING = re.compile(
    rf"</(?P<tag>{_NAMES})[ \t]{{0,3}}>|\[/(?P<capital>{_CAPITALS})\]|(?P<begin>\[(?:DONE|END)\])"
    r"|(?P<token><\|end_of_solution\|>)",
    re.IGNORECASE,
)
"""What closes an answer: `</answer>`, `[/PYTHON]`, `[DONE]`."""

# A line that begins with `[BEGIN]` or ends with `[DONE]`.
_BRACKETS = re.compile(rf"^[ \t]*\[(?:BEGIN|{_CAPITALS})\]|\[(?:DONE|END|/(?:{_CAPITALS}))\][ \t]*\r?$", re.MULTILINE)
TAIL = re.compile(
    rf"(?:[ \t]|{TOKEN}|</?(?:{_NAMES})[ \t]{{0,3}}>|</?think>|\[/(?:{_CAPITALS})\]|\[(?:DONE|END)\])*+$", re.IGNORECASE
)
"""The rest of a line that holds only marks."""


def may_hold_marks(text: str) -> bool:
    """Return whether looking for tags and tokens can succeed. The searches are slow on a long run of one character."""
    return ">" in text or "]" in text


# A template's token, with the role that follows it: "<|im_start|>assistant". `thoughts` deals with gpt-oss's channel
# tokens.
_WHITE = " \t\r\n"
_TOKEN = re.compile(rf"(?!<\|channel){TOKEN}(?:(?:assistant|model)\b)?")
# Tokens, white space and invisible characters at the beginning of a text.
_TOKENS_FIRST = re.compile(rf"(?:\s|[{INVISIBLE}]|{_TOKEN.pattern})*+")
# A token that ends a line, or that only tokens follow. One in quotes is part of the text.
_TURN_ENDS = re.compile(rf"(?<![\"']){TOKEN}[ \t]*+(?=$|{TOKEN})", re.MULTILINE)


def has_brackets(text: str) -> bool:
    """Return whether a line begins with `[BEGIN]` or ends with `[DONE]`, which Python would read as lists."""
    return _BRACKETS.search(text) is not None


def without_first_tokens(text: str) -> str:
    """Return `text` without tokens and invisible characters before its first word."""
    found = _TOKENS_FIRST.match(text)
    head = found.group() if found else ""
    last = deque(_TOKEN.finditer(head), maxlen=1)
    rest = text[last[0].end() :].lstrip("\r\n") if last else text
    if any(sign in INVISIBLE for sign in head):
        head = rest[: len(rest) - len(rest.lstrip(_WHITE + INVISIBLE))]
        return head.translate(dict.fromkeys(map(ord, INVISIBLE))) + rest[len(head) :]
    return rest


def turn_end(text: str, start: int = 0) -> re.Match[str] | None:
    """Return the first token from `start` on that ends a line: another turn follows it."""
    if not may_hold_marks(text):
        return None
    return _TURN_ENDS.search(text, start)


# A closing tag or a token alone on its line, or the end of the turn.
_ENDS = re.compile(
    rf"^[ \t]*(?:{CLOSING.pattern}|{TOKEN})[ \t]*\r?$|{_TURN_ENDS.pattern}", re.MULTILINE | re.IGNORECASE
)


def end_of_answer(text: str) -> int:
    """Return where the answer ends at the latest: at a closing tag on its own line, or a token at the end of one."""
    found = _ENDS.search(text) if may_hold_marks(text) else None
    return found.start() if found else len(text)


_LITERAL = re.compile(
    r"#[^\n]*"
    r"|'''(?:[^\\']|\\.|'(?!''))*+'''"
    r'|"""(?:[^\\"]|\\.|"(?!""))*+"""'
    r"|'(?:[^\\'\n]|\\.)*+'"
    r'|"(?:[^\\"\n]|\\.)*+"',
    re.DOTALL,
)
"""A comment or a string literal of Python."""
_FOREIGN = re.compile(f"[{BLANKS}{INVISIBLE}]")  # a character that looks like a blank, or like nothing
_PLAIN = str.maketrans({**dict.fromkeys(BLANKS, " "), **dict.fromkeys(INVISIBLE, "")})


def has_foreign_blanks(text: str) -> bool:
    """Return whether a text holds characters that look like a blank but are not, or that have no width."""
    return _FOREIGN.search(text) is not None


def with_plain_blanks(text: str) -> str:
    """Return a Python program with plain blanks everywhere except in string literals and comments."""
    kept, at = [], 0
    for literal in _LITERAL.finditer(text):
        kept += [text[at : literal.start()].translate(_PLAIN), literal.group()]
        at = literal.end()
    return "".join([*kept, text[at:].translate(_PLAIN)])


def with_plain_indents(text: str) -> str:
    """Return a program in any language with plain blanks in the indentation of each line."""
    return re.sub(f"^[ \t{BLANKS}]+", lambda found: found.group().translate(_PLAIN), text, flags=re.MULTILINE)
