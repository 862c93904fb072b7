"""Find answers between marks: `<answer>...</answer>`, and what follows `####`."""

import re
from collections import deque

from verifier_service.extract.math import boxed, phrase
from verifier_service.extract.math.found import Found

_TAG = re.compile(r"<\s{0,3}(answer|final_answer|finalanswer|ans|final)\s{0,3}>", re.IGNORECASE)  # `<answer>`
_CLOSING = re.compile(r"<\s{0,3}/\s{0,3}(answer|final_answer|finalanswer|ans|final)\s{0,3}>", re.IGNORECASE)
_HASHES = re.compile(r"(?<!#)#{4,}[ \t]{0,10}([^\n#]{1,2000})")  # `#### 72`, not `### Step 2`


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the last match without storing the others."""
    last = deque(pattern.finditer(text), maxlen=1)
    return last[0] if last else None


def tag(text: str) -> Found | None:
    """Return the content of the last tag, or the answer inside it if it holds a sentence. The tag can be unclosed."""
    last = _last(_TAG, text)
    if last is None:
        return None
    name = last.group(1).lower()
    closings = _CLOSING.finditer(text, last.end())
    closing = next((one for one in closings if one.group(1).lower() == name), None)
    content = text[last.end() : closing.start() if closing else len(text)].strip()
    end = closing.end() if closing else len(text)
    for find in (boxed.find, hashes, phrase.find):
        found = find(content)
        if found is not None:
            return Found(found.text, end)
    return Found(content, end)


def hashes(text: str) -> Found | None:
    """Return what follows the last `####` on its line."""
    last = _last(_HASHES, text)
    return Found(last.group(1).strip(), last.end()) if last else None
