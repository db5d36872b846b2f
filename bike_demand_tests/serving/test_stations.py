"""Stations, systems, and what was."""

import pytest

from bike_demand.serving import answers
from bike_demand.storage import databases
from bike_demand_tests.serving.city import (
    CLOSED,
    GONE,
    NOW,
    SYSTEM,
    TICK,
    UNPLACED,
    bikes,
    capacity,
)


def test_systems_are_told_with_their_middle(standing):
    [found] = answers.Systems.model_validate(
        standing.get("/systems").json(), extra="forbid"
    ).systems
    assert (found.system_id, found.timezone, found.stations) == (SYSTEM, "America/New_York", 39)
    assert found.lat == pytest.approx(40.73, abs=0.01)
    assert found.lon == pytest.approx(-73.99, abs=0.01)
    assert not found.stale


def test_a_station_is_told_with_its_newest_snapshot(standing):
    found = answers.OneStation.model_validate(
        standing.get("/stations/s0017").json(), extra="forbid"
    ).station
    tick = NOW.replace(minute=0)
    assert found.observed_at == tick
    assert found.capacity == capacity(17)
    assert found.num_bikes_available == bikes(17, tick)
    assert found.num_docks_available == capacity(17) - bikes(17, tick)
    assert (found.in_service, found.short_name) == (True, "17.01")


def test_active_stations_are_listed_and_those_that_left_are_told_when_asked_for(standing):
    listed = standing.get("/stations").json()
    answers.Stations.model_validate(listed, extra="forbid")
    by_id = {one["station_id"]: one for one in listed["stations"]}
    assert GONE not in by_id
    assert by_id[CLOSED]["in_service"] is False
    assert by_id[UNPLACED]["lat"] is by_id[UNPLACED]["num_docks_available"] is None
    left = standing.get(f"/stations/{GONE}").json()["station"]
    assert (left["observed_at"], left["num_bikes_available"], left["in_service"]) == (None,) * 3


def test_stations_are_found_by_a_part_of_a_name_or_number(standing):
    def found(part):
        answer = standing.get("/stations", params={"q": part}).json()
        return [one["station_id"] for one in answer["stations"]]

    assert found("bOWERY & spring") == ["s0009"]
    assert found("17.01") == ["s0017"]
    assert found("%") == found("nowhere") == []


def test_ids_may_hold_anything_that_a_feed_may_name(api, city_url):
    name = "a/b c?d&é"
    with databases.connect(city_url) as connection:
        connection.execute(
            "UPDATE station_information SET station_id = %s WHERE station_id = 's0010'", [name]
        )
        for table in ("station_status", "station_forecast"):
            connection.execute(
                f"UPDATE {table} SET station_id = %s WHERE station_id = 's0010'",  # noqa: S608
                [name],
            )
    api.reload()
    for path in ("/stations/{}", "/stations/{}/forecast", "/history/{}"):
        answer = api.get(path.format("a%2Fb%20c%3Fd%26%C3%A9"))
        assert answer.status_code == 200, answer.text
        assert name in answer.text


def test_a_station_without_information_is_told_by_what_is_known(api, city_url):
    with databases.connect(city_url) as connection:
        connection.execute("DELETE FROM station_information WHERE station_id = 's0010'")
    api.reload()
    found = api.get("/stations/s0010").json()["station"]
    assert (found["name"], found["lat"]) == (None, None)
    assert found["num_bikes_available"] == bikes(10, NOW.replace(minute=0))
    assert api.get("/stations/s0010/forecast").json()["name"] is None
    assert api.get("/forecast").status_code == api.get("/risks?limit=500").status_code == 200


def test_history_is_the_last_day_unless_another_is_asked_for(standing):
    found = answers.History.model_validate(standing.get("/history/s0017").json(), extra="forbid")
    tick = NOW.replace(minute=0)
    assert (found.from_, found.to) == (tick - 96 * TICK, tick)
    assert [one.observed_at for one in found.observations] == [
        tick - number * TICK for number in range(96, -1, -1)
    ]
    assert [one.num_bikes_available for one in found.observations] == [
        bikes(17, tick - number * TICK) for number in range(96, -1, -1)
    ]
    part = standing.get("/history/s0017?from=2026-05-01T10:01:00Z&to=2026-05-01T10:46:00Z").json()
    assert [one["observed_at"][11:16] for one in part["observations"]] == [
        "10:15",
        "10:30",
        "10:45",
    ]


def test_gaps_are_gaps(api, city_url):
    with databases.connect(city_url) as connection:
        connection.execute(
            "DELETE FROM station_status WHERE observed_at BETWEEN '2026-05-01T08:00Z' AND"
            " '2026-05-01T09:00Z'"
        )
    found = api.get("/history/s0017").json()["observations"]
    assert len(found) == 97 - 5


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=2026-05-01T10:00:00Z&to=2026-05-01T09:00:00Z", "not be later than 'to'"),
        ("from=2026-05-01T13:00:00Z", "not be later than 'to', 2026-05-01T12:00:00Z"),
        ("from=2026-04-20T10:00:00Z", "8 days before 'to' at most"),
        ("from=0163-09-02T16:00:02Z", "years 2000 to 2100"),
    ],
)
def test_a_span_that_cannot_be_meant_is_refused(standing, query, message):
    answer = standing.get(f"/history/s0017?{query}")
    assert answer.status_code == 422
    assert message in answer.json()["detail"]


def test_of_a_station_that_never_was_there_is_no_history(standing):
    assert standing.get("/history/nope").status_code == 404
