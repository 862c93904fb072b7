"""The supervisor: the first process of a box. It takes jobs from the service, runs them, resets the box, tells facts.

The answer to a job may leave before the reset, which proves that the box is fit for the next one. Jobs are taken one by
one, so none begins before that is proved: a box that cannot prove it says so and ends, whatever has been sent to it.
It routes bytes and never reads what a program wrote; it decides nothing about right or wrong.
"""

import os
import sys
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
from sandboxes.protocol.frames import BrokenFrame
from sandboxes.protocol.messages import Alive, Broken, Done, Hello, Spent, Start

ALIVE_S = 1.0


def serve(config: BoxConfig, zygote: Zygote) -> NoReturn:
    """Run one job after the other until the stream to the service ends; then the process ends."""
    digest = _digest()
    box = Box(config, zygote)
    give_back()
    os.umask(0o022)
    box.clean()
    box.reset.learn()
    box.accounts.note_idle()
    box.service.tell(Hello(digest=digest, python=sys.version.split()[0]))
    try:
        while True:
            box.fork_ahead()
            while not box.service.jobs:
                box.loop.turn()
            _run(box, box.service.jobs.popleft())
    except (NotReset, HarnessFailed, BrokenFrame, OSError) as error:
        box.service.tell(Broken(message=f"{type(error).__name__}: {error}"))
        os._exit(1)


def _digest() -> str:
    """Return the digest of the harness. A process of its own finds it out: what that loads would stay in memory."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            from sandboxes.protocol.digest import digest

            os.write(writing, digest().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="ascii") as stream:
        found = stream.read()
    os.waitpid(pid, 0)
    return found


def _run(box: Box, start: Start) -> None:
    box.service.current = start.number
    refused = ""
    answered = False

    def over() -> None:
        nonlocal answered
        if start.early and not answered:
            answered = True
            box.loop.cancel(_say_alive)
            box.service.tell(Done(number=start.number, refused=refused, waited_s=processes.spending.waited_s))

    processes = Processes(box, start.job, over)
    _say_alive(box)
    try:
        _carry_out(processes)
    except Stopped:
        pass
    except JobRefused as error:
        refused = str(error)
    finally:
        box.loop.cancel(_say_alive)
    over()
    waited_s = processes.spending.waited_s
    box.clean()
    spent = box.traces.settle()
    box.accounts.note_job()
    if not start.early:
        box.service.tell(Done(number=start.number, refused=refused, spent=spent, waited_s=waited_s))
    elif spent:
        box.service.tell(Spent(number=start.number, why=spent))
        os._exit(0)  # the next job may be on its way already


def _carry_out(processes: Processes) -> None:
    processes.box.traces.begin(FOLDER, processes.folder.prepare())
    if processes.compile():
        MODES[processes.job.mode](processes)


def _say_alive(box: Box) -> None:
    """Tell from time to time that the job goes on: from the loop, which a program cannot keep turning."""

    def say(now_s: float) -> None:
        box.service.tell(Alive(number=box.service.current))
        box.loop.at(_say_alive, now_s + ALIVE_S, say)

    box.loop.at(_say_alive, time.monotonic() + ALIVE_S, say)
