"""The dashboard and the alerts only use metrics that the service exports, and Prometheus can read them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from verifier_service.observability.metrics import Metrics

ROOT = Path(__file__).parent.parent.parent
ALERTS = ROOT / "docs" / "prometheus-alerts.yml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SHOWN = [target["expr"] for panel in PANELS for target in panel["targets"]]
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
ASKED = [*SHOWN, *(rule["expr"] for rule in RULES)]
ADDED_BY_PROMETHEUS = {"instance", "le"}
PROMTOOL = shutil.which("promtool")


def _counted() -> dict[str, set[str]]:
    """Return the labels of every series of the service, by name."""
    found: dict[str, set[str]] = {}
    collectors = vars(Metrics()).values()
    labels = {
        name: set(getattr(one, "_labelnames", ()))
        for one in collectors
        if (name := getattr(one, "_name", None)) is not None
    }
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        for suffix in suffixes:
            found[family.name + suffix] = labels.get(family.name, set()) | ADDED_BY_PROMETHEUS
    return found


COUNTED = _counted()


@pytest.mark.parametrize("expr", ASKED)
def test_what_is_asked_for_is_counted(expr: str) -> None:
    names = set(re.findall(r"\b(?:verifier|process|python)_\w+", expr))
    assert names
    assert names <= COUNTED.keys()
    for name, selectors in re.findall(r"\b((?:verifier|process)_\w+)\{([^}]*)\}", expr):
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selectors)) <= COUNTED[name], name
    grouped = {label.strip() for found in re.findall(r"by \(([^)]*)\)", expr) for label in found.split(",")}
    assert grouped <= set().union(*(COUNTED[name] for name in names))


def test_what_is_counted_is_shown() -> None:
    shown = {name for expr in SHOWN for name in re.findall(r"\bverifier_\w+", expr)}
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in COUNTED if name.startswith("verifier_")}
    assert ours - whole == {"verifier_image_info", "verifier_keys_broken", "verifier_requests_refused_total"}


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    """Grafana is not available here; this checks the fields that it requires."""
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in PANELS)
    assert all(target["datasource"] == panel["datasource"] for panel in PANELS for target in panel["targets"])
    assert {one["name"] for one in DASHBOARD["templating"]["list"]} == {"datasource", "instance"}


def test_every_alert_says_how_bad_it_is_and_what_it_is() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
    guide = (ROOT / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in RULES if rule["alert"] not in guide] == []


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian's package prometheus has it)")
def test_prometheus_reads_the_alerts_and_they_fire_when_they_should(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    subprocess.run([PROMTOOL, "check", "rules", str(ALERTS)], check=True, capture_output=True, timeout=120)
    scenarios = ["test", "rules", "alerts.test.yml"]
    run = subprocess.run(
        [PROMTOOL, *scenarios], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    filled = [expr.replace("$__rate_interval", "5m").replace("$instance", ".*") for expr in SHOWN]
    shown = [{"record": f"shown:number{n}", "expr": expr} for n, expr in enumerate(filled)]
    rules = tmp_path / "shown.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": shown}]}))
    run = subprocess.run(
        [PROMTOOL, "check", "rules", str(rules)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
