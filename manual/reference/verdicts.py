"""The page of verdicts, signals and causes: verdicts.md."""

from manual.reference.markdown import join, prose, table
from verifier_service.errors import Cause
from verifier_service.schema import ExtractionRule, Verdict
from verifier_service.schema.signals import SIGNALS

HEAD = """# Verdicts and signals

Every word that a result can have, and what it means. You need this page when you turn results into rewards, or when you
look into a result that surprises you. The sentences come from the code.

The verdict of a code submission is that of its first test that was not accepted. The score is null if and only if the
verdict is `judge_error`: [Why a judge_error has no score](../explanation/judge-error.md) says why that matters.
"""
RULES_HEAD = """`extracted_by` of a math result names the rule that found its answer. The rules are tried in this order;
the first that finds something decides. [Math answers](math.md) has the details."""
SIGNALS_HEAD = """`signals` of a result names what the sandbox saw. Log it, or punish it in your reward: it is never a
verdict by itself. The trainer logs the share of completions with each one as `verifier/signal/NAME`. Ignore signals
that you do not know: later versions add some."""
CAUSES_HEAD = """The cause of a `judge_error` is in the service's log, in the metric `verifier_judge_errors_total`, and
in `attempts` of a durable submission. `retryable` in the result says that the service failed, so you can send the same
submission again; the [Python client](client.md) does that once by itself."""


def page() -> str:
    """Return verdicts.md."""
    return join(
        HEAD,
        "## Verdicts",
        table(("verdict", "when", "score"), ((f"`{one.value}`", one.meaning, one.score) for one in Verdict)),
        "## Rules that find math answers",
        prose(RULES_HEAD),
        table(("rule", "what it takes"), ((f"`{one.value}`", one.meaning) for one in ExtractionRule)),
        "## Signals",
        prose(SIGNALS_HEAD),
        table(("signal", "what was seen"), ((f"`{name}`", meaning) for name, meaning in SIGNALS.items())),
        "## Causes of a judge_error",
        prose(CAUSES_HEAD),
        table(
            ("cause", "what happened", "whose fault", "`retryable`"),
            ((f"`{one.value}`", one.meaning, _whose(one), f"`{str(one.is_ours).lower()}`") for one in Cause),
        ),
    )


def _whose(cause: Cause) -> str:
    return "the service's" if cause.is_ours else "the request's"
