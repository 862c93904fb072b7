"""Boxes on several machines, each with its own Docker daemon.

A box is started on the host with the fewest boxes per core among the daemons that answer. Each daemon is checked every
few seconds; one that does not answer gets no boxes until it answers again. Work in its boxes is repeated in others,
like after any other loss of a box, and never charged to a program.
"""

import asyncio
import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakSet

import structlog

from verifier_service.errors import RunnerUnavailable
from verifier_service.languages import Language
from verifier_service.runners.base import Box, Runner
from verifier_service.runners.box import StreamBox
from verifier_service.runners.docker import DockerRunner
from verifier_service.settings import Settings

log = structlog.get_logger()

LOOK_EVERY_S = 3.0
START_WITHIN_S = 60.0
CLOSE_WITHIN_S = 10.0


@dataclass(eq=False)
class _Host:
    """One daemon and its state. `trouble` says why it gets no boxes; it is empty if it does."""

    name: str
    runner: DockerRunner
    cores: int = 1
    starting: int = 0
    languages: dict[str, str] = field(default_factory=dict)
    trouble: str = "it has not been checked yet"
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    boxes: WeakSet[StreamBox] = field(default_factory=WeakSet[StreamBox])

    @property
    def load(self) -> float:
        """Boxes per core."""
        return (self.runner.containers + self.starting) / self.cores

    @property
    def away(self) -> str:
        """The reason given to boxes that are lost with their host."""
        return f"its host {self.name} is away"

    def is_away(self, why: str) -> None:
        """Mark the host as unreachable, so that nothing waits for it or its boxes."""
        if not self.lost.is_set():
            log.warning("docker_host_away", host=self.name, reason=why)
        self.trouble = why
        self.lost.set()
        for box in list(self.boxes):
            box.lose(self.away)

    def is_there(self) -> None:
        """Mark the host as usable."""
        if self.lost.is_set():
            log.info("docker_host_back", host=self.name)
        self.trouble = ""
        self.lost.clear()


class DockerHosts(Runner):
    """Starts boxes as containers of the daemons that `VERIFIER_DOCKER_HOSTS` names."""

    name = "docker"

    def __init__(self, settings: Settings, languages: Mapping[str, Language]) -> None:
        self.known_languages = languages
        self._hosts = [_Host(name, DockerRunner(settings, languages, name)) for name in settings.docker_hosts]
        self._watching: list[asyncio.Task[None]] = []

    async def available(self) -> str | None:
        """See `Runner.available`. One working daemon is enough; the log warns about the others."""
        await asyncio.gather(*(self._try(host) for host in self._hosts))
        if all(host.trouble for host in self._hosts):
            return "; ".join(f"{host.name}: {host.trouble}" for host in self._hosts)
        if not self._watching:
            self._watching = [asyncio.create_task(self._watch(host), name=host.name) for host in self._hosts]
        return None

    async def _try(self, host: _Host) -> None:
        """Find out whether boxes can be started on a host, and its cores and languages."""
        python = self.known_languages["python"]
        try:
            host.cores = await host.runner.count_cores()
            host.is_there()
            async with asyncio.timeout(START_WITHIN_S):
                await (await self._start_there(host, python)).close()
                host.languages = await host.runner.languages()
        except TimeoutError:
            host.is_away(f"it did not start a box within {START_WITHIN_S:.0f} s")
        except RunnerUnavailable as error:
            host.is_away(str(error))

    async def _watch(self, host: _Host) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await host.runner.count_cores()
            except RunnerUnavailable as error:
                host.is_away(str(error))
            else:
                if host.trouble:
                    await self._try(host)
                    self._share_out()

    def _share_out(self) -> None:
        """Retire boxes on hosts that have more than their share, so that their replacements start elsewhere."""
        alive = {host: [box for box in host.boxes if box.healthy] for host in self._hosts if not host.trouble}
        boxes, cores = sum(map(len, alive.values())), sum(host.cores for host in alive)
        for host, there in alive.items():
            share = math.ceil(boxes * host.cores / cores)
            for box in there[share:]:
                box.retire("another host is back and has room")

    async def start_box(self, language: Language) -> Box:
        """See `Runner.start_box`."""
        problems = {host.name: host.trouble for host in self._hosts if host.trouble}
        fit = [host for host in self._hosts if not host.trouble]
        for host in sorted(fit, key=lambda one: (language.name not in one.languages, one.load)):
            try:
                return await self._start_there(host, language)
            except RunnerUnavailable as error:
                problems[host.name] = str(error)
        raise RunnerUnavailable("; ".join(f"{name}: {problem}" for name, problem in problems.items()))

    async def _start_there(self, host: _Host, language: Language) -> StreamBox:
        """Start a box; give up if the host becomes unreachable meanwhile."""
        host.starting += 1
        starting = asyncio.ensure_future(host.runner.start_box(language))
        lost = asyncio.ensure_future(host.lost.wait())
        try:
            await asyncio.wait({starting, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                raise RunnerUnavailable(host.trouble)
            box = starting.result()
            host.boxes.add(box)
            if host.lost.is_set():
                box.lose(host.away)
            return box
        finally:
            host.starting -= 1
            lost.cancel()
            starting.cancel()

    @property
    def cores(self) -> int:
        """See `Runner.cores`: the total of all hosts. An unreachable one counts like the largest reachable one."""
        there = [host.cores for host in self._hosts if not host.trouble]
        return sum(there) + (len(self._hosts) - len(there)) * max(there, default=1)

    def hint(self, language: Language) -> str:
        """See `Runner.hint`."""
        return f"{self._hosts[0].runner.hint(language)}, on each of {', '.join(host.name for host in self._hosts)}"

    async def languages(self) -> dict[str, str]:
        """See `Runner.languages`: the languages of all hosts together."""
        return {name: version for host in reversed(self._hosts) for name, version in host.languages.items()}

    async def close(self) -> None:
        """See `Runner.close`. It does not wait long for hosts that do not answer."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await asyncio.gather(*(host.runner.close() for host in self._hosts))
