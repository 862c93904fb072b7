"""The log line and the metrics of every request."""

import structlog

from verifier_service.observability.metrics import PROBES, Metrics
from verifier_service.settings import Settings

log = structlog.get_logger()

UNMATCHED = "unmatched"
"""The route of unknown paths."""
CLIENT_CLOSED_REQUEST = 499
"""The status of requests whose client hung up before the answer."""


class RequestLog:
    """Counts requests and writes their log lines."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._level = settings.access_log
        self._metrics = metrics

    def tell(self, method: str, route: str, status: int, seconds: float, peer: str, **more: object) -> None:
        """Record one request; `route` is the path template. Empty values in `more` are omitted."""
        self._metrics.answered(method, route, status, seconds)
        if self._level == "off":
            return
        say = log.debug if self._level == "debug" or (route in PROBES and status < 400) else log.info
        said = {name: value for name, value in more.items() if value}
        say("request", method=method, route=route, status=status, seconds=round(seconds, 6), peer=peer, **said)
