"""The report of a run: one self-contained HTML file, and its charts as PNG files.

It shows what improved and by how much, and groups of completions with verdicts, rewards and advantages, which explain
why each completion got its reward. Model output is untrusted: the page inserts it as text, never as markup.
"""

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup
from rich.console import Console
from rich.table import Table

from trainer.errors import DataError
from trainer.evaluation.during import curve
from trainer.evaluation.evaluate import compare, headline, intervals
from trainer.progress import read_metrics
from trainer.report import charts
from trainer.trl.names import COMPLETION_COLUMNS

TEMPLATES = Path(__file__).parent
EVALUATIONS = ("before", "after", "control")
MAX_STEPS_SHOWN = 16
MAX_COMPLETIONS_SHOWN = 96  # of one step
MAX_TEXT_SHOWN = 6000  # characters of one completion


def write(run: Path, console: Console) -> Path:
    """Write `report.html` and its charts into a run's folder, and print the main results.

    Returns:
        The path of the report.

    Raises:
        DataError: This is not the folder of a run.
    """
    rows = read_metrics(run / "metrics.jsonl")
    recipe_path = run / "recipe.yaml"
    if not recipe_path.is_file():
        raise DataError(f"{run} is not the folder of a run: it has no recipe.yaml")
    recipe = yaml.safe_load(recipe_path.read_text(encoding="utf-8"))
    pictures = run / "report"
    pictures.mkdir(exist_ok=True)
    held_out = read_held_out(run)
    drawn = charts.draw_metrics([*rows, *curve(run)], pictures)
    control = read_metrics(run / "control" / "metrics.jsonl")
    if rows:
        charts.draw_reward(rows, control, pictures / "training.png")
    accuracies = [(label, headline(summary), colour) for label, summary, colour in _bars(held_out)]
    bars = [(label, accuracy, colour) for label, accuracy, colour in accuracies if accuracy is not None]
    if bars:
        charts.draw_held_out(bars, pictures / "held_out.png")
    page = _page(run, recipe, rows, held_out, drawn)
    path = run / "report.html"
    path.write_text(page, encoding="utf-8")
    _print(console, held_out, never_an_advantage(rows), path)
    return path


def read_held_out(run: Path) -> dict[str, Any]:
    """Read the summaries of the evaluations `before`, `after` and `control`, and the `paired` comparison, if any."""
    places = {
        "before": run / "evaluations" / "before",
        "after": run / "evaluations" / "after",
        "control": run / "control" / "evaluations" / "after",
    }
    found: dict[str, Any] = {
        name: json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        for name, folder in places.items()
        if (folder / "summary.json").is_file()
    }
    if {"before", "after"} <= found.keys():
        found["paired"] = compare(places["before"], places["after"])
    return found


def read_groups(run: Path) -> list[dict[str, Any]]:
    """Read the logged completions of up to `MAX_STEPS_SHOWN` steps, evenly spaced from the first to the last.

    Returns:
        For each step, `step`, `hidden` (how many completions are not shown) and `groups`. A group has a prompt, and
        completions with verdict, reward and advantage.
    """
    import pandas as pd

    files = sorted((run / "completions").glob("completions_*.parquet"))
    if not files:
        return []
    spread = (len(files) - 1) / max(min(MAX_STEPS_SHOWN, len(files)) - 1, 1)
    chosen = sorted({round(i * spread) for i in range(min(MAX_STEPS_SHOWN, len(files)))})
    steps = []
    for i in chosen:
        table = pd.read_parquet(files[i])
        if set(COMPLETION_COLUMNS) <= set(table.columns) and len(table):
            hidden = max(0, len(table) - MAX_COMPLETIONS_SHOWN)
            steps.append({"step": int(table["step"].iloc[0]), "hidden": hidden, "groups": _groups(table)})
    return steps


def _groups(table: Any) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    for row in table.head(MAX_COMPLETIONS_SHOWN).to_dict("records"):
        prompt = _text(row["prompt"])
        if not groups or groups[-1]["prompt"] != prompt:
            groups.append({"prompt": prompt, "completions": []})
        parts = {k.removeprefix("reward/"): _number(v) for k, v in row.items() if k.startswith("reward/")}
        groups[-1]["completions"].append(
            {
                "text": _text(row["completion"])[:MAX_TEXT_SHOWN],
                "verdict": row.get("verdict") or "",
                "message": row.get("message") or "",
                "reward": _number(row.get("verifier", row.get("coin"))),
                "advantage": _number(row["advantage"]),
                "parts": parts,
            }
        )
    return groups


def _page(
    run: Path, recipe: dict[str, Any], rows: list[dict[str, Any]], held_out: dict[str, Any], drawn: list[charts.Chart]
) -> str:
    training = picture(run / "report" / "training.png")
    # The large figure at the top has the reward already. A chart that is zero throughout is named, not shown.
    small = [chart for chart in drawn if training is None or chart.name != "reward"]
    empty = [chart for chart in small if charts.is_zero(chart, rows)]
    return template("report.html.j2").render(
        name=recipe["name"],
        recipe=recipe,
        recipe_text=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        held_out=held_out,
        headlines={name: headline(held_out[name]) for name in EVALUATIONS if name in held_out},
        measures=_measures(held_out),
        training=training,
        held_out_picture=picture(run / "report" / "held_out.png"),
        charts=[
            {**asdict(chart), "picture": picture(run / "report" / f"{chart.name}.png")}
            for chart in small
            if chart not in empty
        ],
        zero=[chart.title for chart in empty],
        learned_nothing=never_an_advantage(rows),
        totals=_totals(rows),
        tasks=_tasks(rows),
        groups_json=_for_script(read_groups(run)),
    )


def template(name: str) -> jinja2.Template:
    """Return a template from this folder. Values are escaped: they are text, never markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(name)


def _measures(held_out: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of the accuracy table: a measure, and its interval in each evaluation.

    `change` is the difference between after and before on the same problems, if both were measured.
    """
    names = [name for name in EVALUATIONS if name in held_out]
    shown = {name: intervals(held_out[name]) for name in names}
    if "paired" in held_out:
        shown["change"] = held_out["paired"]["differences"]
    order = [measure for name in names for measure in shown[name]]
    return [(measure, {name: shown[name].get(measure) for name in shown}) for measure in dict.fromkeys(order)]


def _bars(held_out: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    colours = {
        "before": ("before", charts.BLUE),
        "after": ("after", charts.GREEN),
        "control": ("control (coin)", charts.GREY),
    }
    return [(label, held_out[name], colour) for name, (label, colour) in colours.items() if name in held_out]


def never_an_advantage(rows: list[dict[str, Any]]) -> bool:
    """Return whether no group of the whole run had an advantage, so that the policy cannot have learned anything."""
    shares = [share for row in rows if (share := row.get("frac_reward_zero_std")) is not None]
    return bool(shares) and min(shares) == 1.0


def _totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the totals of a run: steps, seconds, the share of time spent waiting, and the share of judge errors."""
    if not rows:
        return {}
    waited = sum(row.get("verifier/wait_s") or 0.0 for row in rows)
    took = sum(row.get("step_time") or 0.0 for row in rows)
    errors = [row["verifier/judge_error_share"] for row in rows if row.get("verifier/judge_error_share") is not None]
    return {
        "steps": rows[-1]["step"],
        "training_s": took,
        "wait_share": waited / took if took else 0.0,
        "judge_error_share": sum(errors) / len(errors) if errors else 0.0,
    }


def _tasks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each task's accuracy and reward in the first and the last tenth of the steps, if there are several."""
    names = sorted({name.split("/")[1] for row in rows for name in row if name.startswith("task/")})
    size = max(1, len(rows) // 10)
    ends = {"first": rows[:size], "last": rows[-size:]}
    found = []
    for task in names if len(names) > 1 else []:
        numbers: dict[str, float | None] = {}
        for shown, metric in (("accepted", "accepted_share"), ("reward", "reward")):
            for end, steps in ends.items():
                values = [v for row in steps if (v := row.get(f"task/{task}/{metric}")) is not None]
                numbers[f"{shown}, {end} steps"] = sum(values) / len(values) if values else None
        found.append({"name": task, "numbers": numbers})
    return found


def _print(console: Console, held_out: dict[str, Any], learned_nothing: bool, path: Path) -> None:
    names = [name for name in EVALUATIONS if name in held_out]
    if names:
        table = Table(title="Held-out accuracy through the verifier (95 % intervals)")
        table.add_column("")
        has_change = "paired" in held_out
        for name in [*names, "change"] if has_change else names:
            table.add_column(name if name != "control" else "control (coin)", justify="right")
        for measure, by_name in _measures(held_out):
            table.add_row(measure, *(_cell(name, interval) for name, interval in by_name.items()))
        console.print(table)
    if "p_value" in held_out.get("paired", {}):
        paired = held_out["paired"]
        console.print(
            f"greedy, on the same {paired['problems']} problems: {paired['only_second']} gained, "
            f"{paired['only_first']} lost, McNemar's exact p = {paired['p_value']:.2g}",
            highlight=False,
        )
    if learned_nothing:
        console.print(
            "no group had an advantage in any step: all completions of a prompt always got the same reward, so nothing "
            "was learned; use easier or harder problems, or a cold start",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"report: {path.absolute().as_uri()}", highlight=False, soft_wrap=True)


def _cell(name: str, interval: dict[str, float] | None) -> str:
    if interval is None:
        return ""
    sign = "+" if name == "change" else ""
    value, low, high = (format(interval[part], f"{sign}.3f") for part in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if name == "change" else f"{value} ({low}-{high})"


def picture(path: Path) -> str | None:
    """Return a picture in base64 for embedding into a page, or None if the file does not exist."""
    return base64.b64encode(path.read_bytes()).decode("ascii") if path.is_file() else None


def _for_script(value: Any) -> Markup:
    """Return JSON that is safe inside a script element, whatever strings it contains.

    `</script>` in model output would end the element, so `<` and `&` are escaped; U+2028 and U+2029 end lines in old
    JavaScript.
    """
    text = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return Markup(text.replace("\u2029", "\\u2029").replace("&", "\\u0026"))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    messages = [dict(message) for message in value]
    if len(messages) == 1:
        return str(messages[0]["content"])
    return "\n".join(f"[{message['role']}] {message['content']}{_calls(message)}" for message in messages)


def _calls(message: dict[str, Any]) -> str:
    """Return the tool calls in a message of TRL's table, one per line."""
    return "".join(f"\n[calls] {line}" for line in str(message.get("tool_calls") or "").splitlines())


def _number(value: Any) -> float | None:
    return None if value is None or value != value else round(float(value), 4)
