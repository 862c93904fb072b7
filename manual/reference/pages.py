"""The list of generated pages, and how they are written and compared with the committed ones."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from manual.reference import commands, endpoints, metrics, recipe, verdicts, wire
from verifier_service.commands import settings as settings_command

DOCS = Path(__file__).parent.parent.parent / "docs"


def openapi() -> str:
    """Return the OpenAPI document as JSON."""
    return json.dumps(endpoints.document(), indent=1) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "openapi.json": openapi,
    "reference/requests.md": wire.requests,
    "reference/results.md": wire.results,
    "reference/endpoints.md": endpoints.page,
    "reference/verdicts.md": verdicts.page,
    "reference/commands.md": commands.page,
    "reference/metrics.md": metrics.page,
    "reference/settings.md": settings_command.page,
    "reference/recipe-fields.md": recipe.fields,
}
"""The generated files, by their paths under docs/."""


def write() -> None:
    """Write all generated files."""
    for place, page in PAGES.items():
        (DOCS / place).write_text(page(), encoding="utf-8")
