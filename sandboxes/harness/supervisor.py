"""The supervisor: the first process of a box. It takes jobs from the service, runs them, reports facts, and resets.

The answer to a job can go out before the reset. But jobs run one by one, and none starts before the reset has proved
that nothing of the last one is left. A box that cannot prove this says so and ends, even if more jobs have arrived.
The supervisor routes bytes and never parses what a program wrote. It makes no decisions about right or wrong.
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
    """Run one job after the other until the stream to the service ends, which ends this process."""
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
    """Return the digest of the harness. A separate process computes it, so its imports do not stay in memory."""
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
        os._exit(0)  # not just return: the next job can be in flight already, and must not run here


def _carry_out(processes: Processes) -> None:
    processes.box.traces.begin(FOLDER, processes.folder.prepare())
    if processes.compile():
        MODES[processes.job.mode](processes)


def _say_alive(box: Box) -> None:
    """Report regularly that the job is running. The timer is in the event loop, which no program can keep alive."""

    def say(now_s: float) -> None:
        box.service.tell(Alive(number=box.service.current))
        box.loop.at(_say_alive, now_s + ALIVE_S, say)

    box.loop.at(_say_alive, time.monotonic() + ALIVE_S, say)
