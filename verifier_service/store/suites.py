"""Kept suites: tests stored under the SHA-256 of the body they were sent in, so that requests can refer to them.

Each is one file in `suites/` in the state folder; a bounded number is also kept parsed in memory. Above the limits of
the settings, the least recently used suite is deleted. A request for a deleted suite gets an error that says to send it
again.
"""

import asyncio
import hashlib
import os
import secrets
from collections import OrderedDict
from pathlib import Path

from verifier_service.batch import read_tests
from verifier_service.errors import BadItem, BadRequest, DigestMismatch, NotJson, Overloaded
from verifier_service.schema import KeptSuite, ProblemField, Tests
from verifier_service.settings import Settings

MAX_READ = 256
"""Suites kept parsed in memory."""


class SuiteStore:
    """The kept suites of one service."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.state_dir / "suites"
        self._max_count = settings.max_suites
        self._max_bytes = settings.max_suites_mb * 1024 * 1024
        self._read: OrderedDict[str, Tests] = OrderedDict()
        self._lock = asyncio.Lock()
        self._room: tuple[int, int] | None = None
        """How many more suites and bytes fit before the folder has to be counted again."""

    async def put(self, digest: str, body: bytes) -> KeptSuite:
        """Keep a suite.

        Raises:
            DigestMismatch: the body has another digest.
            BadRequest: the body does not contain tests.
            NotJson: the body is not JSON.
            Overloaded: the state folder cannot be written.
        """
        actual = hashlib.sha256(body).hexdigest()
        if actual != digest:
            raise DigestMismatch(
                [
                    ProblemField(
                        field="sha256",
                        value=digest[:80],
                        allowed=f"it must be the SHA-256 of the body as sent, {actual}",
                    )
                ]
            )
        if len(body) > self._max_bytes:
            raise BadRequest(
                [
                    ProblemField(
                        field="",
                        value=f"{len(body)} bytes",
                        allowed=f"at most {self._max_bytes} can be kept (VERIFIER_MAX_SUITES_MB)",
                    )
                ]
            )
        tests = await asyncio.to_thread(read_tests, body)
        async with self._lock:
            try:
                await asyncio.to_thread(self._write, digest, body)
            except OSError as error:
                raise Overloaded(f"the suite cannot be stored in VERIFIER_STATE_DIR: {error}", 60.0) from error
        self._remember(digest, tests)
        return KeptSuite(sha256=digest, bytes=len(body))

    async def find(self, digest: str) -> KeptSuite | None:
        """Return the metadata of a kept suite, or None if it is not kept."""
        try:
            found = await asyncio.to_thread(self._path(digest).stat)
        except (OSError, ValueError):
            return None
        return KeptSuite(sha256=digest, bytes=found.st_size)

    async def get(self, digest: str) -> Tests:
        """Return the tests kept under a digest.

        Raises:
            BadItem: they are not kept; the message says what to send.
        """
        tests = self._read.get(digest)
        if tests is None:
            tests = await asyncio.to_thread(self._load, digest)
        if tests is None:
            raise BadItem("tests.sha256", digest, missing(digest))
        self._remember(digest, tests)
        return tests

    def _remember(self, digest: str, tests: Tests) -> None:
        self._read[digest] = tests
        self._read.move_to_end(digest)
        if len(self._read) > MAX_READ:
            self._read.popitem(last=False)

    # Files; blocking.

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"

    def _load(self, digest: str) -> Tests | None:
        path = self._path(digest)
        try:
            body = path.read_bytes()
            os.utime(path)  # marks it as recently used
        except OSError:
            return None
        if hashlib.sha256(body).hexdigest() != digest:  # a crash can leave an incomplete file
            return None
        try:
            return read_tests(body)
        except (BadRequest, NotJson):  # another version, which read tests differently, kept it
            return None

    def _write(self, digest: str, body: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{digest[:16]}-{secrets.token_hex(4)}"
        try:
            temporary.write_bytes(body)
            temporary.replace(self._path(digest))
        finally:
            temporary.unlink(missing_ok=True)
        count, size = self._room or (0, 0)
        self._room = count - 1, size - len(body)
        if min(self._room) < 0:
            self._make_room()

    def _make_room(self) -> None:
        kept = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        size = gone = 0
        for number, path in enumerate(kept, start=1):
            found = path.stat().st_size
            size += found
            if number > self._max_count or (size > self._max_bytes and number > 1):
                path.unlink(missing_ok=True)
                self._read.pop(path.stem, None)
                size -= found
                gone += 1
        self._room = self._max_count - (len(kept) - gone), self._max_bytes - size


def missing(digest: str) -> str:
    """Return what to do about a suite that is not kept."""
    return (
        f"it is not kept here (any more): send its tests with `PUT /v1/suites/{digest[:64]}`, then repeat the request"
    )
