"""What is counted for `GET /metrics`, in the words of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The service's metrics, in a registry of their own so that two apps in one process do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.in_hand = Gauge("verifier_submissions_in_hand", "Submissions waiting or running", registry=self.registry)
        self.refused = Counter(
            "verifier_requests_refused_total", "Requests refused, by status", ["status"], registry=self.registry
        )
        self._verdicts = Counter(
            "verifier_results_total", "Results by kind and verdict", ["kind", "verdict"], registry=self.registry
        )
        self._seconds = Histogram(
            "verifier_result_seconds",
            "Seconds from the arrival of the batch to each result",
            ["kind"],
            registry=self.registry,
            buckets=_SECONDS,
        )

    def judged(self, kind: str, word: str, seconds: float) -> None:
        """Count one result: `word` is what an item of `kind` came to, `seconds` after its batch arrived."""
        self._verdicts.labels(kind, word).inc()
        self._seconds.labels(kind).observe(seconds)
