"""The supervisor's event loop: one thread, `poll`, and a callback for each descriptor. It sleeps between events."""

import select
import time
from collections.abc import Callable

READABLE = select.POLLIN
WRITABLE = select.POLLOUT
_ENDED = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Loop:
    """Calls handlers when a descriptor is ready, or at a given time."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._timers: dict[object, tuple[float, Callable[[float], None]]] = {}

    def watch(self, fd: int, events: int, handler: Callable[[], None]) -> None:
        """Call `handler` whenever `fd` is ready for `events` or closed. The handler must make progress."""
        self._poll.register(fd, events | _ENDED)
        self._handlers[fd] = handler

    def forget(self, fd: int) -> None:
        """Stop watching `fd`. Do this before closing it."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def at(self, owner: object, when_s: float, handler: Callable[[float], None]) -> None:
        """Call `handler` with the time once the monotonic clock reaches `when_s`. Each owner has one timer."""
        self._timers[owner] = (when_s, handler)

    def cancel(self, owner: object) -> None:
        """Cancel the timer of `owner`, if any."""
        self._timers.pop(owner, None)

    def turn(self) -> None:
        """Wait for the next events and call their handlers."""
        now_s = time.monotonic()
        due_s = min((when_s for when_s, _ in self._timers.values()), default=None)
        timeout_ms = None if due_s is None else max(0.0, (due_s - now_s) * 1000)
        for fd, _ in self._poll.poll(timeout_ms):
            handler = self._handlers.get(fd)  # an earlier callback may have closed it
            if handler is not None:
                handler()
        if due_s is not None and (now_s := time.monotonic()) >= due_s:
            for owner, (when_s, handler) in list(self._timers.items()):
                if when_s <= now_s and self._timers.get(owner, (0, None))[1] is handler:
                    del self._timers[owner]
                    handler(now_s)
