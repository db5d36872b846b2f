"""The read, on a real server."""

from datetime import timedelta

import pandas as pd
import pytest
from psycopg import sql

from bike_demand.storage import databases, embedded
from bike_demand.storage.errors import (
    InvalidFrameError,
    PermanentStorageError,
    TransientStorageError,
)
from bike_demand.storage.read import _query, read
from bike_demand.storage.tables import STATION_INFORMATION
from bike_demand.storage.warehouse import Warehouse
from bike_demand_tests.storage.examples import COUNTS, MIDNIGHT, counts, stored, tick, ticks, write


def test_only_the_rows_of_the_windows_are_read(warehouse):
    write(warehouse, counts(ticks(0, 5)), ticks(0, 5))
    rows = stored(warehouse, [tick(1), tick(3)])
    assert [row[1] for row in rows] == [tick(1).start, tick(1).start, tick(3).start, tick(3).start]


def test_no_windows_are_no_rows_with_the_right_columns(warehouse):
    write(warehouse, counts())
    frame = read(warehouse, COUNTS, [], columns=["bikes", "observed_at"])
    assert frame.empty
    assert list(frame.columns) == ["observed_at", "bikes"]
    assert str(frame["observed_at"].dtype) == "datetime64[us, UTC]"


def test_a_window_without_rows_has_the_dtypes_of_one_with_rows(warehouse):
    write(warehouse, counts())
    with_rows, without = read(warehouse, COUNTS, [tick()]), read(warehouse, COUNTS, [tick(7)])
    pd.testing.assert_series_equal(with_rows.dtypes, without.dtypes)


def test_only_the_scope_asked_for_is_read(warehouse):
    both = pd.concat([counts(), counts(system="bos")])
    write(warehouse, both, systems=["nyc", "bos"])
    frame = read(warehouse, COUNTS, [tick()], scope={"system_id": ["bos"]})
    assert set(frame["system_id"]) == {"bos"}
    assert read(warehouse, COUNTS, [tick()], scope={"system_id": []}).empty


def test_a_value_that_looks_like_sql_is_a_value(warehouse):
    write(warehouse, counts())
    nasty = "'); DROP TABLE counts; --"
    assert read(warehouse, COUNTS, [tick()], scope={"system_id": [nasty, "\\", "'", "{}"]}).empty
    assert len(stored(warehouse)) == 2


def test_an_unknown_column_is_named(warehouse):
    with pytest.raises(InvalidFrameError, match=r"no \['mood'\]"):
        read(warehouse, COUNTS, columns=["mood"])


def test_a_table_without_time_cannot_be_read_by_window(warehouse):
    with pytest.raises(InvalidFrameError, match="without time"):
        read(warehouse, STATION_INFORMATION, [tick()])


def test_a_table_that_was_never_written_says_so(warehouse):
    with pytest.raises(PermanentStorageError, match="counts"):
        read(warehouse, COUNTS, [tick()])


def test_a_server_restarted_between_write_and_read_makes_no_difference(tmp_path):
    warehouse = Warehouse(lambda: databases.locate(None, tmp_path))
    try:
        write(warehouse, counts())
        before = stored(warehouse)
        embedded.stop(tmp_path / "postgres")
        assert stored(warehouse) == before
        embedded.stop(tmp_path / "postgres")
        write(warehouse, counts([tick(1)]), [tick(1)])
        assert len(stored(warehouse)) == 4
    finally:
        embedded.stop(tmp_path / "postgres")


def test_a_server_gone_while_reading_is_a_transient_failure_without_its_password(
    warehouse, closed_port
):
    write(warehouse, counts())
    url = warehouse.url()
    warehouse._locate = lambda: url.set(port=closed_port, password="hidden-word")  # noqa: S106
    with pytest.raises(TransientStorageError) as failure:
        read(warehouse, COUNTS, [tick()])
    assert "hidden-word" not in str(failure.value)


def test_many_windows_with_gaps_are_read_in_one_query(warehouse):
    span = ticks(0, 400)
    write(warehouse, counts(span, stations=["a"]), span)
    rows = stored(warehouse, span[::2])
    assert [row[1] for row in rows] == [MIDNIGHT + n * timedelta(minutes=30) for n in range(200)]


def test_a_tick_of_every_system_is_read_along_the_key_and_not_by_scanning_the_table(warehouse):
    span = ticks(0, 200)
    for system in ("nyc", "bos"):
        frame = counts(span, system=system, stations=[f"s{n}" for n in range(50)])
        write(warehouse, frame, span, [system])
    query = _query(COUNTS, COUNTS.columns, [tick(7)], {})
    with warehouse.connection() as connection:
        connection.execute("ANALYZE counts")
        plan = "\n".join(row[0] for row in connection.execute(sql.SQL("EXPLAIN ") + query))
    assert "Seq Scan on counts" not in plan
    assert {row[0] for row in stored(warehouse, [tick(7)])} == {"nyc", "bos"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": {"system_id": "nyc"}}, "takes a list of values"),
        ({"scope": {"bikes": [1]}}, r"not by \['bikes'\]"),
        ({"columns": "bikes"}, "columns is a list"),
    ],
)
def test_a_request_that_would_read_something_else_is_refused(warehouse, options, message):
    write(warehouse, counts())
    with pytest.raises(InvalidFrameError, match=message):
        read(warehouse, COUNTS, [tick()], **options)
