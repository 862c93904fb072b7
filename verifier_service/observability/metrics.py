"""The metrics of `GET /metrics`. docs/how-to/monitor.md explains which to look at when.

No label has a value chosen by a client, which could create unlimited series: unknown routes, languages, causes and
signals are counted as `other`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import disable_created_metrics as leave_out_creation_times
from prometheus_client.process_collector import ProcessCollector

from verifier_service.errors import Cause
from verifier_service.schema import Verdict

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_PHASE_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
PHASES = ("queue", "start", "run", "judge")
NO_TIMES = (0.0, 0.0, 0.0, 0.0)
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
OTHER = "other"
MAX_SIGNALS = 64


leave_out_creation_times()  # a third of all series, and rarely of use


@dataclass(frozen=True)
class Series:
    """What there is to know about one metric, for the manual."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]


class Judged(Protocol):
    """The part of a result that is counted."""

    @property
    def kind(self) -> str:
        """The kind of submission."""
        ...

    @property
    def word(self) -> str:
        """The verdict, or how a run ended."""
        ...


class Metrics:
    """The service's metrics. They have their own registry, so that two apps in one process do not share them."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.described: list[Series] = []
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            self.described.append(Series(name, "counter", what, labels))
            return Counter(name, what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            self.described.append(Series(name, "gauge", what, labels))
            return Gauge(name, what, labels, registry=registry)

        def histogram(name: str, what: str, *labels: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
            self.described.append(Series(name, "histogram", what, labels))
            return Histogram(name, what, labels, registry=registry, buckets=buckets)

        self.build = gauge(
            "verifier_build_info", "Always 1; the labels say which version and runner", "version", "runner"
        )
        self._images = gauge(
            "verifier_image_info", "Always 1; the image that boxes were last started from", "language", "image"
        )
        self.ready = gauge("verifier_ready", "1 when verdicts can be trusted, else 0")
        self.loop_lag = histogram(
            "verifier_event_loop_lag_seconds", "How late timers of the event loop fire", buckets=_LAG_SECONDS
        )

        self.in_hand = gauge("verifier_submissions_in_hand", "Submissions that wait or run")
        self._client_in_hand = gauge(
            "verifier_client_submissions_in_hand", "Submissions that wait or run, by the name of the key", "client"
        )
        self.refused = counter("verifier_requests_refused_total", "Requests that were refused", "status")
        self._requests = counter(
            "verifier_http_requests_total", "Requests that were answered", "method", "route", "status"
        )
        self._request_seconds = histogram(
            "verifier_http_request_seconds",
            "Time from the request headers to the end of the answer",
            "method",
            "route",
        )
        self.requests_in_flight = gauge("verifier_http_requests_in_flight", "Requests that are being answered")
        self.body_bytes = gauge("verifier_body_bytes", "Memory for the bodies of requests in flight, above 64 KiB each")
        self.keys_refused = counter("verifier_keys_refused_total", "Requests that were refused for their key", "reason")
        self.keys_broken = gauge(
            "verifier_keys_broken", "1 when a file of keys cannot be read; the earlier keys stay valid"
        )

        self._verdicts = counter("verifier_results_total", "Results", "kind", "verdict")
        self._seconds = histogram(
            "verifier_result_seconds", "Time from the arrival of a batch to each of its results", "kind"
        )
        self._phases = histogram(
            "verifier_phase_seconds",
            "Time of each judged submission by phase",
            "kind",
            "language",
            "phase",
            buckets=_PHASE_SECONDS,
        )
        self._errors = counter(
            "verifier_judge_errors_total", "Submissions and runs that ended as judge_error", "kind", "cause"
        )
        self._signals = counter("verifier_signals_total", "Results with a signal", "kind", "signal")

        self._boxes = gauge("verifier_boxes", "Boxes that exist", "state")
        self._turns = gauge("verifier_turns_waiting", "Programs that wait for a box")
        self._boxes_started = counter("verifier_boxes_started_total", "Boxes that were started", "language")
        self.boxes_not_started = counter("verifier_boxes_not_started_total", "Starts of boxes that failed", "language")
        self.boxes_reset = counter("verifier_boxes_reset_total", "Boxes that were reset and used again", "language")
        self.boxes_destroyed = counter(
            "verifier_boxes_destroyed_total", "Boxes that were destroyed", "language", "cause"
        )
        self.workers_started = counter("verifier_math_workers_started_total", "Math workers that were started")
        self.workers_ended = counter("verifier_math_workers_ended_total", "Math workers that died at work", "cause")

        self.durable = gauge("verifier_durable_submissions", "Durable submissions that are not finished", "state")
        self._tried_again = counter(
            "verifier_durable_attempts_failed_total",
            "Attempts at durable submissions that failed and are repeated",
            "kind",
            "cause",
        )
        self.durable_age = gauge(
            "verifier_durable_oldest_seconds", "Age of the oldest durable submission that is not finished"
        )

        self._languages: Mapping[str, str] = {}
        self._image_of: dict[str, str] = {}
        self._signals_seen: set[str] = set()
        self._results_of: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._phases_of: dict[tuple[str, str], list[Histogram]] = {}
        # Create these series at the start: Prometheus has no rate for a series that appears with its first event.
        for kind in ("math", "code", "run"):
            for cause in Cause:
                self._errors.labels(kind, cause.value)
        for reason in ("missing", "wrong", "expired"):
            self.keys_refused.labels(reason)

    def know_languages(self, names: Mapping[str, str]) -> None:
        """Set the languages: a map from all names and aliases to the language's name."""
        self._languages = names
        for name in set(names.values()):
            self.boxes_not_started.labels(name)

    def watch_boxes(self, busy: Callable[[], int], idle: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Set the functions that return the numbers of busy and idle boxes and of waiting programs."""
        self._boxes.labels("busy").set_function(busy)
        self._boxes.labels("idle").set_function(idle)
        self._turns.set_function(waiting)

    def box_started(self, language: str, image: str) -> None:
        """Count a started box, and note its image."""
        self._boxes_started.labels(language).inc()
        before = self._image_of.get(language)
        if before != image:
            if before is not None:
                self._images.remove(language, before)
            self._image_of[language] = image
            self._images.labels(language, image).set(1)

    @contextmanager
    def holding(self, client: str, items: int) -> Iterator[None]:
        """Count `items` submissions as in flight for the client with this name."""
        held = self._client_in_hand.labels(client)
        held.inc(items)
        try:
            yield
        finally:
            held.dec(items)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the path template.

        A 503 from a probe is not counted as a refusal.
        """
        method = method if method in METHODS else OTHER
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)
        if status >= 400 and status != 499 and route not in PROBES:
            self.refused.labels(str(status)).inc()

    def judged(self, result: Judged, seconds: float, language: str = "") -> None:
        """Count one result, `seconds` after its batch arrived; `language` is the item's, if it has one."""
        kind, word = result.kind, result.word
        found = self._results_of.get((kind, word))  # cached, because looking up a series costs as much as counting
        if found is None:
            found = self._results_of[kind, word] = self._verdicts.labels(kind, word), self._seconds.labels(kind)
        found[0].inc()
        found[1].observe(seconds)
        for signal in getattr(result, "signals", ()):
            self._signals.labels(kind, self._known_signal(signal)).inc()
        times = times_of(result)
        if times is not None:
            for phase, spent_s in zip(self._phases_for(kind, language), times, strict=True):
                phase.observe(spent_s)

    def given_up(self, kind: str, cause: Cause) -> None:
        """Count a durable submission that became a judge error without a judge."""
        self.failed(kind, cause)
        self._verdicts.labels(kind, Verdict.JUDGE_ERROR.value).inc()

    def tried_again(self, kind: str, cause: Cause) -> None:
        """Count a failed attempt that will be repeated; it is not a result."""
        self._tried_again.labels(kind, cause.value).inc()

    def failed(self, kind: str, cause: Cause) -> None:
        """Count an item that could not be judged."""
        self._errors.labels(kind, cause.value).inc()

    def _phases_for(self, kind: str, language: str) -> Iterable[Histogram]:
        name = self._languages.get(language.lower(), OTHER) if language else ""
        found = self._phases_of.get((kind, name))
        if found is None:
            found = self._phases_of[kind, name] = [self._phases.labels(kind, name, phase) for phase in PHASES]
        return found

    def _known_signal(self, signal: str) -> str:
        if signal not in self._signals_seen:
            if len(self._signals_seen) >= MAX_SIGNALS:
                return OTHER
            self._signals_seen.add(signal)
        return signal


def times_of(result: Judged) -> tuple[float, float, float, float] | None:
    """Return the seconds by phase, or None for an item that never ran: counting it would look like a fast run."""
    run_s = getattr(result, "run_s", None)
    if run_s is None:
        run_s = getattr(result, "wall_s", None) or 0.0  # a program that was run and not judged
    judge_s = getattr(result, "judge_s", 0.0)
    if not run_s and not judge_s:
        return None
    return getattr(result, "queue_s", 0.0), getattr(result, "start_s", 0.0), run_s, judge_s
