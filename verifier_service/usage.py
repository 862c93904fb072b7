"""Usage errors of the command lines: they name the option, the value given, and the values allowed."""

from typing import Annotated

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from verifier_service import __version__


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"grpo-verifier {__version__}")  # noqa: T201 -- a line for scripts
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
]


class Commands(TyperGroup):
    """A group of commands, for `typer.Typer(cls=Commands)`, whose usage errors contain the wrong value.

    `--port 99999` is refused as "Invalid value for '--port': 99999: it must be less than or equal to 65535". Typer
    alone omits the value.
    """

    # Typer passes its own Context; the base class in the signature that pyright compares with is private.
    def invoke(self, ctx: typer.Context) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See `TyperGroup.invoke`."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            _add_the_value(error)
            raise


def _add_the_value(error: typer.BadParameter) -> None:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        one = cause.errors(include_url=False)[0]
        error.message = f"{one['input']}: {one['msg'].replace('Input should', 'it must', 1)}"
