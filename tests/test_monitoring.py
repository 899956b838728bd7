"""The files for Prometheus and Grafana in docs/monitoring against the metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from crmd.alerts.fault import faults_of
from crmd.cli.grammar import build_parser
from crmd.config.alert_settings import Alerts
from crmd.metrics.catalogue import METRICS
from crmd.store.figures import Connected, Fleet, Schedules, Trouble, Waiting

FOLDER = Path(__file__).parents[1] / "docs" / "monitoring"
NAME = re.compile(r"\bcrmd_[a-z_]+\b")
BY = re.compile(r"\b(?:by|on|group_left|ignoring) ?\(([^)]*)\)|\b([a-z_]+) ?(?:=~|!=|=)\"|\{\{([a-z_]+)\}\}")
SERIES = {name: metric for metric in METRICS for name in metric.series}
# Labels that Prometheus adds.
OF_PROMETHEUS = {"instance", "job", "le", "severity", ""}
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: apt install prometheus"
)


def expressions(part: Any) -> list[str]:  # noqa: ANN401 - JSON of any shape
    """Every expression of a dashboard."""
    if isinstance(part, dict):
        own = [f"{part['expr']} # {part['legendFormat']}"] if "expr" in part else []
        return own + [one for value in part.values() for one in expressions(value)]
    return [one for value in part for one in expressions(value)] if isinstance(part, list) else []


def wrong_names(text: str) -> list[str]:
    """Names that look like one of crmd's series and are none, and labels that none of the named ones has."""
    named = [name for name in NAME.findall(text) if name in SERIES]
    wrong = [name for name in NAME.findall(text) if name not in SERIES]
    labels = {label.strip() for found in BY.findall(text) for part in found for label in part.split(",")}
    known = OF_PROMETHEUS | {label for name in named for label in SERIES[name].labels}
    return wrong + sorted(labels - known) if named else wrong


def test_the_dashboard_shows_what_there_is() -> None:
    """Each expression of the Grafana dashboard names metrics and labels that exist, and most metrics are shown."""
    board = json.loads((FOLDER / "crmd-dashboard.json").read_text("utf-8"))
    found = expressions(board)
    assert len(found) > 30
    assert {text: wrong_names(text) for text in found if wrong_names(text)} == {}
    shown = {SERIES[name].name for text in found for name in NAME.findall(text)}
    assert {metric.name for metric in METRICS} - shown <= {
        "crmd_ready", "crmd_limit_wait_seconds", "crmd_pool_connections_max", "crmd_queue_unserved",
        "crmd_fleet_age_seconds",
    }  # fmt: skip


def test_the_dashboard_asks_nobody_else() -> None:
    """Its panels use the data source that is chosen in it, have places of their own, and name no other host."""
    board = json.loads((FOLDER / "crmd-dashboard.json").read_text("utf-8"))
    panels = board["panels"]
    assert {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"} == {"${datasource}"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert "://" not in json.dumps(board)


def test_the_rules_ask_for_what_there_is() -> None:
    """Each name in the alert rules and in their tests is a series that crmd tells."""
    for name in ("crmd-rules.yml", "crmd-rules-test.yml"):
        text = (FOLDER / name).read_text("utf-8")
        assert [one for one in NAME.findall(text) if one not in SERIES] == []
        assert NAME.findall(text)


def test_every_metric_is_told() -> None:
    """docs/observability.md has a row for each metric with its labels and meaning, and no other."""
    page = (FOLDER.parent / "observability.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `crmd_")]
    told = {}
    for line in rows:
        name, labels, meaning = (part.strip() for part in line.strip("|").split(" | "))
        told[name.strip("`")] = (labels, meaning.removesuffix(" (histogram)"))
    suffix = {"counter": "_total"}
    assert told == {
        metric.name + suffix.get(metric.kind, ""): (", ".join(f"`{label}`" for label in metric.labels), metric.meaning)
        for metric in METRICS
    }


def test_what_to_do_first_can_be_typed() -> None:
    """Each command that an alert or a rule names is one that crmd takes."""
    fleet = Fleet(
        waiting=(Waiting("fast", due=9, scheduled=0, held=0, due_seconds=9e9, is_served=True),),
        retrying={"a": 60},
        trouble=(Trouble("b", "dead", jobs=1, last_hour=0),),
        schedules=Schedules(late=2, broken=1),
        connections=(Connected("gmail", "needs_reauth", connections=1, stale=1, sync_seconds=2e5),),
        quarantined=("x",),
        unknown_effects=3,
    )
    rules = (FOLDER / "crmd-rules.yml").read_text("utf-8")
    hints = [one.hint for one in faults_of(fleet, Alerts())]
    hints += [line.strip().partition(": ")[2] for line in rules.splitlines() if "action: crmd " in line]
    parser = build_parser()
    typed = [hint.replace("{{ $labels.type }}", "a").split()[1:] for hint in hints if hint.startswith("crmd ")]
    assert len(typed) > 10
    for words in typed:
        parser.parse_args(words)


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    """`promtool check rules` accepts them."""
    command = ["promtool", "check", "rules", str(FOLDER / "crmd-rules.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rules_fire_when_they_should() -> None:
    """`promtool test rules` finds that they fire when they should, and not for a fleet that is well."""
    command = ["promtool", "test", "rules", "crmd-rules-test.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
