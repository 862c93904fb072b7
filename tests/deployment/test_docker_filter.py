"""The filter in front of the Docker socket: a service works through it, but requests that would grant root do not.

The real daemon, and the real filter in the image that compose builds.
"""

import copy
import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ServiceProcess
from verifier_service.languages import load_languages
from verifier_service.runners.docker import DockerRunner
from verifier_service.settings import Settings

ROOT = Path(__file__).parent.parent.parent
PREFIX = os.environ.get("VERIFIER_IMAGE_PREFIX", "grpo-verifier")
SOCKET = Path("/var/run/docker.sock")
API = "/v1.41"
SOMEBODY = "0" * 64
"""The id of a container that is not there: the daemon answers 404 where the filter lets something through."""

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not SOCKET.is_socket(), reason="there is no Docker socket to filter"),
]


def _docker(*words: str) -> str:
    run = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout.strip()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the filter listens."""
    image = f"{PREFIX}/docker-filter:test"
    base = ["--build-arg", f"BASE_IMAGE={PREFIX}/base"]
    _docker("build", "--network", "host", "-t", image, *base, str(ROOT / "docker" / "filter"))
    walls = ["--read-only", "--cap-drop", "ALL", "--cap-add", "DAC_OVERRIDE", "--security-opt", "no-new-privileges"]
    container = _docker(
        "run", "-d", "--rm", *walls, "-p", "127.0.0.1::2375", "-v", f"{SOCKET}:/var/run/docker.sock", image
    )
    try:
        address = _docker("port", container, "2375/tcp").splitlines()[0]
        deadline_s = time.monotonic() + 60
        while _status(address, "GET", "/_ping") != 200:
            assert time.monotonic() < deadline_s, _docker("logs", container)
            time.sleep(0.2)
        yield address
    finally:
        _docker("rm", "-f", container)


def _status(address: str, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
    """Send exactly this and return the status; 0 if the filter does not listen."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        if body is not None and "Transfer_Encoding" not in headers:
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Content-Type", "application/json")
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        return connection.getresponse().status
    except (ConnectionError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def test_a_service_judges_through_it(address: str, tmp_path: Path) -> None:
    env = {"VERIFIER_RUNNER": "docker", "DOCKER_HOST": f"tcp://{address}", "VERIFIER_BOXES": "1", "NO_PROXY": "*"}
    service = ServiceProcess(tmp_path / "log", env)
    service.start()
    try:
        tests = {"kind": "assert", "code": "assert f(1) == 2"}
        items = [{"kind": "code", "completion": f"def f(x): return x + {n}", "tests": tests} for n in (1, 2)]
        answer = httpx.post(f"{service.url}/v1/verify", json={"submissions": items}, timeout=300).json()
        assert [one["verdict"] for one in answer["results"]] == ["accepted", "wrong_answer"]
        info = httpx.get(f"{service.url}/v1/info", timeout=60).json()
        versions = [one["version"] for one in info["languages"] if one["available"]]
        assert not [version for version in versions if version.startswith("unknown")]
    finally:
        service.stop()
    assert "container_not_removed" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{API}/containers/{SOMEBODY}/exec"),
        ("POST", f"{API}/exec/{SOMEBODY}/start"),
        ("PUT", f"{API}/containers/{SOMEBODY}/archive?path=/"),
        ("GET", f"{API}/containers/{SOMEBODY}/archive?path=/"),
        ("POST", f"{API}/containers/{SOMEBODY}/update"),
        ("POST", f"{API}/containers/{SOMEBODY}/rename?name=x"),
        ("POST", f"{API}/build"),
        ("POST", f"{API}/images/create?fromImage=x"),
        ("DELETE", f"{API}/images/x"),
        ("POST", f"{API}/images/load"),
        ("POST", f"{API}/volumes/create"),
        ("POST", f"{API}/networks/create"),
        ("GET", f"{API}/info"),
        ("GET", f"{API}/events"),
        ("GET", f"{API}/secrets"),
        ("POST", f"{API}/swarm/init"),
        ("POST", f"{API}/plugins/pull"),
        ("POST", "/session"),
        ("GET", "/containers/json"),
        ("POST", f"/v1.22/containers/{SOMEBODY}/start"),
        ("POST", f"{API}/containers/{SOMEBODY[:12]}/start"),
        ("POST", f"{API}/containers/create?name=x"),
        ("GET", f"{API}/images/x/../../containers/{SOMEBODY}/export/json"),
        ("GET", f"{API}/images/x%2f..%2f../json"),
        ("POST", f"{API}//containers/{SOMEBODY}/exec"),
        ("GET", f"{API}/containers/create"),
        ("HEAD", f"{API}/containers/{SOMEBODY}"),
    ],
)
def test_other_parts_of_the_api_are_not_there(address: str, method: str, path: str) -> None:
    assert _status(address, method, path, b"" if method == "POST" else None) == 403


def test_a_start_carries_nothing(address: str) -> None:
    start = f"{API}/containers/{SOMEBODY}/start"
    assert _status(address, "POST", start, b"") == 404, "let through"
    assert _status(address, "POST", start, b'{"Privileged":true}') == 403
    assert _status(address, "POST", start, b"2\r\n{}\r\n0\r\n\r\n", Transfer_Encoding="chunked") == 403


# Creating containers


@pytest.fixture(scope="module")
def ordinary() -> dict[str, Any]:
    """The runner's own request, for a missing image: the daemon answers 404 if the filter lets it through."""
    sent: list[dict[str, Any]] = []
    runner = DockerRunner(Settings(), load_languages())
    client = runner._connected()
    client.api._post_json = lambda url, data, **_: sent.append(data) or _stop()  # type: ignore[method-assign]
    with pytest.raises(_Stopped):
        client.containers.create("no.such/image", ["python3"], **runner._options())
    made: dict[str, Any] = json.loads(json.dumps(sent[0]))
    return {name: value for name, value in made.items() if value is not None}


class _Stopped(Exception):
    pass


def _stop() -> None:
    raise _Stopped


def _make(address: str, body: dict[str, Any] | bytes) -> int:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _status(address, "POST", f"{API}/containers/create", sent)


def _with(ordinary: dict[str, Any], **host: Any) -> dict[str, Any]:
    changed = copy.deepcopy(ordinary)
    changed["HostConfig"] |= host
    return changed


def test_the_ordinary_container_is_let_through(address: str, ordinary: dict[str, Any]) -> None:
    assert _make(address, ordinary) == 404
    assert _make(address, json.dumps(ordinary, separators=(",", ":")).encode()) == 404
    long = copy.deepcopy(ordinary)
    long["Env"] = [f"A{n}=" + "\\\"'\n" * 10 for n in range(500)]
    assert 40_000 < len(json.dumps(long)) < 65_536
    assert _make(address, long) == 404


@pytest.mark.parametrize(
    "host",
    [
        {"Privileged": True},
        {"privileged": True},
        {"PRIVILEGED": True},
        {"Privileged": False},
        {"Binds": ["/:/host"]},
        {"Bind\u017f": ["/:/host"]},
        {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]},
        {"VolumesFrom": ["x"]},
        {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]},
        {"DeviceCgroupRules": ["a *:* rwm"]},
        {"PidMode": "host"},
        {"UsernsMode": "host"},
        {"UTSMode": "host"},
        {"CgroupnsMode": "host"},
        {"Sysctls": {"kernel.core_pattern": "|/x"}},
        {"CgroupParent": "/"},
        {"OomScoreAdj": -1000},
        {"IpcMode": "host"},
        {"NetworkMode": "host"},
        {"NetworkMode": "bridge"},
        {"ReadonlyRootfs": False},
        {"CapAdd": ["SYS_ADMIN"]},
        {"CapAdd": ["SETUID", "ALL"]},
        {"CapDrop": []},
        {"CapDrop": ["ALL", "x"]},
        {"SecurityOpt": []},
        {"SecurityOpt": ["no-new-privileges:true"]},
        {"SecurityOpt": ["no-new-privileges:true", "seccomp=unconfined"]},
        {"SecurityOpt": ["no-new-privileges:false", "seccomp={}"]},
        {"SecurityOpt": ["no-new-privileges:true", "seccomp={}", "apparmor=unconfined"]},
        {"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "tcp://1.2.3.4"}}},
        {"PidsLimit": -1},
        {"PidsLimit": 0},
        {"Memory": 0},
    ],
    ids=str,
)
def test_a_container_that_reaches_the_machine_is_refused(
    address: str, ordinary: dict[str, Any], host: dict[str, Any]
) -> None:
    assert _make(address, _with(ordinary, **host)) == 403
    assert _make(address, json.dumps(_with(ordinary, **host), ensure_ascii=False).encode()) == 403


@pytest.mark.parametrize(
    "left_out", ["NetworkMode", "IpcMode", "ReadonlyRootfs", "CapDrop", "SecurityOpt", "PidsLimit", "Memory"]
)
def test_a_container_without_one_of_the_walls_is_refused(address: str, ordinary: dict[str, Any], left_out: str) -> None:
    changed = copy.deepcopy(ordinary)
    del changed["HostConfig"][left_out]
    assert _make(address, changed) == 403


def test_nothing_can_be_written_in_another_way(address: str, ordinary: dict[str, Any]) -> None:
    written = json.dumps(ordinary)
    head = '"HostConfig": {'
    assert head in written

    def adding(text: str) -> bytes:
        return written.replace(head, f"{head}{text}, ", 1).encode("utf-8", "surrogateescape")

    assert _make(address, adding('"NetworkMode": "none"')) == 404, "twice the same does no harm"
    for text in (
        '"Privileged"\n\t:true',
        '"\\u0050rivileged": true',
        '"Cmd": "\\u0022", "x": 1',
        '"NetworkMode": "host"',
        '"networkmode": "host"',
        '"Privileged\\/": true',
        '"Privileged\\"": true',
        '"A": {"Privileged": true}',
        '"Cmd": ["\\\\"], "Privileged": true, "Env": ["\\\\"]',
        '"CapAdd": ["SETUID", "SETUID" "SYS_ADMIN"]',
        '"CapAdd": ["SETUID"],"capAdd": ["SYS_ADMIN"]',
        "\udcff",
    ):
        assert _make(address, adding(text)) == 403, text
    after = written[:-1] + ', "HostConfig": {"Privileged": true}}'
    assert _make(address, after.encode()) == 403
    assert _make(address, (written + '{"HostConfig": {"Privileged": true}}').encode()) == 403


def test_what_is_too_large_to_be_looked_at_is_refused(address: str, ordinary: dict[str, Any]) -> None:
    padded = json.dumps(ordinary).encode() + b" " * 200_000 + b'{"Privileged": true}'
    assert _make(address, padded) == 413
    create = f"{API}/containers/create"
    body = json.dumps(ordinary).encode()
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert _status(address, "POST", create, chunked, Transfer_Encoding="chunked") == 403
