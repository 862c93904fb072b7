"""What a web page in somebody's browser may not do: reach this service in that person's name, or by a name of its own.

A service on 127.0.0.1 needs no key, and a browser on that machine runs the pages of strangers. What keeps them out:
- The Host that a request names must be one of ours. A page can have its own name point here (DNS rebinding), but the
  browser then says that name. Addresses are always allowed: a name is what rebinding needs.
- What changes something, or makes us work, must not come from a page of another site. Browsers tell: `Sec-Fetch-Site`,
  and older ones `Origin`. Whatever sends neither is no browser, or one so old that it can send no more than a form:
- a form cannot send JSON, so bodies of the two types in which it could carry JSON as text are refused. What `curl -d`
  sends by default is not among them: a form of that type changes every brace.
"""

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from verifier_service.settings import Settings

Headers = Sequence[tuple[bytes, bytes]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
OWN_SITES = frozenset({b"same-origin", b"none"})
FORM_TYPES = frozenset({b"text/plain", b"multipart/form-data"})


class Browsers:
    """What is refused before anything else is looked at."""

    def __init__(self, settings: Settings) -> None:
        wanted = {one.strip().lower().rstrip(".") for one in settings.allowed_hosts.split(",")}
        own = {"localhost", settings.host.lower(), (settings.published_on or "").lower(), socket.gethostname().lower()}
        self._any = "*" in wanted
        self._names = frozenset((wanted | own) - {"", "*"})
        self._below = (".localhost", *(one[1:] for one in wanted if one.startswith("*.")))

    def refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Return the status and the reason if a request is refused, else None."""
        host = origin = site = kind = b""
        for name, value in headers:
            if name == b"host":
                if host and host != value:
                    return 400, "Host: there are two, and there may be one"
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"content-type":
                kind = value
        if host and not self._is_ours(host.decode("latin-1")):
            shown = host.decode("latin-1")[:100]
            return 421, f"Host {shown!r}: it must be an address, or a name that VERIFIER_ALLOWED_HOSTS has"
        if method in SAFE_METHODS:
            return None
        if site and site.lower() not in OWN_SITES:
            return 403, f"Sec-Fetch-Site {site.decode('latin-1')[:20]!r}: a page of another site may not ask for this"
        if origin and not site and not _same_host(origin, host):
            return 403, f"Origin {origin.decode('latin-1')[:100]!r}: a page of another site may not ask for this"
        if kind.partition(b";")[0].strip().lower() in FORM_TYPES:
            return 415, f"Content-Type {kind.decode('latin-1')[:60]!r}: it must be application/json"
        return None

    def _is_ours(self, host: str) -> bool:
        if self._any:
            return True
        name = _without_port(host).lower().rstrip(".")
        return name in self._names or name.endswith(self._below) or _is_address(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_host(origin: bytes, host: bytes) -> bool:
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower() == host.decode("latin-1").lower()
    except ValueError:
        return False
