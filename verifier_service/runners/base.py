"""The contract of runners: what goes into a box, which facts come out, and what a caller may conclude from failures.

A *runner* (docker, bubblewrap) starts boxes. A *box* is one warm sandbox for one language. It runs one job after
another, and after each proves that nothing of it is left. Jobs and facts are defined in `sandboxes.protocol`; judges
turn facts into verdicts.
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
    """What the box was made from. A program compiled in one box runs in every box with the same image."""
    waited_s: float = 0.0
    """How long the last job's program neither computed nor waited for a core, as far as is known."""
    on_unfit: Callable[[], None] = staticmethod(lambda: None)
    """Called when the box turns out to be unusable while it is idle, after `answer`."""

    @abstractmethod
    def run(self, job: Job) -> AsyncGenerator[Fact, None]:
        """Run `job` and yield its facts as they come.

        First comes one CompileFacts if there was something to compile. Then comes one TestFacts per run or call, in
        order, or one TesterFacts.

        The iterator ends only after the box has proved that nothing of the job is left. Closing the iterator early
        (`aclose`, cancellation, stop_on_failure) stops the job; the box may be used again only if `healthy`.

        Raises:
            BoxDied: the box died, broke the protocol or could not be reset. Nothing may be concluded about tests whose
                facts did not arrive, and the box is unusable.
            ReferenceUnusable: no box can run the job as it was sent: a path leads out of the program's folder or is
                taken, or the files do not fit. The request has to change; the box is healthy.
        """

    def answer(self, job: Job) -> AsyncGenerator[Fact, None]:
        """Like `run`, but the iterator may end as soon as the facts are complete, before the reset.

        Until the box says otherwise it counts as healthy. It starts no other job before the reset is proved: the next
        `run` or `answer` waits for that. If the reset fails or the box turns out to be spent, that call ends with
        `BoxDied`, although its job has done nothing.
        """
        return self.run(job)

    @property
    @abstractmethod
    def healthy(self) -> bool:
        """Whether the box may run another job: it is alive, not spent, and its reset is proved or in progress."""

    @property
    def spent(self) -> str:
        """Why a working box should run no other job, or "": the last job changed kernel counters that the next could
        read."""
        return ""

    @abstractmethod
    async def close(self) -> None:
        """Destroy the box and everything in it. Never raises; may be called twice."""


class Runner(ABC):
    """A way to start boxes. Its creator closes it, after everything that uses its boxes."""

    name: str
    known_languages: Mapping[str, Language]
    """All languages, by name; this runner need not have every one of them."""

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
        """Return the languages whose boxes can be started here, with the version of the compiler or interpreter.

        Raises:
            RunnerUnavailable: this cannot be determined now.
        """

    @property
    def cores(self) -> int | None:
        """How many programs can run at once where the boxes are; None if the settings decide."""
        return None

    @abstractmethod
    def hint(self, language: Language) -> str:
        """Return how to make a language available that is not among `languages()`."""

    @abstractmethod
    async def close(self) -> None:
        """Destroy every box that this runner started, including those that nothing refers to any more."""
