"""What runs for other stacks have in common: limits that they ask for in words of their own, and what came of them.

Their time limit is one on the clock. Here it is one of CPU time, and the clock has a second more, so that a busy
machine changes nothing.
"""

from dataclasses import dataclass

from verifier_service.api.compat.refusals import unhonoured
from verifier_service.schema import CompileResult, RunEnd, RunResult
from verifier_service.settings import Settings

OUTPUT_LIMIT_KB = 10 * 1024
"""What most stacks return whole."""
BIG_OUTPUT_CHARS = 64 * 1024
"""What is longer is compared in a thread."""
KEPT_KB = 256 * 1024
"""What all programs of one request may write, for it is kept until the answer: each has its share."""
_CHARS_A_KB = 256
"""A character has four bytes at most."""
MORE_ON_THE_CLOCK_S = 1.0


@dataclass(frozen=True)
class Asked:
    """A limit with the name and the unit in which it was asked for: `value` is in seconds or MiB."""

    field: str
    value: float
    shown: float


def limits_of(settings: Settings, time: Asked, memory: Asked | None) -> dict[str, object]:
    """Return the limits of a run; without a memory limit it may use the most that is allowed here.

    Raises:
        Refused: they are above what is allowed here, or no limits.
    """
    most_s = min(settings.max_time_limit_s, settings.max_wall_limit_s - MORE_ON_THE_CLOCK_S)
    if not 0 < time.value <= most_s:
        allowed = f"above 0, and at most {most_s:g} s: VERIFIER_MAX_TIME_LIMIT_S and VERIFIER_MAX_WALL_LIMIT_S raise it"
        raise unhonoured(time.field, time.shown, allowed)
    memory_mb = settings.max_memory_limit_mb
    if memory is not None:
        if not 1 <= memory.value <= memory_mb:
            allowed = f"at least 1 MiB, and at most {memory_mb} MiB: VERIFIER_MAX_MEMORY_LIMIT_MB raises it"
            raise unhonoured(memory.field, memory.shown, allowed)
        memory_mb = int(memory.value)
    return {
        "time_limit_s": time.value,
        "wall_limit_s": time.value + MORE_ON_THE_CLOCK_S,
        "memory_limit_mb": memory_mb,
        "output_limit_kb": min(OUTPUT_LIMIT_KB, settings.max_output_limit_kb),
    }


def share_kb(most_kb: int, programs: int, expected: str = "") -> int:
    """Return the output limit of one of several programs in KB: `most_kb`, or its share of what a request may keep.

    What is expected of it comes on top, so that no right output is ever too long for being one of many.
    """
    return min(most_kb, KEPT_KB // max(programs, 1) + len(expected) // _CHARS_A_KB + 1)


def text_of(sent: str) -> str:
    """Return a text that can be written to a file: half a surrogate pair, which a model may write, becomes `?`."""
    return sent.encode("utf-8", "replace").decode()


def timed_out(end: RunEnd) -> bool:
    """Tell whether a program was ended because it took too long."""
    return end in (RunEnd.TIME_LIMIT, RunEnd.WALL_LIMIT)


def exit_code(result: RunResult | CompileResult) -> int:
    """Return how a program ended that was not too slow, as Python's subprocess tells it: minus the signal."""
    if result.exit_code is not None:
        return result.exit_code
    return -(result.signal or _SIGKILL)


_SIGKILL = 9


def why_ended(result: RunResult) -> str:
    """Return a line for stderr where a limit ended the program, else nothing."""
    if result.end in (RunEnd.MEMORY_LIMIT, RunEnd.OUTPUT_LIMIT):
        return f"ended by the sandbox: {result.end.value}\n"
    return ""
