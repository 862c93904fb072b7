"""What compilers made, kept for the next run of the same program.

The key is all that a compiler sees: language, its command, environment and image, the source and the files beside it.
So a submission can only ever find what its own source was compiled to.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from sandboxes.protocol.facts import CompileFacts
from sandboxes.protocol.job import Job

OVERHEAD_BYTES = 1024
"""What an entry takes beside the files in it."""


class CompileCache:
    """Keeps up to `max_bytes`; what was not used for longest goes first. Everything happens in one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, CompileFacts] = OrderedDict()

    def find(self, key: bytes) -> CompileFacts | None:
        """Return what the compiler did and made, or None."""
        facts = self._kept.get(key)
        if facts is not None:
            self._kept.move_to_end(key)
        return facts

    def keep(self, key: bytes, facts: CompileFacts) -> None:
        """Keep the facts of a compile that succeeded, if they hold what was made and fit."""
        size = _size(facts)
        if facts.built is None or not facts.succeeded or size > self._max_bytes:
            return
        self._bytes += size - (_size(self._kept.pop(key)) if key in self._kept else 0)
        self._kept[key] = facts
        while self._bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(facts: CompileFacts) -> int:
    files = facts.built or {}
    return OVERHEAD_BYTES + len(facts.stdout) + len(facts.stderr) + sum(len(one.content) for one in files.values())


def cache_key(job: Job, image: str) -> bytes:
    """Return what tells one compile from another."""
    tools = job.toolchain
    words = (image, tools.source_file, *tools.compile, *(f"{name}={value}" for name, value in tools.env))
    parts = (*(word.encode("utf-8", "surrogateescape") for word in words), job.source, *_named(job.side_files.items()))
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _named(files: Iterable[tuple[str, bytes]]) -> Iterable[bytes]:
    for name, content in sorted(files):
        yield name.encode()
        yield content
