"""Forecasts of every hour, from stored status and the registry into the tables."""

import json
from datetime import timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from bike_demand import forecast_view
from bike_demand.defs.forecasting import station_forecast
from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import LOOKS_BACK, features
from bike_demand.forecasting.grid import TICK, to_grid
from bike_demand.forecasting.outlook import LOOKS_AHEAD, Outlook
from bike_demand.forecasting.promotion import GATED
from bike_demand.forecasting.splits import hourly_origins
from bike_demand.forecasting.watched import reference
from bike_demand.registry import APPOINTED_AT, RegistryError
from bike_demand.storage.tables import STATION_STATUS
from bike_demand_tests.defs.conftest import DAY, END, HOUR

ORIGIN = END - DAY
KEY = f"{ORIGIN:%Y-%m-%d-%H:%M}"
BOTH = ["station_forecast", "station_risk"]


@pytest.fixture
def forecast(materialize, city, warehouse, monkeypatch):
    """Forecast from the origin, some minutes after it; gives what is stored."""

    def run(minutes=1):
        monkeypatch.setattr(
            station_forecast, "utc_now", lambda: ORIGIN + timedelta(minutes=minutes)
        )
        result = materialize(BOTH, KEY)
        query = "SELECT * FROM {} WHERE system_id = %(system)s ORDER BY station_id"
        rows, risks = (
            warehouse.frame(query.format(table), {"system": city.system_id}) for table in BOTH
        )
        return result, rows, risks

    return run


@pytest.fixture
def reigns(publish, tracking):
    """Make a model champion."""

    def appoint(**changes):
        version = publish((ORIGIN - DAY).date(), **{"data_until": ORIGIN - DAY, **changes})
        return tracking.registry().appoint(version, None)

    return appoint


def test_without_a_champion_every_station_gets_the_simple_forecast_marked_as_such(forecast, city):
    result, rows, risks = forecast()
    known = ~np.isnan(city.grid.bikes[city.grid.index(ORIGIN)])
    assert len(rows) == known.sum() * 24
    assert set(rows["role"]) == {"simple"}
    assert rows["model_version"].isna().all()
    assert len(risks) == known.sum()
    check, sound = result.get_asset_check_evaluations()
    assert sound.passed
    assert not check.passed
    assert "no champion" in check.metadata["refused"].value


def test_the_champion_forecasts_and_takes_the_place_of_the_simple_one(forecast, reigns):
    forecast()
    version = reigns()
    result, rows, risks = forecast()
    assert set(rows["role"]) == set(risks["role"]) == {"champion"}
    assert set(rows["model_version"]) == {version.version}
    assert (rows["target_at"] - rows["origin_at"] == rows["horizon"] * HOUR).all()
    assert ((rows["p10"] <= rows["p50"]) & (rows["p50"] <= rows["p90"])).all()
    assert rows["p_empty"].between(0, 1).all()
    check, sound = result.get_asset_check_evaluations()
    assert sound.passed
    assert check.passed


def test_a_model_is_not_asked_about_what_it_has_seen(forecast, reigns, city):
    reigns(data_until=ORIGIN + HOUR)
    result, rows, _ = forecast()
    assert set(rows["role"]) == {"simple"}
    check, sound = result.get_asset_check_evaluations()
    assert sound.passed
    assert "has seen what came until" in check.metadata["refused"].value


def test_a_model_of_other_features_is_not_asked(forecast, reigns):
    reigns(feature_version="0")
    _, rows, _ = forecast()
    assert set(rows["role"]) == {"simple"}


@pytest.mark.parametrize(("minutes", "late"), [(30, False), (31, True)])
def test_a_forecast_is_late_half_an_hour_after_its_origin(forecast, minutes, late):
    _, rows, risks = forecast(minutes)
    assert set(rows["late"]) == set(risks["late"]) == {late}
    assert set(rows["issued_at"]) == {ORIGIN + timedelta(minutes=minutes)}


def test_a_station_that_the_model_has_never_seen_is_forecast_too(forecast, reigns, city, warehouse):
    version = reigns()
    columns = ", ".join(name for name in STATION_STATUS.columns if name != "station_id")
    with warehouse.connection() as connection:
        connection.execute(
            f"INSERT INTO station_status (station_id, {columns}) SELECT 'new', {columns} "  # noqa: S608
            "FROM station_status WHERE observed_at = %s LIMIT 1",
            [ORIGIN],
        )
    _, rows, risks = forecast()
    own = rows[rows["station_id"] == "new"]
    assert sorted(own["horizon"]) == [*range(1, 25)]
    assert len(own) == 24
    assert set(own["model_version"]) == {version.version}
    assert "new" in set(risks["station_id"])


def test_an_hour_that_nothing_is_known_of_is_refused(materialize, city):
    why = "nothing is known of the hour from 2026-03-29 00:00 UTC"
    with pytest.raises(dg.Failure, match=why) as error:
        materialize(BOTH, f"{END:%Y-%m-%d-%H:%M}")
    assert not error.value.allow_retries


@pytest.fixture
def outage(warehouse):
    """No snapshots of the first half of the origin's hour; gives the tick at half past."""
    with warehouse.connection() as connection:
        connection.execute(
            "DELETE FROM station_status WHERE observed_at >= %s AND observed_at < %s",
            [ORIGIN, ORIGIN + HOUR / 2],
        )
    return ORIGIN + HOUR / 2


def test_after_an_outage_the_hour_is_forecast_from_its_first_snapshot(forecast, reigns, outage):
    version = reigns()
    result, rows, risks = forecast(minutes=41)
    assert set(rows["origin_at"]) == set(risks["origin_at"]) == {outage}
    assert (rows["target_at"] == outage + pd.to_timedelta(rows["horizon"], unit="h")).all()
    assert set(rows["model_version"]) == {version.version}
    assert not rows["late"].any()
    assert all(check.passed for check in result.get_asset_check_evaluations())


def by_everything(warehouse, city, origin, model):
    """What a model says by all that was stored up to an origin, read or not."""
    everything = warehouse.frame(
        "SELECT * FROM station_status WHERE observed_at <= %(origin)s", {"origin": origin}
    )
    grid = to_grid(everything, origin - LOOKS_BACK, origin + LOOKS_AHEAD + TICK)
    return Outlook(grid, origin, city.around).forecast(model)


def test_between_full_hours_a_forecast_looks_back_on_hours_of_its_own(
    forecast, reigns, outage, city, warehouse, tracking
):
    version = reigns()
    _, rows, _ = forecast(minutes=41)
    expected = by_everything(warehouse, city, outage, tracking.registry().load(version))
    by = ["horizon", "station_id"]
    found = rows.sort_values(by)[[*expected.columns]].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected.sort_values(by), check_dtype=False, rtol=1e-5)


def test_what_came_later_in_the_hour_changes_nothing(forecast, reigns, warehouse, city):
    reigns()
    _, rows, risks = forecast()
    with warehouse.connection() as connection:
        connection.execute(
            "UPDATE station_status SET num_bikes_available = 7 WHERE observed_at > %s", [ORIGIN]
        )
    _, again, again_risks = forecast()
    assert rows.equals(again)
    assert risks.equals(again_risks)


def test_where_the_champion_is_damaged_the_simple_forecast_serves_and_the_check_says_why(
    forecast, reigns, tracking, monkeypatch
):
    reigns()
    monkeypatch.setattr(type(tracking.registry()), "load", _damaged)
    result, rows, _ = forecast()
    assert set(rows["role"]) == {"simple"}
    check, sound = result.get_asset_check_evaluations()
    assert sound.passed
    assert not check.passed
    assert "is damaged" in check.metadata["refused"].value


def _damaged(registry, version):
    raise RegistryError(f"The file of {version} is damaged")


def test_a_forecast_that_is_none_is_not_stored(forecast, city, monkeypatch):
    forecast()
    sound = station_forecast.Outlook.forecast

    def unsound(outlook, model):
        frame = sound(outlook, model)
        return frame.assign(p10=frame["capacity"] + 1)

    monkeypatch.setattr(station_forecast.Outlook, "forecast", unsound)
    with pytest.raises(dg.Failure, match="rows have quantiles out of order") as failure:
        forecast()
    assert not failure.value.allow_retries
    monkeypatch.undo()


def test_the_page_shows_the_day_before_and_the_day_after(forecast, city):
    result, _, _ = forecast()
    [event] = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key.path == ["station_forecast"]
    ]
    page = event.materialization.metadata[f"outlook {city.system_id}"].value
    assert "data:image/png" in page
    assert len(page) < 40_000


@pytest.fixture
def ask(forecast, postgres_url, monkeypatch, capsys):
    """What `bike-demand forecast` says."""
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("COLUMNS", "120")

    def run(system_id=None, station=None, hours=6, at=None):
        forecast_view.show(forecast_view.Question(system_id, station, hours, at))
        return capsys.readouterr().out

    return run


def test_the_command_shows_who_runs_empty_and_who_runs_full(forecast, ask, city):
    forecast()
    told = ask()
    assert f"{city.system_id}, from Fri 2026-03-27 20:00 EDT, by the simple forecast" in told
    assert "may be empty for an hour" in told
    assert "may be full for an hour" in told


def test_the_command_shows_a_station_hour_by_hour(forecast, ask):
    forecast()
    told = ask(station="s003", hours=12)
    assert "Elm St, room for" in told
    assert "Fri 21:00" in told
    assert "Sat 08:00" in told
    assert "Sat 09:00" not in told


def test_where_no_station_is_in_service_the_command_says_so(forecast, ask, city, warehouse):
    forecast()
    with warehouse.connection() as connection:
        connection.execute("UPDATE station_forecast SET in_service = false")
    assert f"{city.system_id}: no station was in service" in ask()


def test_a_station_is_looked_for_in_every_system(forecast, ask, warehouse):
    forecast()
    with warehouse.connection() as connection:
        connection.execute(
            "CREATE TEMP TABLE other AS SELECT * FROM station_forecast WHERE station_id = 's003';"
            "UPDATE other SET system_id = 'a_city', station_id = 'other';"
            "INSERT INTO station_forecast SELECT * FROM other"
        )
    assert ask(station="s003").startswith("city_")
    assert ask(station="other").startswith("a_city")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"station": "Oak"}, "no forecast of a station 'Oak'"),
        ({"station": "elm"}, "'elm' is [56] stations"),
        ({"system_id": "other"}, "no forecast of other"),
        ({"at": ORIGIN - HOUR}, "no forecast before 2026-03-27 23:00"),
    ],
)
def test_what_cannot_be_shown_is_said(forecast, ask, question, words):
    forecast()
    with pytest.raises(Exception, match=words):
        ask(**question)


def test_challenger_and_predecessor_forecast_in_the_shadow(
    forecast, reigns, publish, tracking, warehouse, city
):
    registry = tracking.registry()
    first = reigns()
    second = publish((ORIGIN - DAY).date(), data_until=ORIGIN - DAY)
    registry.appoint(second, first.version)
    with registry._store.client("Testing") as client:
        hour_ago = (ORIGIN - HOUR).isoformat()
        client.set_model_version_tag(second.name, second.version, APPOINTED_AT, hour_ago)
    third = publish((ORIGIN - DAY).date(), data_until=ORIGIN - DAY)
    registry.challenge(city.system_id, third)
    _, rows, risks = forecast()
    versions = rows.groupby("role")["model_version"].unique().str[0].to_dict()
    assert versions == {
        "champion": second.version,
        "predecessor": first.version,
        "challenger": third.version,
    }
    for role, own in rows.groupby("role"):
        assert set(own["horizon"]) == ({*range(1, 25)} if role == "champion" else {*GATED})
    assert set(risks["role"]) == {"champion"}
    wide = rows[rows["horizon"] == 3].pivot(index="station_id", columns="role", values="bikes")
    assert (wide["champion"] == wide["challenger"]).all()  # the same model thrice

    with registry._store.client("Testing") as client:
        long_ago = (ORIGIN - 3 * DAY).isoformat()
        client.set_model_version_tag(second.name, second.version, APPOINTED_AT, long_ago)
    registry.challenge(city.system_id, None)
    _, rows, _ = forecast()
    assert set(rows["role"]) == {"champion"}


def test_a_predecessor_that_was_deleted_costs_the_champion_no_forecast(
    forecast, reigns, publish, tracking
):
    registry = tracking.registry()
    first = reigns()
    second = registry.appoint(
        publish((ORIGIN - DAY).date(), data_until=ORIGIN - DAY), first.version
    )
    with registry._store.client("Testing") as client:
        hour_ago = (ORIGIN - HOUR).isoformat()
        client.set_model_version_tag(second.name, second.version, APPOINTED_AT, hour_ago)
        client.delete_model_version(first.name, first.version)
    _, rows, _ = forecast()
    assert set(rows["role"]) == {"champion"}
    assert set(rows["model_version"]) == {second.version}


def test_what_the_champion_is_asked_is_counted_in_its_bins(
    forecast, reigns, warehouse, city, noise
):
    grid, around = city.grid, city.around
    joined = Joined(grid, features(grid, hourly_origins(grid, END - 6 * DAY, END), around), around)
    span = END - 6 * DAY, END - 2 * DAY
    known = reference(noise["lightgbm"], joined, grid, *span, around.timezone)
    version = reigns(reference=known)
    forecast()
    query = "SELECT * FROM forecast_input WHERE system_id = %(system)s"
    rows = warehouse.frame(query, {"system": city.system_id})
    assert set(rows["feature"]) == set(known.edges)
    assert set(rows["model_version"]) == {version.version}
    stations = (~np.isnan(grid.bikes[grid.index(ORIGIN)])).sum()
    counts = rows.set_index("feature")["counts"].map(json.loads)
    assert sum(counts["bikes"]) == sum(counts["forecast"]) == stations


def test_between_two_quantiles_of_its_own_a_distribution_has_four_fifths(forecast, reigns):
    """The share of p10 and p90, and what is between, weigh what they are probable."""
    reigns()
    _, rows, _ = forecast()
    apart = rows[rows["p10"] < rows["p90"]]
    assert apart["p10_inside"].between(0, 1).all()
    assert apart["p90_inside"].between(0, 1).all()
