"""Old rows go a few at a time, and nobody's else."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bike_demand.storage.databases import connect
from bike_demand.storage.errors import PermanentStorageError
from bike_demand.storage.prune import holds_from_before, prune
from bike_demand.storage.tables import STATION_INFORMATION, STATION_STATUS
from bike_demand.storage.warehouse import Warehouse
from bike_demand_tests.storage.examples import (
    COUNTS,
    MIDNIGHT,
    QUARTER,
    counts,
    stored,
    tick,
    ticks,
    write,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    quarters=st.sets(st.integers(0, 40), min_size=1),
    minutes=st.integers(-20, 700),
    at_a_time=st.integers(1, 30),
)
def test_rows_from_before_go_and_all_others_stay(warehouse, quarters, minutes, at_a_time):
    windows = [tick(number) for number in sorted(quarters)]
    write(warehouse, counts(windows), ticks(0, 41))
    write(warehouse, counts(windows, system="oslo"), ticks(0, 41), ["oslo"])
    before = MIDNIGHT + timedelta(minutes=minutes)
    rows = stored(warehouse)
    old = [row for row in rows if row[0] == "nyc" and row[1] < before]
    assert prune(warehouse, COUNTS, "nyc", before, at_a_time) == len(old)
    assert stored(warehouse) == [row for row in rows if row not in old]


def test_rows_that_somebody_replaces_are_left_to_him(warehouse, database_url):
    write(warehouse, counts(ticks(0, 3)), ticks(0, 3))
    with connect(database_url) as another:
        another.execute("DELETE FROM counts WHERE observed_at = %s", [tick(1).start])
        assert prune(warehouse, COUNTS, "nyc", MIDNIGHT + 9 * QUARTER) == 4
        another.rollback()
    assert {row[1] for row in stored(warehouse)} == {tick(1).start}


def test_what_a_failure_interrupts_goes_on_at_the_next_call(warehouse, monkeypatch):
    write(warehouse, counts(ticks(0, 6)), ticks(0, 6))
    connection = Warehouse.connection
    broken = []

    def breaking(self):
        opened = connection(self)
        execute, calls = opened.execute, iter(range(9))

        def fail(*args, **options):
            if next(calls) == 2:
                broken.append(True)
                opened.close()
            return execute(*args, **options)

        opened.execute = fail
        return opened

    monkeypatch.setattr(Warehouse, "connection", breaking)
    with pytest.raises(Exception, match="closed"):
        prune(warehouse, COUNTS, "nyc", MIDNIGHT + 6 * QUARTER, 2)
    monkeypatch.undo()
    assert broken
    assert len(stored(warehouse)) == 8
    assert prune(warehouse, COUNTS, "nyc", MIDNIGHT + 6 * QUARTER, 2) == 8


def test_a_table_tells_whether_it_holds_something_from_before(warehouse):
    write(warehouse, counts())
    assert not holds_from_before(warehouse, COUNTS, MIDNIGHT)
    assert holds_from_before(warehouse, COUNTS, MIDNIGHT + QUARTER)


def test_an_empty_table_loses_nothing(warehouse):
    assert prune(warehouse, STATION_STATUS, "nyc", MIDNIGHT) == 0


def test_a_table_without_time_is_refused(warehouse):
    with pytest.raises(ValueError, match="'station_information' has no time"):
        prune(warehouse, STATION_INFORMATION, "nyc", MIDNIGHT)


def test_a_table_that_is_not_there_is_named(warehouse):
    with pytest.raises(PermanentStorageError, match="Deleting old rows of table 'counts'"):
        prune(warehouse, COUNTS, "nyc", MIDNIGHT)
