"""`settings`: every setting with its current value and its meaning."""

from collections.abc import Mapping
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from verifier_service.commands.refusals import read_settings
from verifier_service.schema import LIMITS
from verifier_service.schema.described import Described, Titles, describe
from verifier_service.settings import Settings, variable_of

HEAD = """# Settings

Every setting of the service, with its unit, its default and what is allowed. You need this page when you run a service.

Settings are variables of the service's environment. `grpo-verifier settings` shows their values on your machine. The
service refuses to start with a value that is not allowed, and names the setting, the value and what is allowed. It also
refuses a variable that is not a setting but resembles one: `VERIFIER_ISOLATON: there is no such setting; the nearest is
VERIFIER_ISOLATION`.
[Secure a deployment](../how-to/secure.md) lists the settings that matter before others can reach the service.
This page is generated from the code.
"""
OF_THE_MACHINE = {"boxes": "the cores", "math_workers": "the cores", "state_dir": "a folder of the user"}
"""Defaults that differ from machine to machine."""
UNITS = {
    "port": "",
    "boxes": "boxes",
    "math_workers": "workers",
    "max_batch": "submissions",
    "max_queued": "submissions",
    "max_connections": "connections",
    "max_suites": "suites",
    "budget_share": "",
    "math_time_limit_s": "CPU seconds",
    "compile_time_limit_s": "CPU seconds",
    **{name: one.unit for one in LIMITS for name in (one.default_setting, one.maximum_setting)},
}
"""Units of numbers whose names do not end with one; "" is a plain number."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Address": ("host", "port", "published_on", "allowed_hosts"),
    "Keys": ("api_key", "api_key_file", "keys_file", "insecure"),
    "Log and traces": ("log_format", "log_level", "log_text", "access_log", "otlp_endpoint"),
    "Sandboxes": (
        "runner",
        "isolation",
        "boxes",
        "docker_hosts",
        "docker_runtime",
        "image_prefix",
        "libraries",
        "compile_time_limit_s",
        "compile_cache_mb",
    ),
    "Limits of tests": (
        "default_time_limit_s",
        "max_time_limit_s",
        "max_wall_limit_s",
        "default_memory_limit_mb",
        "max_memory_limit_mb",
        "default_output_limit_kb",
        "max_output_limit_kb",
        "default_max_processes",
        "max_max_processes",
        "budget_share",
    ),
    "Math": ("math_workers", "math_time_limit_s", "math_memory_limit_mb", "math_secret"),
    "Requests and the queue": (
        "max_batch",
        "max_queued",
        "queue_wait_s",
        "max_body_mb",
        "max_bodies_mb",
        "default_deadline_s",
        "drain_s",
    ),
    "Connections": ("max_connections", "header_time_s", "body_time_s", "min_body_kb_s", "keep_alive_s"),
    "Endpoints of other stacks": ("compat", "nemo_gym_judge_error"),
    "Kept suites": ("state_dir", "max_suites", "max_suites_mb"),
    "Durable submissions": (
        "database_url",
        "sqlite_synchronous",
        "durable_deadline_s",
        "lease_s",
        "keep_results_s",
        "keep_results_mb",
        "webhook_hosts",
        "webhook_secret",
        "webhook_secrets",
    ),
}
"""The page's sections: every setting is in one of them."""


def show(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print docs/reference/settings.md, with the defaults")
    ] = False,
) -> None:
    """Show every setting: its value here, and what it is for. Settings are read from the environment."""
    if markdown:
        print(page(), end="")  # noqa: T201 -- rich would wrap it
        return
    table = Table("setting", "value", "meaning")
    settings = read_settings()
    for field in Settings.model_fields:
        table.add_row(variable_of(field), escape(_shown(getattr(settings, field))), escape(_meaning(field)))
    Console().print(table)


def page() -> str:
    """Return docs/reference/settings.md."""
    described = {one.name: one for one in describe(Settings, Titles({}, {}, {}), UNITS, shown=_default)}
    parts = [HEAD]
    for title, fields in GROUPS.items():
        rows = (_row(described[field]) for field in fields)
        head = "| setting | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
        parts.append(f"\n## {title}\n\n{head}" + "".join(rows))
    return "".join(parts)


def _row(one: Described) -> str:
    default = OF_THE_MACHINE.get(one.name, one.default)
    kind = "`0` or `1`" if one.type == "boolean" else one.quantity
    return f"| `{variable_of(one.name)}` | {kind} | {default} | {one.allowed} | {one.meaning} |\n"


def _default(value: object) -> str:
    shown = _shown(value)
    return f"`{shown}`" if shown else "–"


def _meaning(field: str) -> str:
    return Settings.model_fields[field].description or ""


def _shown(value: object) -> str:
    """Format a value as in the environment; secrets are hidden."""
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
