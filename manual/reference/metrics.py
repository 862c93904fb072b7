"""The page of the metrics: metrics.md, with the service's metrics from its registry, and those of the trainer."""

from collections.abc import Iterator, Mapping

from manual.reference.markdown import join, prose, table
from verifier_service.observability.metrics import Metrics, Series

HEAD = """# Metrics

Every metric that the service exports at `GET /metrics` for Prometheus, and every metric that the trainer logs. You need
this page when you build dashboards and alerts; [Monitor a service](../how-to/monitor.md) has ready ones, and says what
to look at when. This page is generated from the code.
"""
PROCESS = """The usual `process_*` and `python_*` metrics of the Prometheus client for Python are there as well. A
histogram has the series `NAME_bucket`, `NAME_sum` and `NAME_count`. A label never has a value that a client chose:
unknown ones become `other`."""
LABELS: Mapping[str, Mapping[str, str]] = {
    "": {
        "cause": "a [cause of a judge_error](verdicts.md#causes-of-a-judge_error)",
        "client": "name of the key; empty without keys",
        "image": "id of the sandbox image",
        "kind": "`math`, `code`, `run`; `unknown` for what could not be read",
        "language": "name of the language; empty for math",
        "method": "HTTP method",
        "phase": "`queue` (waiting for its turn), `start` (waiting for its box), `run`, `judge`",
        "reason": "`missing`, `wrong`, `expired`",
        "route": "path as the service declares it, for example `/v1/suites/{sha256}`",
        "runner": "`docker` or `bubblewrap`",
        "signal": "a [signal](verdicts.md#signals)",
        "status": "HTTP status",
        "verdict": "a [verdict](verdicts.md#verdicts); for runs, how they ended",
        "version": "release of the service",
    },
    "verifier_boxes": {"state": "`busy`, `idle`"},
    "verifier_durable_submissions": {"state": "`queued`, `running`"},
    "verifier_boxes_destroyed_total": {
        "cause": "`died`, `spent` (not proved clean), `used_once`, `evicted`, `surplus`, `closing`"
    },
    "verifier_math_workers_ended_total": {"cause": "`time`, `memory`, `crash`, `lost`"},
}
"""What the values of labels are: of one metric, or of every other one ("")."""
TRAINER: Mapping[str, tuple[str, str]] = {
    "reward/COMPONENT": ("", "mean weighted value of a reward component"),
    "reward/sum": ("", "mean weighted sum of the components, with `normalize_then_sum`; logged as `reward`"),
    "groups/shaping_only_share": (
        "share",
        "groups whose rewards differ, but not by components from the verdict",
    ),
    "task/TASK/reward": ("", "mean reward of the completions of one task"),
    "task/TASK/accepted_share": ("share", "accepted completions of one task"),
    "verifier/accepted_share": ("share", "accepted completions"),
    "verifier/judge_error_share": ("share", "completions without a reward, because of a judge error"),
    "verifier/signal/SIGNAL": ("share", "completions with a [signal](verdicts.md#signals)"),
    "verifier/judging_s": ("seconds", "time that the verifier took for the completions of a step"),
    "verifier/wait_s": ("seconds", "time that the trainer waited for the verifier"),
    "verifier/wait_share": ("share", "part of the step that the trainer waited"),
    "verifier/latency_p50_s": ("seconds", "median time of a request"),
    "verifier/latency_p95_s": ("seconds", "95th percentile of the time of a request"),
    "verifier/requests": ("requests", "requests of a step"),
    "verifier/retries": ("requests", "requests that were sent again"),
    "dynamic_sampling/rounds": ("generations", "generations for a batch, including the first"),
    "dynamic_sampling/groups_dropped": ("groups", "groups of the first round with equal verdicts"),
    "dynamic_sampling/groups_masked": ("groups", "groups that could not be replaced"),
    "dynamic_sampling/completions_judged": ("completions", "completions that were generated and judged in all rounds"),
    "dynamic_sampling/accepted_share": ("share", "accepted completions of the first round: the policy's accuracy"),
    "dynamic_sampling/all_accepted_share": ("share", "groups of the first round in which all are accepted"),
    "turns/used": ("answers", "answers in one completion, with `repair`"),
    "turns/solved_at_TURN": ("share", "completions whose answer of this turn was the first to be accepted"),
    "interpreter/calls": ("calls", "calls in one completion, with `interpreter`"),
    "interpreter/used_share": ("share", "completions with a call"),
    "interpreter/lost_share": ("share", "completions without a reward, because a call could not be run"),
    "interpreter/error_share": ("share", "calls that failed"),
}
"""What the trainer logs besides TRL's own metrics; a test compares the names with those in its code."""


def page() -> str:
    """Return metrics.md."""
    return join(
        HEAD,
        "## The service",
        prose(PROCESS),
        table(("metric", "type", "labels", "unit", "meaning"), map(_row, Metrics().described)),
        "### Labels",
        table(("label", "values"), _labels()),
        "## The trainer",
        prose(
            """Each step has a line in `metrics.jsonl` of the run's folder, with TRL's own metrics (`loss`, `reward`,
            `reward_std`, `completions/mean_length`, ...) and with these. Words in capitals stand for names."""
        ),
        table(("metric", "unit", "meaning"), ((f"`{name}`", *said) for name, said in TRAINER.items())),
    )


def _row(one: Series) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"`{one.name}`", one.kind, labels, _unit(one), one.meaning


def _unit(one: Series) -> str:
    name = one.name.removesuffix("_total")
    if name.endswith("_seconds"):
        return "seconds"
    if name.endswith("_bytes"):
        return "bytes"
    return "count" if one.kind == "counter" or name not in FLAGS else "0 or 1"


FLAGS = {"verifier_build_info", "verifier_image_info", "verifier_ready", "verifier_keys_broken"}
"""Gauges that are 0 or 1."""


def _labels() -> Iterator[tuple[str, str]]:
    for metric, labels in LABELS.items():
        for label, values in labels.items():
            yield f"`{label}`" + (f" of `{metric}`" if metric else ""), values
