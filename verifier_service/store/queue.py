"""Judge what is stored, a batch at a time, until the service ends; what was running then is queued again."""

import asyncio
import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from verifier_service.dispatch import Dispatcher
from verifier_service.errors import BadRequest, Overloaded
from verifier_service.schema import MathResult, Submission, Verdict, VerifyRequest
from verifier_service.settings import Settings
from verifier_service.store.database import Database, Stored

log = structlog.get_logger()

BATCH = 64
PAUSE_S = 0.5
FORGET_EVERY_S = 3600.0

_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)


class StoredQueue:
    """The stored submissions of one service, and the task that judges them."""

    def __init__(self, settings: Settings, dispatcher: Dispatcher) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._database: Database | None = None
        self._why_not = "the service has not started"

    @property
    def path(self) -> Path:
        """Where the submissions are kept."""
        return self._settings.state_dir / "submissions.sqlite"

    async def start(self) -> None:
        """Open the file, queue again what a crash left running, and begin to judge.

        Without a folder of its own the service goes on, and refuses durable submissions with the reason.
        """
        try:
            self._database = await asyncio.to_thread(Database, self.path)
        except (OSError, sqlite3.Error) as error:
            self._why_not = f"VERIFIER_STATE_DIR is {self.path.parent}: {error}"
            log.warning("no_durable_submissions", reason=self._why_not)
            return
        left = await asyncio.to_thread(self._database.requeue)
        if left:
            log.info("stored_submissions_queued_again", count=left)
        self._news.set()
        self._tasks = [asyncio.create_task(self._work(self._database)), asyncio.create_task(self._tidy(self._database))]

    async def close(self) -> None:
        """Stop judging; what is running stays stored and is queued again at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._database is not None:
            await asyncio.to_thread(self._database.close)

    async def add(self, request: VerifyRequest) -> list[str]:
        """Store a batch and return an id for each submission, in the same order.

        Raises:
            BadRequest: the batch asks for what is not allowed; nothing was stored.
            Overloaded: too many stored submissions wait, or they cannot be stored here; nothing was stored.
        """
        database = self._open()
        submissions = await self._dispatcher.admit(request)
        waiting = await asyncio.to_thread(database.waiting)
        if waiting and waiting + len(submissions) > self._settings.max_queued:
            raise Overloaded(f"{waiting} stored submissions wait, and at most {self._settings.max_queued} may", 5.0)
        ids = [uuid.uuid4().hex for _ in submissions]
        rows = [(one_id, one.model_dump_json()) for one_id, one in zip(ids, submissions, strict=True)]
        await asyncio.to_thread(database.add, rows)
        self._news.set()
        return ids

    async def get(self, submission_id: str) -> Stored | None:
        """Return a stored submission, or None if there is no such id."""
        return await asyncio.to_thread(self._open().get, submission_id)

    def _open(self) -> Database:
        if self._database is None:
            raise Overloaded(f"submissions cannot be stored here: {self._why_not}", 60.0)
        return self._database

    async def _work(self, database: Database) -> None:
        while True:
            self._news.clear()
            while rows := await asyncio.to_thread(database.take, BATCH):
                results = await self._judge(rows)
                await asyncio.to_thread(database.finish, list(zip([row.id for row in rows], results, strict=True)))
            await self._news.wait()

    async def _judge(self, rows: Sequence[Stored]) -> list[str]:
        submissions = [_SUBMISSION.validate_json(row.submission) for row in rows]
        while True:
            try:
                results = await self._dispatcher.verify(VerifyRequest.model_construct(submissions=submissions))
                return [result.model_dump_json() for result in results]
            except Overloaded:
                await asyncio.sleep(PAUSE_S)
            except BadRequest as error:  # the settings changed since it was admitted
                return await self._one_by_one(rows, error)

    async def _one_by_one(self, rows: Sequence[Stored], error: BadRequest) -> list[str]:
        """Judge the rows of a refused batch alone, so that one bad item does not take its neighbours with it."""
        if len(rows) > 1:
            return [(await self._judge([row]))[0] for row in rows]
        submission = _SUBMISSION.validate_json(rows[0].submission)
        result = MathResult(id=submission.id, verdict=Verdict.JUDGE_ERROR, score=None, message=str(error))
        return [result.model_copy(update={"kind": submission.kind}).model_dump_json()]

    async def _tidy(self, database: Database) -> None:
        while True:
            await asyncio.to_thread(database.forget, self._settings.keep_results_s)
            await asyncio.sleep(FORGET_EVERY_S)
