"""A real Prometheus scrapes, and answers what alerts and dashboard ask it."""

import json
import shutil
import subprocess
from types import SimpleNamespace

import pytest
import requests
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from bike_demand import settings
from bike_demand.metrics.collector import PipelineCollector
from bike_demand_tests.metrics.conftest import HOUR, run
from bike_demand_tests.processes import ROOT, free_ports, until

FOLDER = ROOT / "deploy" / "monitoring"


@pytest.fixture
def address(filled, put, hour, monkeypatch):
    """Where all metrics are, with scores of all horizons."""
    for horizon in range(1, 25):
        sums = dict.fromkeys(("squared_error", "inside", "brier_empty", "brier_full"), 1.0)
        sums |= {f"persistence_{name}": 2.0 for name in sums if name != "inside"}
        key = {"target_at": hour - HOUR, "horizon": horizon, "role": "champion"}
        put("forecast_accuracy", **key, rows=4, **sums)
    silent = SimpleNamespace(required=True, healthy=False)
    monkeypatch.setattr(filled.instance, "get_daemon_statuses", lambda: {"SCHEDULER": silent})
    run(filled.instance, fails="yes")
    registry = CollectorRegistry()
    registry.register(PipelineCollector(settings.load(), filled.open))
    [port] = free_ports(1)
    server, thread = start_http_server(port, "127.0.0.1", registry)
    yield f"127.0.0.1:{port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def prometheus(address, tmp_path):
    """Prometheus as it is configured here, but quicker; asks it something."""
    if shutil.which("prometheus") is None:
        pytest.skip("no Prometheus here: apt-get install prometheus")
    configured = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    configured["global"] = dict.fromkeys(configured["global"], "2s")
    configured["scrape_configs"][0]["static_configs"] = [{"targets": [address]}]
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configured))
    shutil.copy(FOLDER / "alerts.yml", folder)
    [port] = free_ports(1)
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(what, **values):
        try:
            answer = requests.get(f"http://127.0.0.1:{port}/api/v1/{what}", values, timeout=60)
        except requests.ConnectionError:
            return None
        assert answer.ok, (values, answer.text)
        return answer.json()["data"]

    yield ask
    process.terminate()
    process.wait()


def test_a_real_prometheus_has_an_answer_to_all_that_the_dashboard_asks(prometheus):
    until(
        lambda: (found := prometheus("query", query="up")) and found["result"],
        "the first scrape",
    )
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    asked = [
        (panel["title"], target["expr"].replace("$system", ".*"))
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]

    unanswered = [one for one in asked if not prometheus("query", query=one[1])["result"]]
    assert unanswered == []


def test_a_real_prometheus_takes_every_alert(prometheus):
    def judged():
        groups = (prometheus("rules") or {"groups": []})["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if rules and all(rule["health"] == "ok" for rule in rules) else None

    rules = until(judged, "every rule is judged")
    written = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    assert [rule["name"] for rule in rules] == [rule["alert"] for rule in written]
