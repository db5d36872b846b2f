"""What stands in deploy/monitoring: held to the metrics there are, and to the tools' own checks."""

import itertools
import json
import re

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from bike_demand import cli
from bike_demand.metrics.declared import METRICS
from bike_demand_tests.processes import ROOT
from bike_demand_tests.prometheus import promtool

FOLDER = ROOT / "deploy" / "monitoring"
DOCUMENT = (ROOT / "docs" / "monitoring.md").read_text()
LABELS = {metric.name: set(metric.labels) for metric in METRICS}
FROM_PROMETHEUS = {"instance", "job"}


@pytest.fixture(scope="module")
def dashboard():
    return json.loads((FOLDER / "grafana-dashboard.json").read_text())


def rules():
    [group] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return group["rules"]


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard):
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def named(expression):
    """Metrics that an expression names, each with the labels it selects by."""
    found = re.findall(r"\b(bike_demand_\w+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r"(\w+)\s*[=!]~?", selected))) for name, selected in found]


@pytest.mark.parametrize("command", re.findall(r"^promtool (.*)$", DOCUMENT, re.MULTILINE))
def test_promtool_takes_the_files_as_the_document_says(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    promtool(*command.split())


def test_each_alert_is_tested_to_fire_and_not_to_fire():
    tested = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    cases = [case for test in tested for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == names
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == names


def test_alerts_and_dashboard_name_metrics_and_labels_that_there_are(dashboard):
    variables = [
        variable["query"]
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    ]
    asked = [*expressions(dashboard), *(rule["expr"] for rule in rules()), *variables]
    for name, selected in itertools.chain.from_iterable(map(named, asked)):
        assert selected <= LABELS[name] | FROM_PROMETHEUS, name


def test_the_dashboard_shows_every_metric(dashboard):
    shown = {name for expression in expressions(dashboard) for name, _ in named(expression)}
    assert shown == {*LABELS}


def test_legends_and_messages_name_labels_that_their_metrics_have(dashboard):
    told = [
        (target["expr"], target.get("legendFormat", ""))
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]
    told += [(rule["expr"], rule["annotations"]["summary"]) for rule in rules()]
    for expression, text in told:
        labels = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text))
        known = [LABELS[name] for name, _ in named(expression)]
        assert all(labels <= one | FROM_PROMETHEUS for one in known[:1]), (expression, text)


def test_each_expression_of_the_dashboard_can_be_parsed(dashboard, tmp_path):
    filled = [expression.replace("$system", ".*") for expression in expressions(dashboard)]
    recorded = [{"record": f"r{number}", "expr": expr} for number, expr in enumerate(filled)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    promtool("check", "rules", str(file))


def test_grafana_knows_everything_that_the_dashboard_says(dashboard):
    register_default_plugins()
    understood = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    assert kept(dashboard, understood) == dashboard


def kept(told, understood):
    """Of what was told that which was understood; what it adds are defaults."""
    if isinstance(told, dict):
        return {key: kept(told[key], understood[key]) for key in told if key in understood}
    if isinstance(told, list):
        return [kept(*pair) for pair in zip(told, understood, strict=True)]
    return understood


def test_panels_have_a_place_of_their_own_and_ask_the_source_that_is_chosen(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    covered = [
        (x, y)
        for place in (panel["gridPos"] for panel in dashboard["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(covered) == len(set(covered))
    assert all(x < 24 for x, _ in covered)
    for panel in panels(dashboard):
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_prometheus_asks_where_the_command_answers():
    [scraped] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    default = {option.name: option.default for option in cli.metrics.params}
    assert scraped["static_configs"] == [{"targets": [f"{default['host']}:{default['port']}"]}]
    assert f'job="{scraped["job_name"]}"' in rules()[0]["expr"]


def test_the_metrics_in_the_documents_are_those_that_there_are():
    rows = re.findall(r"^\| `(bike_demand_\w+)` \| (.*?) \| (.*?) \|$", DOCUMENT, re.MULTILINE)
    assert rows == [
        (metric.name, ", ".join(f"`{label}`" for label in metric.labels), metric.meaning)
        for metric in METRICS
    ]


def test_the_alerts_in_the_documents_are_those_that_there_are():
    rows = re.findall(r"^\| `([A-Z]\w+)` \| (\w+) \| (.*?) \|", DOCUMENT, re.MULTILINE)
    assert [row[:2] for row in rows] == [
        (rule["alert"], rule["labels"]["severity"]) for rule in rules()
    ]
    assert [row[2] for row in rows] == [rule.get("for", "at once") for rule in rules()]
