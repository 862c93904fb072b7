"""Judge what is stored, a batch at a time, until the service ends; what was running then is queued again."""

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import structlog
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from verifier_service.batch import Batch, Item, Unread, read_line
from verifier_service.dispatch import Dispatcher, ItemResult, judge_error
from verifier_service.errors import BadItem, JudgeError, Overloaded
from verifier_service.schema import (
    CodeSubmission,
    MathSubmission,
    Result,
    Run,
    StoredState,
    StoredSubmission,
    SuiteDigest,
)
from verifier_service.settings import Settings
from verifier_service.store.database import Database, Stored
from verifier_service.store.suites import SuiteStore

log = structlog.get_logger()

BATCH = 64
PAUSE_S = 0.5
FORGET_EVERY_S = 3600.0

_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


class StoredQueue:
    """The stored submissions of one service, and the task that judges them."""

    def __init__(self, settings: Settings, dispatcher: Dispatcher, suites: SuiteStore) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._suites = suites
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

    async def add(self, batch: Batch) -> list[str]:
        """Store a batch and return an id for each item, in the same order. What cannot be read is done at once.

        Raises:
            Overloaded: too many stored submissions wait, or they cannot be stored here; nothing was stored.
        """
        database = self._open()
        waiting = await asyncio.to_thread(database.waiting)
        if waiting and waiting + len(batch.items) > self._settings.max_queued:
            raise Overloaded(f"{waiting} stored submissions wait, and at most {self._settings.max_queued} may", 5.0)
        rows = [await self._row(item) for item in batch.items]
        await asyncio.to_thread(database.add, rows)
        self._news.set()
        return [row.id for row in rows]

    async def _row(self, item: Item) -> Stored:
        """Return the row of an item, with the tests of a kept suite in place: that may be gone when it is judged."""
        one_id = uuid.uuid4().hex
        if isinstance(item, CodeSubmission) and isinstance(item.tests, SuiteDigest):
            try:
                item = item.model_copy(update={"tests": await self._suites.get(item.tests.sha256)})
            except BadItem as error:
                item = Unread(item.kind, item.id, str(error))
        if not isinstance(item, Unread):
            try:
                return Stored(one_id, StoredState.QUEUED, _stored(item), None)
            except (TypeError, ValueError) as error:
                item = Unread(item.kind, item.id, f"it cannot be stored: {error}")
        (result,) = await self._dispatcher.carry_out(Batch([item]))
        return Stored(one_id, StoredState.DONE, "null", _written(result))

    async def get(self, submission_id: str) -> StoredSubmission | None:
        """Return a stored submission, or None if there is no such id."""
        row = await asyncio.to_thread(self._open().get, submission_id)
        if row is None:
            return None
        return StoredSubmission(id=row.id, state=row.state, result=None if row.result is None else _read_result(row))

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
        batch = Batch([_read(row) for row in rows])
        while True:
            try:
                return [_written(result) for result in await self._dispatcher.carry_out(batch)]
            except Overloaded:
                await asyncio.sleep(PAUSE_S)

    async def _tidy(self, database: Database) -> None:
        while True:
            await asyncio.to_thread(database.forget, self._settings.keep_results_s)
            await asyncio.sleep(FORGET_EVERY_S)


def _read(row: Stored) -> Item:
    """Read what was stored; what another version stored in another form is an item with a reason."""
    return read_line(row.submission.encode(), "submission")


def _stored(submission: MathSubmission | CodeSubmission | Run) -> str:
    """Return the text to store.

    Raises:
        ValueError: it cannot be written out.
    """
    try:
        return submission.model_dump_json()
    except PydanticSerializationError:  # half surrogates, which JSON may hold and UTF-8 may not
        return json.dumps(submission.model_dump(mode="python"))


def _read_result(row: Stored) -> Result:
    try:
        return _RESULT.validate_json(row.result or "")
    except ValidationError as error:
        reason = f"its result was stored in a form that cannot be read any more: {error.error_count()} errors"
        return cast(Result, judge_error(Unread("unknown", None, reason), JudgeError(reason)))


def _written(result: ItemResult) -> str:
    return _RESULT.dump_json(cast(Result, result)).decode()
