"""One SQLite file of submissions and their results. Every call is short, blocking and safe from any thread."""

import fcntl
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier_service.schema import StoredState

_SCHEMA = """
CREATE TABLE IF NOT EXISTS submissions (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    submission TEXT NOT NULL,
    result TEXT,
    changed_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS by_state ON submissions (state, serial);
"""


@dataclass(frozen=True)
class Stored:
    """A row: the submission, and when it is done its result, both as JSON text."""

    id: str
    state: StoredState
    submission: str
    result: str | None


class Database:
    """The file. What `add` has returned for is on the disk.

    Raises:
        OSError: the folder cannot be written, or another service uses it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another service uses {path}") from None
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
            self._owner.close()

    def add(self, rows: Sequence[Stored]) -> None:
        """Store rows, all or none."""
        now = time.time()
        values = [(row.id, row.state, row.submission, row.result, now) for row in rows]
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(
                    "INSERT INTO submissions (id, state, submission, result, changed_at) VALUES (?, ?, ?, ?, ?)", values
                )
            except sqlite3.Error:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def get(self, submission_id: str) -> Stored | None:
        """Return the row, or None if there is no such id."""
        with self._lock:
            row = self._connection.execute(
                "SELECT id, state, submission, result FROM submissions WHERE id = ?", (submission_id,)
            ).fetchone()
        return Stored(row[0], StoredState(row[1]), row[2], row[3]) if row else None

    def take(self, count: int) -> list[Stored]:
        """Return up to `count` of the oldest queued rows, which are running from now on."""
        with self._lock:
            rows = self._connection.execute(
                "UPDATE submissions SET state = ?, changed_at = ? WHERE serial IN "
                "(SELECT serial FROM submissions WHERE state = ? ORDER BY serial LIMIT ?) "
                "RETURNING serial, id, state, submission, result",
                (StoredState.RUNNING, time.time(), StoredState.QUEUED, count),
            ).fetchall()
        return [Stored(row[1], StoredState(row[2]), row[3], row[4]) for row in sorted(rows)]

    def finish(self, results: Sequence[tuple[str, str]]) -> None:
        """Store `(id, result)` pairs: these submissions are done."""
        now = time.time()
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "UPDATE submissions SET state = ?, result = ?, changed_at = ? WHERE id = ?",
                [(StoredState.DONE, result, now, one_id) for one_id, result in results],
            )
            self._connection.execute("COMMIT")

    def requeue(self) -> int:
        """Queue again what was running when the service ended; return how many there were."""
        with self._lock:
            return self._connection.execute(
                "UPDATE submissions SET state = ? WHERE state = ?", (StoredState.QUEUED, StoredState.RUNNING)
            ).rowcount

    def waiting(self) -> int:
        """Return how many submissions are not done."""
        with self._lock:
            return self._connection.execute(
                "SELECT COUNT(*) FROM submissions WHERE state != ?", (StoredState.DONE,)
            ).fetchone()[0]

    def forget(self, older_than_s: float) -> int:
        """Delete what has been done for longer than `older_than_s`; return how many there were."""
        with self._lock:
            return self._connection.execute(
                "DELETE FROM submissions WHERE state = ? AND changed_at < ?",
                (StoredState.DONE, time.time() - older_than_s),
            ).rowcount
