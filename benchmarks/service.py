"""Start a service for one benchmark, and send requests to it."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from benchmarks.workloads import Submission
from tests.conftest import ServiceProcess


@dataclass(frozen=True)
class Service:
    """A running service and a client of it."""

    pid: int
    url: str
    client: httpx.Client

    @cached_property
    def info(self) -> dict[str, Any]:
        """The service's answer to `GET /v1/info`."""
        return self.client.get("/v1/info").json()

    @property
    def languages(self) -> set[str]:
        """The languages that it can run."""
        return {one["name"] for one in self.info["languages"] if one["available"]}

    def verify(self, submissions: list[Submission], **envelope: Any) -> list[dict[str, Any]]:
        """Return the results of a batch."""
        response = self.client.post("/v1/verify", json={"submissions": submissions, **envelope})
        response.raise_for_status()
        return response.json()["results"]

    def seconds(self, submissions: list[Submission], verdict: str = "accepted", **envelope: Any) -> float:
        """Return the seconds until the results of a batch arrived.

        Raises:
            SystemExit: Some result has another verdict, so the time means nothing.
        """
        started = time.perf_counter()
        results = self.verify(submissions, **envelope)
        seconds = time.perf_counter() - started
        verdicts = Counter(result["verdict"] for result in results)
        if set(verdicts) != {verdict}:
            other = next(result for result in results if result["verdict"] != verdict)
            raise SystemExit(f"expected {verdict}, got {dict(verdicts)}: {str(other)[:2000]}")
        return seconds


@contextmanager
def running(**settings: str) -> Iterator[Service]:
    """Yield a service that is ready, with these `VERIFIER_*` settings, and stop it afterwards."""
    env = {f"VERIFIER_{name.upper()}": value for name, value in settings.items()}
    with tempfile.TemporaryDirectory() as folder:
        process = ServiceProcess(Path(folder) / "service.log", env)
        try:
            process.start()
            with httpx.Client(base_url=process.url, timeout=1200) as client:
                yield Service(process.pid, process.url, client)
        finally:
            process.stop()
