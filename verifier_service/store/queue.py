"""Durable submissions for the API: accept, look up, cancel, delete; and the background work behind them.

The database can be unreachable, even at the start. Then requests are refused with the reason, and opening it is retried
until it works.
"""

import asyncio
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from verifier_service.access.clients import Client
from verifier_service.batch import Batch, Item, Unread
from verifier_service.canaries.watch import Canaries
from verifier_service.dispatch import Dispatcher
from verifier_service.errors import BadItem, BadRequest, NoRoom, Overloaded, TooManyInHand
from verifier_service.intake.admission import check_size, has_room
from verifier_service.intake.slices import Slice
from verifier_service.schema import (
    CodeSubmission,
    ProblemField,
    StoredBatch,
    StoredIds,
    StoredPage,
    StoredSubmission,
    SuiteDigest,
)
from verifier_service.settings import Settings
from verifier_service.store import records, retention
from verifier_service.store.duties import Duty
from verifier_service.store.engine import Conflict, Database, DatabaseTrouble
from verifier_service.store.records import Filter, Which
from verifier_service.store.rows import NewBatch, NewRow
from verifier_service.store.suites import SuiteStore
from verifier_service.store.texts import fit, written_result, written_submission
from verifier_service.store.webhooks import Webhooks
from verifier_service.store.worker import Worker

T = TypeVar("T")

log = structlog.get_logger()

START_S = 10.0
"""How long the service waits for the database at the start before it continues without it."""
REOPEN_S = 60.0
RETRY_AFTER_S = 10.0
FULL_RETRY_AFTER_S = 5.0
TIDY_S = 60.0
SLICES_AT_ONCE = 10
WEBHOOK_POLL_S = 1.0
LOOK_AGAIN_S = 1.0
"""How often a waiting request checks whether another service that shares the database has stored the result."""


@dataclass(frozen=True)
class Request:
    """What comes with a batch: the client, its label and callback, and the key that recognizes a repeated request."""

    client: Client
    label: str | None = None
    callback_url: str | None = None
    idempotency_key: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Depth:
    """How many submissions are `queued`, `delayed`, `suspect` and `running`, and the age of the oldest waiting one."""

    by_state: dict[str, int]
    oldest_queued_s: float | None


class StoredQueue:
    """The durable submissions of one service, and the workers that judge them."""

    def __init__(
        self,
        settings: Settings,
        dispatcher: Dispatcher,
        suites: SuiteStore,
        canaries: Canaries,
        canary_for: Callable[[Item], str],
    ) -> None:
        """`canary_for` returns the name of the canary on which an item depends, or ""."""
        self._settings = settings
        self._dispatcher = dispatcher
        self._suites = suites
        self._canary_for = canary_for
        self._database = Database(settings)
        self._worker = Worker(settings, self._database, dispatcher, canaries, self._tell)
        self._webhooks = Webhooks(settings, self._database)
        self._is_open = asyncio.Event()
        self._coming: Counter[str] = Counter()
        """The number of submissions of each client that are being stored right now."""
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._opening = Duty("opening", self._open, REOPEN_S)
        self._calling = Duty("webhooks", self._webhooks.deliver, WEBHOOK_POLL_S)
        self._tidying = Duty("tidying", self._tidy, min(TIDY_S, max(settings.keep_results_s / 10, 0.5)))
        self._duties = (self._opening, *self._worker.duties, self._calling, self._tidying)

    async def start(self) -> None:
        """Open the database and start judging. If that fails, the service continues, and opening is retried."""
        self._opening.start()
        ends_s = time.monotonic() + START_S
        while not self._is_open.is_set() and self._opening.trouble() is None and time.monotonic() < ends_s:
            await asyncio.sleep(0.01)
        if not self._is_open.is_set():
            log.warning("no_durable_submissions", database=self._database.name, reason=self.trouble())

    async def close(self) -> None:
        """Stop judging; running submissions stay stored and are queued again."""
        for duty in (self._opening, self._calling, self._tidying):
            await duty.stop()
        if self._is_open.is_set():
            await self._worker.stop()
        self._is_open.clear()
        await self._database.close()

    def trouble(self) -> str | None:
        """Return why durable submissions cannot be stored or judged now, or None."""
        for duty in self._duties:
            reason = duty.trouble()
            if reason is not None:
                return f"durable submissions ({self._database.name}), {duty.name}: {reason}"
        return None if self._is_open.is_set() else f"durable submissions ({self._database.name}): not open yet"

    async def depth(self) -> Depth:
        """Return how many submissions are unfinished.

        Raises:
            Overloaded: the database is unreachable.
        """
        async with self._reading() as connection:
            return Depth(*await records.depth(connection))

    # For the API. All raise Overloaded while the database is unreachable, and NoRoom if its disk is full.

    async def add(self, batch: Batch, request: Request) -> tuple[StoredIds, bool]:
        """Store a batch; return an id for each item in the same order, and whether the batch is new.

        Items that cannot be read are finished at once. A request repeated with its idempotency key is not stored again.

        Raises:
            Overloaded: too many durable submissions are waiting, or nothing can be stored here; nothing was stored.
            BadRequest: the idempotency key came with another body before, or the callback URL is not allowed.
        """
        known = await self._known(request)
        if known is not None:
            return known, False
        if request.callback_url is not None:
            await self._webhooks.check(request.callback_url)
        async with self._room(len(batch.items), request.client):
            rows = await self._rows(batch.items)
            return await self._store(batch, request, rows)

    async def _store(self, batch: Batch, request: Request, rows: Sequence[NewRow]) -> tuple[StoredIds, bool]:
        new = NewBatch(
            id=uuid.uuid4().hex,
            client=request.client.name,
            rows=rows,
            label=request.label,
            deadline_s=batch.deadline_s,
            callback_url=request.callback_url,
            idempotency_key=request.idempotency_key,
            request_sha256=request.sha256,
        )
        try:
            async with self._writing() as connection:
                await records.add(connection, new, self._settings.durable_deadline_s)
        except Conflict:  # the same request arrived twice at the same time
            known = await self._known(request)
            if known is None:
                raise
            return known, False
        if not all(row.result is not None for row in rows):
            self._worker.wake()
        return StoredIds(ids=[row.id for row in rows], batch_id=new.id), True

    async def _known(self, request: Request) -> StoredIds | None:
        key = request.idempotency_key
        if key is None:
            return None
        async with self._reading() as connection:
            found = await records.find_request(connection, request.client.name, key)
        if found is None:
            return None
        batch_id, sha256, ids = found
        if sha256 != request.sha256:
            allowed = (
                f"it was used before with a different body (batch {batch_id}): use another key, or send the same bytes"
            )
            raise BadRequest([ProblemField(field="Idempotency-Key", value=repr(key[:100]), allowed=allowed)])
        return StoredIds(ids=ids, batch_id=batch_id)

    @asynccontextmanager
    async def _room(self, count: int, client: Client) -> AsyncIterator[None]:
        """Reserve room for `count` submissions while they are being stored.

        Clients share the room by the same rule as the queue (`Admission`): none is shut out by what others store.

        Raises:
            Overloaded: there is no room now.
            TooManyInHand: there is no room for this client now.
            BadRequest: there can never be that much room for this client.
        """
        check_size(count, client)
        coming = self._coming.copy()
        async with self._reading() as connection:
            stored = await records.count_open(connection)
        there = +(
            stored + (coming | self._coming)
        )  # submissions stored at this moment may count twice; missing them would be worse
        most = self._settings.max_queued
        if client.max_in_hand is not None and there[client.name] + count > client.max_in_hand:
            raise TooManyInHand(
                f"the key {client.name!r} has {there[client.name]} durable submissions waiting; the maximum is "
                f"{client.max_in_hand}",
                FULL_RETRY_AFTER_S,
            )
        if not has_room(there, client.name, count, most):
            raise Overloaded(
                f"{there.total()} durable submissions are waiting; the maximum is {most}", FULL_RETRY_AFTER_S
            )
        self._coming[client.name] += count
        try:
            yield
        finally:
            self._coming[client.name] -= count
            self._coming = +self._coming

    async def _rows(self, items: Sequence[Item]) -> list[NewRow]:
        own, rows = Slice(), list[NewRow]()
        for item in items:
            await own.pause()
            rows.append(await self._row(item))
        return rows

    async def _row(self, item: Item) -> NewRow:
        """Return the row for an item. A kept suite's tests are copied in, because the suite may be gone later."""
        one_id = uuid.uuid4().hex
        if isinstance(item, CodeSubmission) and isinstance(item.tests, SuiteDigest):
            try:
                item = item.model_copy(update={"tests": await self._suites.get(item.tests.sha256)})
            except BadItem as error:
                item = Unread(item.kind, item.id, str(error))
        item_id = None if item.id is None else fit(item.id)
        if not isinstance(item, Unread):
            try:
                return NewRow(one_id, item_id, item.kind, written_submission(item), None, self._canary_for(item))
            except (TypeError, ValueError) as error:
                item = Unread(item.kind, item.id, f"it cannot be stored: {error}")
        return NewRow(one_id, item_id, item.kind, None, written_result(self._dispatcher.unread(item)))

    async def get(self, client: Client, submission_id: str, wait_s: float = 0.0) -> StoredSubmission | None:
        """Return a durable submission, waiting up to `wait_s` until it is finished; None if there is no such id."""

        async def look() -> tuple[StoredSubmission | None, bool]:
            async with self._reading() as connection:
                found = (await records.find(connection, client.name, [submission_id])).get(submission_id)
            return found, found is None or found.finished_at is not None

        found = await self._when_finished(submission_id, look, wait_s)
        if found is None or found.finished_at is not None:
            return found
        async with self._reading() as connection:
            return found.model_copy(update={"position": await records.position(connection, submission_id)})

    async def get_many(self, client: Client, ids: Sequence[str]) -> dict[str, StoredSubmission]:
        """Return the submissions that exist among these ids, by id."""
        async with self._reading() as connection:
            return await records.find(connection, client.name, ids)

    async def page(self, client: Client, wanted: Filter, cursor: str | None, limit: int) -> StoredPage:
        """Return a page of submissions, newest first.

        Raises:
            BadRequest: the cursor is invalid.
        """
        async with self._reading() as connection:
            submissions, next_cursor = await records.page(connection, client.name, wanted, cursor, limit)
        return StoredPage(submissions=submissions, next_cursor=next_cursor)

    async def batch(
        self, client: Client, batch_id: str, wait_s: float = 0.0, *, with_submissions: bool = True
    ) -> StoredBatch | None:
        """Return a batch, waiting up to `wait_s` until all of it is finished; None if there is no such id."""

        async def look() -> tuple[StoredBatch | None, bool]:
            async with self._reading() as connection:
                found = await records.batch(connection, client.name, batch_id, with_submissions=with_submissions)
            return found, found is None or found.finished_at is not None

        return await self._when_finished(batch_id, look, wait_s)

    async def cancel(self, which: Which) -> None:
        """Cancel the unfinished ones of these submissions; judging them here stops at once."""
        async with self._writing() as connection:
            ids = await records.cancel(connection, which)
        self._gone(ids)

    async def remove(self, which: Which) -> bool:
        """Delete these submissions with all their texts; return whether there were any."""
        async with self._writing() as connection:
            ids = await records.remove(connection, which)
        self._gone(ids)
        return bool(ids)

    def _gone(self, ids: Mapping[str, str]) -> None:
        """Stop judging submissions, given with the ids of their batches, and wake requests that wait for them."""
        self._worker.forget(ids)
        self._tell({*ids, *ids.values()})

    # Waiting for results

    def _tell(self, names: Collection[str]) -> None:
        """Wake the requests that wait for one of these submissions or batches."""
        for name in names:
            for event in self._waiting.get(name, ()):
                event.set()

    async def _when_finished(
        self, name: str, look: Callable[[], Awaitable[tuple[T | None, bool]]], wait_s: float
    ) -> T | None:
        """Look until it is finished or `wait_s` has passed: when woken, and at intervals if the database is shared."""
        every_s = LOOK_AGAIN_S if self._database.is_shared else wait_s
        ends_s = time.monotonic() + wait_s
        while True:
            event = asyncio.Event()
            self._waiting[name].add(event)
            try:
                found, is_finished = await look()
                left_s = ends_s - time.monotonic()
                if is_finished or left_s <= 0:
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), min(left_s, every_s))
            finally:
                self._waiting[name].discard(event)
                if not self._waiting[name]:
                    del self._waiting[name]

    # The database

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with self._refusing():
            self._require_open()
            async with self._database.read() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with self._refusing():
            self._require_open()
            async with self._database.write() as connection:
                yield connection

    def _require_open(self) -> None:
        if not self._is_open.is_set():
            raise DatabaseTrouble(self._opening.trouble() or "it is not open yet")

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except Conflict:
            raise
        except DatabaseTrouble as error:
            name = self._database.name
            if error.is_full:
                raise NoRoom(f"there is no space left for {name}: {error}; everything stored before is safe") from error
            raise Overloaded(f"durable submissions are unavailable now ({name}): {error}", RETRY_AFTER_S) from error

    async def _open(self) -> bool:
        if not self._is_open.is_set():
            await self._database.open()
            await self._worker.start()
            self._calling.start()
            self._tidying.start()
            self._is_open.set()
        return False

    async def _tidy(self) -> bool:
        async with self._database.write() as connection:
            await retention.tick(connection)
        goes_on = False
        for _ in range(SLICES_AT_ONCE):
            async with self._database.write() as connection:
                goes_on = await retention.forget_old(connection, self._settings.keep_results_s) == retention.SLICE
            if not goes_on:
                break
        async with self._database.read() as connection:
            surplus = await retention.total_bytes(connection) - self._settings.keep_results_mb * 1024 * 1024
        for _ in range(SLICES_AT_ONCE):
            if surplus <= 0:
                break
            async with self._database.write() as connection:
                freed = await retention.forget_much(connection, surplus)
            surplus -= freed
            if not freed:
                break
        return await self._database.give_back() or goes_on or surplus > 0
