"""What runs for other stacks share: converting their limits to ours, and reading results.

Their time limit is wall time. Here it becomes a limit on CPU time, with one second more of wall time, so that a busy
machine does not change the outcome.
"""

from dataclasses import dataclass

from verifier_service.api.compat.refusals import unhonoured
from verifier_service.schema import CompileResult, RunEnd, RunResult
from verifier_service.settings import Settings

OUTPUT_LIMIT_KB = 10 * 1024
"""Enough output for most stacks' callers, which expect it uncut."""
BIG_OUTPUT_CHARS = 64 * 1024
"""Longer outputs are compared in a thread."""
KEPT_KB = 256 * 1024
"""The output of all programs of a request together, which is kept until the answer; each gets a share."""
_CHARS_A_KB = 256
"""A character takes at most four bytes."""
MORE_ON_THE_CLOCK_S = 1.0


@dataclass(frozen=True)
class Asked:
    """A requested limit: `value` in seconds or MiB, and for messages the `field` and the number `shown` in it."""

    field: str
    value: float
    shown: float


def limits_of(settings: Settings, time: Asked, memory: Asked | None) -> dict[str, object]:
    """Return the limits of a run; without a memory limit it gets the maximum.

    Raises:
        Refused: a limit is above the maximum or not above 0.
    """
    most_s = min(settings.max_time_limit_s, settings.max_wall_limit_s - MORE_ON_THE_CLOCK_S)
    if not 0 < time.value <= most_s:
        settings_names = "VERIFIER_MAX_TIME_LIMIT_S, VERIFIER_MAX_WALL_LIMIT_S"
        allowed = f"it must be above 0 and at most {most_s:g} s ({settings_names})"
        raise unhonoured(time.field, time.shown, allowed)
    memory_mb = settings.max_memory_limit_mb
    if memory is not None:
        if not 1 <= memory.value <= memory_mb:
            allowed = f"it must be at least 1 MiB and at most {memory_mb} MiB (VERIFIER_MAX_MEMORY_LIMIT_MB)"
            raise unhonoured(memory.field, memory.shown, allowed)
        memory_mb = int(memory.value)
    return {
        "time_limit_s": time.value,
        "wall_limit_s": time.value + MORE_ON_THE_CLOCK_S,
        "memory_limit_mb": memory_mb,
        "output_limit_kb": min(OUTPUT_LIMIT_KB, settings.max_output_limit_kb),
    }


def share_kb(most_kb: int, programs: int, expected: str = "") -> int:
    """Return the output limit in KB for one of several programs: `most_kb`, or its share of what a request may keep.

    The length of its expected output is added, so that a correct output always fits.
    """
    return min(most_kb, KEPT_KB // max(programs, 1) + len(expected) // _CHARS_A_KB + 1)


def text_of(sent: str) -> str:
    """Return a text that can be encoded as UTF-8: lone surrogates, which a model can produce, become `?`."""
    return sent.encode("utf-8", "replace").decode()


def timed_out(end: RunEnd) -> bool:
    """Return whether a program was stopped because it took too long."""
    return end in (RunEnd.TIME_LIMIT, RunEnd.WALL_LIMIT)


def exit_code(result: RunResult | CompileResult) -> int:
    """Return an exit code in the convention of Python's subprocess: the negative signal number if a signal ended it."""
    if result.exit_code is not None:
        return result.exit_code
    return -(result.signal or _SIGKILL)


_SIGKILL = 9


def why_ended(result: RunResult) -> str:
    """Return a line for stderr if a memory or output limit ended the program, else an empty string."""
    if result.end in (RunEnd.MEMORY_LIMIT, RunEnd.OUTPUT_LIMIT):
        return f"ended by the sandbox: {result.end.value}\n"
    return ""
