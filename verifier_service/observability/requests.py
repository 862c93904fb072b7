"""What every request leaves behind: a line in the log, and its place in the counts."""

import structlog

from verifier_service.observability.metrics import PROBES, Metrics
from verifier_service.settings import Settings

log = structlog.get_logger()

UNMATCHED = "unmatched"
"""The route of paths that there are none of."""
CLIENT_CLOSED_REQUEST = 499
"""What a request comes to whose client hung up before the answer."""


class RequestLog:
    """Counts requests and writes their lines."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._level = settings.access_log
        self._metrics = metrics

    def tell(self, method: str, route: str, status: int, seconds: float, peer: str, **more: object) -> None:
        """Tell of one request; `route` is the path as the app declares it, and what is empty of `more` is left out."""
        self._metrics.answered(method, route, status, seconds)
        if self._level == "off":
            return
        say = log.debug if self._level == "debug" or (route in PROBES and status < 400) else log.info
        said = {name: value for name, value in more.items() if value}
        say("request", method=method, route=route, status=status, seconds=round(seconds, 6), peer=peer, **said)
