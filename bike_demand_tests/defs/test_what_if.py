"""What the champion says of posted observations: what is stored, and something else."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand import settings
from bike_demand.forecasting.grid import TICK
from bike_demand.storage.warehouse import Warehouse
from bike_demand.what_if import CHAMPION_S, Oracle, Posted, UnanswerableError, hours
from bike_demand_tests.defs.conftest import DAY, HOUR
from bike_demand_tests.defs.test_station_forecast import ORIGIN, by_everything, forecast, reigns

__all__ = ["forecast", "reigns"]
TOLD = ["horizon", "in_service", "capacity", "bikes", "p10", "p50", "p90", "p_empty", "p_full"]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def oracle(database_url, city, tracking, clock):
    read_only = database_url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    warehouse = Warehouse(lambda: read_only)
    return Oracle(settings.load().systems, warehouse, tracking.registry(), clock)


@pytest.fixture
def stored(warehouse, city):
    """A station's observations of a day to the origin, as they are stored."""

    def run(station_id, end=ORIGIN):
        rows = warehouse.frame(
            "SELECT observed_at, num_bikes_available, num_ebikes_available, num_docks_available "
            "FROM station_status WHERE station_id = %(station)s AND observed_at > %(begin)s "
            "AND observed_at <= %(end)s ORDER BY observed_at",
            {"station": station_id, "begin": end - DAY, "end": end},
        )
        return [
            Posted(at.to_pydatetime(), *(None if pd.isna(count) else int(count) for count in rest))
            for at, *rest in rows.itertuples(index=False)
        ]

    return run


def known(city, origin=ORIGIN):
    """Stations that were observed."""
    return city.grid.station_ids[~np.isnan(city.grid.bikes[city.grid.index(origin)])]


def test_what_is_stored_gives_the_forecast_that_is_stored(forecast, reigns, oracle, stored, city):
    version = reigns()
    _, rows, _ = forecast()
    for station_id in known(city)[:3]:
        told = oracle.forecast(city.system_id, station_id, stored(station_id))
        assert (told[0].version, told[1], told[2]) == (version.version, "Elm St", ORIGIN)
        own = rows[rows["station_id"] == station_id].sort_values("horizon")
        expected = own[TOLD].astype(told[3][TOLD].dtypes).reset_index(drop=True)
        pd.testing.assert_frame_equal(told[3][TOLD], expected, rtol=0, atol=2e-6)
        single = oracle.forecast(city.system_id, station_id, stored(station_id)[-1:])
        pd.testing.assert_frame_equal(single[3], told[3])


def test_other_bikes_give_another_forecast_and_stay_among_themselves(
    forecast, reigns, oracle, stored, city, warehouse
):
    reigns()
    forecast()
    station_id = known(city)[0]
    before = warehouse.frame("SELECT * FROM station_status ORDER BY observed_at, station_id", {})
    day = stored(station_id)
    newest = day[-1]
    full = Posted(newest.observed_at, newest.bikes + (newest.docks or 0), docks=0)
    one = oracle.forecast(city.system_id, station_id, day)[3]
    other = oracle.forecast(city.system_id, station_id, [*day[:-1], full])[3]
    assert (other["bikes"] > one["bikes"]).any()
    again = oracle.forecast(city.system_id, station_id, day)[3]
    pd.testing.assert_frame_equal(again, one)
    after = warehouse.frame("SELECT * FROM station_status ORDER BY observed_at, station_id", {})
    pd.testing.assert_frame_equal(after, before)


def test_what_is_observed_later_than_all_that_is_stored_is_forecast_from(
    reigns, oracle, city, warehouse
):
    reigns()
    with warehouse.connection() as connection:
        connection.execute("DELETE FROM station_status WHERE observed_at >= %s", [ORIGIN])
    station_id = city.grid.station_ids[0]
    at = ORIGIN + timedelta(minutes=7)
    _, _, origin, rows = oracle.forecast(city.system_id, station_id, [Posted(at, 2)])
    assert origin == ORIGIN
    assert [*rows["horizon"]] == [*range(1, 25)]
    assert set(rows["station_id"]) == {station_id}
    told = hours(rows, origin, 3)
    assert [one["target_at"] for one in told] == [
        f"{ORIGIN + ahead * HOUR:%Y-%m-%dT%H:%M:%SZ}" for ahead in (1, 2, 3)
    ]


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_an_origin_between_full_hours_reads_its_own_hours(reigns, oracle, stored, city, quarter):
    """What a grid with everything says, is said of what is read, too."""
    version = reigns()
    origin = ORIGIN + quarter * TICK
    station_id = known(city, origin)[0]
    _, _, told, rows = oracle.forecast(city.system_id, station_id, stored(station_id, origin))
    assert told == origin
    whole = by_everything(oracle._warehouse, city, origin, oracle._registry.load(version))
    own = whole[whole["station_id"] == station_id].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows[TOLD], own[TOLD], rtol=0, atol=2e-6)


def test_of_two_observations_of_one_tick_the_later_counts(reigns, oracle, city):
    reigns()
    station_id = known(city)[0]
    minutes = [ORIGIN + timedelta(minutes=minute) for minute in (2, 9)]
    both = [Posted(minutes[1], 1, docks=2), Posted(minutes[0], 3, docks=0)]
    first = oracle.forecast(city.system_id, station_id, both)[3]
    later = oracle.forecast(city.system_id, station_id, both[:1])[3]
    pd.testing.assert_frame_equal(first, later)


@pytest.mark.parametrize("counts", [{"bikes": 9}, {"bikes": 5, "docks": 4}])
def test_more_than_a_station_holds_was_not_observed(reigns, oracle, city, counts):
    reigns()
    with pytest.raises(UnanswerableError, match="9 bikes and free docks") as refused:
        oracle.forecast(city.system_id, known(city)[0], [Posted(ORIGIN, **counts)])
    assert refused.value.kind == "invalid-request"
    assert refused.value.location == "body.observations.0"


def test_docks_that_are_not_told_are_what_the_bikes_leave(reigns, oracle, stored, city):
    reigns()
    for station_id in known(city):
        newest = stored(station_id)[-1]
        if newest.docks:
            break
    told = Posted(ORIGIN, newest.bikes + 1, docks=newest.docks - 1, ebikes=newest.ebikes)
    left = Posted(ORIGIN, newest.bikes + 1, ebikes=newest.ebikes)
    one, other = (oracle.forecast(city.system_id, station_id, [each])[3] for each in (told, left))
    pd.testing.assert_frame_equal(one, other)


def test_a_model_is_not_asked_about_what_it_has_seen(reigns, oracle, city):
    reigns(data_until=ORIGIN + HOUR)
    for origin in (ORIGIN, ORIGIN.replace(year=1)):
        with pytest.raises(UnanswerableError, match="has seen what came until") as refused:
            oracle.forecast(city.system_id, known(city)[0], [Posted(origin, 2)])
        assert refused.value.location == "body.observations"


def test_without_a_champion_there_is_no_answer(oracle, city):
    with pytest.raises(UnanswerableError, match="has no champion yet") as refused:
        oracle.forecast(city.system_id, known(city)[0], [Posted(ORIGIN, 2)])
    assert refused.value.kind == "no-champion"


def test_a_champion_of_other_features_is_not_asked(reigns, oracle, city):
    reigns(feature_version="0")
    with pytest.raises(UnanswerableError, match="expects features of version 0") as refused:
        oracle.forecast(city.system_id, known(city)[0], [Posted(ORIGIN, 2)])
    assert refused.value.kind == "no-champion"


def test_another_champion_is_asked_after_half_a_minute(reigns, oracle, city, clock):
    first, station_id = reigns(), known(city)[0]
    ask = (city.system_id, station_id, [Posted(ORIGIN, 2)])
    assert oracle.forecast(*ask)[0].version == first.version
    second = reigns()
    clock.now = CHAMPION_S - 1
    assert oracle.forecast(*ask)[0].version == first.version
    clock.now = CHAMPION_S
    assert oracle.forecast(*ask)[0].version == second.version


@pytest.mark.parametrize(
    ("system", "station", "kind"),
    [("other", "s000", "unknown-system"), (None, "x", "unknown-station")],
)
def test_what_is_not_there_is_told(reigns, oracle, city, system, station, kind):
    reigns()
    with pytest.raises(UnanswerableError) as refused:
        oracle.forecast(system or city.system_id, station, [Posted(ORIGIN, 2)])
    assert refused.value.kind == kind
