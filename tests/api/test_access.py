"""Access by key: keys are added, changed and revoked while a real service runs, and no answer or log line has one."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.conftest import ServiceProcess
from verifier_service.access import keys
from verifier_service.access.clients import Client
from verifier_service.access.keys import Key, Keys, KeysBroken
from verifier_service.api.access import WRONG_MOST
from verifier_service.settings import Settings

NOTICED_WITHIN_S = 30
LOOPBACK = {"VERIFIER_HOST": "127.0.0.1"}
DEFAULT_KEY = "schlüssel-der-tür"
MATH = {"submissions": [{"kind": "math", "completion": "\\boxed{2}", "reference": "2"}]}


def command(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = os.environ | {"COLUMNS": "1000"} | env
    words = (sys.executable, "-m", "verifier_service", *words)
    return subprocess.run(words, env=given, capture_output=True, text=True, timeout=120, check=False)


def made(file: Path, name: str, *options: str) -> str:
    run = command("keys", "add", name, *options, VERIFIER_KEYS_FILE=str(file))
    assert run.returncode == 0, run.stderr
    assert run.stderr == f"Key {name!r} saved in {file}. The secret above is shown only now; copy it.\n"
    return run.stdout.strip()


class Service:
    """A service that requires keys, with its file of keys and its log."""

    def __init__(self, folder: Path) -> None:
        self.file, self.log = folder / "keys" / "keys.jsonl", folder / "log"
        self.alice = made(self.file, "alice")
        env = {"VERIFIER_KEYS_FILE": str(self.file), "VERIFIER_API_KEY": DEFAULT_KEY}
        self.process = ServiceProcess(self.log, env)
        self.process.start()
        self.http = httpx.Client(base_url=self.process.url, timeout=60)

    def status(self, authorization: str | bytes | None, path: str = "/v1/info") -> int:
        given = authorization.encode() if isinstance(authorization, str) else authorization
        return self.http.get(path, headers={} if given is None else {b"Authorization": given}).status_code

    def becomes(self, holds: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + NOTICED_WITHIN_S
        while not holds():
            assert time.monotonic() < deadline_s, self.log.read_text()[-2000:]
            time.sleep(0.1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests here; each test uses its own keys."""
    made = Service(tmp_path_factory.mktemp("keys"))
    yield made
    made.http.close()
    made.process.stop()


def test_the_scheme_is_asked_for_and_may_be_written_in_any_case(service: Service) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert service.status(f"{scheme} {service.alice}") == 200
    for wrong in (None, service.alice, f"Basic {service.alice}", "Bearer"):
        assert service.status(wrong) == 401


def test_a_key_beyond_ascii_is_the_same_however_a_client_writes_it(service: Service) -> None:
    for encoding in ("utf-8", "latin-1"):
        assert service.status(f"Bearer {DEFAULT_KEY}".encode(encoding)) == 200


def test_keys_are_added_and_taken_back_while_the_service_runs(service: Service) -> None:
    bob = made(service.file, "bob", "--expires", "90d")
    service.becomes(lambda: service.status(f"Bearer {bob}") == 200)
    assert service.status(f"Bearer {service.alice}") == 200
    assert command("keys", "revoke", "bob", "--file", str(service.file)).returncode == 0
    service.becomes(lambda: service.status(f"Bearer {bob}") != 200)
    assert service.status(f"Bearer {service.alice}") == 200


def test_an_expired_key_says_so(service: Service) -> None:
    carol = made(service.file, "carol", "--expires", "90d")
    lines = [json.loads(line) for line in service.file.read_text().splitlines()]
    lines[-1]["expires"] = "2020-01-01T00:00:00Z"
    service.file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    service.becomes(
        lambda: (
            "the key 'carol' has expired"
            in service.http.get("/v1/info", headers={"Authorization": f"Bearer {carol}"}).text
        )
    )


def test_a_broken_file_changes_nothing_and_is_told(service: Service) -> None:
    whole = service.file.read_text()
    service.file.write_text(whole + '{"name": "dave"}\n')
    service.becomes(lambda: bool(service.http.get("/readyz").json()["warnings"]))
    told = service.http.get("/readyz")
    number = len(whole.splitlines()) + 1
    assert (told.status_code, told.json()["ready"]) == (200, True)
    assert f"keys.jsonl, line {number}, sha256: this field is required" in told.json()["warnings"]["keys"]
    assert service.status(f"Bearer {service.alice}") == 200
    counted = service.http.get("/metrics", headers={"Authorization": f"Bearer {service.alice}"}).text
    assert "verifier_keys_broken 1.0" in counted
    service.file.unlink()
    service.becomes(lambda: "no such file" in service.http.get("/readyz").json()["warnings"]["keys"])
    assert service.status(f"Bearer {service.alice}") == 200
    service.file.write_text(whole)
    service.becomes(lambda: not service.http.get("/readyz").json()["warnings"])


def test_a_key_may_send_so_many_requests_a_minute(service: Service) -> None:
    erin = made(service.file, "erin", "--requests-per-minute", "3")
    service.becomes(lambda: service.status(f"Bearer {erin}") == 200)
    answers = [service.http.get("/v1/info", headers={"Authorization": f"Bearer {erin}"}) for _ in range(10)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 20
    assert "the key 'erin' may send 3 requests per minute" in refused[0].json()["detail"]
    assert service.status(f"Bearer {service.alice}") == 200


def test_who_guesses_is_held_off_and_shuts_out_nobody(service: Service) -> None:
    """A valid key still works from the address that guesses keys, and the log contains none of the guesses."""
    guesses = [f"gvk_guess-{n:03}" for n in range(3 * WRONG_MOST)]
    statuses = [service.status(f"Bearer {guess}") for guess in guesses]
    assert statuses[-1] == 429
    assert set(statuses) == {401, 429}
    assert service.status(f"Bearer {service.alice}") == 200
    assert service.status(f"Bearer {DEFAULT_KEY}".encode()) == 200
    log = service.log.read_text()
    assert "key_wrong" in log
    assert "keys_guessed" in log
    assert "guess-0" not in log
    assert service.alice not in log
    counted = service.http.get("/metrics", headers={"Authorization": f"Bearer {service.alice}"}).text
    (wrong,) = re.findall(r'verifier_keys_refused_total\{reason="wrong"\} (\S+)', counted)
    assert float(wrong) >= len(guesses)


def test_the_pages_are_behind_the_key_which_a_browser_sends_as_a_password(service: Service) -> None:
    password = base64.b64encode(f"me:{service.alice}".encode()).decode()
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert service.status(None, path) == 401
        assert service.http.get(path).headers["WWW-Authenticate"].startswith("Basic ")
        there = 307 if path == "/redoc" else 200
        assert service.status(f"Bearer {service.alice}", path) == there
        assert service.status(f"Basic {password}", path) == there
    assert service.status(f"Basic {password}", "/v1/info") == 401, "only what people read takes a password"
    assert service.status(None, "/metrics") == 401
    assert service.status(None, "/healthz") == service.status(None, "/readyz") == 200


def test_a_request_is_its_clients_in_the_log(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.alice}", "X-Request-ID": "of-alice"}
    assert service.http.post("/v1/verify", json=MATH, headers=headers).status_code == 200
    service.becomes(lambda: '"of-alice"' in service.log.read_text())
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if '"of-alice"' in line]
    assert [(line["event"], line["client"], line["items"]) for line in lines] == [("request", "alice", 1)]


# Reasons for the service not to start


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"VERIFIER_API_KEY": ""}, "VERIFIER_API_KEY='': it is empty: set a key, or omit the setting"),
        ({"VERIFIER_API_KEY": "  "}, "VERIFIER_API_KEY='...': it is empty"),
        ({"VERIFIER_API_KEY_FILE": ""}, "VERIFIER_API_KEY_FILE=''"),
        ({"VERIFIER_API_KEY_FILE": "/dev/null"}, "VERIFIER_API_KEY_FILE /dev/null: the file is empty"),
        ({"VERIFIER_API_KEY_FILE": "/nowhere"}, "VERIFIER_API_KEY_FILE /nowhere: it cannot be read"),
        ({"VERIFIER_API_KEY": "a", "VERIFIER_API_KEY_FILE": "/etc/hostname"}, "are both set"),
        ({"VERIFIER_KEYS_FILE": "/nowhere"}, "/nowhere: there is no such file; `python -m verifier_service keys add"),
        ({"VERIFIER_KEYS_FILE": "/etc/passwd"}, "/etc/passwd, line 1"),
        (
            {"VERIFIER_HOST": "0.0.0.0"},
            "VERIFIER_HOST is '0.0.0.0': other machines can reach this address, and there is no key",
        ),
        ({"VERIFIER_HOST": "::"}, "there is no key"),
        ({"VERIFIER_HOST": "some.name"}, "there is no key"),
        ({"VERIFIER_PUBLISHED_ON": "10.0.0.1"}, "VERIFIER_HOST is '10.0.0.1': other machines can reach this address"),
    ],
)
def test_a_service_does_not_start_open_by_mistake(env: dict[str, str], said: str) -> None:
    run = command("serve", "--port", "0", **(LOOPBACK | env))
    assert run.returncode in (1, 2)
    assert said in run.stderr


@pytest.mark.parametrize(
    "env",
    [
        {"VERIFIER_HOST": "0.0.0.0", "VERIFIER_INSECURE": "1"},
        {"VERIFIER_HOST": "0.0.0.0", "VERIFIER_API_KEY": "a key"},
        {"VERIFIER_HOST": "0.0.0.0", "VERIFIER_PUBLISHED_ON": "127.0.0.1"},
        {"VERIFIER_HOST": "localhost"},
        {"VERIFIER_HOST": "127.8.9.1"},
        {"VERIFIER_HOST": "::1"},
    ],
)
def test_who_says_what_is_meant_may_start(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert not keys.is_open_to_all(Settings())


# The file


def test_many_who_add_keys_at_once_lose_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    now = datetime.now(UTC)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: keys.add(file, Key(name=f"k{n}", sha256="0" * 64, created=now)), range(200)))
    assert {key.name for key in keys.read(file)} == {f"k{n}" for n in range(200)}


def test_a_secret_is_shown_once_and_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    secret = made(file, "a", "--max-in-hand", "5")
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    (key,) = keys.read(file)
    assert (key.sha256, key.client) == (keys.sha256_of(secret.encode()), Client("a", 5, None))


def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    made(file, "first")
    program = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from verifier_service.access import keys\n"
        "n = 0\n"
        "print('begins', flush=True)\n"
        "while True:\n"
        "    n += 1\n"
        "    key = keys.Key(name=f'{sys.argv[2]}-{n}', sha256='0' * 64, created=datetime.now(UTC))\n"
        "    keys.add(Path(sys.argv[1]), key)\n"
    )
    before = 1
    for turn in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", program, str(file), f"w{turn}"], stdout=subprocess.PIPE, start_new_session=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02 * turn + 0.01)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        found = keys.read(file)
        assert len(found) >= before
        assert found[0].name == "first"
        before = len(found)
    assert before > 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "the line"),
        ('{"name": "a b", "sha256": "%s", "created": "2026-01-01T00:00:00Z"}' % ("0" * 64), "name"),
        ('{"name": "a", "sha256": "00", "created": "2026-01-01T00:00:00Z"}', "sha256"),
        ('{"name": "a", "sha256": "%s", "created": "2026-01-01T00:00:00Z", "colour": 1}' % ("0" * 64), "colour"),
        ('{"name": "default", "sha256": "%s", "created": "2026-01-01T00:00:00Z"}' % ("0" * 64), "'default'"),
    ],
)
def test_a_line_that_is_no_key_names_the_file_the_line_and_the_field(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text(f"\n{line}\n")
    with pytest.raises(KeysBroken) as raised:
        keys.read(file)
    assert str(file) in str(raised.value)
    assert said in str(raised.value)


def test_a_mounted_secret_may_change_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "LOOK_AGAIN_S", 0.0)
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    found = Keys(Settings(api_key_file=secret))
    assert found.find(b"old") is not None
    secret.write_text("newer\n")
    assert found.find(b"newer") is not None
    assert found.find(b"old") is None
    secret.write_text("")
    assert found.find(b"newer") is not None
    assert "the file is empty" in (found.check() or "")


def test_an_empty_file_of_keys_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text("")
    found = Keys(Settings(keys_file=file))
    assert found.wanted
    assert found.find(b"") is None


def test_a_time_that_a_key_lives_is_read_in_the_usual_ways() -> None:
    now = Key(name="a", sha256="0" * 64, created=keys.expiry("2100-01-01")).created
    assert keys.expiry("90d", now).isoformat() == "2100-04-01T00:00:00+00:00"
    assert keys.expiry("2100-01-01T02:00+02:00").timestamp() == now.timestamp()
    for wrong in ("soon", "2020-01-01", "-1d", ""):
        with pytest.raises(KeysBroken, match="expires"):
            keys.expiry(wrong)
