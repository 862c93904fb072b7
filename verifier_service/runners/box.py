"""A box at the other end of a stream, whatever started it: jobs go in as frames, facts come out.

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
"""How long a box may take to end a job and to prove that nothing of it is left, on a busy machine."""
SILENCE_LIMIT_S = 30.0
"""How long a box at work may say nothing, however long its tests are: it tells about once a second that it lives, but
not while it resets itself."""
PAUSE_BYTES = 32 * 1024 * 1024
STDERR_TAIL_BYTES = 4000


class Stream(asyncio.Protocol):
    """Both directions of a box's stream."""

    def __init__(self) -> None:
        self.stderr = b""
        self._reader = Reader()
        self._messages: deque[tuple[Message, int]] = deque()  # each with the bytes it holds
        self._held_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self.on_unasked: Callable[[], None] = lambda: None
        """Called when messages have come and nobody waits for one."""
        self._ended: str | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.take_stdout(data)

    def take_stdout(self, data: bytes) -> None:
        """Take what the box has said."""
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
        """Keep the end of what the box says when it breaks."""
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
        """Return the next message if it has come."""
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
        """Whether the box can still be talked to."""
        return self._ended is None

    def lose(self, why: str) -> None:
        """Hang up, for this reason."""
        self._end(why)

    def close(self) -> None:
        """Hang up."""
        self._end("it was closed")


class StreamBox(Box):
    """A box behind a `Stream`. `destroy` ends it and all that is in it."""

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
            RunnerUnavailable: it did not start, or its image holds another version of the harness.
        """
        try:
            hello = await self._stream.receive(START_LIMIT_S)
        except BoxDied as error:
            raise RunnerUnavailable(
                f"the sandbox for {self.language.name} does not start: {error}; if its image was built from another "
                f"version of sandboxes/, run {how_to_build(self.language.name)}"
            ) from error
        if isinstance(hello, Broken):
            raise RunnerUnavailable(f"the sandbox for {self.language.name} refuses to run: {hello.message}")
        if not isinstance(hello, Hello) or hello.digest != digest():
            raise RunnerUnavailable(
                f"the image for {self.language.name} was built from another version of the harness in sandboxes/: "
                f"run {how_to_build(self.language.name)}"
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
            BoxDied: the box says that it is broken, or says what makes no sense.
        """
        if isinstance(message, Fact):
            return message
        self._stream.close()
        if isinstance(message, Spent):
            self._spent = message.why
            raise BoxDied(f"the job before has spent the box: {message.why}")
        raise BoxDied(f"the box is broken: {message.message if isinstance(message, Broken) else message}")

    def _finish(self, done: Done) -> None:
        """Take the box's word that nothing of the job is left, or that it begins no other before that is proved.

        Raises:
            BoxDied: it speaks of another job.
        """
        if done.number != self._number:
            self._stream.close()
            raise BoxDied(f"the box ended job {done.number}, which is not the one that runs")
        self._proved = True
        self._spent = done.spent
        self.waited_s = done.waited_s
        self._take_unasked()

    def _take_unasked(self) -> None:
        """Hear what an idle box says, which is only that it is of no use any more."""
        while self._proved and (message := self._stream.next_unasked()) is not None:
            with contextlib.suppress(BoxDied):
                self._fact(message)
            self._proved = False
            self._stream.close()
            self.on_unfit()

    async def _skip_to_the_end(self) -> None:
        """Skip the facts that nobody waits for any more."""
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
        """Have the box run no other job, for this reason; one that it has or was lent for goes on."""
        self._retired = why
        self.on_unfit()

    def lose(self, why: str) -> None:
        """Treat the box as gone: it cannot be reached any more. What runs in it ends with `BoxDied`."""
        self._stream.lose(why)

    async def close(self) -> None:
        """See `Box.close`."""
        if self._closing is None:
            self._stream.close()
            self._closing = asyncio.ensure_future(self._destroy())
        await asyncio.shield(self._closing)
