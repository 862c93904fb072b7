"""The report draws what TRL logs, under TRL's names."""

from pathlib import Path

from trainer.evaluation import statistics
from trainer.report import charts, page


def test_every_chart_finds_its_numbers_under_trls_names(tmp_path: Path) -> None:
    """Names as TRL's GRPOTrainer logs them; a metric of another name would be drawn nowhere."""
    logged = {
        "reward": 0.5,
        "reward_std": 0.1,
        "frac_reward_zero_std": 0.2,
        "kl": 0.01,
        "entropy": 1.5,
        "completions/mean_length": 20.0,
        "completions/max_length": 40.0,
        "completions/clipped_ratio": 0.1,
        "clip_ratio/region_mean": 0.02,
        "grad_norm": 1.0,
    }
    drawn = charts.draw_metrics([{"step": 1, **logged}, {"step": 2, **logged}], tmp_path)
    assert [metric for chart in drawn for metric in chart.metrics] == list(logged)
    assert all((tmp_path / f"{chart.name}.png").stat().st_size > 0 for chart in drawn)


def test_signals_sources_and_tasks_are_drawn_and_told_apart(tmp_path: Path) -> None:
    """Signals are sorted by frequency, up to the number of colors; a source's name can contain a slash."""
    rows = [
        {"step": 1, "verifier/signal/ended_early": 0.1, "verifier/signal/left_processes": 0.0, "task/a/reward": 1.0},
        {"step": 2, "verifier/signal/ended_early": 0.1, "verifier/signal/rare": 0.05, "task/b/reward": 0.0},
        {"step": 2, "held_out/source/org/set [test]": 0.5, "task/a/accepted_share": 1.0, "task/b/accepted_share": 0.0},
    ]
    drawn = {chart.name: chart.metrics for chart in charts.draw_metrics(rows, tmp_path)}
    assert drawn["signals"] == ("verifier/signal/ended_early", "verifier/signal/rare")
    assert drawn["held_out_sources"] == ("held_out/source/org/set [test]",)
    assert drawn["tasks_reward"] == ("task/a/reward", "task/b/reward")
    assert [charts._label(name) for names in drawn.values() for name in names] == [
        "a", "b", "a", "b", "org/set [test]", "ended_early", "rare",
    ]  # fmt: skip
    assert page._tasks(rows[:2])[0]["numbers"]["reward, first steps"] == 1.0


def test_equal_differences_have_an_interval_around_them() -> None:
    """Without any change, the interval extends to both sides as far as Wilson's for 0 of 15."""
    reach = statistics.proportion(0, 15).high
    assert statistics.difference([0.0] * 15) == statistics.Interval(0.0, -reach, reach)
    assert statistics.difference([1.0] * 15).high == 1.0
    mixed = statistics.difference([-1.0, 0.0, 1.0, 1.0])
    assert mixed.low < mixed.value < mixed.high
