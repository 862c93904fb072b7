"""The box's end of the stream to the service: jobs come in, facts go out.

Facts are collected for a moment before they are sent, because a message through a container's streams costs more than
a short test.
"""

import os
import time
from collections import deque

from sandboxes.harness.loop import READABLE, Loop
from sandboxes.protocol.facts import Fact, TestFacts
from sandboxes.protocol.frames import Reader, to_frame
from sandboxes.protocol.messages import Message, Start, Stop

COLLECT_S = 0.02
BIG_BYTES = 1 << 18


class Service:
    """The stream to and from the service: descriptors 0 and 1."""

    def __init__(self, loop: Loop) -> None:
        self.jobs: deque[Start] = deque()
        self.current = -1
        self._last_stopped = -1
        self._loop = loop
        self._reader = Reader()
        self._waiting: list[Message] = []
        self._waiting_bytes = 0
        loop.watch(0, READABLE, self._read)

    def _read(self) -> None:
        chunk = os.read(0, 1 << 20)
        if not chunk:
            os._exit(0)  # the service is gone; this is the box's first process, so the whole box ends with it
        for message, _ in self._reader.feed(chunk):
            if isinstance(message, Start):
                self.jobs.append(message)
            elif isinstance(message, Stop):
                self._last_stopped = max(self._last_stopped, message.number)  # it can arrive before its job has started

    @property
    def stop(self) -> bool:
        """Whether the service has stopped the current job."""
        return self._last_stopped >= self.current

    def tell(self, message: Message) -> None:
        """Send a message. Facts are sent soon, together with others; all other messages are sent at once."""
        self._waiting.append(message)
        if isinstance(message, TestFacts):
            self._waiting_bytes += len(message.stdout) + len(message.stderr) + len(message.value)
            self._waiting_bytes += sum(map(len, message.files.values()))
        if not isinstance(message, Fact) or self._waiting_bytes > BIG_BYTES:
            self.flush()
        elif len(self._waiting) == 1:
            self._loop.at(self, time.monotonic() + COLLECT_S, lambda _: self.flush())

    def flush(self) -> None:
        """Send all collected messages in one frame."""
        self._loop.cancel(self)
        data = memoryview(to_frame(*self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0
        while data:
            data = data[os.write(1, data) :]
