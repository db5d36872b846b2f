"""Every rule finds the fault that is planted for it, and nothing in four clean weeks."""

import json
from datetime import timedelta

import pandas as pd
import pytest

from bike_demand.quality import RULES, findings
from bike_demand.storage.windows import Window
from bike_demand_tests.quality.conftest import END, START, SYSTEM, WINDOW

NEWEST = Window(END - WINDOW, END)
AT = f"{END - timedelta(hours=2):%Y-%m-%dT%H:%MZ}"
"""A full hour in the newest window."""

FIRST = "(SELECT min(station_id) FROM station_information)"
ALL = f"origin_at = '{AT}'"
"""Forecasts of that hour."""

ONE = f"observed_at = '{AT}' AND station_id = {FIRST}"
"""A station at it."""

SEVERITY = {rule.name: rule.severity for rule in RULES}


def without(table, constraint):
    return f"ALTER TABLE {table} DROP CONSTRAINT {table}_{constraint}"


def status(change, where=ONE):
    return f"UPDATE station_status SET {change} WHERE {where}"


def of_forecast(change):
    return f"UPDATE station_forecast SET {change} WHERE {ALL} AND station_id = {FIRST}"


def twice(table, where):
    return [without(table, "pkey"), f"INSERT INTO {table} SELECT * FROM {table} WHERE {where}"]


HALF_DAY = f"observed_at > '{END - WINDOW:%Y-%m-%dT%H:%MZ}'::timestamptz - interval '12 hours'"
DAY = f"observed_at >= '{END:%Y-%m-%dT%H:%MZ}'::timestamptz - interval '1 day'"
FROZEN = (
    "UPDATE station_status AS now SET last_reported = old.last_reported, "
    "num_bikes_available = old.num_bikes_available FROM station_status AS old "
    "WHERE old.station_id = now.station_id AND now.{since} AND old.observed_at = (SELECT "
    "min(observed_at) FROM station_status WHERE {since})"
)

PLANTED = {
    "duplicate_keys": [
        (2, "critical", twice("station_status", ONE)),
        (2, "critical", twice("station_information", f"station_id = {FIRST}")),
        (48, "critical", twice("station_forecast", f"{ALL} AND station_id = {FIRST}")),
        (
            2,
            "critical",
            twice(
                "weather",
                f"issued_at = '{AT}'::timestamptz + interval '6 s' AND kind = 'observation'",
            ),
        ),
    ],
    "times_in_the_future": [
        (1, "critical", [status("last_reported = fetched_at + interval '6 minutes'")]),
        (1, "critical", [status("fetched_at = now() + interval '1 hour', last_reported = now()")]),
        (
            24,
            "critical",
            [
                "UPDATE weather SET valid_at = valid_at + interval '3 hours', "
                "kind = 'observation' WHERE kind = 'forecast' AND issued_at = "
                f"'{AT}'::timestamptz + interval '6 s' AND valid_at > '{AT}'::timestamptz"
            ],
        ),
    ],
    "times_too_early": [(1, "error", [status("last_reported = '1970-01-02T00:00Z'")])],
    "wrong_tick": [
        (1, "critical", [status("fetched_at = observed_at + interval '16 minutes'")]),
        (
            120,
            "critical",
            [
                status(
                    "fetched_at = observed_at - interval '1 day', last_reported = NULL",
                    f"observed_at = '{AT}'",
                )
            ],
        ),
    ],
    "values_missing": [
        (
            1,
            "error",
            [
                "ALTER TABLE station_status ALTER num_bikes_available DROP NOT NULL",
                status("num_bikes_available = NULL"),
            ],
        ),
        (1, "error", [status("is_renting = NULL")]),
    ],
    "negative_counts": [
        (
            1,
            "critical",
            [
                without("station_status", "num_docks_available_not_negative"),
                status("num_docks_available = -1"),
            ],
        ),
    ],
    "more_ebikes_than_bikes": [(1, "error", [status("num_ebikes_available = 99")])],
    "capacity_contradicted": [
        (1, "warning", [status("num_docks_available = 99")]),
        (
            16,
            "warning",
            [
                f"UPDATE station_information SET capacity = 200 WHERE station_id = {FIRST}",
                status("is_renting = true", f"station_id = {FIRST} AND {DAY}"),
            ],
        ),
    ],
    "impossible_jumps": [
        (1, "warning", [status("num_bikes_available = num_bikes_available + 31")]),
        (
            1,
            "warning",
            [
                "UPDATE station_status SET num_bikes_available = 9 WHERE observed_at BETWEEN "
                f"'{AT}'::timestamptz - interval '30 minutes' AND "
                f"'{AT}'::timestamptz + interval '30 minutes' AND station_id = {FIRST}",
                status("num_bikes_available = 0, num_ebikes_available = 0"),
            ],
        ),
    ],
    "stations_stuck": [
        (
            1,
            "warning",
            [
                "CREATE TEMP TABLE busiest AS SELECT station_id FROM (SELECT station_id, "
                "num_bikes_available <> lag(num_bikes_available) OVER (PARTITION BY station_id "
                "ORDER BY observed_at) AS moved FROM station_status) AS change "
                "GROUP BY station_id ORDER BY count(*) FILTER (WHERE moved) DESC LIMIT 1",
                "UPDATE station_status SET num_bikes_available = 6, is_renting = true, "
                f"is_returning = true WHERE station_id = (SELECT station_id FROM busiest) AND {DAY}",
            ],
        ),
    ],
    "few_stations_report": [
        (
            1,
            "error",
            [
                "DELETE FROM station_status WHERE station_id IN (SELECT station_id FROM "
                f"station_information ORDER BY 1 LIMIT 13) AND observed_at = '{AT}'"
            ],
        ),
        (
            16,
            "error",
            [
                status(
                    "last_reported = last_reported - interval '2 days'",
                    "station_id IN (SELECT "
                    f"station_id FROM station_information ORDER BY 1 LIMIT 16) AND {DAY}",
                ),
            ],
        ),
    ],
    "reports_old": [
        (
            1,
            "warning",
            [
                status(
                    "last_reported = last_reported - interval '2 hours'",
                    f"observed_at = '{AT}' "
                    "AND station_id IN (SELECT station_id FROM station_information ORDER BY 1 LIMIT 70)",
                ),
            ],
        ),
    ],
    "feed_frozen": [
        (
            16,
            "critical",
            [
                FROZEN.format(since=HALF_DAY),
                "UPDATE feed_poll SET last_updated = (SELECT min(polled_at) FROM feed_poll WHERE "
                f"{HALF_DAY.replace('observed_at', 'polled_at')}) "
                f"WHERE {HALF_DAY.replace('observed_at', 'polled_at')}",
            ],
        ),
    ],
    "nothing_moves": [(1, "error", [FROZEN.format(since=HALF_DAY)])],
    "ticks_missing": [
        (1, "error", [f"DELETE FROM station_status WHERE observed_at = '{AT}'"]),
        (
            16,
            "error",
            [
                f"DELETE FROM station_status WHERE {DAY}",
                f"DELETE FROM feed_poll WHERE {DAY.replace('observed_at', 'polled_at')}",
            ],
        ),
    ],
    "status_without_station": [
        (1, "warning", [f"DELETE FROM station_information WHERE station_id = {FIRST}"])
    ],
    "station_without_status": [
        (1, "warning", [f"DELETE FROM station_status WHERE station_id = {FIRST} AND {DAY}"])
    ],
    "stations_misplaced": [
        (
            1,
            "warning",
            [f"UPDATE station_information SET lat = 0, lon = 0 WHERE station_id = {FIRST}"],
        ),
        (1, "warning", [f"UPDATE station_information SET lat = NULL WHERE station_id = {FIRST}"]),
    ],
    "derived_without_status": [(2, "error", [f"DELETE FROM station_status WHERE {ONE}"])],
    "ids_replaced": [
        (2, "critical", [status("station_id = 'x' || station_id", f"observed_at = '{AT}'")])
    ],
    "weather_impossible": [
        (
            1,
            "error",
            [
                "UPDATE weather SET temperature = 288 WHERE kind = 'observation' AND "
                f"issued_at = '{AT}'::timestamptz + interval '6 s'"
            ],
        ),
    ],
    "weather_gaps": [
        (
            1,
            "warning",
            [
                "DELETE FROM weather WHERE kind = 'observation' AND "
                f"issued_at = '{AT}'::timestamptz + interval '6 s'"
            ],
        ),
    ],
    "weather_unforeseen": [
        (
            1,
            "warning",
            [
                "UPDATE weather SET temperature = temperature + 18 WHERE kind = 'observation' AND "
                f"issued_at = '{AT}'::timestamptz + interval '6 s'"
            ],
        ),
    ],
    "features_unknown": [
        (
            1,
            "warning",
            [
                f"UPDATE station_features SET bikes_lag_1h = NULL WHERE {DAY} "
                f"AND observed_at >= '{END - WINDOW:%Y-%m-%dT%H:%MZ}'"
            ],
        ),
        (1, "warning", [f"UPDATE station_features SET bikes = NULL WHERE {ONE}"]),
    ],
    "features_impossible": [
        (1, "error", [f"UPDATE station_features SET fill = 1.5 WHERE {ONE}"]),
        (1, "error", [f"UPDATE station_features SET bikes = 'NaN' WHERE {ONE}"]),
    ],
    "forecasts_missing": [
        (1, "error", [f"DELETE FROM station_forecast WHERE {ALL} AND station_id = {FIRST}"]),
        (
            1,
            "error",
            [f"DELETE FROM station_forecast WHERE {ALL} AND station_id = {FIRST} AND horizon = 24"],
        ),
        (120, "error", [f"DELETE FROM station_forecast WHERE {ALL}"]),
    ],
    "forecasts_unordered": [
        (24, "critical", [of_forecast("p10 = p90 + 1")]),
        (24, "critical", [of_forecast("p_empty = 'NaN'")]),
        (24, "critical", [of_forecast("p_empty = NULL")]),
        (24, "critical", [of_forecast("p_full = 1.5")]),
    ],
    "forecasts_outside_capacity": [
        (24, "critical", [of_forecast("p90 = capacity + 1")]),
        (24, "critical", [of_forecast("bikes = 'NaN'")]),
        (
            24,
            "critical",
            [without("station_forecast", "p10_not_negative"), of_forecast("p10 = -1")],
        ),
    ],
    "forecasts_misdated": [
        (24, "critical", [of_forecast("target_at = target_at + interval '1 second'")]),
        (
            24,
            "critical",
            [of_forecast("horizon = horizon + 24, target_at = target_at + interval '1 day'")],
        ),
    ],
    "records_rejected": [
        (
            1,
            "warning",
            [
                "INSERT INTO rejected_record VALUES "
                f"('{SYSTEM}', 'station_status', '{AT}', 3, 'negative_count', 'It is -1.', '{{}}')"
            ],
        ),
    ],
}


def found(connection, window=NEWEST, *, live=True):
    return {one.rule: one for one in findings(connection, SYSTEM, window, live=live)}


@pytest.mark.parametrize(
    ("rule", "count", "severity", "statements"),
    [(rule, *fault) for rule, faults in PLANTED.items() for fault in faults],
    ids=[f"{rule}-{n}" for rule, faults in PLANTED.items() for n in range(len(faults))],
)
def test_a_planted_fault_is_found_counted_and_sampled(
    connection, rule, count, severity, statements
):
    for statement in statements:
        connection.execute(statement)
    one = found(connection)[rule]
    assert (one.count, one.severity) == (count, severity)
    assert one.share == one.count / one.checked
    sample = json.loads(one.sample)
    assert 1 <= len(sample) <= min(5, count)
    [declared] = [each for each in RULES if each.name == rule]
    assert [*sample[0]] == [*declared.sample]


def test_every_rule_has_a_planted_fault():
    assert set(PLANTED) == set(SEVERITY)


def test_four_clean_weeks_raise_nothing(connection):
    starts = pd.date_range(START, END, freq=WINDOW, inclusive="left")
    asked = dict.fromkeys(SEVERITY, 0)
    broken = []
    for start in starts:
        window = Window(start.to_pydatetime(), start.to_pydatetime() + WINDOW)
        for one in found(connection, window).values():
            asked[one.rule] += one.checked
            if one.count:
                broken.append((one.severity, one.rule, f"{start:%d %H:%M}", one.sample))
    assert broken == []
    assert [rule for rule, checked in asked.items() if not checked] == []


def test_a_system_of_which_nothing_is_there_is_asked_nothing(connection):
    window = Window(START - 10 * WINDOW, START - 9 * WINDOW)
    told = found(connection, window)
    assert [rule for rule, one in told.items() if one.count] == []
    assert {rule for rule, one in told.items() if one.checked} <= {
        "duplicate_keys",  # of the stations, which have no time
        "status_without_station",
        "station_without_status",
        "stations_misplaced",
    }
    nobody = findings(connection, "nobody", NEWEST, live=True)
    assert all(one.checked == one.count == 0 and one.share is None for one in nobody)


def test_what_a_live_system_owes_is_not_asked_of_a_recording(connection):
    connection.execute(f"DELETE FROM station_status WHERE {DAY}")
    connection.execute(f"DELETE FROM feed_poll WHERE {DAY.replace('observed_at', 'polled_at')}")
    connection.execute("DELETE FROM weather")
    told = found(connection, live=False)
    for rule in ("ticks_missing", "weather_gaps", "forecasts_missing"):
        assert told[rule].checked == 0
    assert told["station_without_status"].count == 0


def test_a_sample_is_capped(connection):
    connection.execute(status("num_ebikes_available = 99", f"observed_at = '{AT}'"))
    one = found(connection)["more_ebikes_than_bikes"]
    assert one.count == 120
    assert len(json.loads(one.sample)) == 5
    assert json.loads(one.sample)[0]["station_id"]
