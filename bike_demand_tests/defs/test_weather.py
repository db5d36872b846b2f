"""The weather, from real HTTP through Dagster into Postgres."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
import pandas as pd
import pytest
from pydantic import Field

from bike_demand.defs.ingestion.stations import station_information
from bike_demand.defs.ingestion.weather import middles, weather
from bike_demand.resources import PostgresIOManager, weather_feed
from bike_demand.resources.live_feed import LiveStationFeed
from bike_demand.resources.weather_feed import WeatherFeed
from bike_demand.storage.read import read
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_INFORMATION, WEATHER
from bike_demand.weather.report import Place
from bike_demand_tests.feed_server import FeedServer, no_proxy

__all__ = ["no_proxy"]

NOW = datetime(2026, 3, 1, 12, 0, 4, tzinfo=UTC)
NOON = NOW.replace(second=0)
PARTITION = "2026-03-01-12:00"
FORECAST, ARCHIVE = "/v1/forecast", "/v1/archive"


class ClockedFeed(WeatherFeed):
    """Its clock shows given times, one after the other, the last for ever."""

    times: list[str] = Field(default_factory=lambda: [NOW.isoformat()])

    def now(self) -> datetime:
        return datetime.fromisoformat(self.times.pop(0) if len(self.times) > 1 else self.times[0])


@pytest.fixture
def source():
    server = FeedServer()
    yield server
    server.stop()


@pytest.fixture
def follow(tmp_path, monkeypatch, source):
    """Write settings that follow these systems, and ask the test's server for their weather."""
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))

    def write(*system_ids, place="lat = 40.0\nlon = -74.0\n"):
        text = "".join(
            f'[[systems]]\nsystem_id = "{system_id}"\n{place}weather_url = "{source.base}"\n'
            for system_id in system_ids
        )
        (tmp_path / "settings.toml").write_text(text)

    return write


@pytest.fixture
def materialize(postgres_url):
    def run(partition=PARTITION, *, times=(NOW,), **options):
        return dg.materialize(
            [weather, station_information],
            selection=[weather],
            partition_key=partition,
            resources={
                "io_manager": PostgresIOManager(url=postgres_url),
                "station_feed": LiveStationFeed(),
                "weather_feed": ClockedFeed(times=[time.isoformat() for time in times]),
            },
            **options,
        )

    return run


def stamps(start, hours):
    return [int((start + timedelta(hours=n)).timestamp()) for n in range(hours)]


def present(temperature=11.5, now=NOON):
    hours = stamps(now, 50)
    return json.dumps(
        {
            "utc_offset_seconds": 0,
            "current_units": {"time": "unixtime", "interval": "seconds", "temperature_2m": "°C"},
            "current": {"time": hours[0], "interval": 900, "temperature_2m": temperature},
            "hourly_units": {"time": "unixtime", "temperature_2m": "°C"},
            "hourly": {"time": hours, "temperature_2m": [10 + n / 10 for n in range(50)]},
        }
    ).encode()


def past(start, temperatures):
    return json.dumps(
        {
            "utc_offset_seconds": 0,
            "hourly_units": {"time": "unixtime", "temperature_2m": "°C"},
            "hourly": {"time": stamps(start, len(temperatures)), "temperature_2m": temperatures},
        }
    ).encode()


def test_the_present_is_stored_as_observed_and_as_forecast_with_when_it_was_known(
    follow, source, materialize, warehouse
):
    follow("nyc")
    source.serve(FORECAST, present())
    result = materialize()

    frame = read(warehouse, WEATHER).sort_values(["kind", "valid_at"])
    assert frame["kind"].value_counts().to_dict() == {"forecast": 48, "observation": 1}
    assert set(frame["issued_at"]) == set(frame["fetched_at"]) == {NOW}
    ahead = frame[frame["kind"] == "forecast"]
    assert ahead["valid_at"].tolist() == [NOON + timedelta(hours=n) for n in range(1, 49)]
    assert ahead["temperature"].tolist()[:2] == [10.1, 10.2]
    [observed] = frame[frame["kind"] == "observation"].to_dict("records")
    assert (observed["valid_at"], observed["temperature"]) == (NOON, 11.5)
    assert pd.isna(observed["rain"])
    for check in result.get_asset_check_evaluations():
        assert check.passed


def test_an_observation_far_from_what_is_foretold_is_named_and_stored(
    follow, source, materialize, warehouse
):
    follow("nyc")
    source.serve(FORECAST, present(temperature=30.0))
    result = materialize()
    told, foreseen = result.get_asset_check_evaluations()
    assert told.passed
    assert not foreseen.passed
    assert "30.0 °C is observed, 10.1 °C is foretold" in foreseen.metadata["strays"].value
    assert len(read(warehouse, WEATHER)) == 49


def test_a_rerun_within_the_half_hour_replaces_what_was_told(
    follow, source, materialize, warehouse
):
    follow("nyc")
    source.serve(FORECAST, present(temperature=1), present(temperature=2))
    materialize()
    materialize(times=[NOW + timedelta(minutes=10)])
    frame = read(warehouse, WEATHER)
    assert len(frame) == 49
    assert frame[frame["kind"] == "observation"]["temperature"].tolist() == [2]


def test_a_past_window_is_filled_by_reanalysis_beside_what_was_known_then(
    follow, source, materialize, warehouse
):
    follow("nyc")
    source.serve(FORECAST, present())
    source.serve(ARCHIVE, past(NOON.replace(hour=0), [5.0] * 12 + [6.5] + [None] * 11))
    materialize()
    known = read(warehouse, WEATHER)
    later = NOW + timedelta(days=9)
    materialize(times=[later])

    frame = read(warehouse, WEATHER)
    [added] = frame[frame["kind"] == "reanalysis"].to_dict("records")
    assert (added["issued_at"], added["valid_at"], added["temperature"]) == (NOON, NOON, 6.5)
    assert added["fetched_at"] == later
    stayed = frame[frame["kind"] != "reanalysis"].reset_index(drop=True)
    pd.testing.assert_frame_equal(stayed, known)


def test_hours_that_the_archive_does_not_know_get_no_row_and_take_none_away(
    follow, source, materialize, warehouse
):
    follow("nyc")
    start = NOON.replace(hour=0)
    source.serve(ARCHIVE, past(start, [5.0] * 24), past(start, [None] * 24))
    materialize(times=[NOW + timedelta(days=9)])
    known = read(warehouse, WEATHER)
    with pytest.raises(dg.Failure, match="its archive has nothing of"):
        materialize(times=[NOW + timedelta(days=9)])
    assert len(known) == 1
    pd.testing.assert_frame_equal(read(warehouse, WEATHER), known)


def test_a_half_hour_without_a_full_hour_has_no_reanalysis_and_is_no_failure(
    follow, source, materialize, warehouse
):
    follow("nyc")
    source.serve(ARCHIVE, past(NOON.replace(hour=0), [5.0] * 24))
    assert materialize("2026-03-01-12:30", times=[NOW + timedelta(days=9)]).success
    assert read(warehouse, WEATHER).empty


def test_an_answer_that_tells_nothing_of_the_present_takes_nothing_away(
    follow, source, materialize, warehouse
):
    follow("nyc")
    stale = present(now=NOON - timedelta(days=30))
    source.serve(FORECAST, present(), stale)
    materialize()
    known = read(warehouse, WEATHER)
    with pytest.raises(dg.Failure, match="it told nothing of the present"):
        materialize()
    pd.testing.assert_frame_equal(read(warehouse, WEATHER), known)


def test_days_of_the_past_are_asked_for_at_once(follow, source, materialize, warehouse):
    follow("nyc")
    start = NOON.replace(hour=0)
    source.serve(ARCHIVE, past(start, [float(n) for n in range(24)]))
    materialize(
        partition=None,
        times=[NOW + timedelta(days=9)],
        tags={
            "dagster/asset_partition_range_start": "2026-03-01-00:00",
            "dagster/asset_partition_range_end": "2026-03-01-23:30",
        },
    )
    frame = read(warehouse, WEATHER).sort_values("valid_at")
    assert frame["temperature"].tolist() == [float(n) for n in range(24)]
    assert len(source.seen[ARCHIVE]) == 1


@pytest.mark.parametrize(
    "now", [NOON - timedelta(seconds=1), NOON - timedelta(days=1)], ids=["just before", "long"]
)
def test_a_half_hour_that_has_not_begun_is_refused(follow, source, materialize, now):
    follow("nyc")
    with pytest.raises(dg.Failure, match="is not over"):
        materialize(times=[now])
    assert source.seen == {}


def test_an_answer_that_comes_after_the_half_hour_is_stored_under_no_key(
    follow, source, materialize, warehouse
):
    follow("nyc")
    source.serve(FORECAST, present())
    with pytest.raises(dg.Failure, match="the answer came at 12:30:04 UTC, after"):
        materialize(times=[NOW, NOW + timedelta(minutes=30)])
    assert read(warehouse, WEATHER).empty


def test_a_system_that_is_not_told_is_named_and_its_rows_stand_while_the_others_are_stored(
    follow, source, materialize, warehouse, tmp_path
):
    follow("nyc")
    source.serve(FORECAST, present())
    materialize()
    known = read(warehouse, WEATHER)
    file = tmp_path / "settings.toml"
    text = file.read_text().replace(source.base, source.base + "/gone")
    file.write_text(text + text.replace("nyc", "bos").replace("/gone", ""))
    result = materialize()

    frame = read(warehouse, WEATHER)
    assert frame["system_id"].value_counts().to_dict() == {"nyc": 49, "bos": 49}
    stayed = frame[frame["system_id"] == "nyc"].reset_index(drop=True)
    pd.testing.assert_frame_equal(stayed, known)
    check, _ = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.metadata["failures"].value.startswith("nyc: ")


def test_where_nobody_tells_the_run_fails_for_good_and_nothing_is_stored(
    follow, source, materialize, warehouse
):
    follow("nyc")
    with pytest.raises(dg.Failure, match="No system's weather was told") as failure:
        materialize()
    assert not failure.value.allow_retries
    assert read(warehouse, WEATHER).empty


def test_a_key_selects_openweathermap_and_shows_nowhere(
    follow, source, materialize, tmp_path, monkeypatch, capfd
):
    key = "0123456789abcdef0123456789abcdef"
    follow("nyc")
    file = tmp_path / "settings.toml"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))  # no weather_url
    monkeypatch.setenv("OPENWEATHER_API_KEY", key)
    monkeypatch.setattr(
        weather_feed, "OpenWeatherMap", partial(weather_feed.OpenWeatherMap, url=source.base)
    )
    refusal = json.dumps({"cod": 401, "message": f"Invalid API key {key}."}).encode()
    source.serve("/data/2.5/weather", source.answer(401, refusal))
    result = materialize(raise_on_error=False)
    assert source.asked["/data/2.5/weather"][0]["appid"] == key
    told = str(result.all_events) + "".join(capfd.readouterr())
    assert "OPENWEATHER_API_KEY" in told
    assert key not in told


def test_a_system_without_a_place_in_the_settings_is_where_its_stations_are(
    follow, source, materialize, warehouse
):
    follow("nyc", place="")
    source.serve(FORECAST, present())
    with pytest.raises(dg.Failure, match="Nobody knows where it is"):
        materialize()
    replace(warehouse, STATION_INFORMATION, None, Rows(stations(), {"system_id": ["nyc"]}))
    materialize()
    assert source.asked[FORECAST][0]["latitude"] == "40.5000"


def stations():
    frame = pd.DataFrame(
        {
            "system_id": "nyc",
            "station_id": ["a", "b", "c", "gone", "nowhere"],
            "lat": [40.0, 40.5, 41.0, 10.0, None],
            "lon": [-74.0, -73.5, -73.0, 0.0, None],
            "is_active": [True, True, True, False, True],
            "first_seen": NOW,
            "last_seen": NOW,
        }
    )
    return frame.reindex(columns=list(STATION_INFORMATION.columns))


def test_the_middle_of_a_system_is_the_median_of_its_active_stations():
    assert middles(stations()) == {"nyc": Place(lat=40.5, lon=-73.5)}


def test_the_middle_of_no_stations_is_none():
    assert middles(stations().iloc[:0]) == {}
