"""How a service handles a box that sends messages that none of our boxes would send."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sandboxes.protocol.digest import digest
from sandboxes.protocol.facts import CompileFacts, End, TestFacts
from sandboxes.protocol.frames import Reader, to_frame
from sandboxes.protocol.job import Job, Mode, Run
from sandboxes.protocol.messages import Alive, Broken, Done, Hello, Message, Start, Stop
from tests.runners.conftest import LIMITS
from verifier_service.errors import BoxDied, ReferenceUnusable, RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.runners.box import Stream, StreamBox

PYTHON = load_languages()["python"]
JOB = Job(mode=Mode.STDIO, source=b"", toolchain=PYTHON.toolchain, limits=LIMITS, runs=(Run(),))
HELLO = Hello(digest=digest(), python="3")
FACT = TestFacts(index=0, end=End.EXITED)


class Peer:
    """The other end of a box's stream, played by a test."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = Reader()

    def say(self, *messages: Message | bytes) -> None:
        """Send messages, or bytes as they are."""
        for message in messages:
            self._socket.sendall(message if isinstance(message, bytes) else to_frame(message))

    async def hear(self) -> list[Message]:
        """Return what the service has sent since the last time."""
        chunk = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 20)
        return [message for message, _ in self._reader.feed(chunk)]

    def hang_up(self) -> None:
        """Close the stream."""
        self._socket.close()


@asynccontextmanager
async def peer_and_box() -> AsyncIterator[tuple[Peer, StreamBox]]:
    """Yield a box, and the peer that plays its inside."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)

    async def destroy() -> None:
        theirs.close()

    _, stream = await asyncio.get_running_loop().create_unix_connection(Stream, sock=ours)
    box = StreamBox(PYTHON, "an image", stream, destroy)
    yield Peer(theirs), box
    await box.close()


async def run(box: StreamBox) -> list[object]:
    return [fact async for fact in box.run(JOB)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Hello(digest="other", python="3"), "built from another version"),
        (Broken(message="no room"), "refuses to run: no room"),
        (Done(number=0), "built from another version"),
        (b"Traceback (most recent call last)", "does not start: .*broke the protocol"),
    ],
)
async def test_a_box_that_does_not_greet_is_not_used(said: Message | bytes, why: str) -> None:
    async with peer_and_box() as (peer, box):
        peer.say(said)
        with pytest.raises(RunnerUnavailable, match=why):
            await box.greet()
        assert not box.healthy


@pytest.mark.parametrize(
    "said",
    [
        Broken(message="b"),
        Done(number=2),
        HELLO,
        Stop(number=1),
        Start(number=1, job=JOB),
        b"\x05\0\0\0\x02\0\0\0\0{}",
        to_frame(FACT).replace(b'"exited"', b'"exalts"'),
        to_frame(FACT).replace(b'"index":0', b'"index":x'),
    ],
)
async def test_a_box_that_breaks_the_protocol_has_died(said: Message | bytes) -> None:
    async with peer_and_box() as (peer, box):
        peer.say(HELLO)
        await box.greet()
        peer.say(said)
        with pytest.raises(BoxDied):
            await run(box)
        assert not box.healthy


async def test_a_box_that_hangs_up_has_died() -> None:
    async with peer_and_box() as (peer, box):
        peer.say(HELLO)
        await box.greet()
        facts = box.run(JOB)
        first = asyncio.ensure_future(anext(facts))
        await peer.hear()
        peer.say(FACT)
        peer.hang_up()
        assert await first == FACT
        with pytest.raises(BoxDied, match="it ended"):
            await anext(facts)


async def test_facts_come_as_they_are_and_a_job_that_is_refused_leaves_a_healthy_box() -> None:
    async with peer_and_box() as (peer, box):
        peer.say(HELLO)
        await box.greet()
        compiled = CompileFacts(end=End.EXITED, stderr=b"x")
        peer.say(compiled, FACT, Done(number=1))
        assert await run(box) == [compiled, FACT]
        assert await peer.hear() == [Start(number=1, job=JOB)]
        peer.say(Done(number=2, refused="the path is taken"))
        with pytest.raises(ReferenceUnusable, match="the path is taken"):
            await run(box)
        assert box.healthy


async def test_a_job_that_is_left_is_stopped_and_what_it_still_says_is_skipped() -> None:
    async with peer_and_box() as (peer, box):
        peer.say(HELLO)
        await box.greet()
        facts = box.run(JOB)
        peer.say(FACT)
        assert await anext(facts) == FACT
        closing = asyncio.ensure_future(facts.aclose())
        heard: list[Message] = []
        while Stop(number=1) not in heard:
            heard += await peer.hear()
        peer.say(FACT, FACT, Done(number=1))
        await closing
        assert box.healthy


async def test_a_box_at_work_may_take_long_as_long_as_it_says_that_it_lives() -> None:
    async with peer_and_box() as (peer, box):
        peer.say(HELLO)
        await box.greet()
        box.silence_limit_s = 0.3
        running = asyncio.ensure_future(run(box))
        for _ in range(6):
            await asyncio.sleep(0.1)
            peer.say(Alive(number=1))
        peer.say(FACT, Done(number=1, waited_s=0.5))
        assert await running == [FACT]
        assert (box.healthy, box.waited_s) == (True, 0.5)


async def test_a_box_that_says_nothing_has_died() -> None:
    async with peer_and_box() as (peer, box):
        peer.say(HELLO)
        await box.greet()
        box.silence_limit_s = 0.1
        with pytest.raises(BoxDied, match="silent"):
            await run(box)
