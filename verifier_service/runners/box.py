"""A box at the other end of a stream, whichever runner started it: jobs go in as frames, facts come out.

See `sandboxes/README.md` for the protocol and `runners.base` for the contract.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

from sandboxes.protocol.digest import digest
from sandboxes.protocol.facts import Fact
from sandboxes.protocol.frames import BrokenFrame, Reader, to_frame
from sandboxes.protocol.job import Job
from sandboxes.protocol.messages import Alive, Broken, Done, Hello, Message, Spent, Start, Stop
from verifier_service.errors import BoxDied, ReferenceUnusable, RunnerUnavailable
from verifier_service.languages import Language, how_to_build
from verifier_service.runners.base import Box

START_LIMIT_S = 60.0
RESET_LIMIT_S = 20.0
"""How long a box may take to stop a job and prove that nothing of it is left, on a busy machine."""
SILENCE_LIMIT_S = 30.0
"""How long a working box may be silent. However long its tests take, it sends a sign of life about once a second,
except while it resets itself."""
PAUSE_BYTES = 32 * 1024 * 1024
STDERR_TAIL_BYTES = 4000


class Stream(asyncio.Protocol):
    """Both directions of a box's stream."""

    def __init__(self) -> None:
        self.stderr = b""
        self._reader = Reader()
        self._messages: deque[tuple[Message, int]] = deque()  # each with its size in bytes
        self._held_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self.on_unasked: Callable[[], None] = lambda: None
        """Called when messages have arrived and no `receive` waits."""
        self._ended: str | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.take_stdout(data)

    def take_stdout(self, data: bytes) -> None:
        """Take bytes from the box's stdout."""
        try:
            for message, held_bytes in self._reader.feed(data):
                self._messages.append((message, held_bytes))
                self._held_bytes += held_bytes
        except BrokenFrame as error:
            self._end(f"it broke the protocol: {error}")
            return
        if self._held_bytes > PAUSE_BYTES and self._transport is not None:
            self._transport.pause_reading()
        if self._waiter is None:
            self.on_unasked()
        self._wake()

    def take_stderr(self, data: bytes) -> None:
        """Keep the tail of the box's stderr, which says why it broke."""
        self.stderr = (self.stderr + data)[-STDERR_TAIL_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._end(f"its stream broke: {exc}" if exc else "it ended")

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        if self._transport is not None:
            self._transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def send(self, message: Message) -> None:
        """Send one message; if the box is gone, the next `receive` will say so."""
        if self._transport is not None and self._ended is None:
            self._transport.write(to_frame(message))

    async def receive(self, limit_s: float) -> Message:
        """Return the next message.

        Raises:
            BoxDied: the stream has ended, is broken, or was silent for `limit_s` seconds.
        """
        if not self._messages:
            await self._wait(limit_s)
        message, held_bytes = self._messages.popleft()
        self._held_bytes -= held_bytes
        if self._held_bytes <= PAUSE_BYTES and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return message

    def next_unasked(self) -> Message | None:
        """Return the next message if one has arrived."""
        return self._messages.popleft()[0] if self._messages else None

    async def _wait(self, limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(limit_s, self._end, f"it was silent for {limit_s:.0f} s")
        try:
            while not self._messages:
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
        """Whether the stream is still open."""
        return self._ended is None

    def lose(self, why: str) -> None:
        """Close the stream for this reason."""
        self._end(why)

    def close(self) -> None:
        """Close the stream."""
        self._end("it was closed")


class StreamBox(Box):
    """A box behind a `Stream`. `destroy` ends it with everything in it."""

    silence_limit_s = SILENCE_LIMIT_S

    def __init__(self, language: Language, image: str, stream: Stream, destroy: Callable[[], Awaitable[None]]) -> None:
        self.language = language
        self.image = image
        self._stream = stream
        self._destroy = destroy
        self._number = 0
        self._proved = False
        self._spent = ""
        self._retired = ""
        self._closing: asyncio.Task[None] | None = None
        stream.on_unasked = self._take_unasked

    async def greet(self) -> None:
        """Wait until the box is warm.

        Raises:
            RunnerUnavailable: it did not start, or its image contains another version of the harness.
        """
        try:
            hello = await self._stream.receive(START_LIMIT_S)
        except BoxDied as error:
            raise RunnerUnavailable(
                f"the sandbox for {self.language.name} does not start: {error}; if its image was built from another "
                f"version of sandboxes/, rebuild it with {how_to_build(self.language.name)}"
            ) from error
        if isinstance(hello, Broken):
            raise RunnerUnavailable(f"the sandbox for {self.language.name} refuses to run: {hello.message}")
        if not isinstance(hello, Hello) or hello.digest != digest():
            raise RunnerUnavailable(
                f"the image for {self.language.name} was built from another version of the harness in sandboxes/: "
                f"rebuild it with {how_to_build(self.language.name)}"
            )
        self._proved = True

    def run(self, job: Job) -> AsyncGenerator[Fact, None]:
        """See `Box.run`."""
        return self._run(job, early=False)

    def answer(self, job: Job) -> AsyncGenerator[Fact, None]:
        """See `Box.answer`."""
        return self._run(job, early=True)

    async def _run(self, job: Job, early: bool) -> AsyncGenerator[Fact, None]:
        if not self.healthy:
            raise BoxDied("the box is not usable")
        self._proved = False
        self._number += 1
        self._stream.send(Start(number=self._number, job=job, early=early))
        self.waited_s = 0.0
        try:
            while not isinstance(message := await self._stream.receive(self.silence_limit_s), Done):
                if not isinstance(message, Alive):
                    yield self._fact(message)
            self._finish(message)
            if message.refused:
                raise ReferenceUnusable(f"the sandbox cannot run this: {message.refused}")
        finally:
            if not self._proved and self._stream.alive:
                self._stream.send(Stop(number=self._number))
                with contextlib.suppress(BoxDied):
                    await self._skip_to_the_end()

    def _fact(self, message: Message) -> Fact:
        """Return `message` if it is a fact.

        Raises:
            BoxDied: the box reports that it is broken, or sent an unexpected message.
        """
        if isinstance(message, Fact):
            return message
        self._stream.close()
        if isinstance(message, Spent):
            self._spent = message.why
            raise BoxDied(f"the previous job spent the box: {message.why}")
        raise BoxDied(f"the box is broken: {message.message if isinstance(message, Broken) else message}")

    def _finish(self, done: Done) -> None:
        """Note that the job is done: the box has proved its reset, or will start no other job before it has.

        Raises:
            BoxDied: the message is about another job.
        """
        if done.number != self._number:
            self._stream.close()
            raise BoxDied(f"the box ended job {done.number}, but job {self._number} is running")
        self._proved = True
        self._spent = done.spent
        self.waited_s = done.waited_s
        self._take_unasked()

    def _take_unasked(self) -> None:
        """Handle messages of an idle box; it sends one only if it has become unusable."""
        while self._proved and (message := self._stream.next_unasked()) is not None:
            with contextlib.suppress(BoxDied):
                self._fact(message)
            self._proved = False
            self._stream.close()
            self.on_unfit()

    async def _skip_to_the_end(self) -> None:
        """Read and drop the remaining facts of a stopped job."""
        while not isinstance(message := await self._stream.receive(RESET_LIMIT_S), Done):
            if not isinstance(message, Alive):
                self._fact(message)
        self._finish(message)

    @property
    def healthy(self) -> bool:
        """See `Box.healthy`."""
        return self._proved and self._stream.alive and not self._spent

    @property
    def spent(self) -> str:
        """See `Box.spent`."""
        return self._spent or self._retired

    def retire(self, why: str) -> None:
        """Let the box run no further job, for this reason; its current job goes on."""
        self._retired = why
        self.on_unfit()

    def lose(self, why: str) -> None:
        """Treat the box as lost because it cannot be reached. Its current job ends with `BoxDied`."""
        self._stream.lose(why)

    async def close(self) -> None:
        """See `Box.close`."""
        if self._closing is None:
            self._stream.close()
            self._closing = asyncio.ensure_future(self._destroy())
        await asyncio.shield(self._closing)
