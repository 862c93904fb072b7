"""The progress of a long command: a line every few seconds with what is done and the time left."""

import time

from rich.console import Console

LINE_EVERY_S = 5.0


class Pace:
    """Prints progress. What was done before the first call does not count toward the speed."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._began = time.monotonic()
        self._first: int | None = None
        self._last_line = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Print `WHAT: 120 of 400, 1:20 left`, at most every five seconds and at the end."""
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if now - self._last_line < LINE_EVERY_S and done < total:
            return
        self._last_line = now
        left = left_s(done - self._first, total - done, now - self._began)
        estimate = "" if left is None or done >= total else f", {clock(left)} left"
        self._console.print(f"{self._what}: {done} of {total}{estimate}", highlight=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Format seconds as `1:05`, or `2:01:05` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def left_s(done: int, left: int, took_s: float) -> float | None:
    """Estimate the seconds left at the current speed; None if nothing is done yet."""
    return took_s / done * left if done > 0 else None
