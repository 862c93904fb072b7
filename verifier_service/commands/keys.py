"""`python -m verifier_service keys add | list | revoke`: manage the keys file, which a running service reads again."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from verifier_service.access import keys
from verifier_service.access.keys import Key, KeysBroken
from verifier_service.schema.problems import in_words

cli = typer.Typer(help="Create, list and revoke keys; a running service notices within a second.", no_args_is_help=True)
err = Console(stderr=True)

FILE = Annotated[Path, typer.Option("--file", envvar="VERIFIER_KEYS_FILE", help="the keys file", show_default=False)]
NAME = Annotated[
    str, typer.Argument(help="the client's name, which appears in logs: letters, digits, `_`, `.` and `-`")
]


@cli.command()
def add(
    name: NAME,
    file: FILE,
    max_in_hand: Annotated[int | None, typer.Option(min=1, help="most submissions waiting and running at once")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="most requests per minute")] = None,
    expires: Annotated[str | None, typer.Option(help="90d, 12h, 30m, 2027-01-31 or 2027-01-31T12:00Z")] = None,
) -> None:
    """Create a key. Its secret is printed only now: the file stores just its SHA-256."""
    secret = keys.new_secret()
    try:
        key = Key(
            name=name,
            sha256=keys.sha256_of(secret.encode()),
            created=datetime.now(UTC).replace(microsecond=0),
            expires=keys.expiry(expires) if expires else None,
            max_in_hand=max_in_hand,
            requests_per_minute=requests_per_minute,
        )
        keys.add(file, key)
    except ValidationError as error:
        one = error.errors(include_url=False)[0]
        raise _failed(f"{one['loc'][0]} {one['input']!r}: {in_words(one)}") from error
    except (KeysBroken, OSError) as error:
        raise _failed(str(error)) from error
    sys.stdout.write(f"{secret}\n")
    err.print(f"Key {name!r} saved in {file}. The secret above is shown only now; copy it.", highlight=False)


@cli.command("list")
def list_(file: FILE) -> None:
    """List the keys with their limits."""
    try:
        found = keys.read(file)
    except KeysBroken as error:
        raise _failed(str(error)) from error
    table = Table("name", "created", "expires", "max in flight", "requests per minute")
    for key in found:
        expires = "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}"
        limits = (key.max_in_hand or "", key.requests_per_minute or "")
        table.add_row(
            key.name,
            f"{key.created:%Y-%m-%d %H:%M}",
            f"{expires} (expired)" if key.has_expired else expires,
            *map(str, limits),
        )
    Console().print(table)


@cli.command()
def revoke(name: Annotated[str, typer.Argument(help="the key's name")], file: FILE) -> None:
    """Revoke a key. Within a second requests with it get 401; those in flight are still answered."""
    try:
        keys.revoke(file, name)
    except (KeysBroken, OSError) as error:
        raise _failed(str(error)) from error
    err.print(f"the key {name!r} is revoked", highlight=False)


def _failed(message: str) -> typer.Exit:
    err.print(f"[red]{escape(message)}[/]", highlight=False)
    return typer.Exit(1)
