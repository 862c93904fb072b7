"""Boxes in Docker containers: no network, read-only root, only the capabilities to change uid and to kill.

The service talks to a box over the container's attach stream; nothing is mounted from the host. docker-py blocks, so it
runs in threads; the stream itself is handled by the event loop.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import structlog
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

import docker
from sandboxes.protocol.config import BoxConfig
from sandboxes.protocol.constants import (
    COMPILE_MEMORY_MB,
    FOLDER,
    FOLDER_BYTES,
    FOLDER_INODES,
    HARNESS_ENV,
    HARNESS_FOLDER,
    SHARED_MEMORY_BYTES,
    TEMPORARY_FOLDER,
    TESTER_FOLDER,
)
from verifier_service.errors import RunnerUnavailable
from verifier_service.languages import SANDBOXES, Language, how_to_build
from verifier_service.runners.base import Runner
from verifier_service.runners.box import Stream, StreamBox
from verifier_service.runners.uids import UidSlots
from verifier_service.settings import Settings

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

OWNER_LABEL = "grpo-verifier.owner"
SECCOMP_PROFILE = SANDBOXES / "seccomp.json"
HARNESS_MEMORY_MB = 192
"""Memory for the supervisor, the zygotes and full writable folders, in addition to the program's."""
HARNESS_PROCESSES = 64
_TMPFS = f"nosuid,nodev,size={FOLDER_BYTES},nr_inodes={FOLDER_INODES},mode=1777"
TMPFS = {
    FOLDER: f"rw,exec,{_TMPFS}",
    TESTER_FOLDER: f"rw,noexec,{_TMPFS}",
    TEMPORARY_FOLDER: f"rw,exec,{_TMPFS}",
}
STREAM_HEAD_BYTES = 8
"""Docker frames a container's stream in pieces: `stream (1 byte) | 0 (3) | length (4, big endian) | bytes`."""
STDOUT = 1
DAEMON_ERRORS = (DockerException, RequestException)
ANY_VERSION = "1.41"
"""The API version to use for asking the daemon for its version."""
ANSWER_WITHIN_S = 5
THREADS = 16


class DockerRunner(Runner):
    """Starts boxes as containers of one daemon: `host`, else `DOCKER_HOST`, else the local one."""

    name = "docker"

    def __init__(self, settings: Settings, languages: Mapping[str, Language], host: str | None = None) -> None:
        self.known_languages = languages
        self._settings = settings
        self._host = host
        self._threads = ThreadPoolExecutor(
            THREADS, "docker"
        )  # not the default pool: a daemon that hangs would block its other users
        self._client: docker.DockerClient | None = None
        self._containers: set[str] = set()
        self._left: set[str] = set()
        """Containers whose removal failed; it is retried."""
        self._uid_slots = UidSlots()
        self._lock = threading.Lock()
        self._swept = False

    def _in_thread(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **named))

    # Boxes

    @property
    def containers(self) -> int:
        """The number of containers."""
        return len(self._containers)

    async def start_box(self, language: Language) -> StreamBox:
        """See `Runner.start_box`."""
        uid_base = self._uid_slots.take()
        creating = asyncio.ensure_future(self._in_thread(self._create, language, uid_base))
        try:
            container_id, image, sock = await asyncio.shield(creating)
        except asyncio.CancelledError:
            creating.add_done_callback(partial(self._remove_unwanted, uid_base, asyncio.get_running_loop()))
            raise
        except BaseException:
            self._uid_slots.give_back(uid_base)
            raise

        async def destroy() -> None:
            await self._in_thread(self._remove, container_id)
            self._uid_slots.give_back(uid_base)

        try:
            stream = await _connect(sock)
            box = StreamBox(language, image, stream, destroy)
            await box.greet()
        except BaseException:
            await destroy()
            raise
        return box

    def _remove_unwanted(
        self,
        uid_base: int,
        loop: asyncio.AbstractEventLoop,
        creating: "asyncio.Future[tuple[str, str, socket.socket]]",
    ) -> None:
        """Remove a container whose start was cancelled while it was being created."""
        if creating.cancelled() or creating.exception() is not None:
            self._uid_slots.give_back(uid_base)
            return
        container_id, _, sock = creating.result()
        sock.close()

        def remove() -> None:
            self._remove(container_id)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the service has ended
                loop.call_soon_threadsafe(self._uid_slots.give_back, uid_base)

        threading.Thread(target=remove).start()

    def _create(self, language: Language, uid_base: int) -> tuple[str, str, socket.socket]:
        """Create and start a container, and attach to it; return its id, its image's id, and the socket."""
        image = f"{self._settings.image_prefix}/{language.name}"
        try:
            client = self._connected()
            self._sweep(client)
            for left in list(self._left):
                self._remove(left)
            config = BoxConfig(uid_base=uid_base, tester=language.has_tester)
            container = client.containers.create(image, config.command("python3"), **self._options())
            container_id = container.id
            assert container_id is not None
            self._containers.add(container_id)
            with contextlib.ExitStack() as undoing:
                undoing.callback(self._remove, container_id)
                parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                attached = undoing.enter_context(contextlib.closing(client.api.attach_socket(container_id, parameters)))
                container.start()
                sock = _plain_socket(attached)
                undoing.pop_all()
            return container_id, str(container.attrs["Image"]), sock
        except ImageNotFound as error:
            raise RunnerUnavailable(
                f"the image {image} is missing: build it with {how_to_build(language.name)}"
            ) from error
        except (*DAEMON_ERRORS, OSError) as error:
            raise RunnerUnavailable(f"Docker cannot start a sandbox for {language.name}: {error}") from error

    def _options(self) -> dict[str, Any]:
        return {
            "detach": True,
            "stdin_open": True,
            "auto_remove": True,
            "working_dir": HARNESS_FOLDER,
            "user": "0:0",
            **self._walls(),
            "hostname": "box",
            "tmpfs": TMPFS,
            "shm_size": SHARED_MEMORY_BYTES,
            "cap_add": ["SETUID", "SETGID", "KILL"],
            "cpu_period": 100_000,
            "cpu_quota": 100_000,
            "ulimits": [Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=4096, hard=4096)],
            "log_config": LogConfig(type="none"),
            "environment": HARNESS_ENV,
            "healthcheck": {"test": ["NONE"]},
        }

    def _walls(self) -> dict[str, Any]:
        """Return the isolation options of every container that this service starts."""
        settings = self._settings
        memory_mb = max(settings.max_memory_limit_mb, COMPILE_MEMORY_MB) + HARNESS_MEMORY_MB
        return {
            "entrypoint": [],
            "network_mode": "none",
            "ipc_mode": "private",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true", f"seccomp={SECCOMP_PROFILE.read_text(encoding='utf-8')}"],
            "pids_limit": settings.max_max_processes + HARNESS_PROCESSES,
            "mem_limit": f"{memory_mb}m",
            "memswap_limit": f"{memory_mb}m",
            "labels": {OWNER_LABEL: _owner()},
            "runtime": settings.docker_runtime,
        }

    def _remove(self, container_id: str) -> None:
        """Destroy a container; does not raise if it is gone or the daemon does not answer.

        A failed removal is retried before the next container is started, and at the end.
        """
        try:
            self._connected().api.remove_container(container_id, force=True, v=True)
        except NotFound:
            pass
        except (*DAEMON_ERRORS, RunnerUnavailable, OSError) as error:
            if not (isinstance(error, APIError) and error.status_code == 409):  # 409: Docker is removing it already
                log.warning("container_not_removed", container=container_id[:12], reason=str(error))
                self._left.add(container_id)
                return
        self._containers.discard(container_id)
        self._left.discard(container_id)

    # The daemon

    def _connected(self) -> docker.DockerClient:
        """Return the client.

        Raises:
            RunnerUnavailable: no daemon answers.
        """
        with self._lock:
            if self._client is None:
                try:
                    client = self.new_client(timeout=60, max_pool_size=32)
                    client.ping()
                except DAEMON_ERRORS as error:
                    raise RunnerUnavailable(
                        f"no Docker daemon answers ({error}): start one, set DOCKER_HOST, or use the bubblewrap runner"
                    ) from error
                self._client = client
            return self._client

    def new_client(self, **options: int) -> docker.DockerClient:
        """Return a client that ignores the environment's certificates and proxies.

        These are meant for the web, and would replace the daemon's own certificate authority.
        """
        where = kwargs_from_env() | ({} if self._host is None else {"base_url": self._host})
        by_ssh = where.get("base_url", "").startswith("ssh://")
        with contextlib.closing(
            docker.DockerClient(**where, version=ANY_VERSION, use_ssh_client=by_ssh, **options)
        ) as first:
            first.api.trust_env = False
            version = first.api.version(api_version=False)["ApiVersion"]
        client = docker.DockerClient(**where, version=version, use_ssh_client=by_ssh, **options)
        client.api.trust_env = False
        return client

    async def count_cores(self) -> int:
        """Return how many cores the daemon's machine has.

        Raises:
            RunnerUnavailable: the daemon does not answer within `ANSWER_WITHIN_S` seconds.
        """
        return await self._in_thread(self._count_cores)

    def _count_cores(self) -> int:
        try:
            with contextlib.closing(self.new_client(timeout=ANSWER_WITHIN_S)) as client:
                return max(1, int(client.info()["NCPU"]))
        except (*DAEMON_ERRORS, OSError) as error:
            raise RunnerUnavailable(f"no Docker daemon answers ({error})") from error

    def _sweep(self, client: docker.DockerClient) -> None:
        """Remove containers left behind by crashed services; only on the first call."""
        with self._lock:
            if self._swept:
                return
            self._swept = True
        for container in client.containers.list(all=True, filters={"label": OWNER_LABEL}, ignore_removed=True):
            if container.id and _owner_is_gone(container.labels.get(OWNER_LABEL, "")):
                log.info("leftover_removed", container=container.id[:12])
                self._remove(container.id)

    async def available(self) -> str | None:
        """See `Runner.available`."""
        try:
            box = await self.start_box(self.known_languages["python"])
        except RunnerUnavailable as error:
            return str(error)
        await box.close()
        return None

    def hint(self, language: Language) -> str:
        """See `Runner.hint`."""
        return f"{how_to_build(language.name)} builds its image"

    async def languages(self) -> dict[str, str]:
        """See `Runner.languages`."""
        return await self._in_thread(self._languages)

    def _languages(self) -> dict[str, str]:
        client, found = self._connected(), {}
        for name, language in self.known_languages.items():
            try:
                image = client.images.get(f"{self._settings.image_prefix}/{name}")
                found[name] = self._version(client, image, language)
            except ImageNotFound:
                pass
            except DAEMON_ERRORS as error:
                raise RunnerUnavailable(f"Docker cannot list its images: {error}") from error
        return found

    def _version(self, client: docker.DockerClient, image: Any, language: Language) -> str:
        """Return the image's version label, or the first line that the version command prints."""
        labelled = image.labels.get("grpo-verifier.version")
        if labelled:
            return labelled
        try:
            output = client.containers.run(
                image.id, list(language.version_command), remove=True, stderr=True, **self._walls()
            )
        except DAEMON_ERRORS as error:
            return f"unknown ({error})"
        return output.decode("utf-8", "replace").strip().partition("\n")[0]

    async def close(self) -> None:
        """See `Runner.close`."""
        await asyncio.gather(*(self._in_thread(self._remove, one) for one in list(self._containers)))
        if self._client is not None:
            await self._in_thread(self._client.close)
            self._client = None


class AttachedStream(Stream):
    """The attach stream of a container, which multiplexes stdout and stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._raw = bytearray()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._raw += data
        stdout, position = [], 0
        while len(self._raw) - position >= STREAM_HEAD_BYTES:
            size = int.from_bytes(self._raw[position + 4 : position + 8], "big")
            end = position + STREAM_HEAD_BYTES + size
            if len(self._raw) < end:
                break
            part = bytes(self._raw[position + STREAM_HEAD_BYTES : end])
            if self._raw[position] == STDOUT:
                stdout.append(part)
            else:
                self.take_stderr(part)
            position = end
        del self._raw[:position]
        self.take_stdout(b"".join(stdout))


def _plain_socket(attached: Any) -> socket.socket:
    """Return a socket for the attach stream that the event loop can use.

    The loop cannot use a TLS or ssh connection, so two threads copy its bytes to a plain socket.
    """
    inner = getattr(attached, "_sock", attached)
    if isinstance(inner, socket.socket) and not isinstance(inner, ssl.SSLSocket):
        plain = socket.socket(fileno=os.dup(inner.fileno()))
        attached.close()
        return plain
    ours, theirs = socket.socketpair()

    def carry(receive: Any, send: Any) -> None:
        with contextlib.suppress(OSError):
            while chunk := receive(65536):
                send(chunk)
        for end in (theirs, inner):
            with contextlib.suppress(OSError):
                end.close()

    threading.Thread(target=carry, args=(theirs.recv, inner.sendall), daemon=True).start()
    threading.Thread(target=carry, args=(inner.recv, theirs.sendall), daemon=True).start()
    return ours


async def _connect(sock: socket.socket) -> Stream:
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    connect = loop.create_unix_connection if sock.family == socket.AF_UNIX else loop.create_connection
    try:
        _, stream = await connect(AttachedStream, sock=sock)
    except BaseException:
        sock.close()
        raise
    return stream


def _owner() -> str:
    """Identify this process so that others can see whether it is alive: boot, pid namespace, pid, start time."""
    return ":".join((*_world(), str(os.getpid()), _started(os.getpid()) or "?"))


def _world() -> tuple[str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, str(os.stat("/proc/self/ns/pid").st_ino)


def _started(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _owner_is_gone(owner: str) -> bool:
    """Return whether a container's owner is certainly gone. One on another machine or in another container may live."""
    boot, _, rest = owner.partition(":")
    namespace, _, process = rest.partition(":")
    pid, _, started = process.partition(":")
    return (boot, namespace) == _world() and pid.isdigit() and _started(int(pid)) != started
