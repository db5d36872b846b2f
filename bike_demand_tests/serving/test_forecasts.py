"""Forecasts as they are asked for."""

from datetime import datetime, timedelta

import pytest

from bike_demand.serving import answers
from bike_demand.serving.city import Forecast
from bike_demand.storage import databases
from bike_demand_tests.serving.city import (
    CLOSED,
    EMPTY,
    FULL,
    GONE,
    HOUR,
    NOW,
    SYSTEM,
    UNPLACED,
    configured,
    fill,
    forecast_again,
    running,
)

ORIGIN = NOW.replace(minute=0)


def stored(url, query, *values):
    with databases.connect(url) as connection:
        return connection.execute(query, values).fetchall()


def test_a_station_s_forecast_is_what_is_stored(standing, city_of_all):
    answer = standing.get("/stations/s0017/forecast")
    assert answer.status_code == 200
    found = answers.StationForecast.model_validate(answer.json(), extra="forbid")
    assert (found.system_id, found.timezone) == (SYSTEM, "America/New_York")
    assert (found.origin_at, found.issued_at) == (ORIGIN, NOW)
    assert (found.role, found.model_version, found.late) == ("champion", "7", False)
    assert (found.stale, found.age_seconds, found.expires_at) == (False, None, ORIGIN + HOUR)
    rows = stored(
        city_of_all,
        "SELECT target_at, horizon, capacity, bikes, p10, p50, p90, p_empty, p_full"
        " FROM station_forecast WHERE station_id = 's0017' ORDER BY horizon",
    )
    assert len(rows) == len(found.forecast) == 24
    for row, hour in zip(rows, found.forecast, strict=True):
        exact = (hour.target_at, hour.horizon, hour.capacity, hour.p10, hour.p50, hour.p90)
        assert exact == (*row[:3], *row[4:7])
        assert hour.bikes == pytest.approx(row[3], abs=0.005)
        assert hour.p_empty == pytest.approx(row[7], abs=0.00005)
        assert hour.p_full == pytest.approx(row[8], abs=0.00005)


@pytest.mark.parametrize("minutes", [0, 15, 45])
def test_the_next_forecast_is_due_at_the_next_full_hour(minutes):
    made = Forecast(
        *(ORIGIN + timedelta(minutes=minutes), NOW, "champion", "7", False),
        *((), (), {}, {}),
    )
    assert made.expires_at == ORIGIN + HOUR


def test_fewer_hours_are_the_first_ones(standing):
    whole = standing.get("/stations/s0017/forecast").json()
    part = standing.get("/stations/s0017/forecast?hours=3").json()
    assert part == {**whole, "forecast": whole["forecast"][:3]}


def test_what_is_not_told_is_null(standing):
    found = standing.get(f"/stations/{UNPLACED}/forecast").json()
    assert {hour["p_full"] for hour in found["forecast"]} == {None}


def test_a_station_that_has_left_is_not_forecast_and_one_that_never_was_is_unknown(standing):
    for station, detail in ((GONE, "not in the newest forecast"), ("nope", "no station of this")):
        answer = standing.get(f"/stations/{station}/forecast")
        assert answer.status_code == 404
        assert detail in answer.json()["detail"]


def test_the_whole_city_is_that_of_the_next_hour_unless_it_is_asked_for_another(standing):
    first = standing.get("/forecast").json()
    answers.CityForecast.model_validate(first, extra="forbid")
    assert (first["target_at"], first["horizon"]) == ("2026-05-01T13:00:00Z", 1)
    assert len(first["stations"]) == 39
    assert first["next"] is None
    for at, horizon in (("12:30", 1), ("15:29", 3), ("15:31", 4)):
        found = standing.get(f"/forecast?at=2026-05-01T{at}:00Z").json()
        assert found["horizon"] == horizon
    local = standing.get("/forecast?at=2026-05-01T11:00:00-04:00").json()
    assert local["target_at"] == "2026-05-01T15:00:00Z"


def test_the_whole_city_agrees_with_its_stations(standing):
    city = standing.get("/forecast?at=2026-05-01T20:00:00Z").json()
    for station in city["stations"][::7]:
        hour = standing.get(f"/stations/{station['station_id']}/forecast").json()["forecast"][7]
        assert hour["horizon"] == city["horizon"] == 8
        assert {name: hour[name] for name in hour if name in station} == {
            name: station[name] for name in station if name in hour
        }
        place = standing.get(f"/stations/{station['station_id']}").json()["station"]
        assert (station["lat"], station["lon"]) == (place["lat"], place["lon"])


@pytest.mark.parametrize("path", ["/forecast", "/stations"])
def test_pages_follow_each_other_without_a_gap(standing, path):
    whole = [one["station_id"] for one in standing.get(path).json()["stations"]]
    found, after, pages = [], "", 0
    while after is not None:
        page = standing.get(f"{path}?limit=10&after={after}").json()
        found += [one["station_id"] for one in page["stations"]]
        after, pages = page["next"], pages + 1
    assert found == whole == sorted(whole)
    assert pages == 4


@pytest.mark.parametrize("path", ["/forecast", "/stations"])
def test_a_box_holds_what_lies_in_it(standing, path):
    stations = standing.get(path).json()["stations"]
    placed = [one for one in stations if one["lat"] is not None]
    box = (-73.995, 40.725, -73.985, 40.735)
    inside = [
        one["station_id"]
        for one in placed
        if box[0] <= one["lon"] <= box[2] and box[1] <= one["lat"] <= box[3]
    ]
    asked = ",".join(map(str, box))
    found = standing.get(f"{path}?bbox={asked}").json()["stations"]
    assert [one["station_id"] for one in found] == inside
    assert 0 < len(inside) < len(placed) < len(stations)


def test_the_riskiest_come_first_and_only_those_in_service(standing):
    for kind, worst in (("empty", EMPTY), ("full", FULL)):
        found = standing.get(f"/risks?kind={kind}&limit=500&hours=24").json()
        answers.Risks.model_validate(found, extra="forbid")
        ranks = [(-one["probability"], one["station_id"]) for one in found["risks"]]
        assert ranks == sorted(ranks)
        assert found["risks"][0]["station_id"] == worst
        assert CLOSED not in {one["station_id"] for one in found["risks"]}
    assert UNPLACED not in {one["station_id"] for one in found["risks"]}  # no docks are told


def test_a_risk_is_the_highest_of_its_hours(standing):
    [risk] = [
        one
        for one in standing.get("/risks?hours=9&limit=500").json()["risks"]
        if one["station_id"] == "s0017"
    ]
    hours = standing.get("/stations/s0017/forecast?hours=9").json()["forecast"]
    highest = max(hour["p_empty"] for hour in hours)
    assert risk["probability"] == highest
    at = next(hour["target_at"] for hour in hours if hour["p_empty"] == highest)
    assert risk["target_at"] == at
    assert risk["neighbour_id"] == "s0016"


def test_what_is_stored_is_rounded_once(api, city_url):
    with databases.connect(city_url) as connection:
        connection.execute(
            "UPDATE station_forecast SET bikes = 12.554963, p_empty = 0.38064963,"
            " p_full = 0.013049963 WHERE station_id = 's0017' AND horizon = 1"
        )
    api.reload()
    [hour] = api.get("/stations/s0017/forecast?hours=1").json()["forecast"]
    assert (hour["bikes"], hour["p_empty"], hour["p_full"]) == (12.55, 0.3806, 0.013)


def test_a_simple_forecast_says_so_and_a_late_one_too(api, city_url):
    forecast_again(city_url, NOW + HOUR, version=None, late=True)
    assert api.reload().status_code == 200
    found = api.get("/forecast").json()
    assert (found["role"], found["model_version"], found["late"]) == ("simple", None, True)


def test_a_shadow_s_forecast_is_not_served(api, city_url):
    later = ORIGIN + HOUR
    with databases.connect(city_url) as connection:
        connection.execute(
            "INSERT INTO station_forecast SELECT system_id, %s, station_id, target_at + interval"
            " '1 hour', 'challenger', issued_at, late, '8', horizon, in_service, capacity, bikes,"
            " p10, p50, p90, p_empty, p_full, p10_inside, p90_inside FROM station_forecast"
            " WHERE horizon = 1",
            [later],
        )
    api.reload()
    assert api.get("/forecast").json()["origin_at"] == "2026-05-01T12:00:00Z"


def test_a_risk_is_of_an_hour_that_is_still_to_come(api, clock):
    hours = api.get(f"/stations/{EMPTY}/forecast").json()["forecast"]
    for ahead in (0, 1, 4):
        clock.now = ORIGIN + ahead * HOUR + timedelta(minutes=15)
        [risk] = api.get("/risks?hours=2&limit=1").json()["risks"]
        assert risk["station_id"] == EMPTY
        assert risk["probability"] == max(one["p_empty"] for one in hours[ahead : ahead + 2])
    clock.now = ORIGIN + 30 * HOUR
    [risk] = api.get("/risks?hours=2&limit=1").json()["risks"]
    assert risk["target_at"] == hours[-1]["target_at"]


def test_past_its_deadline_a_forecast_is_served_as_stale_with_its_age(api, clock):
    clock.now = ORIGIN + timedelta(minutes=90)
    assert not api.get("/forecast").json()["stale"]
    clock.now += timedelta(seconds=1)
    for path in ("/forecast", "/stations/s0017/forecast", "/risks"):
        answer = api.get(path)
        found = answer.json()
        assert (found["stale"], found["age_seconds"]) == (True, 5401)
        assert answer.headers["Cache-Control"] == "public, max-age=15"
    clock.now += HOUR
    for path in ("/forecast", "/stations/s0017/forecast", "/risks"):
        assert api.get(path).json()["age_seconds"] == 9001
    assert api.get("/forecast").json()["target_at"] == "2026-05-01T15:00:00Z"
    assert api.get("/systems").json()["systems"][0]["stale"]
    clock.now += 3 * 24 * HOUR
    assert api.get("/forecast").json()["horizon"] == 24


def test_no_forecast_at_all_is_a_problem_and_not_an_empty_list(tmp_path, database_url, clock):
    fill(database_url, NOW, forecast=False)
    with running(configured(tmp_path, database_url), clock) as api:
        for path in ("/forecast", "/risks", "/stations/s0001/forecast"):
            answer = api.get(path)
            assert answer.status_code == 503
            assert answer.json()["type"] == "/problems#no-forecast"
            assert int(answer.headers["Retry-After"]) > 0
        assert api.get("/stations").status_code == 200
        assert api.get("/accuracy").json()["horizons"] == []
        assert api.get("/model").json()["champion"] is None
        assert api.get("/ready").status_code == 503


def test_of_several_systems_one_has_to_be_named(tmp_path, city_url, clock):
    fill(city_url, NOW, stations=10, system="oslo")
    systems = [{"system_id": SYSTEM}, {"system_id": "oslo", "timezone": "Europe/Oslo"}]
    with running(configured(tmp_path, city_url, systems=systems), clock) as api:
        answer = api.get("/forecast")
        assert answer.status_code == 422
        assert f"{SYSTEM}, oslo" in answer.json()["detail"]
        found = api.get("/forecast?system_id=oslo").json()
        assert (found["timezone"], len(found["stations"])) == ("Europe/Oslo", 9)
        assert [one["stations"] for one in api.get("/systems").json()["systems"]] == [39, 9]
        assert api.get("/forecast?system_id=paris").status_code == 404


def test_times_are_of_the_nearest_hour_and_none_beyond(standing):
    for at in ("2026-05-01T12:29:59Z", "2026-05-02T12:30:01Z"):
        answer = standing.get(f"/forecast?at={at}")
        assert answer.status_code == 422
        told = answer.json()["errors"][0]
        assert told["location"] == "query.at"
        assert "from 2026-05-01T12:30:00Z to 2026-05-02T12:30:00Z" in told["message"]
    assert datetime.fromisoformat(standing.get("/forecast").json()["target_at"]) > NOW
