"""The command line: `python -m verifier_service serve | verify FILE.jsonl | doctor | bench`."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from verifier_service.errors import BadRequest, RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.logs import configure
from verifier_service.metrics import Metrics
from verifier_service.runners import RUNNERS, choose_runner
from verifier_service.runners.probe import probe
from verifier_service.schema import Result, Submission, VerifyRequest
from verifier_service.service import Service, running_service
from verifier_service.settings import Settings

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True)

VERIFY_CHUNK = 256


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
    uvicorn.run(
        create_app(settings),
        host=host or settings.host,
        port=settings.port if port is None else port,
        log_level=settings.log_level,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


@cli.command()
def verify(
    file: Annotated[Path, typer.Argument(help="one submission a line, as in POST /v1/verify; - reads stdin")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="write here and not to stdout")] = None,
) -> None:
    """Judge a file of submissions without HTTP and write one result a line, in the same order."""
    if str(file) != "-" and not file.is_file():
        raise _fail(f"{file}: there is no such file")
    submissions = _read_submissions(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    settings = _settings()
    configure(settings.model_copy(update={"log_level": "warning"}))
    try:
        asyncio.run(_verify(submissions, settings, output))
    except (RunnerUnavailable, BadRequest) as error:
        raise _fail(str(error)) from error


def _read_submissions(text: bytes) -> list[Submission]:
    adapter: TypeAdapter[Submission] = TypeAdapter(Submission)
    submissions, bad = [], 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            submissions.append(adapter.validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            err.print(f"[red]line {number}: {path} {str(first['input'])[:100]!r}: {first['msg']}[/]", highlight=False)
            bad += 1
    if bad:
        raise _fail(f"{bad} lines are no submissions; nothing was judged")
    if not submissions:
        raise _fail("there are no submissions in it")
    return submissions


async def _verify(submissions: list[Submission], settings: Settings, output: Path | None) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with running_service(settings, Metrics()) as service:
        out = output.open("w", encoding="utf-8") if output else sys.stdout
        try:
            with Progress(*columns, console=err, transient=True) as progress:
                bar = progress.add_task(f"judging with the {service.runner.name} runner", total=len(submissions))
                for start in range(0, len(submissions), VERIFY_CHUNK):
                    chunk = submissions[start : start + VERIFY_CHUNK]
                    for result in await _verify_chunk(service, chunk, start):
                        out.write(result.model_dump_json() + "\n")
                    out.flush()
                    progress.advance(bar, len(chunk))
        finally:
            if output:
                out.close()


async def _verify_chunk(service: Service, chunk: list[Submission], start: int) -> list[Result]:
    try:
        return await service.dispatcher.verify(VerifyRequest(submissions=chunk))
    except BadRequest as error:
        lines = "; ".join(f"{p.path}: {p.value!r} is not allowed, {p.allowed}" for p in error.problems[:5])
        raise _fail(f"in the submissions from number {start} (counted from 0) on: {lines}") from error


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
            request = VerifyRequest.model_validate_json(json.dumps({"submissions": rows}))
            started = time.perf_counter()
            results = await service.dispatcher.verify(request)
            seconds = time.perf_counter() - started
            verdicts = {result.verdict.value for result in results}
            table.add_row(name, f"{count / seconds:.0f}", ", ".join(sorted(verdicts)))
        Console().print(table)


if __name__ == "__main__":
    cli()
