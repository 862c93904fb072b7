"""The contract of a runner: what goes into a box, which facts come out, and what a caller may conclude from failures.

A *runner* (docker, bubblewrap) starts boxes. A *box* is one warm sandbox for one language that runs one job after
another, and proves after each that nothing of it is left. Jobs and facts are those of `sandboxes.protocol`; verdicts
are made by the judges.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from sandboxes.protocol.facts import Fact
from sandboxes.protocol.job import Job
from verifier_service.languages import Language


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of a self-check: a guarantee, whether it holds here, and what was seen."""

    name: str
    ok: bool
    detail: str


class Box(ABC):
    """One warm sandbox. Not for concurrent use."""

    language: Language
    image: str
    """What the box was made from: what was compiled in one box runs in every other one of the same image."""
    waited_s: float = 0.0
    """How long the program of the last job has neither computed nor stood in line for a core, as far as is known."""
    on_unfit: Callable[[], None] = staticmethod(lambda: None)
    """Called when the box turns out to be of no use any more while it is idle: after `answer`."""

    @abstractmethod
    def run(self, job: Job) -> AsyncGenerator[Fact, None]:
        """Run `job` and yield its facts as they come: one CompileFacts if there was something to compile, then one
        TestFacts for each run or call in order, or one TesterFacts.

        The iterator ends only after the box has proved that nothing of the job is left. Closing the iterator early
        (`aclose`, cancellation, stop_on_failure) stops the job; the box may be used again only if `healthy`.

        Raises:
            BoxDied: the box died, broke the protocol or could not be reset; nothing may be concluded of the tests
                whose facts did not arrive, and the box is unusable.
            ReferenceUnusable: the job cannot be run as it was sent, by any box: a path that leads out of the program's
                folder or is taken, or files that do not fit. Whoever asked for it has to change it; the box is healthy.
        """

    def answer(self, job: Job) -> AsyncGenerator[Fact, None]:
        """Do what `run` does, but the iterator may end as soon as the facts are complete, before the reset. The box is
        healthy then until it says otherwise. It begins no other job before the reset is proved: the next `run` or
        `answer` waits for that, and ends with `BoxDied` where it fails or the box turns out to be spent, although that
        job has done nothing."""
        return self.run(job)

    @property
    @abstractmethod
    def healthy(self) -> bool:
        """Whether the box may run another job: it lives, has proved its last reset or is at it, and is not spent."""

    @property
    def spent(self) -> str:
        """Why the box should run no other job although nothing is wrong with it, or nothing: the last job moved numbers
        of the kernel that the next one could read."""
        return ""

    @abstractmethod
    async def close(self) -> None:
        """Destroy the box and everything in it. Never raises, may be called twice."""


class Runner(ABC):
    """A way to start boxes on this machine. Who made one closes it, after all that used its boxes."""

    name: str
    known_languages: Mapping[str, Language]
    """The languages that there are, by name; not all of them need be there with this runner."""

    @abstractmethod
    async def start_box(self, language: Language) -> Box:
        """Start one box and wait until its interpreter is warm.

        Raises:
            RunnerUnavailable: no box can be started for this language; the message says what to do.
        """

    @abstractmethod
    async def available(self) -> str | None:
        """Return None if boxes can be started here, else the reason why not and what to do about it."""

    @abstractmethod
    async def languages(self) -> dict[str, str]:
        """Return the languages whose boxes can be started here, each with its compiler's or interpreter's version.

        Raises:
            RunnerUnavailable: that cannot be found out now.
        """

    @property
    def cores(self) -> int | None:
        """How many programs may run at once where boxes are started; None if that is for the settings to say."""
        return None

    @abstractmethod
    def hint(self, language: Language) -> str:
        """Return what to do on this machine so that a language that is not among `languages()` is there."""

    @abstractmethod
    async def close(self) -> None:
        """Destroy every box that this runner started, also those that were lost track of."""
