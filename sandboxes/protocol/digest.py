"""The digest of the harness. It lets a service refuse a box that was built from another version."""

import hashlib
from functools import cache
from pathlib import Path

from sandboxes.protocol.constants import HARNESS_PARTS


@cache
def digest() -> str:
    """Return the digest of all source files that are copied into a box, as of this process's first call."""
    top = Path(__file__).resolve().parent.parent
    files = [top / part for part in HARNESS_PARTS if part.endswith(".py")]
    files += [file for part in HARNESS_PARTS for file in (top / part).rglob("*.py")]
    contents = (f"{file.relative_to(top)}\0".encode() + file.read_bytes() for file in sorted(files))
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:16]
