"""Real boxes of every runner that works here, kept for the whole session."""

import os
from collections.abc import AsyncIterator

import pytest

from verifier_service.languages import load_languages
from verifier_service.runners import RUNNERS
from verifier_service.runners.base import Box, BoxLimits, Fact, Job, Runner
from verifier_service.settings import Settings

LIMITS = BoxLimits(time_limit_s=0.5, wall_limit_s=4.0, memory_limit_mb=128, output_limit_kb=256, max_processes=16)


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in RUNNERS],
)
async def runner(request: pytest.FixtureRequest) -> AsyncIterator[Runner]:
    """Each runner; one that cannot be used here is skipped with its reason, but in CI Docker must be there."""
    found = RUNNERS[request.param](Settings())
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
        self.languages = load_languages()

    async def get(self) -> Box:
        """Return a healthy box for Python."""
        if self.box is None or not self.box.healthy:
            if self.box is not None:
                await self.box.close()
            self.box = await self.runner.start_box(self.languages["python"])
        return self.box

    def job(self, source: str, mode: str = "stdio", **more: object) -> Job:
        """Return a job for Python with the limits of these tests and one empty input."""
        fields: dict[str, object] = {"limits": LIMITS, "inputs": (b"",) if mode == "stdio" else (), **more}
        return Job(language=self.languages["python"], mode=mode, source=source, **fields)  # type: ignore[arg-type]

    async def facts(self, source: str, mode: str = "stdio", **more: object) -> list[Fact]:
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
