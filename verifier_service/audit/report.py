"""The report of an audit: a self-contained HTML file with counts, examples and reasons. Rows are shown as text only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier_service.audit.findings import Finding, Flag
from verifier_service.audit.run import Audit

MAX_EXAMPLES = 25


@dataclass(frozen=True)
class Share:
    """A flag with its rows."""

    flag: Flag
    rows: Sequence[Finding]
    total: int

    @property
    def percent(self) -> str:
        """The share of all rows: `1.2 %`."""
        return f"{100 * len(self.rows) / self.total:.1f} %" if self.total else ""


@dataclass(frozen=True)
class CheatTotal:
    """One cheat's results over all rows. `mean` is its mean score."""

    name: str
    tried: int
    accepted: int
    mean: float


def shares(findings: Iterable[Finding]) -> list[Share]:
    """Return the flags that occur, each with its rows."""
    rows = list(findings)
    found = [Share(flag, [row for row in rows if flag in row.flags], len(rows)) for flag in Flag]
    return [share for share in found if share.rows]


def cheat_totals(findings: Iterable[Finding]) -> list[CheatTotal]:
    """Return the results of every cheat, the most often accepted first."""
    scores: dict[str, list[tuple[float, bool]]] = {}
    for finding in findings:
        for cheat in finding.cheats:
            if cheat.score is not None:
                scores.setdefault(cheat.name, []).append((cheat.score, cheat.accepted))
    totals = [
        CheatTotal(name, len(got), sum(accepted for _, accepted in got), sum(score for score, _ in got) / len(got))
        for name, got in scores.items()
    ]
    return sorted(totals, key=lambda total: (-total.accepted, -total.mean, total.name))


def write_report(audit: Audit, path: Path) -> None:
    """Write the report. Raises ImportError if jinja2 is not installed."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    findings = [audit.findings[number] for number in sorted(audit.findings)]
    page = environment.get_template("report.html.j2").render(
        plan=audit.plan,
        total=len(findings),
        fit=sum(finding.is_fit for finding in findings),
        shares=shares(findings),
        cheats=cheat_totals(findings),
        slowest=sorted(findings, key=lambda finding: -finding.time_s)[:10],
        max_examples=MAX_EXAMPLES,
    )
    path.write_text(page, encoding="utf-8", errors="replace")
