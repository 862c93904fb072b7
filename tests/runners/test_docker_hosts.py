"""Boxes on two Docker daemons. The second one hangs, comes back and ends."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker.errors import DockerException
from pydantic import ValidationError

import docker
from tests.code_cases import judge_all, submission
from verifier_service.errors import RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.observability.metrics import Metrics
from verifier_service.runners.docker import OWNER_LABEL, DockerRunner
from verifier_service.runners.docker_hosts import DockerHosts
from verifier_service.schema import CodeSubmission, Verdict
from verifier_service.service import running_service
from verifier_service.settings import Settings

FIRST = "unix:///var/run/docker.sock"
IMAGE = "grpo-verifier/python"


@dataclass
class Daemon:
    """A second daemon, with its own images and containers."""

    host: str
    process: subprocess.Popen[bytes]
    client: docker.DockerClient

    @property
    def boxes(self) -> int:
        """The number of its boxes."""
        return len(self.client.containers.list(filters={"label": OWNER_LABEL}, ignore_removed=True))


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon with the image for Python. It has a network of its own: it would take down the first one's bridge."""
    program, unshare = shutil.which("dockerd"), shutil.which("unshare")
    if os.geteuid() != 0 or program is None or unshare is None:
        pytest.skip("needs root, dockerd and unshare, to start a second daemon")
    try:
        image = docker.DockerClient(FIRST).images.get(IMAGE)
    except DockerException as reason:
        pytest.skip(f"needs a Docker daemon and the image for Python: {reason}")
    folder = tmp_path_factory.mktemp("d2")
    host = f"unix://{folder / 'socket'}"
    command = [
        unshare, "--net", program, f"--host={host}", f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}", "--bridge=none", "--iptables=false", "--ip-masq=false",
    ]  # fmt: skip
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        runner = DockerRunner(Settings(), {}, host)
        ends_s = time.monotonic() + 60
        while True:
            try:
                asyncio.run(runner.count_cores())
                break
            except RunnerUnavailable:
                assert process.poll() is None, (folder / "log").read_text()
                if time.monotonic() > ends_s:
                    raise
                time.sleep(0.2)
        client = runner.new_client(timeout=120)
        client.images.load(b"".join(image.save(named=True)))
        yield Daemon(host, process, client)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(60)


def submissions(count: int, seconds: float, batch: str) -> list[CodeSubmission]:
    """Return right programs that take a few seconds each and are in no cache."""
    return [
        submission(
            f"import time\ndef f(x):\n    time.sleep({seconds})\n    return x + {n}  # {batch}",
            {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 1 + n}]},
        )
        for n in range(count)
    ]


@pytest.mark.docker
@pytest.mark.long
async def test_boxes_are_shared_out_among_daemons_and_one_that_hangs_or_dies_costs_no_verdict(
    second: Daemon, tmp_path: Path
) -> None:
    settings = Settings(docker_hosts=[FIRST, second.host], state_dir=tmp_path)
    async with running_service(settings, Metrics()) as service:
        assert service.settings.boxes == 2 * docker.DockerClient(FIRST).info()["NCPU"]

        async def judge(count: int, seconds: float, batch: str) -> Counter[Verdict]:
            results = await judge_all(service, submissions(count, seconds, batch))
            return Counter(result.verdict for result in results)

        async def until_it_has_boxes() -> None:
            async with asyncio.timeout(120):
                while not await asyncio.to_thread(lambda: second.boxes):
                    await asyncio.sleep(0.2)

        await until_it_has_boxes()
        assert await judge(20, 0.1, "both") == {Verdict.ACCEPTED: 20}

        hanging = asyncio.ensure_future(judge(30, 0.5, "one hangs"))
        await asyncio.sleep(1)
        second.process.send_signal(signal.SIGSTOP)
        assert await hanging == {Verdict.ACCEPTED: 30}
        assert await judge(10, 0.1, "one is away") == {Verdict.ACCEPTED: 10}

        second.process.send_signal(signal.SIGCONT)
        await until_it_has_boxes()
        assert await judge(20, 0.1, "back") == {Verdict.ACCEPTED: 20}

        dying = asyncio.ensure_future(judge(30, 0.5, "one ends"))
        await asyncio.sleep(1)
        second.process.terminate()
        assert await dying == {Verdict.ACCEPTED: 30}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tcp://a:2376,b", "'b' is not the address of a Docker daemon"),
        ("tcp://a:2376, tcp://a:2376", "'tcp://a:2376' is there twice"),
        ("http://a:2375", "'http://a:2375' is not the address of a Docker daemon"),
    ],
)
def test_addresses_of_daemons_are_refused_by_name(given: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFIER_DOCKER_HOSTS", given)
    with pytest.raises(ValidationError, match=said):
        Settings()


async def test_without_any_daemon_each_is_named() -> None:
    hosts = ["unix:///nowhere/a.sock", "unix:///nowhere/b.sock"]
    runner = DockerHosts(Settings(docker_hosts=hosts), load_languages())
    problem = await runner.available()
    await runner.close()
    assert problem is not None
    assert all(f"{host}: no Docker daemon answers" in problem for host in hosts)
