"""Keep what compilers produced for the next run of the same program.

The key covers everything a compiler sees: the language's command, environment and image, the source, and the files next
to it. A submission can therefore only ever get what its own source was compiled to.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from sandboxes.protocol.facts import CompileFacts
from sandboxes.protocol.job import Job

OVERHEAD_BYTES = 1024
"""What an entry costs besides its files."""


class CompileCache:
    """Keeps up to `max_bytes` and evicts the least recently used first. Use it from one event loop only."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, CompileFacts] = OrderedDict()

    def find(self, key: bytes) -> CompileFacts | None:
        """Return the facts of the compile, with what it produced, or None."""
        facts = self._kept.get(key)
        if facts is not None:
            self._kept.move_to_end(key)
        return facts

    def keep(self, key: bytes, facts: CompileFacts) -> None:
        """Keep the facts of a successful compile, if they include what it produced and fit."""
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
    """Return a digest that differs whenever a compile could differ."""
    tools = job.toolchain
    words = (image, tools.source_file, *tools.compile, *(f"{name}={value}" for name, value in tools.env))
    parts = (*(word.encode("utf-8", "surrogateescape") for word in words), job.source, *_named(job.side_files.items()))
    digest = hashlib.sha256()
    for part in parts:
        # Each part goes in with its length, so that moving bytes from one part to the next changes the digest.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _named(files: Iterable[tuple[str, bytes]]) -> Iterable[bytes]:
    for name, content in sorted(files):
        yield name.encode()
        yield content
