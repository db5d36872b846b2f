"""Every rule finds the fault that is planted for it, and nothing in four clean weeks."""

import json
from datetime import timedelta

import pandas as pd
import pytest

from bike_demand.quality import RULES, findings
from bike_demand.storage.windows import Window
from bike_demand_tests.quality.conftest import END, START, SYSTEM, WINDOW

NEWEST = Window(END - WINDOW, END)
AT = END - timedelta(hours=2)
"""A full hour in the newest window."""

VALUES = {
    "system": SYSTEM,
    "at": AT,
    "window": NEWEST.start,
    "day": END - timedelta(days=1),
    "since": END - timedelta(hours=16),
}

ONE = "observed_at = %(at)s AND station_id = %(first)s"
SNAPSHOT = "observed_at = %(at)s"
TODAY = "observed_at >= %(day)s"
SOME = "station_id IN (SELECT station_id FROM station_information ORDER BY 1 LIMIT {})"


def sql(*parts):
    return " ".join(parts)


def without(table, constraint):
    return sql("ALTER TABLE", table, "DROP CONSTRAINT", f"{table}_{constraint}")


def copied(table, where):
    insert = sql("INSERT INTO", table, "SELECT * FROM", table, "WHERE", where)
    return without(table, "pkey"), insert


def status(change, where=ONE):
    return sql("UPDATE station_status SET", change, "WHERE", where)


def gone(where):
    return sql("DELETE FROM station_status WHERE", where)


def station(change):
    return sql("UPDATE station_information SET", change, "WHERE station_id = %(first)s")


def features(change, where=ONE):
    return sql("UPDATE station_features SET", change, "WHERE", where)


OF_HOUR = "origin_at = %(at)s"
FORECAST = "origin_at = %(at)s AND station_id = %(first)s"


def forecast(change):
    return sql("UPDATE station_forecast SET", change, "WHERE", FORECAST)


def unsaid(where):
    return sql("DELETE FROM station_forecast WHERE", where)


OBSERVATION = "kind = 'observation' AND issued_at = %(at)s + interval '6 s'"


def observed(change):
    return sql("UPDATE weather SET", change, "WHERE", OBSERVATION)


AROUND = (
    "observed_at BETWEEN %(at)s - interval '30 minutes' AND %(at)s + interval '30 minutes' "
    "AND station_id = %(first)s"
)
BUSIEST = (
    "CREATE TEMP TABLE busiest AS SELECT station_id FROM (SELECT station_id, num_bikes_available "
    "<> lag(num_bikes_available) OVER (PARTITION BY station_id ORDER BY observed_at) AS moved "
    "FROM station_status) AS change "
    "GROUP BY station_id ORDER BY count(*) FILTER (WHERE moved) DESC LIMIT 1"
)
FROZEN = (
    "UPDATE station_status AS now SET last_reported = old.last_reported, "
    "num_bikes_available = old.num_bikes_available FROM station_status AS old "
    "WHERE old.station_id = now.station_id AND now.observed_at > %(since)s AND old.observed_at = "
    "(SELECT min(observed_at) FROM station_status WHERE observed_at > %(since)s)"
)

PLANTED = {
    ("duplicate_keys", "critical"): [
        (2, *copied("station_status", ONE)),
        (2, *copied("station_information", "station_id = %(first)s")),
        (48, *copied("station_forecast", FORECAST)),
        (2, *copied("weather", OBSERVATION)),
    ],
    ("times_in_the_future", "critical"): [
        (1, status("last_reported = fetched_at + interval '6 minutes'")),
        (1, status("fetched_at = now() + interval '1 hour', last_reported = now()")),
        (1, observed("valid_at = valid_at + interval '3 hours'")),
        (
            1,
            "UPDATE feed_poll SET last_updated = polled_at + interval '1 day' "
            "WHERE polled_at = %(at)s + interval '5 s'",
        ),
    ],
    ("times_too_early", "error"): [(1, status("last_reported = '1970-01-02T00:00Z'"))],
    ("wrong_tick", "critical"): [
        (1, status("fetched_at = observed_at + interval '16 minutes'")),
        (
            120,
            status("fetched_at = observed_at - interval '1 day', last_reported = NULL", SNAPSHOT),
        ),
    ],
    ("values_missing", "error"): [
        (
            1,
            "ALTER TABLE station_status ALTER num_bikes_available DROP NOT NULL",
            status("num_bikes_available = NULL"),
        ),
        (1, status("is_renting = NULL")),
    ],
    ("negative_counts", "critical"): [
        (
            1,
            without("station_status", "num_docks_available_not_negative"),
            status("num_docks_available = -1"),
        ),
    ],
    ("more_ebikes_than_bikes", "error"): [(1, status("num_ebikes_available = 99"))],
    ("capacity_contradicted", "warning"): [
        (1, status("num_docks_available = 99")),
        (
            16,
            station("capacity = 200"),
            status("is_renting = true", f"station_id = %(first)s AND {TODAY}"),
        ),
    ],
    ("impossible_jumps", "warning"): [
        (1, status("num_bikes_available = num_bikes_available + 31")),
        (1, status("num_bikes_available = 9", AROUND), status("num_bikes_available = 0")),
    ],
    ("stations_stuck", "warning"): [
        (
            1,
            BUSIEST,
            status(
                "num_bikes_available = 6, is_renting = true, is_returning = true",
                f"{TODAY} AND station_id IN (TABLE busiest)",
            ),
        ),
    ],
    ("few_stations_report", "error"): [
        (1, gone(f"{SNAPSHOT} AND {SOME.format(13)}")),
        (
            16,
            status(
                "last_reported = last_reported - interval '2 days'",
                f"{TODAY} AND {SOME.format(16)}",
            ),
        ),
    ],
    ("reports_old", "warning"): [
        (
            1,
            status(
                "last_reported = last_reported - interval '2 hours'",
                f"{SNAPSHOT} AND {SOME.format(70)}",
            ),
        ),
    ],
    ("feed_frozen", "critical"): [
        (16, FROZEN, "UPDATE feed_poll SET last_updated = %(since)s WHERE polled_at > %(since)s"),
    ],
    ("nothing_moves", "error"): [(1, FROZEN)],
    ("ticks_missing", "error"): [
        (1, gone(SNAPSHOT)),
        (16, gone(TODAY), "DELETE FROM feed_poll WHERE polled_at >= %(day)s"),
    ],
    ("status_without_station", "warning"): [
        (1, "DELETE FROM station_information WHERE station_id = %(first)s"),
    ],
    ("station_without_status", "warning"): [(1, gone(f"{TODAY} AND station_id = %(first)s"))],
    ("stations_misplaced", "warning"): [
        (1, station("lat = 0, lon = 0")),
        (1, station("lat = NULL")),
    ],
    ("derived_without_status", "error"): [(2, gone(ONE))],
    ("ids_replaced", "critical"): [(2, status("station_id = 'x' || station_id", SNAPSHOT))],
    ("weather_impossible", "error"): [(1, observed("temperature = 288"))],
    ("weather_gaps", "warning"): [(1, sql("DELETE FROM weather WHERE", OBSERVATION))],
    ("weather_unforeseen", "warning"): [(1, observed("temperature = temperature + 18"))],
    ("features_unknown", "warning"): [
        (1, features("bikes_lag_1h = NULL", "observed_at >= %(window)s")),
        (1, features("bikes = NULL")),
    ],
    ("features_impossible", "error"): [
        (1, features("fill = 1.5")),
        (1, features("bikes = 'NaN'")),
    ],
    ("forecasts_missing", "error"): [
        (1, unsaid(FORECAST)),
        (1, unsaid(f"{FORECAST} AND horizon = 24")),
        (120, unsaid(OF_HOUR)),
    ],
    ("forecasts_unordered", "critical"): [
        (24, forecast("p10 = p90 + 1")),
        (24, forecast("p_empty = 'NaN'")),
        (24, forecast("p_empty = NULL")),
        (24, forecast("p_full = 1.5")),
    ],
    ("forecasts_outside_capacity", "critical"): [
        (24, forecast("p90 = capacity + 1")),
        (24, forecast("bikes = 'NaN'")),
        (24, without("station_forecast", "p10_not_negative"), forecast("p10 = -1")),
    ],
    ("forecasts_misdated", "critical"): [
        (24, forecast("target_at = target_at + interval '1 second'")),
        (24, forecast("horizon = horizon + 24, target_at = target_at + interval '1 day'")),
    ],
    ("records_rejected", "warning"): [
        (
            1,
            "INSERT INTO rejected_record VALUES (%(system)s, 'station_status', %(at)s, 3, "
            "'negative_count', 'It is -1.', '{}')",
        ),
    ],
}


def plant(connection, statements):
    [first] = connection.execute("SELECT min(station_id) FROM station_information").fetchone()
    for statement in statements:
        connection.execute(statement, {**VALUES, "first": first})


def found(connection, window=NEWEST, *, live=True):
    return {one.rule: one for one in findings(connection, SYSTEM, window, live=live)}


@pytest.mark.parametrize(
    ("rule", "severity", "count", "statements"),
    [
        pytest.param(rule, severity, count, statements, id=f"{rule}-{number}")
        for (rule, severity), faults in PLANTED.items()
        for number, (count, *statements) in enumerate(faults, 1)
    ],
)
def test_a_planted_fault_is_found_counted_and_sampled(
    connection, rule, severity, count, statements
):
    plant(connection, statements)
    one = found(connection)[rule]
    assert (one.count, one.severity) == (count, severity)
    assert one.share == one.count / one.checked
    sample = json.loads(one.sample)
    assert 1 <= len(sample) <= min(5, count)
    [declared] = [each for each in RULES if each.name == rule]
    assert [*sample[0]] == [*declared.sample]


def test_every_rule_has_a_planted_fault():
    assert [*PLANTED] == [(rule.name, rule.severity) for rule in RULES]


def test_four_clean_weeks_raise_nothing(connection):
    starts = pd.date_range(START, END, freq=WINDOW, inclusive="left")
    asked = dict.fromkeys((rule.name for rule in RULES), 0)
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
    plant(
        connection,
        [
            "DELETE FROM station_status WHERE observed_at >= %(day)s",
            "DELETE FROM feed_poll WHERE polled_at >= %(day)s",
            "DELETE FROM weather",
        ],
    )
    told = found(connection, live=False)
    for rule in ("ticks_missing", "weather_gaps", "forecasts_missing"):
        assert told[rule].checked == 0
    assert told["station_without_status"].count == 0


def test_a_sample_is_capped(connection):
    plant(connection, [status("num_ebikes_available = 99", "observed_at = %(at)s")])
    one = found(connection)["more_ebikes_than_bikes"]
    assert one.count == 120
    assert len(json.loads(one.sample)) == 5
    assert json.loads(one.sample)[0]["station_id"]
