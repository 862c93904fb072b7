"""The supervisor: the first process of a box. It takes jobs from the service, runs them, resets the box, tells facts.

It routes bytes and never reads what a program wrote; it decides nothing about right or wrong. Facts are collected for
a moment before they are sent, because every message through a container's streams costs more than a short test does.
"""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sandboxes.harness import cage, candidate, frames
from sandboxes.harness.jobs import ENV, FOLDER, WRITABLE_FOLDERS, Job, JobRun
from sandboxes.harness.limits import oom_kills
from sandboxes.harness.loop import READABLE, Loop
from sandboxes.harness.program import HarnessFailed
from sandboxes.harness.reset import NotReset, Reset
from sandboxes.harness.zygote import PRELOADED, Zygote

COLLECT_S = 0.02
BIG_FRAME_BYTES = 1 << 18
UIDS = 60_000
TEST_MODULES = {
    "serve": ("sandboxes.harness.objects",),
    "assert": ("sandboxes.harness.tester_asserts",),
    "pytest": ("pytest", "_pytest.assertion.rewrite", "sandboxes.harness.tester_pytest"),
}
"""What the processes of a test import first: the program's side, and the tester's side by its mode."""


class Stopped(Exception):
    """The service wants no more of this job."""


@dataclass(frozen=True)
class Config:
    """How the box was started. `cage` is the kind of `cage.py`; uids are taken from `uid_base` on."""

    uid_base: int = 0
    cage: str = "uids"
    seccomp: bool = False
    tester: bool = False
    """Whether the box is for Python, with calls and tests."""
    preload: Sequence[str] = ()
    packages: Sequence[str] = ()
    """Folders with pytest, where the interpreter does not find it by itself."""


class Service:
    """The stream to and from the service."""

    def __init__(self, loop: Loop) -> None:
        self.jobs: list[tuple[dict[str, Any], bytes]] = []
        self.current = -1
        self.last_stopped = -1
        self._loop = loop
        self._reader = frames.Reader()
        self._waiting: list[bytes] = []
        loop.watch(0, READABLE, self._read)

    def _read(self) -> None:
        chunk = os.read(0, 1 << 20)
        if not chunk:
            os._exit(0)  # the service is gone, and with its first process the whole box ends
        for kind, head, body in self._reader.feed(chunk):
            if kind == frames.JOB:
                self.jobs.append((head, body))
            elif kind == frames.STOP:
                self.last_stopped = max(self.last_stopped, head["number"])  # it may come before its job has begun

    @property
    def stop(self) -> bool:
        """Whether the service wants no more of the current job."""
        return self.last_stopped >= self.current

    def tell(self, kind: int, head: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
        """Send a frame soon; DONE sends at once."""
        frame = frames.pack(kind, head, blobs)
        self._waiting.append(frame)
        if kind != frames.FACT or len(frame) > BIG_FRAME_BYTES:
            self.flush()
        elif len(self._waiting) == 1:
            self._loop.at(self, time.monotonic() + COLLECT_S, lambda _: self.flush())

    def flush(self) -> None:
        """Send what waits."""
        self._loop.cancel(self)
        data = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        while data:
            data = data[os.write(1, data) :]


class Supervisor:
    """Runs one job after the other until the service goes away."""

    def __init__(self, config: Config) -> None:
        self.config = config
        os.environ.clear()
        os.environ.update(ENV)
        modules = (*PRELOADED, "sandboxes.harness.wire") if config.tester else ()
        self.zygote = Zygote.start(candidate.main, (*modules, *config.preload))
        self._others: dict[str, Zygote] = {}
        self.loop = Loop()
        self.service = Service(self.loop)
        self.reset = Reset({os.getpid(), self.zygote.pid}, WRITABLE_FOLDERS)
        self.no_new_privileges = cage.no_new_privileges()
        self._oom_kills = oom_kills()
        self._uids = self._fresh_uids()

    def serve(self) -> None:
        """Serve until the stream to the service ends."""
        os.umask(0o022)
        self.reset.kill_all()
        self.reset.empty_folders()
        self.service.tell(frames.HELLO, {"python": platform.python_version(), "digest": frames.digest()})
        while True:
            while not self.service.jobs:
                self.loop.turn()
            head, body = self.service.jobs.pop(0)
            try:
                self._run(Job.from_frame(head, body))
            except (NotReset, HarnessFailed, OSError) as error:
                self.service.tell(frames.BROKEN, {"message": f"{type(error).__name__}: {error}"})
                os._exit(1)

    def _run(self, job: Job) -> None:
        self.service.current = job.number
        try:
            self._prepare(job)
            JobRun(self, job).carry_out()
        except Stopped:
            pass
        self.clean()
        self.service.tell(frames.DONE, {"number": job.number})

    def _prepare(self, job: Job) -> None:
        for name, content in {job.source_file: job.source, **job.side_files}.items():
            with open(os.path.join(FOLDER, os.path.basename(name)), "wb") as file:
                file.write(content)

    def clean(self, spare_uids: Sequence[int] = ()) -> float:
        """Reset the box but for the files of `spare_uids`; return the CPU seconds of orphans."""
        cpu_s = self.reset.kill_all()
        self.empty_folders(spare_uids)
        return cpu_s

    def empty_folders(self, spare_uids: Sequence[int] = ()) -> None:
        """Remove files but those of `spare_uids`. With namespaces a program's own files are gone with it, and those of
        the box belong to one uid."""
        if not spare_uids or self.config.cage == "uids":
            self.reset.empty_folders(spare_uids)

    def killed_by_kernel(self) -> bool:
        """Tell whether the kernel has killed a process of this box for want of memory since the last question."""
        before, self._oom_kills = self._oom_kills, oom_kills()
        return self._oom_kills > before

    def _fresh_uids(self) -> Iterator[int]:
        while True:
            for offset in range(UIDS):
                yield self.config.uid_base + offset

    def zygote_for(self, mode: str) -> Zygote:
        """Return the zygote for processes of a mode; those of tests are made when the first of them is wanted, for
        what they import costs memory and makes every fork dearer.

        Raises:
            HarnessFailed: this box is for another language.
        """
        if mode not in TEST_MODULES:
            return self.zygote
        if not self.config.tester:
            raise HarnessFailed(f"this box has no tester for {mode}")
        if mode not in self._others:
            self._others[mode] = self.zygote.fork(TEST_MODULES[mode], self.config.packages)
            self.reset.known |= {self._others[mode].pid}
        return self._others[mode]

    def fresh_uid(self) -> int:
        """Return a uid that no process of this box had for a long time."""
        return next(self._uids)

    def turn(self) -> None:
        """Let things happen.

        Raises:
            Stopped: the service ended the job.
        """
        self.loop.turn()
        if self.service.stop:
            raise Stopped
