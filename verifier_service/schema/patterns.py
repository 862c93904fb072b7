"""The regular expressions of fields, each with words for people: messages and the manual say these.

A pattern without words would be shown as it is, so each new one gets a line in `PATTERN_WORDS`.
"""

from collections.abc import Mapping

ENTRY_POINT = r"^[^\W\d]\w*((\(\))?\.[^\W\d]\w*)?$"  # two_sum, Solution.twoSum, Solution().twoSum
MODULE_NAME = r"^[^\W\d]\w*$"
TEST_FILE_NAME = r"^[A-Za-z0-9_\-]+(/[A-Za-z0-9_\-]+){0,5}\.[a-z]{1,8}$"  # test_a.py, data/rows.json
FILE_PATH = r"^\.{0,2}[^./\x00][^/\x00]*(/\.{0,2}[^./\x00][^/\x00]*){0,7}$"  # d/.x, a..b; not /etc, ../x, a//b
SHA256 = r"^[0-9a-f]{64}$"
ARGUMENT = r"^[^\x00]*$"
LABEL = r"^[ -~]*$"
CALLBACK_URL = r"^https?://[!-~]+$"
IDEMPOTENCY_KEY = r"^[!-~]+$"
CURSOR = r"^s[0-9]{1,18}$"  # its meaning is internal: clients must not depend on it
KEY_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

PATTERN_WORDS: Mapping[str, str] = {
    ENTRY_POINT: "a name, or `Class.method`",
    MODULE_NAME: "a Python name",
    TEST_FILE_NAME: "a relative path of letters, digits, `_` and `-`, with a suffix",
    FILE_PATH: "a relative path without `..` and empty parts",
    SHA256: "64 hexadecimal digits",
    ARGUMENT: "without NUL characters",
    LABEL: "printable ASCII",
    CALLBACK_URL: "an `http` or `https` address",
    IDEMPOTENCY_KEY: "ASCII without spaces",
    CURSOR: "a `next_cursor` as returned",
    KEY_NAME: "at most 64 letters, digits, `_`, `.` and `-`, the first a letter or digit",
    RUN_NAME: "letters, digits, `.`, `_` and `-`, the first a letter or digit",
}
"""What each allows, to be read after "it must be"."""
