"""A real PostgreSQL from the machine's packages, in its own folder, started and stopped by the tests."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import free_port

OWNER = "postgres"


def programs() -> Path | None:
    """Return the folder of the newest installed PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found:
        return found[-1]
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PostgresServer:
    """A server on a port of the loopback address that trusts every connection."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin = bin_folder
        self._data = folder / "data"
        self._folder = folder
        self.port = free_port()
        self.url = f"postgresql+psycopg://{OWNER}@127.0.0.1:{self.port}/postgres"
        self._as_owner: Sequence[str] = ()
        if os.geteuid() == 0:  # it refuses to run as root
            owner = pwd.getpwnam(OWNER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            self._as_owner = ("setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups")
        self._run("initdb", "-D", str(self._data), "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_owner, str(self._bin / program), *arguments]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True, text=True, timeout=120)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self._folder}"
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` resembles a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement alongside the services."""
        import psycopg

        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server during the block."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="verifier-postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(bin_folder, Path(folder))
        server.start()
        try:
            yield server
        finally:
            if (Path(folder) / "data" / "postmaster.pid").exists():
                server.stop()


class Relay:
    """A network that can fail: from then on, connections stay open but carry nothing."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._is_there = asyncio.Event()
        self._is_there.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def lose(self) -> None:
        """Block all traffic from now on."""
        self._is_there.clear()

    def find(self) -> None:
        """Let new connections through; the earlier ones stay lost."""
        self._open = set()
        self._is_there.set()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self._tasks.add(asyncio.create_task(self._carry_both(reader, writer)))

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._is_there.wait()
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, other_writer}
        with suppress(OSError):
            await asyncio.gather(self._carry(reader, other_writer), self._carry(other_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self._is_there.is_set() or writer not in self._open:
                await asyncio.Event().wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def relay_to(port: int) -> AsyncIterator[tuple[Relay, int]]:
    """Run a relay in front of a port; yield it and its own port."""
    relay = Relay(port)
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    try:
        yield relay, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await relay.close()
