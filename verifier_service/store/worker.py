"""Judge durable submissions: take rows as places become free, judge each on its own, and store the results.

Each kind has its own places, which clients share, so that slow math does not delay code. One more place is for
suspects, rows during which a service ended. They are judged one at a time, so that the row that kills services is found
without charging its neighbours. A place becomes free only when the result is stored: without a database nothing more is
taken, and finished results wait in memory. Rows whose canary fails stay in the queue for services that can judge them.
"""

import asyncio
import random
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from verifier_service.batch import Batch
from verifier_service.canaries import gate
from verifier_service.canaries.watch import Canaries
from verifier_service.dispatch import Dispatcher
from verifier_service.errors import Cause, JudgeError, Overloaded
from verifier_service.judges.base import guarded
from verifier_service.settings import Settings
from verifier_service.store import claims
from verifier_service.store.claims import Among, Swept
from verifier_service.store.duties import Duty
from verifier_service.store.engine import Database, DatabaseTrouble
from verifier_service.store.rows import Done, Later, Outcome, Taken
from verifier_service.store.texts import failed_result, read_submission, written_result

log = structlog.get_logger()

POLL_S = 1.0
"""How often a service looks for rows that others added or that became due."""
SWEEP_S = 1.0
FULL_PAUSE_S = 0.5
MAX_BROKEN = 5
"""A row is set aside after this many attempts that failed by a fault in this service or because it is unreadable."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 300.0
STORED_AT_ONCE = 256
GIVE_BACK_S = 5.0
CODE_PLACES = 4
"""Code submissions in flight per box: one running, one next, and two whose results are being stored."""
MATH_PLACES = 8
"""Math submissions in flight per worker: most take milliseconds, and larger groups mean fewer transactions."""
BREATH_S = 0.02
LONG_TEXT = 100_000
"""Longer texts are parsed in a thread."""
_SUSPECT = "suspect"
_FOR_EVER = 1_000_000
_UNREADABLE = "the stored submission cannot be read"

Finished = Callable[[Collection[str]], None]
Sweep = Callable[[AsyncConnection, Among], Awaitable[Swept]]


@dataclass
class _InHand:
    row: Taken
    task: "asyncio.Task[None]"


class Worker:
    """Judges one service's share of the rows in an open database."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        dispatcher: Dispatcher,
        canaries: Canaries,
        on_finished: Finished,
    ) -> None:
        """`on_finished` is called with the ids of submissions and batches that may have finished."""
        self._settings = settings
        self._database = database
        self._dispatcher = dispatcher
        self._canaries = canaries
        self._on_finished = on_finished
        self._owner = uuid.uuid4().hex
        self._places = {"code": CODE_PLACES * settings.boxes, "math": MATH_PLACES * settings.math_workers, _SUSPECT: 1}
        self._empty: set[str] = set()
        """Lines that were empty at the last look and have had no news since."""
        self._awaited: dict[str, asyncio.Task[None]] = {}
        """Unfit canaries on which queued rows depend, each with the task that waits until it is fit."""
        self._in_hand: dict[int, _InHand] = {}
        self._outcomes: list[Outcome] = []
        self._refused: Counter[int] = Counter()
        """How many passes the database refused a row's outcome while it accepted others."""
        self._unswept: set[int] = set()
        """The serials of rows that cannot be swept up."""
        self._take = Duty("taking", self._take_rows, POLL_S)
        self._store = Duty("storing results", self._store_outcomes, 60.0)
        self._renew = Duty("renewing leases", self._renew_leases, settings.lease_s / 3)
        self._sweep = Duty("sweeping", self._sweep_up, SWEEP_S)
        self.duties = (self._take, self._store, self._renew, self._sweep)

    async def start(self) -> None:
        """Start. In a SQLite file, which no other service uses, running rows are left from a crash and queued again.

        Raises:
            DatabaseTrouble: nothing was started.
        """
        left = 0
        while not self._database.is_shared:
            found = await self._swept(partial(claims.take_back, everything=True))
            left += len(found.rows)
            if not found.rows:
                break
        if left:
            log.info("stored_submissions_queued_again", count=left)
        for duty in self.duties:
            duty.start()

    async def stop(self) -> None:
        """Stop judging: store finished results and queue the other rows again, as far as the database allows."""
        for duty in self.duties:
            await duty.stop()
        running = [one.task for one in self._in_hand.values()]
        for task in (*running, *self._awaited.values()):
            task.cancel()
        await asyncio.gather(*running, *self._awaited.values(), return_exceptions=True)
        try:
            async with asyncio.timeout(GIVE_BACK_S):
                with suppress(DatabaseTrouble):  # rows whose results cannot be stored are given back as well
                    while self._outcomes:
                        await self._store_what_can_be()
                async with self._database.write() as connection:
                    await claims.give_back(connection, self._owner)
        except (DatabaseTrouble, TimeoutError) as error:
            log.warning("stored_submissions_not_given_back", reason=str(error) or type(error).__name__)
        self._in_hand.clear()
        self._outcomes.clear()

    def wake(self) -> None:
        """Look for new rows now."""
        self._look_again()

    def forget(self, ids: Collection[str]) -> None:
        """Stop judging these submissions: they are cancelled or deleted."""
        for one in list(self._in_hand.values()):
            if one.row.id in ids:
                one.task.cancel()

    # Taking

    async def _take_rows(self) -> bool:
        """Take rows for the free places, then pause briefly, so that the next call finds several places free."""
        held: dict[str, Counter[str]] = defaultdict(Counter)
        for one in self._in_hand.values():
            held[_SUSPECT if one.row.is_suspect else one.row.kind][one.row.client] += 1
        free = {line: count - held[line].total() for line, count in self._places.items() if line not in self._empty}
        if not any(free.values()):
            return False
        lease = self._owner, self._settings.lease_s
        rows: list[Taken] = []
        # Rows that can never be judged here are left to services that share the queue; do not wait for those canaries.
        never = self._canaries.left_out if self._database.is_shared else frozenset[str]()
        unfit = self._canaries.unfit() | never
        held_up: set[str] = set()
        async with self._database.write() as connection:
            for name, places in free.items():
                if places > 0:
                    line = claims.Line(None if name == _SUSPECT else name, unfit)
                    found = await claims.take(connection, *lease, line, places, held[name])
                    rows += found
                    if len(found) < places:
                        self._empty.add(name)
                        held_up |= await claims.held_up(connection, line)
        for name in held_up - never - set(self._awaited):
            self._awaited[name] = asyncio.create_task(self._when_fit(name))
        texts = await self._texts([row.serial for row in rows])
        for row in rows:
            task = asyncio.create_task(self._judge(row, texts.get(row.serial)))
            self._in_hand[row.serial] = _InHand(row, task)
            task.add_done_callback(lambda task, row=row: self._ended(row, task))
        await asyncio.sleep(BREATH_S)
        return False

    async def _texts(self, serials: list[int]) -> dict[int, str]:
        """Return the texts of rows, or nothing if one cannot be read; `_outcome` then reads them one by one."""
        if not serials:
            return {}
        try:
            async with self._database.read() as connection:
                return await claims.texts(connection, serials)
        except DatabaseTrouble:
            return {}

    async def _when_fit(self, canary: str) -> None:
        """Look for rows once a canary is fit; waiting for it also starts trying it."""
        await self._canaries.fit(canary)
        del self._awaited[canary]
        self._look_again()

    def _look_again(self) -> None:
        self._empty.clear()
        self._take.wake()

    def _ended(self, row: Taken, task: "asyncio.Task[None]") -> None:
        """Free the place of a row without an outcome; other rows keep theirs until the result is stored."""
        held = self._in_hand.get(row.serial)
        if held is None or held.task is not task:
            return
        broke = None if task.cancelled() else task.exception()
        if broke is not None:  # the row is taken again when its lease expires
            log.error("stored_submission_broke", submission=row.id, attempt=row.attempt, exc_info=broke)
        if broke is not None or task.cancelled():
            del self._in_hand[row.serial]
            self._take.wake()

    # Judging

    async def _judge(self, row: Taken, text: str | None) -> None:
        began_s = time.monotonic()
        gate.waits_here.set(False)  # do not hold the place while a canary is unfit
        outcome = await guarded(self._outcome(row, text))
        self._outcomes.append(self._failed(row, began_s, outcome) if isinstance(outcome, JudgeError) else outcome)
        self._store.wake()

    async def _outcome(self, row: Taken, text: str | None) -> Outcome:
        began_s = time.monotonic()
        ends_s = began_s + row.left_s
        if text is None:
            try:
                async with self._database.read() as connection:
                    text = (await claims.texts(connection, [row.serial])).get(row.serial)
            except DatabaseTrouble as error:
                return self._failed(row, began_s, JudgeError(f"{_UNREADABLE}: {error}"))
        if text is None:
            return self._failed(row, began_s, JudgeError(f"{_UNREADABLE}: its text is gone"))
        item = await asyncio.to_thread(read_submission, text) if len(text) > LONG_TEXT else read_submission(text)
        failed: list[Outcome] = []

        def on_error(_: int, error: JudgeError) -> bool:
            if error.is_ours:
                failed.append(self._failed(row, began_s, error))
            return error.is_ours

        while True:
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                return self._failed(row, began_s, _too_late(row))
            # Without its own deadline, each attempt gets the default one of a request; a late attempt is retried.
            deadline_s = left_s if row.deadline_s is not None else min(left_s, self._settings.default_deadline_s)
            try:
                (result,) = await self._dispatcher.carry_out(Batch([item], deadline_s), on_error=on_error)
            except Overloaded:
                await asyncio.sleep(FULL_PAUSE_S)
                continue
            return failed[0] if failed else Done(row, written_result(result))

    def _failed(self, row: Taken, began_s: float, error: JudgeError) -> Outcome:
        """Return the outcome of an attempt that failed because of the service: a retry, or a judge error."""
        delay_s = retry_delay_s(row.attempt)
        left_s = row.left_s - (time.monotonic() - began_s)
        failed = error.cause.value, str(error)
        if error.cause is Cause.INTERNAL and row.attempt >= MAX_BROKEN:
            return self._set_aside(row, f"after {row.attempt} attempts: {error}", failed)
        if delay_s >= left_s:
            self._dispatcher.metrics.given_up(row.kind, error.cause)
            return Done(row, failed_result(row.kind, row.item_id, error), failed)
        self._dispatcher.metrics.tried_again(row.kind, error.cause)
        return Later(row, *failed, delay_s)

    def _set_aside(self, row: Taken, why: str, failed: tuple[str, str]) -> Done:
        self._dispatcher.metrics.given_up(row.kind, Cause.INTERNAL)
        result = failed_result(row.kind, row.item_id, JudgeError(f"it was set aside {why}"), is_set_aside=True)
        return Done(row, result, failed, keeps_payload=True)

    # Storing

    async def _store_outcomes(self) -> bool:
        if self._outcomes:
            await self._store_what_can_be()
        return bool(self._outcomes)

    async def _store_what_can_be(self) -> None:
        """Store outcomes together; if that fails, one by one, so that a bad outcome affects no other.

        Raises:
            DatabaseTrouble: some are not stored yet, although nothing is known to be wrong with them.
        """
        batch = self._outcomes[:STORED_AT_ONCE]
        try:
            await self._store_all(batch)
        except DatabaseTrouble as error:
            if error.is_full:
                raise
            await self._store_each(batch, error)

    async def _store_all(self, outcomes: list[Outcome]) -> None:
        async with self._database.write() as connection:
            await claims.store(connection, self._owner, outcomes)
        self._let_go(outcomes)
        self._on_finished({name for one in outcomes for name in (one.row.id, one.row.batch_id)})

    def _let_go(self, outcomes: Sequence[Outcome]) -> None:
        """Free the places of outcomes that are stored or given up."""
        gone = {id(one) for one in outcomes}
        self._outcomes = [one for one in self._outcomes if id(one) not in gone]
        for row in (one.row for one in outcomes):
            self._refused.pop(row.serial, None)
            held = self._in_hand.get(row.serial)
            if held is not None and held.row.attempt == row.attempt:
                del self._in_hand[row.serial]
        self._take.wake()

    async def _store_each(self, outcomes: list[Outcome], trouble: DatabaseTrouble) -> None:
        """Store outcomes one by one. Raises like `_store_what_can_be`."""
        refused, passed = await self._store_in_turn(outcomes)
        # A short outage makes the database refuse good outcomes: retry those refused before another one was stored.
        once_more = [one for one, error in refused[:passed] if not error.is_of_rows]
        twice, _ = await self._store_in_turn(once_more)
        again = [(one, error) for one, error in refused if one not in once_more] + twice
        is_raised = False
        for one, error in again:
            self._refused[one.row.serial] += error.is_of_rows or one in once_more
            if error.is_of_rows or self._refused[one.row.serial] >= MAX_BROKEN:
                self._give_up(one, error)
            else:
                self._outcomes.remove(one)
                self._outcomes.append(one)  # try the others first
                trouble, is_raised = error, True
        if is_raised:
            raise trouble

    async def _store_in_turn(self, outcomes: list[Outcome]) -> tuple[list[tuple[Outcome, DatabaseTrouble]], int]:
        """Store one by one; return the refused ones, and how many of them came before the last one stored."""
        refused: list[tuple[Outcome, DatabaseTrouble]] = []
        passed = 0
        for one in outcomes:
            try:
                await self._store_all([one])
                passed = len(refused)
            except DatabaseTrouble as error:
                refused.append((one, error))
        return refused, passed

    def _give_up(self, outcome: Outcome, error: DatabaseTrouble) -> None:
        """Set aside a row whose outcome cannot be stored. If that fails too, let its lease expire."""
        row = outcome.row
        log.error("stored_submission_not_stored", submission=row.id, attempt=row.attempt, reason=str(error))
        if self._refused[row.serial] >= _FOR_EVER:
            self._let_go([outcome])
            return
        self._refused[row.serial] = _FOR_EVER
        why = f"because its result could not be stored: {error}"
        self._outcomes.remove(outcome)
        self._outcomes.append(self._set_aside(row, why, (Cause.INTERNAL.value, why)))

    # Leases

    async def _renew_leases(self) -> bool:
        before = dict(self._in_hand)
        if not before:
            return False
        async with self._database.write() as connection:
            held = await claims.renew(connection, self._owner, self._settings.lease_s, before)
        for serial, one in before.items():
            if serial not in held and self._in_hand.get(serial) is one and not one.task.done():
                log.info("stored_submission_lost", submission=one.row.id, attempt=one.row.attempt)
                one.task.cancel()
        return False

    async def _sweep_up(self) -> bool:
        async with self._database.write() as connection:
            await claims.wake(connection)
        gone = await self._swept(claims.expire)
        left = await self._swept(claims.take_back)
        if left.rows:
            log.warning("stored_submissions_taken_back", count=len(left.rows))
        if gone.rows or left.rows:
            self._on_finished(gone.names | left.names)
        self._look_again()
        return claims.SLICE in (len(gone.rows), len(left.rows))

    async def _swept(self, sweep: Sweep) -> Swept:
        """Sweep up a slice. If the database rejects a row, sweep one row at a time and skip that one."""
        among = Among(but_not=[*self._in_hand, *self._unswept])
        try:
            async with self._database.write() as connection:
                found = await sweep(connection, among)
        except DatabaseTrouble as error:
            if not error.is_of_rows:
                raise
            found = await self._swept_one_by_one(sweep, among)
        for row in found.finished:
            self._dispatcher.metrics.given_up(row.kind, found.cause)
        return found

    async def _swept_one_by_one(self, sweep: Sweep, among: Among) -> Swept:
        parts: list[Swept] = []
        async with self._database.read() as connection:
            serials = await claims.to_sweep(connection, among)
        for serial in serials:
            try:
                async with self._database.write() as connection:
                    parts.append(await sweep(connection, Among(only=serial)))
            except DatabaseTrouble as error:
                if not error.is_of_rows:
                    raise
                self._unswept.add(serial)
                log.error("stored_submission_not_swept_up", serial=serial, reason=str(error))
        return claims.together(parts)


def _too_late(row: Taken) -> JudgeError:
    return JudgeError(f"the deadline passed before it was judged: {claims.deadline_of(row)}", Cause.DEADLINE)


def retry_delay_s(attempt: int) -> float:
    """Return the pause after a failed attempt: exponential backoff with jitter."""
    longest_s = min(FIRST_RETRY_S * 2 ** min(attempt - 1, 20), LONGEST_RETRY_S)
    return longest_s * random.uniform(0.75, 1.0)
