"""A handler for worker pools that does whatever its item says, good or bad. The pool's tests run it in real workers."""

import os
import time
from collections.abc import Callable
from typing import Any

Report = Callable[[str, Any], None]


def handle(item: dict[str, Any], report: Report) -> None:
    """Do `item["do"]` and report its result, if it gets that far."""
    _DEEDS[item["do"]](item, report)


def _echo(item: dict[str, Any], report: Report) -> None:
    report("result", item.get("value"))


def _spin(item: dict[str, Any], report: Report) -> None:
    while True:
        pass


def _compute(item: dict[str, Any], report: Report) -> None:
    report("result", len(str(9**9**9)))


def _sleep(item: dict[str, Any], report: Report) -> None:
    time.sleep(item["seconds"])
    report("result", "awake")


def _allocate(item: dict[str, Any], report: Report) -> None:
    report("result", len(bytearray(item["mebibytes"] * 1024 * 1024)))


def _die(item: dict[str, Any], report: Report) -> None:
    os._exit(3)


def _raise(item: dict[str, Any], report: Report) -> None:
    raise ArithmeticError("on purpose")


def _pid(item: dict[str, Any], report: Report) -> None:
    report("result", os.getpid())


def _compute_for(item: dict[str, Any], report: Report) -> None:
    while time.process_time() < item["cpu_s"]:
        pass
    report("result", os.getpid())


def _compute_in_turns(item: dict[str, Any], report: Report) -> None:
    begun_s = time.process_time()
    while time.process_time() < begun_s + item["cpu_s"]:
        until_s = time.process_time() + 0.003
        while time.process_time() < until_s:
            pass
        time.sleep(0.0005)  # wakes with the kernel's clock, and so is running at each of its ticks
    report("result", os.getpid())


def _stage(item: dict[str, Any], report: Report) -> None:
    report("half way", None)
    _spin(item, report)


_DEEDS = {
    "echo": _echo, "spin": _spin, "compute": _compute, "sleep": _sleep, "allocate": _allocate, "die": _die,
    "raise": _raise, "pid": _pid, "stage": _stage, "compute for": _compute_for,
    "compute in turns": _compute_in_turns,
}  # fmt: skip
