"""The asset `data_quality`, its report, its command and its alerts."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from bike_demand import quality
from bike_demand.cadence import QUALITY
from bike_demand.cli import main
from bike_demand.settings import System
from bike_demand.storage.read import read
from bike_demand.storage.tables import DATA_QUALITY
from bike_demand_tests.defs.conftest import END

WINDOW = timedelta(hours=4)
NEWEST = END - WINDOW
KEY = QUALITY.key(NEWEST)


@pytest.fixture
def look(materialize, city, warehouse):
    """Materialise windows; gives the run and what is stored of the city."""

    def run(key=KEY):
        result = materialize(["data_quality"], key)
        return result, read(warehouse, DATA_QUALITY, scope={"system_id": [city.system_id]})

    return run


@pytest.fixture
def break_it(warehouse, city):
    """Plant a critical fault in the newest window."""

    def plant():
        with warehouse.connection() as connection:
            connection.execute(
                "UPDATE station_status SET fetched_at = observed_at + interval '20 minutes' "
                "WHERE observed_at = %s",
                [NEWEST],
            )

    return plant


@pytest.fixture
def command(postgres_url, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(main, ["quality", *arguments])


def test_a_window_has_a_row_of_every_rule_and_can_be_made_again(look):
    look()
    _, rows = look()
    assert sorted(rows["rule"]) == sorted(rule.name for rule in quality.RULES)
    assert set(rows["window_start"]) == {NEWEST}
    checked = rows.set_index("rule")["checked"]
    assert checked["wrong_tick"] > 0
    assert checked["forecasts_unordered"] == 0
    assert rows.set_index("rule")["share"].isna()["forecasts_unordered"]


def test_the_checks_tell_what_is_critical_from_what_is_wrong(look, break_it):
    critical, clean = look()[0].get_asset_check_evaluations()
    assert critical.passed
    assert clean.check_name == "nothing_is_wrong"
    break_it()
    critical, clean = look()[0].get_asset_check_evaluations()
    assert not critical.passed
    assert not clean.passed
    assert "wrong_tick" in critical.metadata["rules"].value
    assert "2026-03-28 20:00" in critical.metadata["rules"].value


def test_the_page_shows_the_findings_and_a_small_picture(look, break_it, city):
    look(QUALITY.key(NEWEST - WINDOW))
    break_it()
    result, _ = look()
    [event] = result.get_asset_materialization_events()
    page = event.materialization.metadata[f"report {city.system_id}"].value
    assert "| `wrong_tick` | critical |" in page
    assert "data:image/png" in page
    assert len(page) < 40_000


def test_a_backfill_makes_each_window_as_it_would_be_made_alone(look):
    first = NEWEST - 5 * WINDOW
    result, together = look((QUALITY.key(first), KEY))
    assert together.groupby("window_start").size().tolist() == [len(quality.RULES)] * 6
    [event, *_] = result.get_asset_materialization_events()
    assert not [name for name in event.materialization.metadata if name.startswith("report")]
    _, again = look()
    order = ["window_start", "rule"]
    assert again.sort_values(order, ignore_index=True).equals(
        together.sort_values(order, ignore_index=True)
    )


def test_a_recording_that_nobody_follows_is_asked_too(materialize, city, warehouse, tmp_path):
    (tmp_path / "settings.toml").write_text(
        '[[systems]]\nsystem_id = "another"\nurl = "http://127.0.0.1:9/gbfs.json"\n'
        '[[systems]]\nsystem_id = "recorded"\n'
    )
    materialize(["data_quality"], KEY)
    rows = read(warehouse, DATA_QUALITY)
    assert set(rows["system_id"]) == {"another", city.system_id}
    asked = rows.groupby("system_id")["checked"].sum()
    assert asked["another"] == 0
    assert asked[city.system_id] > 0


def test_of_a_recording_the_windows_that_it_does_not_hold_are_not_asked(look):
    result, rows = look(QUALITY.key(END))
    assert result.success
    assert rows.empty


def test_an_incident_is_of_the_newest_window_of_a_live_system(look, break_it, warehouse, city):
    break_it()
    look()
    live = System(system_id=city.system_id, url="http://127.0.0.1:9/gbfs.json")

    def told(system):
        return quality.incidents(warehouse, [system], page_url="http://page")

    [incident] = told(live)
    assert incident.key == f"data_quality {city.system_id} wrong_tick"
    assert incident.partition == KEY
    assert incident.link == f"http://page/assets/data_quality?partition={KEY}"
    assert told(System(system_id=city.system_id)) == []
    with warehouse.connection() as connection:
        connection.execute(
            "UPDATE data_quality SET window_start = window_start - interval '4 hours'"
        )
    assert len(told(live)) == 1
    look()
    with warehouse.connection() as connection:
        connection.execute("UPDATE data_quality SET count = 0 WHERE window_start = %s", [NEWEST])
    assert told(live) == []


def test_the_command_shows_the_newest_window_or_those_since_a_time(look, break_it, command, city):
    empty = command()
    assert empty.exit_code == 0
    assert "Nothing was looked at: materialise data_quality" in empty.output
    look((QUALITY.key(NEWEST - WINDOW), KEY))
    one = command()
    assert one.exit_code == 0
    assert f"{city.system_id}: 1 windows of four hours" in one.output
    break_it()
    look()
    bad = command("--since", f"{NEWEST - WINDOW:%Y-%m-%dT%H:%MZ}")
    assert bad.exit_code == 1
    assert f"{city.system_id}: 2 windows of four hours" in bad.output
    assert "wrong_tick" in bad.output
    assert command("--since", "2027-01-01T00:00Z").exit_code == 0


def test_the_command_tells_programs_in_json(look, break_it, command, city):
    break_it()
    look()
    result = command("--json")
    answer = json.loads(result.output)
    assert result.exit_code == 1
    assert not answer["good"]
    assert answer["windows"] == [
        {"system_id": city.system_id, "window_start": NEWEST.astimezone(UTC).isoformat()}
    ]
    [finding] = [one for one in answer["findings"] if one["rule"] == "wrong_tick"]
    assert finding["severity"] == "critical"
    assert finding["count"] > 0
    assert datetime.fromisoformat(finding["sample"][0]["observed_at"]) == NEWEST
