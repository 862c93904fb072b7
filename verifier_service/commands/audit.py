"""`audit`: find the rows of a data set that are fit for training."""

import asyncio
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from verifier_service.audit.report import cheat_totals, shares, write_report
from verifier_service.audit.run import Audit, Plan, write_fit
from verifier_service.commands.refusals import read_settings
from verifier_service.data.read import DataUnreadable, RowUnreadable
from verifier_service.data.source import Place, open_tasks
from verifier_service.data.task import Task
from verifier_service.errors import VerifierError
from verifier_service.observability.logs import configure
from verifier_service.observability.metrics import Metrics
from verifier_service.schema.base import counted
from verifier_service.service import running_service
from verifier_service.settings import Settings

MAX_NAMED = 20
"""How many of the rows that could not be judged are listed."""

console = Console()
err = Console(stderr=True)

DATA = Annotated[
    str, typer.Argument(help="a file (.jsonl, .json, also with .gz, or .parquet), or a hub id (OWNER/NAME)")
]
FORMAT = Annotated[
    str | None, typer.Option("--format", help="the format of the rows; default: detect it from the columns")
]
OUTPUT = Annotated[Path, typer.Option("--output", "-o", help="the folder of the audit; an audit in it is continued")]
TESTLIB = Annotated[Path | None, typer.Option(help="testlib.h, for data sets whose checkers include it")]


def audit(
    data: DATA,
    format_name: FORMAT = None,
    output: OUTPUT = Path("audit"),
    config: Annotated[str | None, typer.Option(help="config of a hub data set")] = None,
    split: Annotated[str, typer.Option(help="split of a hub data set")] = "train",
    limit: Annotated[int | None, typer.Option(min=1, help="audit only this many rows")] = None,
    runs: Annotated[int, typer.Option(min=1, max=100, help="how many times to judge each solution")] = 3,
    solutions: Annotated[int, typer.Option(min=1, help="how many solutions of each row to judge")] = 3,
    slow_s: Annotated[float, typer.Option(min=0.0, help="CPU seconds of one test above which a row is slow")] = 1.0,
    testlib: TESTLIB = None,
) -> None:
    """Find the rows of a data set that are fit for training, and why the others are not.

    It judges every row's own solutions several times, and cheap cheats once. The folder gets `report.html`,
    `fit.jsonl` (the fit rows, unchanged) and `rows.jsonl`. An interrupted audit continues where it stopped.
    """
    settings = read_settings()
    configure(settings.model_copy(update={"log_level": "error"}))
    place = Place(data, config=config, split=split)
    try:
        header = testlib.read_text(encoding="utf-8") if testlib is not None else None
        files = {"testlib.h": header} if header is not None else None
        chosen, tasks = open_tasks(place, format_name, files)
        found = "given" if format_name is not None else "detected from the columns"
        err.print(f"format {chosen.name} ({found}): {escape(chosen.sets)}", highlight=False)
        plan = Plan.of(place, chosen.name, header, settings, runs=runs, solutions=solutions, slow_s=slow_s)
        opened = Audit(output, plan)
        asyncio.run(_carry_out(opened, settings, islice(tasks, limit), limit))
        _, again = open_tasks(place, chosen.name, files)
        count = write_fit(opened, islice(again, limit), output / "fit.jsonl")
    except (DataUnreadable, VerifierError, OSError) as error:
        err.print(f"[red]{escape(str(error))}[/]", highlight=False)
        raise typer.Exit(1) from error
    _show(opened)
    try:
        write_report(opened, output / "report.html")
        err.print(
            f"{counted(count, 'fit row')}: {output / 'fit.jsonl'}; report: {output / 'report.html'}", highlight=False
        )
    except ImportError:
        err.print(
            f"{counted(count, 'fit row')}: {output / 'fit.jsonl'}; no report without jinja2: pip install jinja2",
            highlight=False,
        )
    if opened.unjudged:
        _name_unjudged(opened)
        raise typer.Exit(1)


async def _carry_out(
    opened: Audit, settings: Settings, tasks: Iterable[Task | RowUnreadable], limit: int | None
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with running_service(settings, Metrics()) as service:
        with Progress(*columns, console=err, transient=True) as progress:
            bar = progress.add_task("audit", total=limit)
            await opened.carry_out(service, tasks, lambda more: progress.advance(bar, more))


def _name_unjudged(opened: Audit) -> None:
    count = len(opened.unjudged)
    what, again = counted(count, "row"), "judge it" if count == 1 else "judge them"
    err.print(f"[red]{what} could not be judged[/]; run the same command again to {again}:", highlight=False)
    for number, why in islice(opened.unjudged.items(), MAX_NAMED):
        err.print(f"  row {number}: {escape(why)}", highlight=False)
    if count > MAX_NAMED:
        err.print(f"  and {count - MAX_NAMED} more", highlight=False)


def _rows_are(number: int) -> str:
    return f"{counted(number, 'row')} {'is' if number == 1 else 'are'}"


def _show(opened: Audit) -> None:
    findings = list(opened.findings.values())
    fit = sum(finding.is_fit for finding in findings)
    table = Table(
        "found", "rows", "share", "what it means", title=f"{fit} of {_rows_are(len(findings))} fit to train on"
    )
    for share in shares(findings):
        colour = "red" if share.flag.is_unfit else "yellow"
        table.add_row(f"[{colour}]{share.flag.value}[/]", str(len(share.rows)), share.percent, share.flag.meaning)
    console.print(table)
    cheats = Table("cheat", "tried", "accepted", "mean score")
    for total in cheat_totals(findings):
        cheats.add_row(total.name, str(total.tried), str(total.accepted), f"{total.mean:.3f}")
    if cheats.rows:
        console.print(cheats)
