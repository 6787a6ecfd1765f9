"""The dashboard and the alerts that are shipped look at what a real daemon shows, and at nothing else."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from actors.catalogue import CATALOGUE as LOG
from actors.metrics.catalogue import CATALOGUE
from cli.group import COMMANDS
from tests.support.daemon import serving
from tests.support.jobs import quick
from tests.support.plain_yaml import NotPlainYaml, load
from tests.support.ports import free_pair
from tests.support.processes import eventually
from tests.support.promql import Expression, NotPromQL, Series
from tests.support.scrape import Scrape, scrape

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus-alerts.yml"
DASHBOARD = ROOT / "deploy/grafana-dashboard.json"
PLAYED = Path(__file__).with_name("prometheus-alerts-test.yml")

BY_PROMETHEUS = {"instance", "job"}
"""The labels that it adds to each sample."""

UP = "up"
"""The series that it makes itself for each daemon."""

VARIABLES = {"$__rate_interval": "5m"}
"""What Grafana puts in."""


@cache
def alerts() -> list[dict[str, Any]]:
    [group] = load(ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


@cache
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Every expression by where it stands."""
    found = {str(rule["alert"]): str(rule["expr"]) for rule in alerts()}
    for panel in panels():
        for target in panel["targets"]:
            text = str(target["expr"])
            for variable, value in VARIABLES.items():
                text = text.replace(variable, value)
            found[f"{panel['title']} {target['refId']}"] = text
    return found


@pytest.fixture(scope="module")
def shown(deaf_hook: Path) -> Iterator[Scrape]:
    """What a daemon shows that has done a job and has been up for a second."""
    with serving(slots=1, metrics_port=free_pair(), config=deaf_hook) as daemon:
        daemon.finish(quick(daemon.out / "1.mp4"))
        eventually(lambda: scrape(daemon).of("rushes_events_published_total", type="daemon.heartbeat"), "a heartbeat")
        yield scrape(daemon)


def is_chosen(sample_labels: dict[str, str], series: Series) -> bool:
    """True where a sample is one of a series, as far as its own labels go."""
    for label, sign, value in series.matchers:
        if label not in BY_PROMETHEUS:
            own = sample_labels.get(label, "")
            fits = bool(re.fullmatch(value, own)) if sign in ("=~", "!~") else own == value
            if fits == sign.startswith("!"):
                return False
    return True


@pytest.mark.parametrize("where", expressions())
def test_an_expression_reads_series_and_labels_that_a_daemon_has(where: str, shown: Scrape) -> None:
    expression = Expression(expressions()[where])
    labels = shown.labels()
    for series in expression.series:
        if series.name == UP:
            continue
        found = shown.of(series.name)
        assert found, f"no daemon shows {series.name}"
        assert {matcher.label for matcher in series.matchers} <= labels[series.name] | BY_PROMETHEUS
        assert any(is_chosen(one.labels, series) for one in found), f"nothing is chosen by {series}"
    known = set().union(*(labels.get(series.name, set()) for series in expression.series))
    assert expression.grouped <= known | BY_PROMETHEUS
    assert not expression.lost_le


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name.startswith("rushes_")])
def test_every_metric_of_ours_is_looked_at(name: str) -> None:
    looked_at = {series.name for text in expressions().values() for series in Expression(text).series}
    names = {name, f"{name}_bucket"}
    assert looked_at & names or name in dashboard()["templating"]["list"][1]["definition"]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any], shown: Scrape) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Rushes[A-Z]\w+", rule["alert"])
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0m"))
    assert rule["labels"] in ({"severity": "warning"}, {"severity": "critical"})
    assert set(rule["annotations"]) == {"summary", "description"}
    assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
    text = " ".join(rule["annotations"].values())
    labels = set().union(*(shown.labels().get(one.name, set()) for one in Expression(rule["expr"]).series))
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels | BY_PROMETHEUS
    assert set(re.findall(r"`rushes (\w+)", text)) <= set(COMMANDS)
    assert set(re.findall(r"line `(\w+)`", text)) <= set(LOG)
    assert set(re.findall(r"\brushes_\w+", text)) <= set(CATALOGUE)


def test_the_alerts_tell_of_a_stuck_queue_failing_jobs_disks_and_restarts() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    wanted = {"RushesQueueStuck", "RushesJobsFail", "RushesStoreFull", "RushesDisksLow", "RushesPartRestarted"}
    assert wanted <= set(names)


def test_the_dashboard_is_one_that_can_be_imported_anywhere() -> None:
    found = dashboard()
    assert found["title"] == "Rushes"
    assert "id" not in found, "a number of one Grafana's own"
    ids = [panel["id"] for panel in found["panels"]]
    assert len(set(ids)) == len(ids)
    assert [variable["name"] for variable in found["templating"]["list"]] == ["datasource", "instance"]
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for one in (panel, *panel["targets"]):
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(
    "text",
    ["rate(x[5m]", "rate(x)", "x{a=1}", "sum by a (x)", "x + ", "x y", "rate(x[5])", "x and 1", "frobnicate(x)", "x{",
     "sum(x) by (a", "histogram_quantile(x, 1)", "up == == 1", ""],
)  # fmt: skip
def test_what_is_no_expression_is_seen(text: str) -> None:
    with pytest.raises(NotPromQL):
        Expression(text)


def test_a_quantile_of_ranges_that_were_mixed_up_is_seen() -> None:
    assert Expression("histogram_quantile(0.9, sum by (status) (rate(x_bucket[5m])))").lost_le
    assert not Expression("histogram_quantile(0.9, sum by (le, status) (rate(x_bucket[5m])))").lost_le


@pytest.mark.parametrize(
    "text", ["a: b: c", "a:\n  b: c\n d: e", "a: 'b'", "a: [b]", "a: b\na: c", "- b", "a:\n  - b", "a:"]
)
def test_what_is_no_plain_yaml_is_seen(text: str) -> None:
    with pytest.raises(NotPlainYaml):
        load(text)


def test_plain_yaml_is_read_as_it_is_meant() -> None:
    text = "# c\na:\n  - b: x == 1\n    c: >-\n      two\n      lines\n  - d:\n      e: f\ng: h\n"
    assert load(text) == {"a": [{"b": "x == 1", "c": "two lines"}, {"d": {"e": "f"}}], "g": "h"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
@pytest.mark.parametrize("words", [["check", "rules", ALERTS], ["test", "rules", PLAYED]], ids=["check", "play"])
def test_promtool_finds_nothing_wrong_with_the_alerts_and_they_fire_when_they_should(words: list[object]) -> None:
    run = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
