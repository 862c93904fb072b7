"""The supervisor: the first process of a box. It takes jobs from the service, runs them, resets the box, tells facts.

It routes bytes and never reads what a program wrote; it decides nothing about right or wrong.
"""

import os
import platform
import time
from typing import NoReturn

from sandboxes.harness.box import Box, Stopped
from sandboxes.harness.folder import JobRefused
from sandboxes.harness.modes import MODES
from sandboxes.harness.process import HarnessFailed
from sandboxes.harness.processes import Processes
from sandboxes.harness.reset import NotReset
from sandboxes.harness.zygote import Zygote, give_back
from sandboxes.protocol.config import BoxConfig
from sandboxes.protocol.constants import FOLDER
from sandboxes.protocol.digest import digest
from sandboxes.protocol.frames import BrokenFrame
from sandboxes.protocol.messages import Alive, Broken, Done, Hello, Start

ALIVE_S = 1.0


def serve(config: BoxConfig, zygote: Zygote) -> NoReturn:
    """Run one job after the other until the stream to the service ends; then the process ends."""
    box = Box(config, zygote)
    give_back()
    os.umask(0o022)
    box.clean()
    box.accounts.note_idle()
    box.service.tell(Hello(digest=digest(), python=platform.python_version()))
    try:
        while True:
            while not box.service.jobs:
                box.loop.turn()
            _run(box, box.service.jobs.popleft())
    except (NotReset, HarnessFailed, BrokenFrame, OSError) as error:
        box.service.tell(Broken(message=f"{type(error).__name__}: {error}"))
        os._exit(1)


def _run(box: Box, start: Start) -> None:
    box.service.current = start.number
    refused = ""
    processes = Processes(box, start.job)
    _say_alive(box)
    try:
        _carry_out(processes)
    except Stopped:
        pass
    except JobRefused as error:
        refused = str(error)
    finally:
        box.loop.cancel(_say_alive)
    waited_s = processes.spending.waited_s
    box.clean()
    spent = box.traces.settle()
    box.accounts.note_idle()
    box.service.tell(Done(number=start.number, refused=refused, spent=spent, waited_s=waited_s))


def _carry_out(processes: Processes) -> None:
    processes.folder.prepare()
    processes.box.traces.begin(FOLDER)
    if processes.compile():
        MODES[processes.job.mode](processes)


def _say_alive(box: Box) -> None:
    """Tell from time to time that the job goes on: from the loop, which a program cannot keep turning."""

    def say(now_s: float) -> None:
        box.service.tell(Alive(number=box.service.current))
        box.loop.at(_say_alive, now_s + ALIVE_S, say)

    box.loop.at(_say_alive, time.monotonic() + ALIVE_S, say)
