"""A box at the other end of a stream, whatever started it: jobs go in as frames, facts come out.

See `sandboxes/README.md` for the protocol and `runners.base` for the contract.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

from sandboxes.harness import frames
from verifier_service.errors import BoxDied, RunnerUnavailable
from verifier_service.languages import Language
from verifier_service.runners.base import (
    Box,
    CompileFacts,
    End,
    Fact,
    Job,
    TesterFacts,
    TesterTest,
    TestFacts,
    TestOutcome,
)

START_LIMIT_S = 60.0
RESET_LIMIT_S = 20.0
"""How long a box may take to end a job and to prove that nothing of it is left, on a busy machine."""
PAUSE_BYTES = 32 * 1024 * 1024
DOCKER_HEAD_BYTES = 8
STDERR_TAIL_BYTES = 4000

Frame = tuple[int, dict[str, Any], bytes]


class Stream(asyncio.Protocol):
    """Both directions of a box's stream. `multiplexed` streams are cut into stdout and stderr as Docker does it."""

    def __init__(self, multiplexed: bool) -> None:
        self.stderr = b""
        self._multiplexed = multiplexed
        self._raw = bytearray()
        self._reader = frames.Reader()
        self._frames: deque[Frame] = deque()
        self._held_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended: str | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        try:
            for frame in self._reader.feed(self._stdout_of(data) if self._multiplexed else data):
                self._frames.append(frame)
                self._held_bytes += len(frame[2])
        except frames.BrokenFrame as error:
            self._end(f"it broke the protocol: {error}")
            return
        if self._held_bytes > PAUSE_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._end(f"its stream broke: {exc}" if exc else "it ended")

    def _stdout_of(self, data: bytes) -> bytes:
        """Return what belongs to stdout; keep the tail of stderr."""
        self._raw += data
        stdout, position = [], 0
        while len(self._raw) - position >= DOCKER_HEAD_BYTES:
            size = int.from_bytes(self._raw[position + 4 : position + 8], "big")
            end = position + DOCKER_HEAD_BYTES + size
            if len(self._raw) < end:
                break
            part = bytes(self._raw[position + DOCKER_HEAD_BYTES : end])
            if self._raw[position] == 1:
                stdout.append(part)
            else:
                self.stderr = (self.stderr + part)[-STDERR_TAIL_BYTES:]
            position = end
        del self._raw[:position]
        return b"".join(stdout)

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        if self._transport is not None:
            self._transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def send(self, frame: bytes) -> None:
        """Send one frame; if the box is gone, the next `receive` will say so."""
        if self._transport is not None and self._ended is None:
            self._transport.write(frame)

    async def receive(self, limit_s: float) -> Frame:
        """Return the next frame.

        Raises:
            BoxDied: the stream has ended, is broken, or was silent for `limit_s` seconds.
        """
        if not self._frames:
            await self._wait(limit_s)
        frame = self._frames.popleft()
        self._held_bytes -= len(frame[2])
        if self._held_bytes <= PAUSE_BYTES and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return frame

    async def _wait(self, limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(limit_s, self._end, f"it was silent for {limit_s:.0f} s")
        try:
            while not self._frames:
                if self._ended is not None:
                    detail = self.stderr.decode("utf-8", "replace").strip()
                    raise BoxDied(f"the box is gone: {self._ended}" + (f" ({detail[-500:]})" if detail else ""))
                self._waiter = loop.create_future()
                await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    @property
    def alive(self) -> bool:
        """Whether the box can still be talked to."""
        return self._ended is None

    def close(self) -> None:
        """Hang up."""
        self._end("it was closed")


class StreamBox(Box):
    """A box behind a `Stream`. `destroy` ends it and all that is in it."""

    def __init__(self, language: Language, stream: Stream, destroy: Callable[[], Awaitable[None]]) -> None:
        self.language = language
        self.about: dict[str, Any] = {}
        self._stream = stream
        self._destroy = destroy
        self._number = 0
        self._proved = False
        self._closing: asyncio.Task[None] | None = None

    async def greet(self) -> None:
        """Wait until the box is warm.

        Raises:
            RunnerUnavailable: it did not start, or its image holds another version of the harness.
        """
        try:
            kind, self.about, _ = await self._stream.receive(START_LIMIT_S)
        except BoxDied as error:
            raise RunnerUnavailable(f"the sandbox for {self.language.name} does not start: {error}") from error
        if kind == frames.BROKEN:
            raise RunnerUnavailable(f"the sandbox for {self.language.name} refuses to run: {self.about.get('message')}")
        if self.about.get("digest") != frames.digest():
            raise RunnerUnavailable(
                f"the image for {self.language.name} was built from another version of sandboxes/harness: "
                f'run `make sandboxes LANGUAGES="{self.language.name}"`'
            )
        self._proved = True

    async def run(self, job: Job) -> AsyncGenerator[Fact, None]:
        """See `Box.run`."""
        if not self.healthy:
            raise BoxDied("the box is not usable")
        self._proved = False
        self._number += 1
        self._stream.send(_job_frame(job, self._number))
        silence_s = _silence_s(job)
        try:
            while True:
                kind, head, body = await self._stream.receive(silence_s)
                if kind == frames.FACT:
                    yield _fact(head, body)
                elif self._is_done(kind, head):
                    self._proved = True
                    return
        finally:
            if not self._proved and self._stream.alive:
                self._stream.send(frames.pack(frames.STOP, {"number": self._number}))
                with contextlib.suppress(BoxDied):
                    await self._until_done()

    def _is_done(self, kind: int, head: dict[str, Any]) -> bool:
        """Tell whether the frame says that nothing of this job is left.

        Raises:
            BoxDied: the box says that it is broken, or what it says makes no sense.
        """
        if kind == frames.DONE and head.get("number") == self._number:
            return True
        self._stream.close()
        raise BoxDied(f"the box is broken: {head.get('message', head)}")

    async def _until_done(self) -> None:
        """Skip the facts that nobody waits for any more."""
        while True:
            kind, head, _ = await self._stream.receive(RESET_LIMIT_S)
            if kind != frames.FACT and self._is_done(kind, head):
                self._proved = True
                return

    @property
    def healthy(self) -> bool:
        """See `Box.healthy`."""
        return self._proved and self._stream.alive

    async def close(self) -> None:
        """See `Box.close`."""
        if self._closing is None:
            self._stream.close()
            self._closing = asyncio.ensure_future(self._destroy())
        await asyncio.shield(self._closing)


def _silence_s(job: Job) -> float:
    """Return how long a box may say nothing: the longest test, or the compiler, or all the tests of a tester."""
    tests_s = job.limits.wall_limit_s
    return max(tests_s, 3 * job.limits.compile_time_limit_s + 5) + RESET_LIMIT_S


def _job_frame(job: Job, number: int) -> bytes:
    language, limits = job.language, job.limits
    head = {
        "number": number,
        "mode": job.mode,
        "source_file": language.source_file,
        "compile": language.compile,
        "run": language.run,
        "argv": job.argv,
        "env": dict(language.env),
        "entry_point": job.entry_point,
        "module": job.module,
        "files": job.files,
        "side_names": list(job.side_files),
        "limits": {
            "cpu_s": limits.time_limit_s,
            "wall_s": limits.wall_limit_s,
            "memory_mb": limits.memory_limit_mb + language.startup_memory_mb,
            "output_bytes": limits.output_limit_kb * 1024,
            "processes": max(limits.max_processes, language.min_processes),
            "compile_s": limits.compile_time_limit_s,
            "cap_address_space": language.memory == "address_space",
        },
    }
    source = job.source.encode("utf-8", "surrogatepass")
    return frames.pack(frames.JOB, head, (source, *job.side_files.values(), *job.inputs))


def _fact(head: dict[str, Any], body: bytes) -> Fact:
    """Read a fact from its frame.

    Raises:
        BoxDied: it is no fact.
    """
    try:
        blobs = frames.split(head, body)
        head = {key: value for key, value in head.items() if key != "sizes"}
        return _FACTS[head.pop("type")](head, blobs)
    except (KeyError, TypeError, ValueError) as error:
        raise BoxDied(f"the box broke the protocol: {error!r} in {head!r}") from error


def _test_fact(head: dict[str, Any], blobs: list[bytes]) -> TestFacts:
    stdout, value = blobs
    return TestFacts(**{**head, "end": End(head["end"])}, stdout=stdout, value=value)


def _compile_fact(head: dict[str, Any], _: list[bytes]) -> CompileFacts:
    return CompileFacts(**{**head, "end": End(head["end"])})


def _tester_fact(head: dict[str, Any], _: list[bytes]) -> TesterFacts:
    tests = tuple(TesterTest(**{**test, "outcome": TestOutcome(test["outcome"])}) for test in head["tests"])
    end = head.get("program_end")
    return TesterFacts(**{**head, "tests": tests, "program_end": End(end) if end else None})


_FACTS: dict[str, Callable[[dict[str, Any], list[bytes]], Fact]] = {
    "test": _test_fact,
    "compile": _compile_fact,
    "tester": _tester_fact,
}
