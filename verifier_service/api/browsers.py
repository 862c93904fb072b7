"""Keep other web sites' pages, running in a user's browser, from using this service.

A service on 127.0.0.1 needs no key, and a browser on that machine runs pages of any site. Three checks keep them out:

- The Host header must name this service. A site can point its own name here (DNS rebinding), but the browser then
  sends that name. IP addresses are always accepted, because rebinding needs a name.
- Requests other than GET, HEAD, OPTIONS and TRACE must not come from another site's page. Browsers say so in
  `Sec-Fetch-Site`, older ones in `Origin`. A client that sends neither is not a browser, or is so old that it can send
  only forms.
- A form cannot send the type application/json, so the two form types that can carry JSON as plain text are refused.
  The type that `curl -d` sends by default is accepted: a form of that type encodes every brace.
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
    """The checks, which run before anything else."""

    def __init__(self, settings: Settings) -> None:
        wanted = {one.strip().lower().rstrip(".") for one in settings.allowed_hosts.split(",")}
        own = {"localhost", settings.host.lower(), (settings.published_on or "").lower(), socket.gethostname().lower()}
        self._any = "*" in wanted
        self._names = frozenset((wanted | own) - {"", "*"})
        self._below = (".localhost", *(one[1:] for one in wanted if one.startswith("*.")))

    def refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Return status and reason if the request must be refused, else None."""
        host = origin = site = kind = b""
        for name, value in headers:
            if name == b"host":
                if host and host != value:
                    return 400, "Host: the request has two different ones; send one"
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"content-type":
                kind = value
        if host and not self._is_ours(host.decode("latin-1")):
            shown = host.decode("latin-1")[:100]
            return 421, f"Host {shown!r}: it must be an IP address, localhost, or a name in VERIFIER_ALLOWED_HOSTS"
        if method in SAFE_METHODS:
            return None
        if site and site.lower() not in OWN_SITES:
            return (
                403,
                f"Sec-Fetch-Site {site.decode('latin-1')[:20]!r}: a page of another site may not send this request",
            )
        if origin and not site and not _same_host(origin, host):
            return 403, f"Origin {origin.decode('latin-1')[:100]!r}: a page of another site may not send this request"
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
