"""Judge math answers and code in sandboxes, through a REST API or from files."""

import asyncio
import json
import platform
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from verifier_service import __version__
from verifier_service.access.keys import OPEN_TO_ALL, KeysBroken, is_open_to_all
from verifier_service.batch import read_submissions
from verifier_service.commands import audit, files, sandboxes, settings
from verifier_service.commands import keys as key_commands
from verifier_service.commands.refusals import err, failed, read_settings
from verifier_service.data.read import DataUnreadable
from verifier_service.errors import JudgeError, RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.observability.logs import configure
from verifier_service.observability.metrics import Metrics
from verifier_service.observability.telemetry import TelemetryUnavailable
from verifier_service.runners import RUNNERS, choose_runner
from verifier_service.runners.base import Check
from verifier_service.runners.probe import probe
from verifier_service.service import running_service
from verifier_service.settings import Settings
from verifier_service.usage import Commands, VersionOption

cli = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)
cli.add_typer(key_commands.cli, name="keys")
cli.command()(audit.audit)
cli.command("sandboxes")(sandboxes.make)
cli.command("settings")(settings.show)


@cli.callback()
def main(
    _: VersionOption = False,
) -> None:
    """Judge math answers and code in sandboxes, through a REST API or from files."""


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on; default: VERIFIER_HOST")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="port to listen on, 0 for any free one; default: VERIFIER_PORT")
    ] = None,
    insecure: Annotated[
        bool, typer.Option(help="serve other machines without a key; same as VERIFIER_INSECURE=1")
    ] = False,
) -> None:
    """Serve the REST API."""
    from verifier_service.api import server
    from verifier_service.app import create_app
    from verifier_service.intake import memory

    settings = read_settings()
    settings = settings.model_copy(update={"host": host or settings.host, "insecure": insecure or settings.insecure})
    if is_open_to_all(settings):
        raise failed(OPEN_TO_ALL.format(address=settings.published_on or settings.host))
    configure(settings)
    settings = settings.model_copy(update={"port": settings.port if port is None else port})
    try:
        sockets = server.listen(settings.host, settings.port)
    except OSError as error:
        said = f"{settings.host}:{settings.port}: {error.strerror or error}; choose another with --host or --port"
        raise failed(said, server.PORT_TAKEN) from error
    try:
        app = create_app(settings)
    except (KeysBroken, TelemetryUnavailable) as error:
        raise failed(str(error)) from error
    memory.hold()
    try:
        server.serve(app, settings, sockets)
    finally:
        if app.state.cannot_start:
            raise failed(app.state.cannot_start)


FILE = Annotated[Path, typer.Argument(help="one JSON item per line, as in POST /v1/verify or /v1/run; - reads stdin")]
OUTPUT = Annotated[Path | None, typer.Option("--output", "-o", help="write results to this file instead of stdout")]
SUMMARY = Annotated[Path | None, typer.Option(help="write the summary to this file as JSON instead of stderr")]


@cli.command()
def verify(
    file: FILE,
    output: OUTPUT = None,
    summary: SUMMARY = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", help="FILE is a data set in this format; `auto` detects it from the columns"),
    ] = None,
    completion: Annotated[str, typer.Option(help="the data set's column with the text to judge")] = "completion",
    stop: Annotated[
        bool, typer.Option("--stop", help="stop at the first row of a data set that cannot be read")
    ] = False,
) -> None:
    """Judge a file of submissions without HTTP; write one result per line, in the same order.

    A line that cannot be read gets a result that says why. A summary follows: counts by verdict, accuracy, seconds.
    """
    _carry_out_file(
        "verify", file, output, summary, files.DataSet(format_name, completion, stop) if format_name else None
    )


@cli.command()
def run(file: FILE, output: OUTPUT = None, summary: SUMMARY = None) -> None:
    """Run a file of programs in the sandbox without judging them; write one result per line, in the same order."""
    _carry_out_file("run", file, output, summary)


def _carry_out_file(
    kind: str, file: Path, output: Path | None, summary: Path | None, rows: files.DataSet | None = None
) -> None:
    if str(file) != "-" and not file.is_file():
        raise failed(f"{file}: there is no such file")
    settings = read_settings()
    configure(settings.model_copy(update={"log_level": "warning"}))
    try:
        with ExitStack() as opened:
            lines = sys.stdin.buffer if str(file) == "-" else opened.enter_context(file.open("rb"))
            out = opened.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
            size = None if str(file) == "-" else file.stat().st_size
            items = files.items_of_lines(lines, kind) if rows is None else rows.items(file)
            done = asyncio.run(_carry_out(kind, items, size if rows is None else None, out, settings))
    except (RunnerUnavailable, DataUnreadable) as error:
        raise failed(str(error)) from error
    except OSError as error:
        raise failed(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    if not done.total:
        raise failed(f"there is nothing to {kind} in {file}")
    if summary is None:
        err.print(done.sentence(kind), highlight=False)
    else:
        summary.write_text(json.dumps(done.as_json(kind), indent=2) + "\n", encoding="utf-8")


async def _carry_out(
    kind: str, items: Iterable[files.SizedItem], size: int | None, out: TextIO, settings: Settings
) -> files.Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    async with running_service(settings, Metrics()) as service:
        with Progress(*columns, console=err, transient=True) as progress:
            bar = progress.add_task(f"{kind}: the {service.runner.name} runner", total=size)
            return await files.carry_out(service, items, kind, out, lambda more: progress.advance(bar, more))


@cli.command()
def doctor() -> None:
    """Show which runners work here, why others do not, and what the sandbox guarantees; exits 1 if none works."""
    raise typer.Exit(asyncio.run(_doctor(read_settings())))


async def _doctor(settings: Settings) -> int:
    console = Console(soft_wrap=True)
    configure(settings.model_copy(update={"log_level": "error"}))  # log lines would break up the table
    console.print(f"grpo-verifier {__version__}, Python {platform.python_version()}\n", highlight=False)
    languages = load_languages()
    for name, make in RUNNERS.items():
        runner = make(settings, languages)
        reason = await runner.available()
        found = "[green]works[/]" if reason is None else f"[yellow]unavailable[/]: {escape(reason)}"
        console.print(f"[bold]{name}[/]: {found}", highlight=False)
        await runner.close()
    try:
        runner, why = await choose_runner(settings, languages)
    except RunnerUnavailable as error:
        console.print(f"\n[red]no sandbox can be started here: {escape(str(error))}[/]", highlight=False)
        return 1
    try:
        console.print(f"\n[bold]chosen[/]: {escape(why)}", highlight=False)
        for language, version in (await runner.languages()).items():
            console.print(f"  {language}: {version}", highlight=False)
        return _tell(console, await probe(runner))
    except JudgeError as error:
        console.print(f"[red]the sandbox broke during its checks: {escape(str(error))}[/]", highlight=False)
        return 1
    finally:
        await runner.close()


def _tell(console: Console, checks: list[Check]) -> int:
    """Print the table of guarantees; return the command's exit status."""
    table = Table("guarantee", "holds", "seen")
    for check in checks:
        table.add_row(check.name, "[green]yes[/]" if check.ok else "[red]NO[/]", escape(check.detail))
    console.print(table)
    broken = [check.name for check in checks if not check.ok]
    if broken or not checks:
        console.print(
            f"[red]not guaranteed here: {'; '.join(broken) or 'nothing could be checked'}[/]", highlight=False
        )
        return 1
    return 0


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document of the REST API."""
    from verifier_service.app import create_app

    print(json.dumps(create_app(read_settings()).openapi(), indent=1))  # noqa: T201 -- rich would colour and wrap it


@cli.command()
def bench(
    count: Annotated[int, typer.Option(min=1, max=100_000, help="number of submissions of each kind")] = 512,
) -> None:
    """Measure how many submissions per second this machine judges, without HTTP."""
    settings = read_settings()
    configure(settings.model_copy(update={"log_level": "warning"}))
    try:
        asyncio.run(_bench(settings, count))
    except RunnerUnavailable as error:
        raise failed(str(error)) from error


async def _bench(settings: Settings, count: int) -> None:
    """Judge `count` submissions of each kind, all different: equal ones could share a result."""
    kinds: dict[str, list[dict[str, object]]] = {
        "math": [{"kind": "math", "completion": f"\\boxed{{{n}/2}}", "reference": f"{n / 2}"} for n in range(count)],
        "code, 5 calls": [
            {
                "kind": "code",
                "completion": f"def add(a, b):\n    return a + b  # {n}",
                "tests": {
                    "kind": "call",
                    "entry_point": "add",
                    "cases": [{"args": [i, n], "expected": i + n} for i in range(5)],
                },
            }
            for n in range(count)
        ],
    }
    async with running_service(settings, Metrics()) as service:
        while reasons := await service.waiting_for():
            err.print(f"warming up: {'; '.join(reasons.values())}", highlight=False)
            await asyncio.sleep(0.5)
        table = Table("kind", "submissions/s", "verdicts")
        for name, rows in kinds.items():
            batch = read_submissions(json.dumps({"submissions": rows}).encode(), len(rows))
            started = time.perf_counter()
            results = await service.dispatcher.carry_out(batch)
            seconds = time.perf_counter() - started
            verdicts = {result.word for result in results}
            table.add_row(name, f"{count / seconds:.0f}", ", ".join(sorted(verdicts)))
        Console().print(table)
