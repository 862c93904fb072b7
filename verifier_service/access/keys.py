"""Keys of clients. They are kept in a file, which a running service reads again when it changes.

The file has one JSON object per line. It contains no secrets, only the SHA-256 of each. A slow password hash would add
no security, because a secret of `new_secret` has 256 random bits and cannot be guessed, but it would slow down every
request. A given key is compared with all keys, in constant time, so that the timing reveals nothing about a guess.
"""

import fcntl
import hashlib
import ipaddress
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from verifier_service.access.clients import Client
from verifier_service.schema import patterns
from verifier_service.schema.problems import in_words
from verifier_service.settings import Settings

log = structlog.get_logger()

PREFIX = "gvk_"
"""The prefix of every secret, by which people and scanners for leaked secrets recognize it."""
DEFAULT = "default"
"""The name of the key that VERIFIER_API_KEY sets."""
LOOK_AGAIN_S = 1.0
_UNITS = {"m": 60, "h": 3600, "d": 86400}


OPEN_TO_ALL = (
    "VERIFIER_HOST is {address!r}: other machines can reach this address, and there is no key, so anyone could run "
    "programs here. Set VERIFIER_API_KEY, or VERIFIER_KEYS_FILE (`python -m verifier_service keys add NAME` creates "
    "keys), or listen on 127.0.0.1; or use --insecure (VERIFIER_INSECURE=1) if a proxy in front of this service "
    "controls access"
)


class KeysBroken(Exception):
    """The keys cannot be read or changed; the message names file, line and field."""


class Key(BaseModel):
    """One key; a line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=patterns.KEY_NAME)
    sha256: str = Field(pattern=patterns.SHA256)
    created: AwareDatetime
    expires: AwareDatetime | None = None
    max_in_hand: int | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)

    @property
    def client(self) -> Client:
        """The client that the key identifies."""
        return Client(self.name, self.max_in_hand, self.requests_per_minute)

    @property
    def has_expired(self) -> bool:
        """Whether it has expired."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


def new_secret() -> str:
    """Return a secret of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def sha256_of(secret: bytes) -> str:
    """Return the digest that is stored for a secret."""
    return hashlib.sha256(secret).hexdigest()


def expiry(text: str, now: datetime | None = None) -> datetime:
    """Parse when a key expires: a date (`2027-01-31`), a time in ISO 8601, or a time from now (`90d`, `12h`, `30m`).

    Raises:
        KeysBroken: it has none of these formats, or is in the past.
    """
    now = now or datetime.now(UTC)
    if found := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return now + timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise KeysBroken(f"expires {text!r}: it must be like 90d, 12h, 30m, 2027-01-31 or 2027-01-31T12:00Z") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at <= now:
        raise KeysBroken(f"expires {text!r}: it must be in the future")
    return at


# The file


def read(path: Path) -> list[Key]:
    """Return the keys of a file.

    Raises:
        KeysBroken: it cannot be read, a line is not a key, or a name occurs twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise KeysBroken(
            f"{path}: there is no such file; `python -m verifier_service keys add NAME` creates it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeysBroken(f"{path}: it cannot be read: {error}") from error
    keys = [_key(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    names = [key.name for key in keys]
    twice = sorted({name for name in names if names.count(name) > 1 or name == DEFAULT})
    if twice:
        raise KeysBroken(
            f"{path}: the name {twice[0]!r} is taken: names must be unique, and {DEFAULT!r} is VERIFIER_API_KEY"
        )
    return keys


def _key(path: Path, number: int, line: str) -> Key:
    try:
        return Key.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the line"
        raise KeysBroken(f"{path}, line {number}, {field}: {in_words(first)}") from None


def add(path: Path, key: Key) -> None:
    """Add a key to the file; create the file if necessary.

    Raises:
        KeysBroken: the name is taken, or the file is broken.
    """
    with _changing(path) as keys:
        if key.name == DEFAULT or key.name in {one.name for one in keys}:
            raise KeysBroken(
                f"name {key.name!r}: there is already a key with this name; revoke it first, or choose another name"
            )
        keys.append(key)


def revoke(path: Path, name: str) -> None:
    """Remove a key from the file.

    Raises:
        KeysBroken: there is no key with this name, or the file is broken.
    """
    with _changing(path) as keys:
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            names = ", ".join(key.name for key in keys) or "there are none"
            raise KeysBroken(f"name {name!r}: there is no such key in {path}; it must be one of: {names}")
        keys[:] = kept


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """Yield the keys for changing, then replace the file atomically. A lock excludes other commands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read(path) if path.exists() else []
        yield keys
        _write(path, keys)


def _write(path: Path, keys: Iterable[Key]) -> None:
    old = path.stat() if path.exists() else None
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for key in keys:
                file.write(json.dumps(key.model_dump(mode="json", exclude_none=True)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if old is not None:  # keep mode and owner: the service may run as another user than this command
            os.chmod(name, old.st_mode & 0o777)
            if os.geteuid() == 0:
                os.chown(name, old.st_uid, old.st_gid)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# What the service asks


def are_wanted(settings: Settings) -> bool:
    """Return whether requests need a key. With an empty keys file, no request is accepted."""
    return any(one is not None for one in (settings.api_key, settings.api_key_file, settings.keys_file))


def is_open_to_all(settings: Settings) -> bool:
    """Return whether other machines would be served without a key although no setting allows it."""
    address = settings.published_on or settings.host
    return not (settings.insecure or are_wanted(settings) or _is_loopback(address))


def _is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True)
class _Kept:
    """A key with the digests of its secret in all encodings: clients differ in how they send non-ASCII headers."""

    key: Key
    digests: tuple[str, ...]


class Keys:
    """The keys of a service; it notices when the files change."""

    def __init__(self, settings: Settings) -> None:
        """Read the keys.

        Raises:
            KeysBroken: they cannot be read.
        """
        self._settings = settings
        self._wanted = are_wanted(settings)
        self._kept: list[_Kept] = []
        self._stamp: object = None
        self._looked_s = time.monotonic()
        self.trouble: str | None = None
        """Why the current files cannot be read; the keys read before stay valid."""
        if settings.api_key is not None and settings.api_key_file is not None:
            raise KeysBroken("VERIFIER_API_KEY and VERIFIER_API_KEY_FILE are both set: set only one of them")
        self._stamp = self._seen()
        self._kept = self._read()

    @property
    def wanted(self) -> bool:
        """Whether requests need a key."""
        return self._wanted

    @property
    def names(self) -> list[str]:
        """The names of all keys, including expired ones."""
        return [kept.key.name for kept in self._kept]

    def find(self, secret: bytes) -> Key | None:
        """Return the key with this secret, even if it has expired; None if there is none."""
        self._look_again()
        given = sha256_of(secret)
        found = None
        for kept in self._kept:
            for one in kept.digests:
                if secrets.compare_digest(given, one):
                    found = kept.key
        return found

    def _look_again(self) -> None:
        """Read the files again if they have changed; if that fails, only `trouble` changes."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_AGAIN_S:
            return
        self._looked_s = now_s
        stamp = self._seen()
        if stamp == self._stamp:
            return
        try:
            self._kept = self._read()
        except KeysBroken as error:
            if self.trouble != str(error):
                log.error("keys_not_read", reason=str(error))
            self.trouble = str(error)
        else:
            self.trouble = None
            log.info("keys_read", names=self.names)
        self._stamp = stamp

    def check(self) -> str | None:
        """Check the files; return what is wrong with them, or None."""
        self._look_again()
        return self.trouble

    def _seen(self) -> object:
        """Return a value that changes whenever one of the files does."""
        return tuple(_stamp(path) for path in (self._settings.keys_file, self._settings.api_key_file))

    def _read(self) -> list[_Kept]:
        settings = self._settings
        kept = [_Kept(key, (key.sha256,)) for key in read(settings.keys_file)] if settings.keys_file else []
        secret = settings.api_key.get_secret_value() if settings.api_key else None
        if settings.api_key_file:
            secret = _secret_in(settings.api_key_file)
        if secret is not None:
            kept.insert(0, _default_key(secret.strip()))
        return kept


def _stamp(path: Path | None) -> object:
    try:
        seen = path.stat() if path else None
    except OSError:
        return "gone"
    return seen and (seen.st_mtime_ns, seen.st_ino, seen.st_size)


def _secret_in(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeysBroken(f"VERIFIER_API_KEY_FILE {path}: it cannot be read: {error}") from error
    if not secret:
        raise KeysBroken(f"VERIFIER_API_KEY_FILE {path}: the file is empty; it must contain a key")
    return secret


def _default_key(secret: str) -> _Kept:
    forms = {secret.encode()}
    with suppress(UnicodeEncodeError):
        forms.add(secret.encode("latin-1"))
    digests = tuple(sha256_of(form) for form in forms)
    return _Kept(Key(name=DEFAULT, sha256=digests[0], created=datetime.now(UTC)), digests)
