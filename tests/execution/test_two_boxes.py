"""What to blame for a dead box: a program that breaks box after box, or something that breaks all of them.

The boxes are real. A program that breaks them is simulated by a box that ends itself when it gets that program.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

import pytest

from sandboxes.protocol.facts import Fact, TestFacts
from sandboxes.protocol.job import Job, Mode, Run
from tests.runners.conftest import LIMITS
from tests.runners.test_pool import first_runner
from verifier_service.errors import BoxDied, JudgeError
from verifier_service.execution.executor import Executor
from verifier_service.execution.pool import BoxPool
from verifier_service.execution.turns import Share
from verifier_service.languages import Language, load_languages
from verifier_service.runners.base import Box, Runner
from verifier_service.settings import Settings

PYTHON = load_languages()["python"]
BREAKS_ITS_BOX = b"break"
BREAKS_ITS_FIRST_BOX = b"break once"


class FragileBox(Box):
    """A real box that ends itself when it gets one of two programs."""

    def __init__(self, box: Box, runner: "FragileRunner") -> None:
        self.language, self.image = box.language, box.image
        self._box = box
        self._runner = runner

    async def run(self, job: Job) -> AsyncGenerator[Fact, None]:
        self._runner.sources.append(job.source)
        first = self._runner.sources.count(job.source) == 1
        if job.source == BREAKS_ITS_BOX or (job.source == BREAKS_ITS_FIRST_BOX and first):
            await self._box.close()
            raise BoxDied("the program ended it")
        async with aclosing(self._box.run(job)) as facts:
            async for fact in facts:
                yield fact

    @property
    def healthy(self) -> bool:
        return self._box.healthy

    async def close(self) -> None:
        await self._box.close()


class FragileRunner(Runner):
    """Starts fragile boxes, and remembers them and the programs they got."""

    name = "fragile"

    def __init__(self, runner: Runner) -> None:
        self.known_languages: Mapping[str, Language] = runner.known_languages
        self.sources: list[bytes] = []
        self.boxes: list[Box] = []
        self._runner = runner

    async def start_box(self, language: Language) -> Box:
        box = FragileBox(await self._runner.start_box(language), self)
        self.boxes.append(box)
        return box

    async def available(self) -> str | None:
        return None

    async def languages(self) -> dict[str, str]:
        return {}

    def hint(self, language: Language) -> str:
        return self._runner.hint(language)

    async def close(self) -> None:
        await self._runner.close()


@asynccontextmanager
async def executor() -> AsyncIterator[tuple[Executor, FragileRunner]]:
    runner = FragileRunner(await first_runner())
    settings = Settings(boxes=1)
    pool = BoxPool(runner, settings)
    yield Executor(pool, settings), runner
    await pool.close()
    await runner.close()


def job(source: bytes) -> Job:
    return Job(mode=Mode.STDIO, source=source, toolchain=PYTHON.toolchain, limits=LIMITS, runs=(Run(),))


async def stdout(facts: AsyncIterator[Fact]) -> bytes:
    return b"".join([fact.stdout async for fact in facts if isinstance(fact, TestFacts)])


async def test_a_program_that_breaks_fresh_boxes_while_harmless_ones_live_has_no_value() -> None:
    async with executor() as (made, runner):
        execution = await made.run(PYTHON, job(BREAKS_ITS_BOX), stdout, Share())
    assert execution.value is None
    harmless = [b"", b""]  # one at the beginning and one at the end of the time it has to survive
    assert runner.sources == [BREAKS_ITS_BOX, BREAKS_ITS_BOX, *harmless, BREAKS_ITS_BOX, *harmless]


async def test_a_box_that_breaks_once_is_replaced() -> None:
    async with executor() as (made, runner):
        await made.run(PYTHON, job(BREAKS_ITS_FIRST_BOX), stdout, Share())
    assert runner.sources == [BREAKS_ITS_FIRST_BOX] * 2


async def test_whoever_kills_all_boxes_from_outside_is_never_charged_to_a_program() -> None:
    async with executor() as (made, runner):
        closing: list[asyncio.Future[None]] = []

        async def kill() -> None:
            while True:  # does not wait for those that end, because the next one would live for as long
                closing.extend(asyncio.ensure_future(box.close()) for box in runner.boxes[len(closing) :])
                await asyncio.sleep(0.02)

        killing = asyncio.create_task(kill())
        try:
            for source in (b"import time; time.sleep(0.3); print(1)", BREAKS_ITS_BOX):
                with pytest.raises(JudgeError, match=r"under a harmless program|gone|not usable|ended"):
                    await made.run(PYTHON, job(source), stdout, Share())
        finally:
            killing.cancel()
            await asyncio.gather(*closing)
