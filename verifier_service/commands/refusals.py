"""How commands report errors: one line on stderr that names the wrong setting or the failure, without traceback."""

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from verifier_service.schema.problems import in_words
from verifier_service.settings import Settings, is_secret, variable_of

err = Console(stderr=True, soft_wrap=True)


def read_settings() -> Settings:
    """Return the settings.

    Raises:
        Exit: 2, if one is invalid or misspelled; stderr has each with its value and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        for one in error.errors(include_url=False):
            if not one["loc"]:  # a name that is misspelled
                err.print(f"[red]{escape(in_words(one))}[/]", highlight=False)
                continue
            field, *within = map(str, one["loc"])
            name = "".join([variable_of(field), *(f"[{part}]" for part in within)])
            given = "..." if is_secret(field) and one["input"] else one["input"]
            said = in_words(one)
            err.print(f"[red]{escape(name)}={escape(repr(given))}: {escape(said)}[/]", highlight=False)
        raise typer.Exit(2) from error


def failed(message: str, code: int = 1) -> typer.Exit:
    """Print an error to stderr; return the exception that ends the command with status `code`."""
    err.print(f"[red]{escape(message)}[/]", highlight=False)
    return typer.Exit(code)
