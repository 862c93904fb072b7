"""The supervisor's box: the event loop, the stream to the service, zygotes, uids, and the reset."""

import os
import random
from collections.abc import Collection, Sequence

from sandboxes.harness.accounts import TASK_FILES, Accounts, find
from sandboxes.harness.child.confine import no_new_privileges
from sandboxes.harness.limits import oom_kills
from sandboxes.harness.loop import Loop
from sandboxes.harness.process import HarnessFailed
from sandboxes.harness.reset import Killed, Reset
from sandboxes.harness.service import Service
from sandboxes.harness.traces import Traces
from sandboxes.harness.zygote import Child, Zygote
from sandboxes.protocol.config import BoxConfig, Confinement
from sandboxes.protocol.constants import QUEUES_FOLDER, UIDS, WRITABLE_FOLDERS

_chance = random.SystemRandom()


class Stopped(Exception):
    """The service has stopped this job."""


class Box:
    """Everything that the jobs of a box share."""

    def __init__(self, config: BoxConfig, zygote: Zygote) -> None:
        self.config = config
        self.zygote = zygote
        self.loop = Loop()
        self.service = Service(self.loop)
        tasks = find(TASK_FILES)
        own = {os.getpid(), zygote.pid}
        self.reset = Reset(own, (*WRITABLE_FOLDERS, QUEUES_FOLDER), tasks.now if tasks else None)
        self.no_new_privileges = no_new_privileges()
        self._zygotes: dict[tuple[str, ...], Zygote] = {}
        self._oom_kills = oom_kills()
        self.accounts = Accounts(WRITABLE_FOLDERS)
        self.traces = Traces(WRITABLE_FOLDERS, shows_pids=self.by_uids)
        self._recent_uids: dict[int, None] = {}

    def turn(self) -> None:
        """Wait for events and handle them.

        Raises:
            Stopped: The service has stopped the job.
        """
        self.loop.turn()
        if self.service.stop:
            raise Stopped

    def fresh_uid(self) -> int:
        """Return a uid that no process of this box has had for a long time.

        It is random. With consecutive uids, a program could infer how many processes earlier programs had.
        """
        base = self.config.uid_base
        while (uid := base + _chance.randrange(UIDS)) in self._recent_uids:
            pass
        self._recent_uids[uid] = None
        if len(self._recent_uids) > UIDS // 2:
            del self._recent_uids[next(iter(self._recent_uids))]
        return uid

    @property
    def by_uids(self) -> bool:
        """Whether processes are isolated by uids, so that a file's owner identifies its creator."""
        return self.config.confinement is Confinement.UIDS

    def zygote_with(self, modules: Sequence[str]) -> Zygote:
        """Return a zygote that has imported `modules`.

        It is created on first use, since its imports cost memory and slow down every fork.

        Raises:
            HarnessFailed: This box has no tester, because it is for another language.
        """
        if not self.config.tester:
            raise HarnessFailed("this box has no tester")
        key = tuple(modules)
        if key not in self._zygotes:
            if self.zygote.spare is not None:  # a zygote can only wait for one child at a time
                self.reset.known -= {self.zygote.spare.pid}
                self.zygote.drop_spare()
            self._zygotes[key] = self.zygote.fork(key)
            self.reset.known |= {self._zygotes[key].pid}
            self.traces.processes += 1
            self.accounts.note_idle()
        return self._zygotes[key]

    def fork_ahead(self) -> None:
        """Fork a child for the next job in advance."""
        if self.zygote.spare is None:
            self.zygote.spare = self.child_of(self.zygote)
            self.reset.known |= {self.zygote.spare.pid}

    def child_of(self, zygote: Zygote) -> Child:
        """Return a blank child of this zygote. It now belongs to the job, so a reset kills it."""
        self.traces.processes += zygote.spare is None
        child = zygote.spawn()
        self.reset.known -= {child.pid}
        return child

    def clean(self, spare_uids: Collection[int] = ()) -> Killed:
        """Kill every process of the job, and remove all files except those of `spare_uids`."""
        killed = self.reset.kill_all()
        self.empty_folders(spare_uids)
        return killed

    def empty_folders(self, spare_uids: Collection[int] = ()) -> None:
        """Remove all files except those of `spare_uids`.

        With namespaces, a program's files have vanished with it, and all other files belong to the same uid. So there
        is nothing to do if some are to be kept.
        """
        if not spare_uids or self.by_uids:
            self.reset.empty_folders(spare_uids)

    def killed_by_kernel(self) -> bool:
        """Return whether the kernel's OOM killer has killed a process of this box since the last call."""
        before, self._oom_kills = self._oom_kills, oom_kills()
        return self._oom_kills > before
