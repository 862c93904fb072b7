"""The database of durable submissions: a SQLite file used by one service, or a PostgreSQL database shared by several.

`open` migrates the tables to this version. When a `write` ends without an error, its changes are on disk.
"""

import asyncio
import fcntl
import os
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol, TextIO, cast

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection
from sqlalchemy.engine import URL, AdaptedConnection, Dialect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from verifier_service.settings import Settings

log = structlog.get_logger()

MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_215_493_020
"""The advisory lock under which services that share a PostgreSQL database migrate it, one at a time."""
_NO_ROOM = {"53100"}
"""PostgreSQL's code for disk_full."""
_BUSY_TIMEOUT_MS = 10_000
_CONNECT_TIMEOUT_S = 5
_STATEMENT_TIMEOUT_MS = 60_000
_KEEPALIVE_S = 10
"""How often an idle connection is probed; after three probes without an answer it is closed."""
_UNHEARD_MS = 15_000
"""How long data may stay unacknowledged before the connection is closed."""
_PING_S = 5.0
"""How long a connection may take to answer a ping before it is used."""
_USE_S = 90.0
"""How long a transaction on PostgreSQL may take before its connection is cut; more than a statement may take."""
_OPEN_S = 600.0
_LEAST_WAL_BYTES = 4 * 1024 * 1024
_VACUUM_PAGES = 2000
_KEPT_PAGES = 256
"""Free pages to keep in the file for new rows."""


class DatabaseTrouble(Exception):
    """The database cannot be used now. The message says why; it never contains the data.

    `is_full`: the disk is full. `is_of_rows`: the database is fine but does not accept these rows, so that retrying is
    useless.
    """

    def __init__(self, reason: str, *, is_full: bool = False, is_of_rows: bool = False) -> None:
        super().__init__(reason)
        self.is_full = is_full
        self.is_of_rows = is_of_rows


class Conflict(DatabaseTrouble):
    """A constraint failed: another row has the same unique value, or the row does not fit those already stored."""


_OF_ROWS = (IntegrityError, DataError, UnicodeError, OverflowError)
"""Errors that repeat for the same rows; drivers raise the last two for texts and numbers they cannot send."""


def trouble_of(error: Exception) -> DatabaseTrouble:
    """Translate a driver's error."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = getattr(original, "sqlite_errorcode", None)
    is_full = code == sqlite3.SQLITE_FULL or getattr(original, "sqlstate", None) in _NO_ROOM
    first_line = str(original).strip().partition("\n")[0][:300]
    kind = Conflict if isinstance(error, IntegrityError) else DatabaseTrouble
    is_of_rows = isinstance(error, _OF_ROWS)
    return kind(first_line or type(original).__name__, is_full=is_full, is_of_rows=is_of_rows)


class Database:
    """One database. Call `open()` first; it can be closed and opened again."""

    def __init__(self, settings: Settings) -> None:
        """Store the settings only; `open` reports a wrong URL."""
        self._settings = settings
        self._given = settings.database_url.get_secret_value() if settings.database_url else None
        self.path = settings.state_dir / "submissions.sqlite"
        self._owner: TextIO | None = None
        self._engine: AsyncEngine | None = None
        self._writes: AsyncEngine | None = None
        self._turn = asyncio.Lock()

    @property
    def is_shared(self) -> bool:
        """Whether other services can use it at the same time."""
        return self._given is not None

    @property
    def name(self) -> str:
        """The name for logs and errors, without the password."""
        if self._given is None:
            return str(self.path)
        try:
            return make_url(self._given).render_as_string(hide_password=True)
        except ArgumentError:
            return "VERIFIER_DATABASE_URL"

    async def open(self) -> None:
        """Connect, and migrate the tables to this version.

        Raises:
            DatabaseTrouble: it cannot be used; every connection is closed again.
        """
        try:
            engine = self._shared_engine(self._given) if self._given is not None else await self._file_engine()
            self._engine, self._writes = engine, engine.execution_options(writes=True)
            async with self._bounded(self._writes, _OPEN_S) as connection:
                await connection.run_sync(_migrate)
            if not self.is_shared:
                await self._make_it_give_back()
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            await self.close()
            raise trouble_of(error) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection and release the file."""
        if self._engine is not None:
            await self._engine.dispose()
        self._engine = self._writes = None
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a read-only transaction and yield its connection.

        Raises:
            DatabaseTrouble: connecting or a statement failed.
        """
        async with self._lent(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction and yield its connection; all changes are committed at the end, or none.

        Raises:
            DatabaseTrouble: it failed, and nothing was committed.
            Conflict: the same, because a constraint failed.
        """
        if self.is_shared:
            async with self._lent(self._writes) as connection:
                yield connection
            return
        async with self._turn, self._lent(self._writes) as connection:
            yield connection

    @asynccontextmanager
    async def _lent(self, engine: AsyncEngine | None) -> AsyncIterator[AsyncConnection]:
        if engine is None:
            raise DatabaseTrouble("it is not open")
        try:
            async with self._bounded(engine, _USE_S) as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError, *_OF_ROWS) as error:
            raise trouble_of(error) from error

    @asynccontextmanager
    async def _bounded(self, engine: AsyncEngine, most_s: float) -> AsyncIterator[AsyncConnection]:
        """Begin a transaction; on PostgreSQL, cut its connection after `most_s` seconds."""
        bound = _Bound(most_s)
        try:
            async with engine.begin() as connection:
                if self.is_shared:
                    driver = (await connection.get_raw_connection()).driver_connection
                    assert driver is not None
                    bound.start(driver)
                yield connection
        except DBAPIError as error:
            if bound.is_over:
                raise DatabaseTrouble(f"it did not answer within {most_s:g} s") from error
            raise
        finally:
            bound.stop()

    async def give_back(self) -> bool:
        """Return some of the space of deleted rows to the file system; return whether there is more.

        PostgreSQL does this by itself.

        Raises:
            DatabaseTrouble: it failed; nothing was lost.
        """
        if self.is_shared:
            return False
        async with self.read() as connection:
            free = (await connection.execute(text("PRAGMA freelist_count"))).scalar_one()
        if free < _KEPT_PAGES:
            return False
        await self._outside_of_transactions(
            f"PRAGMA incremental_vacuum({_VACUUM_PAGES})", "PRAGMA wal_checkpoint(TRUNCATE)"
        )
        return free > _VACUUM_PAGES

    # SQLite

    async def _file_engine(self) -> AsyncEngine:
        await asyncio.to_thread(self._own_file)
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(self.path)), hide_parameters=True, pool_size=4
        )
        synchronous = self._settings.sqlite_synchronous

        @event.listens_for(engine.sync_engine, "connect")
        def prepare(connection: AsyncAdapt_aiosqlite_connection, _: object) -> None:
            connection.isolation_level = None  # only the listener below begins transactions
            cursor = connection.cursor()
            for pragma in (
                "auto_vacuum = INCREMENTAL",  # has an effect on a new file only
                "journal_mode = WAL",
                f"synchronous = {synchronous}",
                f"busy_timeout = {_BUSY_TIMEOUT_MS}",
                "foreign_keys = ON",
                f"journal_size_limit = {_LEAST_WAL_BYTES}",
            ):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("writes", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def _own_file(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = self.path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another service uses {self.path}") from None

    async def _make_it_give_back(self) -> None:
        """Rewrite a file of an earlier version, once, so that it can return its free space."""
        async with self.read() as connection:
            mode = (await connection.execute(text("PRAGMA auto_vacuum"))).scalar_one()
        if mode == 2:  # incremental
            return
        try:
            await self._outside_of_transactions("PRAGMA auto_vacuum = INCREMENTAL", "VACUUM")
        except DatabaseTrouble as error:
            log.warning("durable_file_not_vacuumed", file=str(self.path), reason=str(error))

    async def _outside_of_transactions(self, *statements: str) -> None:
        if self._engine is None:
            raise DatabaseTrouble("it is not open")
        async with self._turn:
            try:
                async with self._engine.connect() as connection:
                    driver = (await connection.get_raw_connection()).driver_connection
                    assert driver is not None
                    await driver.executescript("; ".join(statements))  # `execute` would vacuum only one page
            except (SQLAlchemyError, sqlite3.Error, OSError) as error:
                raise trouble_of(error) from error

    # PostgreSQL

    def _shared_engine(self, given: str) -> AsyncEngine:
        try:
            url = make_url(given)
        except ArgumentError as error:
            raise DatabaseTrouble("VERIFIER_DATABASE_URL: it is not a database URL") from error
        if url.drivername != "postgresql+psycopg":
            raise DatabaseTrouble(
                f"VERIFIER_DATABASE_URL {url.drivername}://...: it must be postgresql+psycopg://USER:PASSWORD@HOST/NAME"
            )
        connect_args = {
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}",
            "application_name": "grpo-verifier",
            "keepalives_idle": _KEEPALIVE_S,
            "keepalives_interval": _KEEPALIVE_S,
            "keepalives_count": 3,
            "tcp_user_timeout": _UNHEARD_MS,
        }
        try:
            engine = create_async_engine(
                url, connect_args=connect_args, pool_pre_ping=True, pool_size=8, hide_parameters=True
            )
        except ModuleNotFoundError as error:
            raise DatabaseTrouble(
                "VERIFIER_DATABASE_URL needs the PostgreSQL driver: pip install 'grpo-verifier[postgres]'"
            ) from error
        _bound_pings(engine.dialect)
        return engine


class _Driver(Protocol):
    """The part of a psycopg connection that is needed to cut it."""

    @property
    def closed(self) -> bool: ...

    def fileno(self) -> int: ...


class _Bound:
    """Cuts a connection after a while.

    Cancelling the task that waits is not enough if the other end has vanished: psycopg would send it a cancel request
    and wait for the answer.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._timer: asyncio.TimerHandle | None = None
        self.is_over = False

    def start(self, driver: _Driver) -> None:
        """Start the timer."""
        self._timer = asyncio.get_running_loop().call_later(self._most_s, self._cut, driver)

    def stop(self) -> None:
        """Stop the timer; the connection stays open."""
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self, driver: _Driver) -> None:
        self.is_over = True
        if not driver.closed:
            with socket.socket(fileno=os.dup(driver.fileno())) as end, suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _bound_pings(dialect: Dialect) -> None:
    """Treat a connection that does not answer a ping in time as dead, so that the pool opens a new one."""
    ping = dialect.do_ping

    def bounded(dbapi_connection: DBAPIConnection) -> bool:
        bound = _Bound(_PING_S)
        bound.start(cast(AdaptedConnection, dbapi_connection).driver_connection)
        try:
            return ping(dbapi_connection)
        finally:
            bound.stop()

    dialect.do_ping = bounded


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
