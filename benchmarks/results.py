"""The results of a benchmark: on the screen, as JSON for programs, and as Markdown for docs/measured.md."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich import progress
from rich.console import Console
from rich.table import Table as ScreenTable

from benchmarks.figures import Figure

FOLDER = Path("runs/benchmarks")
Item = TypeVar("Item")
BUSY_LOAD = 0.5
WITHIN_A_RUN = "BENCHMARKS_WITHIN_A_RUN"
"""Set for parts that run one after another: the previous part would make each of them warn of a busy machine."""
console = Console(width=None if sys.stdout.isatty() else 150)


@dataclass
class Table:
    """A table of texts with a title."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(list(cells))

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return f"**{self.title}**\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"

    def show(self) -> None:
        """Print the table."""
        table = ScreenTable(*self.columns, title=self.title)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def track(items: Sequence[Item], description: str) -> Iterator[Item]:
    """Yield the items and show how many are done: a bar on a terminal, otherwise a line for each tenth."""
    if console.is_terminal:
        yield from progress.track(items, description, console=console)
        return
    shown = -1
    for n, item in enumerate(items):
        if n * 10 // len(items) > shown:
            shown = n * 10 // len(items)
            console.print(f"{time.strftime('%H:%M:%S')} {description}: {n} of {len(items)}")
        yield item


def machine() -> dict[str, Any]:
    """Describe this machine and its load so far, since times measured on a busy machine are worthless."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    load = os.getloadavg()[0]
    if load > BUSY_LOAD and WITHIN_A_RUN not in os.environ:
        console.print(f"[yellow]the machine was busy during the last minute (load {load:.1f}): do not publish this[/]")
    return {
        "cpu": model[0].partition(":")[2].strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "kernel": platform.release(),
        "docker": _docker(),
        "python": platform.python_version(),
        "load before": round(load, 2),
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }


def _docker() -> str:
    command = ["docker", "info", "-f", "{{.ServerVersion}}, cgroup v{{.CgroupVersion}}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return "none"
    return found.stdout.strip() if found.returncode == 0 else "none"


def save(
    name: str,
    about: dict[str, Any],
    data: dict[str, Any],
    tables: list[Table],
    figures: Sequence[Figure] = (),
    folder: Path = FOLDER,
) -> None:
    """Write `NAME.json` and `NAME.md`, and print the tables; the figures go into the report of all parts."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": about, "figures": [one.model_dump(mode="json") for one in figures], **data}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    described = ", ".join(f"{key} {value}" for key, value in about.items())
    text = "\n".join([f"`python -m benchmarks.{name}`; {described}.\n", *(table.markdown() for table in tables)])
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    for table in tables:
        table.show()
    console.print(f"written: {folder / name}.json, {folder / name}.md")
