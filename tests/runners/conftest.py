"""Real boxes of every runner that works here, kept for the whole session."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandboxes.protocol.facts import Fact
from sandboxes.protocol.job import Job, Limits, Mode, Run
from verifier_service.languages import load_languages
from verifier_service.runners import RUNNERS
from verifier_service.runners.base import Box, Runner
from verifier_service.settings import Settings

LIMITS = Limits(time_limit_s=0.5, wall_limit_s=4.0, memory_limit_mb=128, output_limit_kb=256, max_processes=16)


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in RUNNERS],
)
async def runner(request: pytest.FixtureRequest) -> AsyncIterator[Runner]:
    """Each runner; one that cannot be used here is skipped with its reason, but CI must have Docker."""
    found = RUNNERS[request.param](Settings(), load_languages())
    problem = await found.available()
    if problem:
        await found.close()
        if os.environ.get("CI") == "true" and request.param == "docker":
            pytest.fail(problem)
        pytest.skip(problem)
    yield found
    await found.close()


class Bench:
    """A box that is replaced when a test has used it up."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.box: Box | None = None
        self.languages = runner.known_languages

    async def get(self) -> Box:
        """Return a healthy box for Python."""
        if self.box is None or not self.box.healthy:
            if self.box is not None:
                await self.box.close()
            self.box = await self.runner.start_box(self.languages["python"])
        return self.box

    def job(self, source: str, mode: Mode = Mode.STDIO, **more: Any) -> Job:
        """Return a job for Python with the limits of these tests, and one run without input if it is to be run."""
        fields = {"limits": LIMITS, "runs": (Run(),) if mode is Mode.STDIO else (), **more}
        toolchain = self.languages["python"].toolchain
        return Job(mode=mode, source=source.encode("utf-8", "surrogatepass"), toolchain=toolchain, **fields)

    async def facts(self, source: str, mode: Mode = Mode.STDIO, **more: Any) -> list[Fact]:
        """Run a job and return all its facts."""
        box = await self.get()
        return [fact async for fact in box.run(self.job(source, mode, **more))]


@pytest.fixture(scope="session")
async def bench(runner: Runner) -> AsyncIterator[Bench]:
    """A box to run jobs in, one after the other."""
    made = Bench(runner)
    yield made
    if made.box is not None:
        await made.box.close()
