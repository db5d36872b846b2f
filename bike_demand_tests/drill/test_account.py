"""An account of a drill tells what is not as it has to be. Real database, real events."""

import dataclasses
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest

from bike_demand.drill.account import Account, Kept, kept, runs
from bike_demand.drill.scene import Told
from bike_demand.drill.script import Fault, Kind
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_STATUS
from bike_demand.storage.windows import Window

QUARTER = timedelta(minutes=15)
BEGAN = datetime(2026, 11, 20, 12, 1, tzinfo=UTC)
ENDED = BEGAN + timedelta(hours=1)
FIRST = BEGAN - timedelta(minutes=1) + QUARTER
STATIONS = ["a", "b", "c"]
FINE = Kept(
    "station_status",
    due=3,
    present=3,
    over=0,
    makeable=0,
    again=0,
    rows=9,
    lost=0,
    duplicates=0,
    wrong_keys=0,
    late=timedelta(seconds=20),
)


def status(start: datetime, stations=STATIONS) -> pd.DataFrame:
    rows = pd.DataFrame({"station_id": stations})
    for column in STATION_STATUS.table.columns:
        if column.name == "station_id":
            continue
        if str(column.type) == "DATETIME":
            rows[column.name] = start
        elif str(column.type) == "BOOLEAN":
            rows[column.name] = True
        else:
            rows[column.name] = "nyc" if str(column.type) == "TEXT" else 1
    return rows


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as made:
        yield made


def acknowledge(instance, key: str, rows: int) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "station_status", partition=key, metadata={"dagster/partition_row_count": rows}
        )
    )


@pytest.fixture
def played(instance, warehouse):
    """Three ticks that were due and are there."""
    for number in range(3):
        start = FIRST + number * QUARTER
        window = Window(start, start + QUARTER)
        replace(warehouse, STATION_STATUS, [window], Rows(status(start), {"system_id": ["nyc"]}))
        acknowledge(instance, f"{start:%Y-%m-%d-%H:%M}", 3)


def told(instance, warehouse) -> Kept:
    [found] = [
        one
        for one in kept(instance, warehouse, STATIONS, BEGAN, ENDED)
        if one.asset == "station_status"
    ]
    return found


def change(warehouse, statement: str) -> None:
    with warehouse.connection() as connection:
        connection.execute(statement)


@pytest.mark.usefixtures("played")
def test_what_is_there_is_counted(instance, warehouse):
    found = told(instance, warehouse)
    # The events are of now, long after what they are about.
    assert dataclasses.replace(found, late=FINE.late) == FINE
    assert found.late > timedelta(hours=1)


@pytest.mark.usefixtures("played")
def test_an_acknowledged_row_that_is_gone_is_lost(instance, warehouse):
    change(warehouse, "DELETE FROM station_status WHERE station_id = 'b'")
    assert told(instance, warehouse).lost == 3


@pytest.mark.usefixtures("played")
def test_a_station_that_the_city_does_not_have_is_a_wrong_key(instance, warehouse):
    change(warehouse, "UPDATE station_status SET station_id = 'x' WHERE station_id = 'b'")
    assert told(instance, warehouse).wrong_keys == 3


@pytest.mark.usefixtures("played")
def test_a_time_that_is_no_tick_is_a_wrong_key(instance, warehouse):
    change(
        warehouse,
        "UPDATE station_status SET observed_at = observed_at + interval '1 min' "
        "WHERE station_id = 'b'",
    )
    found = told(instance, warehouse)
    assert (found.wrong_keys, found.lost) == (3, 0)


@pytest.mark.usefixtures("played")
def test_a_partition_that_is_made_again_counts_once_and_is_told(instance, warehouse):
    acknowledge(instance, f"{FIRST:%Y-%m-%d-%H:%M}", 3)
    found = told(instance, warehouse)
    assert (found.again, found.rows, found.lost) == (1, 9, 0)


def test_runs_are_counted_with_their_tries(instance):
    attempts = iter([True, False, False])

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
    def falters():
        if next(attempts):
            raise RuntimeError("once")

    @dg.job
    def job():
        falters()

    job.execute_in_process(instance=instance)
    job.execute_in_process(
        instance=instance, tags={"dagster/parent_run_id": "earlier"}, raise_on_error=False
    )
    assert runs(instance, BEGAN)[1] == (1, 1)


def account(**changed) -> Account:
    fault = Fault(Kind.DAEMON, timedelta(minutes=5), timedelta(minutes=40))
    whole = Account(
        BEGAN,
        ENDED,
        [(fault, BEGAN + fault.at, BEGAN + fault.until)],
        [FINE],
        {"SUCCESS": 3},
        (0, 0),
        [Told(BEGAN, {"title": "weather stale"})],
        (90e6, 50e6),
    )
    return dataclasses.replace(whole, **changed)


def test_an_account_without_a_miss_says_so():
    assert account().misses() == []
    assert account().told().endswith("Nothing is missing.\n")


@pytest.mark.parametrize("what", ["makeable", "lost", "duplicates", "wrong_keys"])
def test_each_thing_that_must_not_be_is_a_miss(what):
    bad = account(kept=[dataclasses.replace(FINE, **{what: 2})])
    [miss] = bad.misses()
    assert miss.startswith("station_status: 2 ")
    assert f"MISSED: {miss}" in bad.told()


def test_what_is_later_than_the_longest_outage_and_twenty_minutes_is_a_miss():
    limit = timedelta(minutes=60)
    assert account(kept=[dataclasses.replace(FINE, late=limit)]).misses() == []
    late = dataclasses.replace(FINE, late=limit + timedelta(seconds=1))
    assert len(account(kept=[late]).misses()) == 1


def test_a_database_that_grows_too_fast_is_a_miss():
    assert len(account(growth=(90e6, 61e6)).misses()) == 1
