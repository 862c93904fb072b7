"""Wait for events in a cluster."""

import time
from collections.abc import Callable
from typing import Any

WAIT_S = 600
"""What is not there by then hangs; on a busy machine replicas take minutes."""


def until(what: Callable[[], Any], why: str, say: Callable[[], str] = str) -> Any:
    """Wait until `what` returns a true value, and return it. On a timeout, `say` describes the state."""
    ends_s = time.monotonic() + WAIT_S
    while not (found := what()):
        assert time.monotonic() < ends_s, f"{why}: not within {WAIT_S} s\n{say()}"
        time.sleep(0.1)
    return found
