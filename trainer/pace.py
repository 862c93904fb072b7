"""How far a long command is, and how long it will still take: a line every few seconds."""

import time

from rich.console import Console

LINE_EVERY_S = 5.0


class Pace:
    """Is told how much is done, of how much, and says so. What was done before it began does not count as speed."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._began = time.monotonic()
        self._first: int | None = None
        self._last_line = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Print `WHAT: 120 of 400, 1:20 left`, not more often than every five seconds, and at the end."""
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
    """Write seconds as `1:05`, and from an hour on as `2:01:05`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def left_s(done: int, left: int, took_s: float) -> float | None:
    """Estimate the seconds that are left at the speed until now; None when nothing was done yet."""
    return took_s / done * left if done > 0 else None
