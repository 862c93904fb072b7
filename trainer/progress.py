"""The progress of a run: a panel on a terminal, lines elsewhere, and the log `metrics.jsonl`."""

import json
import math
import time
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from transformers import TrainerCallback

from trainer.files import write_whole
from trainer.pace import clock

_BARS = " ▁▂▃▄▅▆▇█"
_CHART_COLUMNS = 60
_LINE_EVERY_S = 5.0  # if the output is not a terminal


class Metrics:
    """The log of a run in `metrics.jsonl`, one line for each step. A resumed run drops the steps after its checkpoint.

    Only one of the run's processes writes it; the others have `keeps` false.
    """

    def __init__(self, path: Path, resumed_at_step: int, keeps: bool = True) -> None:
        self.path = path
        self.rows = [row for row in read_metrics(path) if row["step"] <= resumed_at_step]
        if not keeps:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, "".join(json.dumps(row) + "\n" for row in self.rows))

    def add(self, row: dict[str, Any]) -> None:
        """Append one step."""
        row = {name: _finite(value) for name, value in row.items()}
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row, allow_nan=False) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read a log, ignoring an incomplete last line."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]


def _finite(value: object) -> object:
    """Replace NaN and infinity, which JSON does not have, by None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Progress(TrainerCallback):
    """Logs the metrics of every logged step and shows the progress of the run."""

    def __init__(self, metrics: Metrics, total_steps: int, console: Console, title: str) -> None:
        self.metrics = metrics
        self.total_steps = total_steps
        self.console = console
        self.title = title
        self._began = time.monotonic()
        self._first_step = 0
        self._last_line = 0.0
        self._live: Live | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began, self._first_step = time.monotonic(), state.global_step
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4)
            self._live.start()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or logs is None or "loss" not in logs:
            return
        # TRL logs the reward only in the step that generated the completions, not in later steps on them.
        row = {"step": state.global_step, "at_s": round(time.monotonic() - self._began, 3), "reward": None, **logs}
        self.metrics.add(row)
        if self._live is not None:
            self._live.update(self._panel(row))
        elif time.monotonic() - self._last_line > _LINE_EVERY_S or state.global_step >= self.total_steps:
            self._last_line = time.monotonic()
            self.console.print(self._line(row), highlight=False, soft_wrap=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Stop the panel and restore the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _eta_s(self, step: int) -> float:
        done = step - self._first_step
        return (time.monotonic() - self._began) / done * (self.total_steps - step) if done else 0.0

    def _line(self, row: dict[str, Any]) -> str:
        return (
            f"{self.title} step {row['step']:>4}/{self.total_steps}  reward {_number(row.get('reward'))}"
            f"  tokens {_number(row.get('completions/mean_length'), 1)}  entropy {_number(row.get('entropy'))}"
            f"  waiting {_percent(row.get('verifier/wait_share'))}  {clock(self._eta_s(row['step']))} left"
        )

    def _panel(self, row: dict[str, Any]) -> Panel:
        rewards = [r["reward"] for r in self.metrics.rows if r.get("reward") is not None]
        numbers = Table.grid(padding=(0, 3))
        numbers.add_row(
            f"reward [bold green]{_number(row.get('reward'))}[/]",
            f"group std {_number(row.get('reward_std'))}",
            f"entropy {_number(row.get('entropy'))}",
            f"tokens {_number(row.get('completions/mean_length'), 1)}",
        )
        numbers.add_row(
            f"verifier p50 {_number(row.get('verifier/latency_p50_s'))} s",
            f"waiting {_percent(row.get('verifier/wait_share'))}",
            f"judge errors {_percent(row.get('verifier/judge_error_share'))}",
            f"{clock(self._eta_s(row['step']))} left",
        )
        bar = ProgressBar(total=self.total_steps, completed=row["step"], width=_CHART_COLUMNS)
        body = Group(Text(sparkline(rewards), style="green"), numbers, bar)
        return Panel(body, title=f"{self.title}: step {row['step']} of {self.total_steps}", expand=False)


def sparkline(values: list[float], columns: int = _CHART_COLUMNS) -> str:
    """Draw values as a row of bars scaled from their minimum to their maximum; average them to fit the columns."""
    if not values:
        return ""
    size = max(1, -(-len(values) // columns))
    cells = [sum(values[i : i + size]) / len(values[i : i + size]) for i in range(0, len(values), size)]
    low, high = min(cells), max(cells)
    span = (high - low) or 1.0
    return "".join(_BARS[1 + int((cell - low) / span * (len(_BARS) - 2))] for cell in cells)


def _number(value: Any, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
