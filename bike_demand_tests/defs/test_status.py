"""`bike-demand status`, on real tables and a real registry, with feeds that answer or do not."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner

from bike_demand import demo_city, services, status
from bike_demand.cadence import STATUS
from bike_demand.cli import main
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_STATUS
from bike_demand.storage.windows import Window


@pytest.fixture
def feed():
    """Something that answers by HTTP."""
    answers = {"status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answers["status"])
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", answers
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(tmp_path, monkeypatch, postgres_url, tracking, feed):
    """What `bike-demand status` says."""
    (tmp_path / "settings.toml").write_text(
        f'[[systems]]\nsystem_id = "a"\nurl = "{feed[0]}/gbfs.json?key=secret"\n'
        f'weather_url = "{feed[0]}"\n'
    )
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    monkeypatch.setattr(services, "open_registry", lambda _: tracking.registry())
    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    monkeypatch.setattr(status, "open_instance", lambda: instance)

    def run(*options):
        result = CliRunner().invoke(main, ["status", *options])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    run.instance = instance
    return run


def told(result):
    return {one["name"]: one for one in json.loads(result.output)["services"]}


def store(warehouse, instance, at):
    """A snapshot, as a run leaves it."""
    tick = pd.Timestamp(at).floor("15min")
    rows = pd.DataFrame(
        {
            "system_id": ["a"],
            "station_id": ["s1"],
            "observed_at": [tick],
            "fetched_at": [pd.Timestamp(at)],
            "last_reported": [pd.Timestamp(at)],
            "num_bikes_available": [3],
        }
    )
    rows = rows.reindex(columns=[*STATION_STATUS.columns]).astype(
        empty_frame(STATION_STATUS).dtypes
    )
    window = Window(tick.to_pydatetime(), tick.to_pydatetime() + timedelta(minutes=15))
    replace(warehouse, STATION_STATUS, [window], Rows(rows, {"system_id": ["a"]}))
    partition = STATUS.key(tick.to_pydatetime())
    instance.report_runless_asset_event(
        dg.AssetMaterialization("station_status", partition=partition)
    )


def test_what_answers_is_shown_with_how_long_it_took(ask):
    services_of = told(ask("--json"))
    assert all(one["answers"] and one["seconds"] >= 0 for one in services_of.values())
    assert {"postgres", "registry", "feed of a", "weather"} <= services_of.keys()
    assert services_of["registry"]["detail"] == "a: no champion"


def test_what_is_down_is_shown_without_secrets_and_ends_with_exit_code_1(ask, feed):
    feed[1]["status"] = 503
    result = ask()
    assert result.exit_code == 1
    assert "DOWN" in result.output
    assert "answered 503" in result.output
    assert "secret" not in result.output


def test_without_the_database_the_rest_is_asked_all_the_same(ask, monkeypatch, closed_port):
    url = f"postgresql://nobody:secret-word@127.0.0.1:{closed_port}/none"
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", url)
    result = ask("--json")
    assert result.exit_code == 1
    assert not told(result)["postgres"]["answers"]
    assert told(result)["feed of a"]["answers"]
    assert "secret-word" not in result.output


def test_fresh_and_complete_data_is_good(ask, warehouse):
    store(warehouse, ask.instance, datetime.now(UTC))
    found = json.loads(ask("--json").output)
    [snapshot] = [one for one in found["assets"] if one["asset"] == "station_status"]
    assert not snapshot["stale"]
    assert all(one["asset"] != "station_status" for one in found["partitions"]["newest_missing"])
    assert "station_status" in {one["name"] for one in found["tables"]}


def test_old_data_is_stale_and_what_is_missing_is_named(ask, warehouse):
    store(warehouse, ask.instance, datetime.now(UTC) - timedelta(hours=3))
    result = ask()
    assert result.exit_code == 1
    assert re.search(r"station_status +a .*STALE for 1[12]\d min", result.output)
    assert re.search(r"1\d of \d+ partitions of the last 48 h are missing", result.output)
    assert "it is over" in result.output


def test_beside_a_dev_without_settings_the_simulated_city_is_asked_about(ask, tmp_path):
    (tmp_path / "settings.toml").unlink()
    demo_city.folder(tmp_path).mkdir()
    found = json.loads(ask("--json").output)
    assert {one["system_id"] for one in found["assets"]} == {demo_city.SYSTEM_ID}
    assert [one["name"] for one in found["services"]] == ["postgres", "registry"]
