"""`settings`: every setting with what it is here and what it is for."""

from typing import Annotated

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from verifier_service.commands.refusals import read_settings
from verifier_service.settings import Settings, variable_of

HEAD = """# Settings

Every setting of the service is a variable of its environment. `python -m verifier_service settings` shows what they are
on a machine; a value that makes no sense ends the start, with the setting, the value and what is allowed. Times are
in seconds (`_s`), memory in MiB (`_mb`) and KiB (`_kb`). [Secure a deployment](../how-to/secure.md) lists those that
matter before others can reach the service.

| setting | default | what it is for |
|---|---|---|
"""
OF_THE_MACHINE = {"boxes": "the cores", "math_workers": "the cores", "state_dir": "a folder of the user's"}
"""Defaults that are another thing on every machine."""


def show(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print docs/reference/settings.md, with the defaults")
    ] = False,
) -> None:
    """Show every setting: what it is here, and what it is for. They are set in the environment."""
    if markdown:
        rows = (
            f"| `{variable_of(field)}` | {_default(field)} | {_meaning(field)} |\n" for field in Settings.model_fields
        )
        print(HEAD + "".join(rows), end="")  # noqa: T201 -- rich would wrap it
        return
    table = Table("setting", "is", "what it is for")
    settings = read_settings()
    for field in Settings.model_fields:
        table.add_row(variable_of(field), escape(_shown(getattr(settings, field))), escape(_meaning(field)))
    Console().print(table)


def _info(field: str) -> FieldInfo:
    return Settings.model_fields[field]


def _default(field: str) -> str:
    if field in OF_THE_MACHINE:
        return OF_THE_MACHINE[field]
    shown = _shown(_info(field).get_default(call_default_factory=True, validated_data={}))
    return f"`{shown}`" if shown else ""


def _meaning(field: str) -> str:
    return _info(field).description or ""


def _shown(value: object) -> str:
    """Write a value as it is set; a secret is not shown."""
    match value:
        case None:
            return ""
        case SecretStr():
            return "..."
        case bool():
            return "1" if value else "0"
        case frozenset():
            return "all" if len(value) > 1 else ", ".join(map(str, value)) or "none"
        case dict():
            return "..." if value else ""
        case list():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
        case _:
            return str(value)
