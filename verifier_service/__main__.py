"""The command line: `python -m verifier_service serve | verify FILE.jsonl | run FILE.jsonl | doctor | bench`."""

import asyncio
import gc
import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from verifier_service import files
from verifier_service.batch import read_submissions
from verifier_service.errors import RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.logs import configure
from verifier_service.metrics import Metrics
from verifier_service.runners import RUNNERS, choose_runner
from verifier_service.runners.probe import probe
from verifier_service.service import running_service
from verifier_service.settings import Settings

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        for one in error.errors(include_url=False):
            name = "VERIFIER_" + "_".join(str(part) for part in one["loc"]).upper()
            err.print(f"[red]{name}={one['input']!r}: {one['msg']}[/]", highlight=False)
        raise typer.Exit(2) from error


def _fail(message: str) -> typer.Exit:
    err.print(f"[red]{message}[/]", highlight=False)
    return typer.Exit(1)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on; VERIFIER_HOST if left out")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on; VERIFIER_PORT if left out")] = None,
) -> None:
    """Serve the REST API."""
    import uvicorn

    from verifier_service.app import create_app

    settings = _settings()
    configure(settings)
    app = create_app(settings)
    gc.collect()
    gc.freeze()  # what is loaded stays: to walk it in search of garbage would hold up every request for 50 ms
    uvicorn.run(
        app,
        host=host or settings.host,
        port=settings.port if port is None else port,
        log_level=settings.log_level,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


FILE = Annotated[Path, typer.Argument(help="one item a line, as in POST /v1/verify or /v1/run; - reads stdin")]
OUTPUT = Annotated[Path | None, typer.Option("--output", "-o", help="write results here and not to stdout")]
SUMMARY = Annotated[Path | None, typer.Option(help="write the summary here as JSON, and not to stderr")]


@cli.command()
def verify(file: FILE, output: OUTPUT = None, summary: SUMMARY = None) -> None:
    """Judge a file of submissions without HTTP and write one result a line, in the same order.

    A line that cannot be read gets a result that says why. Counts by verdict, accuracy and seconds come at the end.
    """
    _carry_out_file("verify", file, output, summary)


@cli.command()
def run(file: FILE, output: OUTPUT = None, summary: SUMMARY = None) -> None:
    """Run a file of programs in the sandbox, without judging them, and write one result a line, in the same order."""
    _carry_out_file("run", file, output, summary)


def _carry_out_file(kind: str, file: Path, output: Path | None, summary: Path | None) -> None:
    if str(file) != "-" and not file.is_file():
        raise _fail(f"{file}: there is no such file")
    settings = _settings()
    configure(settings.model_copy(update={"log_level": "warning"}))
    try:
        with ExitStack() as opened:
            lines = sys.stdin.buffer if str(file) == "-" else opened.enter_context(file.open("rb"))
            out = opened.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
            size = None if str(file) == "-" else file.stat().st_size
            done = asyncio.run(_carry_out(kind, lines, size, out, settings))
    except (RunnerUnavailable, OSError) as error:
        raise _fail(str(error)) from error
    if not done.total:
        raise _fail(f"there is nothing to {kind} in {file}")
    if summary is None:
        err.print(done.sentence(kind), highlight=False)
    else:
        summary.write_text(json.dumps(done.as_json(kind), indent=2) + "\n", encoding="utf-8")


async def _carry_out(kind: str, lines: BinaryIO, size: int | None, out: TextIO, settings: Settings) -> files.Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    async with running_service(settings, Metrics()) as service:
        with Progress(*columns, console=err, transient=True) as progress:
            bar = progress.add_task(f"{kind}: the {service.runner.name} runner", total=size)
            return await files.carry_out(service, lines, kind, out, lambda more: progress.advance(bar, more))


@cli.command()
def doctor() -> None:
    """Tell which runner can be used here, why not the others, and which guarantees hold; 1 if none can."""
    raise typer.Exit(asyncio.run(_doctor(_settings())))


async def _doctor(settings: Settings) -> int:
    console = Console()
    languages = load_languages()
    for name, make in RUNNERS.items():
        runner = make(settings, languages)
        reason = await runner.available()
        console.print(
            f"[bold]{name}[/]: " + ("[green]can be used[/]" if reason is None else f"[yellow]no[/], {reason}")
        )
        await runner.close()
    try:
        runner, why = await choose_runner(settings, languages)
    except RunnerUnavailable as error:
        console.print(f"[red]no sandbox can be had here: {error}[/]", highlight=False)
        return 1
    try:
        console.print(f"\nchosen: [bold]{runner.name}[/], {why}")
        for language, version in (await runner.languages()).items():
            console.print(f"  {language}: {version}", highlight=False)
        table = Table("guarantee", "holds", "seen")
        checks = await probe(runner)
        for check in checks:
            table.add_row(check.name, "[green]yes[/]" if check.ok else "[red]NO[/]", check.detail)
        console.print(table)
        return 0 if checks and all(check.ok for check in checks) else 1
    finally:
        await runner.close()


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document of the REST API."""
    from verifier_service.app import create_app

    print(json.dumps(create_app(_settings()).openapi(), indent=1))  # noqa: T201 -- rich would colour and wrap it


@cli.command()
def bench(
    count: Annotated[int, typer.Option(help="submissions of each kind")] = 512,
) -> None:
    """Measure how many submissions a second this machine judges, without HTTP."""
    settings = _settings()
    configure(settings.model_copy(update={"log_level": "warning"}))
    try:
        asyncio.run(_bench(settings, count))
    except RunnerUnavailable as error:
        raise _fail(str(error)) from error


async def _bench(settings: Settings, count: int) -> None:
    """Judge `count` different submissions of each kind, so that none is answered from another's result."""
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


if __name__ == "__main__":
    cli()
