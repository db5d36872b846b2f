"""The write, on a real server; tests are named after the failures it must survive."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from textwrap import dedent

import numpy as np
import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from bike_demand.storage import databases
from bike_demand.storage.declaration import Upsert, declare_table
from bike_demand.storage.errors import (
    InvalidFrameError,
    PermanentStorageError,
    TransientStorageError,
)
from bike_demand.storage.read import read
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_INFORMATION
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window
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


def test_a_rerun_leaves_the_same_rows(warehouse):
    write(warehouse, counts())
    first = stored(warehouse)
    write(warehouse, counts())
    assert stored(warehouse) == first
    assert len(first) == 2


def test_a_station_that_vanished_upstream_vanishes_on_the_rerun(warehouse):
    write(warehouse, counts(stations=["a", "b"]))
    write(warehouse, counts(stations=["b"]))
    assert [row[2] for row in stored(warehouse)] == ["b"]


def test_an_empty_frame_empties_the_window(warehouse):
    write(warehouse, counts())
    receipt = write(warehouse, counts(stations=[]))
    assert stored(warehouse) == []
    assert receipt.rows == 0
    assert receipt.windows[0].first is None


def test_neighbouring_windows_keep_their_first_and_last_instants(warehouse):
    window = tick(1)
    instants = [
        window.start - timedelta(microseconds=1),
        window.start,
        window.end - timedelta(microseconds=1),
        window.end,
    ]
    frame = pd.concat([counts(stations=["a"]).assign(observed_at=at) for at in instants])
    write(warehouse, frame, [Window(window.start - QUARTER, window.end + QUARTER)])

    write(warehouse, counts(stations=[]), [window])

    assert [row[1] for row in stored(warehouse)] == [instants[0], instants[3]]


def test_another_system_keeps_its_rows_byte_for_byte(warehouse):
    write(warehouse, counts(system="bos", bikes=7), systems=["bos"])
    before = physical_rows(warehouse, "bos")
    write(warehouse, counts(system="nyc", bikes=8), systems=["nyc"])
    assert physical_rows(warehouse, "bos") == before


def test_a_system_that_is_covered_and_has_no_rows_is_emptied(warehouse):
    write(warehouse, pd.concat([counts(), counts(system="bos")]), systems=["nyc", "bos"])
    write(warehouse, counts(), systems=["nyc", "bos"])
    assert {row[0] for row in stored(warehouse)} == {"nyc"}


def test_a_write_that_covers_no_system_changes_nothing(warehouse):
    write(warehouse, counts())
    write(warehouse, counts(stations=[]), systems=[])
    assert len(stored(warehouse)) == 2


def test_a_write_that_does_not_say_what_it_covers_is_refused(warehouse):
    with pytest.raises(InvalidFrameError, match=r"covers=\{'system_id'"):
        replace(warehouse, COUNTS, [tick()], Rows(counts()))


def test_a_scope_given_as_one_text_is_refused(warehouse):
    with pytest.raises(InvalidFrameError, match="list of values"):
        replace(warehouse, COUNTS, [tick()], Rows(counts(), {"system_id": "nyc"}))


def test_a_row_outside_the_scope_is_refused(warehouse):
    with pytest.raises(InvalidFrameError, match="'bos'"):
        write(warehouse, counts(system="bos"), systems=["nyc"])


@pytest.mark.parametrize("at", [tick(1).end, tick(1).start - timedelta(microseconds=1)])
def test_a_row_outside_the_window_is_refused(warehouse, at):
    write(warehouse, counts([tick(1)]), [tick(1)])
    before = stored(warehouse)
    with pytest.raises(InvalidFrameError, match="lie outside"):
        write(warehouse, counts([tick(1)]).assign(observed_at=at), [tick(1)])
    assert stored(warehouse) == before


def test_a_row_in_the_gap_between_two_windows_is_refused(warehouse):
    with pytest.raises(InvalidFrameError, match="lie outside"):
        write(warehouse, counts([tick(1)]), [tick(0), tick(2)])


def test_windows_with_a_gap_leave_the_gap_alone(warehouse):
    write(warehouse, counts(ticks(0, 3), bikes=1), ticks(0, 3))
    write(warehouse, counts([tick(2), tick(0)], bikes=2), [tick(2), tick(0)])
    assert [row[3] for row in stored(warehouse)] == [2, 2, 1, 1, 2, 2]


def test_a_repeated_key_across_frames_is_refused_and_the_old_rows_stay(warehouse):
    write(warehouse, counts(bikes=1))
    with pytest.raises(PermanentStorageError, match=r"already exists"):
        write(warehouse, iter([counts(bikes=2), counts(bikes=3)]))
    assert [row[3] for row in stored(warehouse)] == [1, 1]


def test_a_row_that_breaks_a_check_is_refused_and_the_old_rows_stay(warehouse):
    write(warehouse, counts(bikes=1))
    with pytest.raises(PermanentStorageError, match="bikes_not_negative"):
        write(warehouse, counts(bikes=-1))
    assert [row[3] for row in stored(warehouse)] == [1, 1]


def test_an_error_in_the_middle_of_the_copy_leaves_the_old_rows(warehouse):
    write(warehouse, counts(ticks(0, 2), bikes=1), ticks(0, 2))

    def frames() -> Iterator[pd.DataFrame]:
        yield counts([tick(0)], bikes=2)
        raise LookupError("the source broke")

    with pytest.raises(LookupError, match="the source broke"):
        write(warehouse, frames(), ticks(0, 2))
    assert [row[3] for row in stored(warehouse)] == [1, 1, 1, 1]


def test_a_bad_second_frame_leaves_the_old_rows(warehouse):
    write(warehouse, counts(bikes=1))
    with pytest.raises(InvalidFrameError, match="lacks"):
        write(warehouse, iter([counts(bikes=2), counts().drop(columns="bikes")]))
    assert [row[3] for row in stored(warehouse)] == [1, 1]


def test_a_writer_killed_in_the_middle_of_the_copy_leaves_the_old_rows(warehouse, postgres_url):
    write(warehouse, counts(ticks(0, 2), bikes=1), ticks(0, 2))
    writer = subprocess.Popen(
        [sys.executable, "-c", HANGING_WRITER, postgres_url], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer, writer.stdout:
        assert writer.stdout.readline() == "first frame is sent\n"
        writer.send_signal(signal.SIGKILL)

    assert [row[3] for row in stored(warehouse)] == [1, 1, 1, 1]
    write(warehouse, counts(ticks(0, 2), bikes=3), ticks(0, 2))  # its lock is gone with it
    assert [row[3] for row in stored(warehouse)] == [3, 3, 3, 3]


HANGING_WRITER = dedent("""
    import sys, time
    import sqlalchemy as sa
    from bike_demand.storage.warehouse import Warehouse
    from bike_demand_tests.storage.examples import counts, tick, ticks, write

    def frames():
        yield counts([tick(0)], bikes=2, stations=[f"s{n}" for n in range(20_000)])
        print("first frame is sent", flush=True)
        time.sleep(600)

    write(Warehouse(lambda: sa.make_url(sys.argv[1])), frames(), ticks(0, 2))
""")


def test_a_connection_lost_in_the_middle_is_transient_and_leaves_the_old_rows(
    warehouse, database_url
):
    write(warehouse, counts(ticks(0, 2), bikes=1), ticks(0, 2))

    def frames() -> Iterator[pd.DataFrame]:
        yield counts([tick(0)], bikes=2)
        terminate_other_connections(database_url)
        for number in range(100):  # until the driver notices
            yield counts([tick(1)], bikes=2, stations=[f"{number}-{n}" for n in range(1000)])

    with pytest.raises(TransientStorageError, match="table 'counts'"):
        write(warehouse, frames(), ticks(0, 2))
    assert [row[3] for row in stored(warehouse)] == [1, 1, 1, 1]


def test_two_writers_of_one_window_leave_one_of_the_two_snapshots(warehouse):
    warehouse.ensure_table(COUNTS)

    def run(bikes: int) -> None:
        for _ in range(5):
            write(warehouse, counts(bikes=bikes, stations=[f"s{n}" for n in range(500)]))

    at_once(lambda: run(1), lambda: run(2))
    rows = stored(warehouse)
    assert len(rows) == 500
    assert len({row[3] for row in rows}) == 1


def test_writers_of_overlapping_ranges_all_succeed(warehouse):
    days = [
        Window(MIDNIGHT + timedelta(days=n), MIDNIGHT + timedelta(days=n + 2)) for n in range(4)
    ]
    starts = [
        Window(MIDNIGHT + timedelta(days=n), MIDNIGHT + timedelta(days=n + 1)) for n in range(5)
    ]
    warehouse.ensure_table(COUNTS)

    def run(number: int) -> None:
        for _ in range(4):
            write(warehouse, counts(starts[number : number + 2], bikes=number), [days[number]])

    at_once(*(lambda number=number: run(number) for number in range(4)))
    rows = stored(warehouse)
    assert [row[1] for row in rows] == [start.start for start in starts for _ in range(2)]
    # Each day was written whole by one of its two writers.
    assert all(one[3] == other[3] for one, other in zip(rows[::2], rows[1::2], strict=True))


def test_writers_of_one_window_and_different_systems_all_succeed(warehouse):
    warehouse.ensure_table(COUNTS)

    def run(system: str) -> None:
        for _ in range(5):
            write(warehouse, counts(system=system), systems=[system])

    at_once(lambda: run("nyc"), lambda: run("bos"))
    assert [(row[0], row[2]) for row in stored(warehouse)] == [
        ("bos", "a"),
        ("bos", "b"),
        ("nyc", "a"),
        ("nyc", "b"),
    ]


def test_a_reader_during_a_write_sees_the_old_rows_and_after_it_the_new(warehouse):
    write(warehouse, counts(bikes=1))
    seen = []

    def frames() -> Iterator[pd.DataFrame]:
        yield counts(bikes=2, stations=["a"])
        seen.extend(row[3] for row in stored(warehouse))
        yield counts(bikes=2, stations=["b"])

    write(warehouse, frames())
    assert seen == [1, 1]
    assert [row[3] for row in stored(warehouse)] == [2, 2]


def test_a_reader_never_sees_a_mix_of_two_snapshots(warehouse):
    stations = [f"s{n}" for n in range(300)]
    write(warehouse, counts(bikes=0, stations=stations))
    done = threading.Event()
    mixed = []

    def watch() -> None:
        while not done.is_set():
            rows = stored(warehouse)
            if len(rows) != 300 or len({row[3] for row in rows}) != 1:
                mixed.append(rows)

    def change() -> None:
        for bikes in range(1, 10):
            write(warehouse, counts(bikes=bikes, stations=stations))
        done.set()

    at_once(watch, change)
    assert mixed == []


def test_companions_are_replaced_in_the_same_transaction(warehouse):
    rejected = rejected_records([tick()], reason="negative count")
    rows = Rows(rejected, {"system_id": ["nyc"], "source": ["counts"]})
    write(warehouse, counts(bikes=1), rejected_record=rows)
    with pytest.raises(PermanentStorageError):
        write(
            warehouse,
            counts(bikes=-1),
            rejected_record=Rows(rejected.iloc[:0], {"system_id": ["nyc"], "source": ["counts"]}),
        )
    assert count(warehouse, "rejected_record") == 1

    write(
        warehouse,
        counts(bikes=2),
        rejected_record=Rows(rejected.iloc[:0], {"system_id": ["nyc"], "source": ["counts"]}),
    )
    assert count(warehouse, "rejected_record") == 0


def test_a_companion_of_another_source_stands(warehouse):
    for source in ("counts", "weather"):
        frame = rejected_records([tick()], source=source)
        companion = Rows(frame, {"system_id": ["nyc"], "source": [source]})
        write(warehouse, counts(), rejected_record=companion)
    assert count(warehouse, "rejected_record") == 2


def test_a_companion_may_cover_a_system_that_the_rows_do_not(warehouse):
    poll = pd.DataFrame(
        {
            "system_id": ["nyc", "bos"],
            "polled_at": tick().start,
            "last_updated": None,
            "http_status": [200, 503],
            "records": [2, None],
            "rejected": [0, None],
        }
    )
    write(warehouse, counts(system="bos"), systems=["bos"])
    write(warehouse, counts(), feed_poll=Rows(poll, {"system_id": ["nyc", "bos"]}))
    assert {row[0] for row in stored(warehouse)} == {"nyc", "bos"}
    assert count(warehouse, "feed_poll") == 2


def test_the_receipt_tells_rows_span_and_bytes_of_each_window(warehouse):
    receipt = write(warehouse, counts([tick(2), tick(0)]), [tick(2), tick(1), tick(0)])
    assert [written.rows for written in receipt.windows] == [2, 0, 2]
    assert receipt.windows[0].first == receipt.windows[0].last == tick(2).start
    assert receipt.windows[1].first is None
    assert receipt.windows[0].size == receipt.windows[2].size > 0
    assert receipt.rows == 4


def test_a_range_of_a_quarter_of_a_million_rows_is_written_and_read(warehouse):
    windows = ticks(0, 96)
    stations = [f"station {n}" for n in range(2605)]
    frame = pd.DataFrame(
        {
            "system_id": "nyc",
            "observed_at": np.repeat([window.start for window in windows], len(stations)),
            "station_id": stations * len(windows),
            "bikes": np.arange(len(windows) * len(stations), dtype=np.int32),
            "ratio": np.linspace(0, 1, len(windows) * len(stations)),
            "note": "",
        }
    )
    receipt = write(warehouse, (frame.iloc[start::7] for start in range(7)), windows)
    assert receipt.rows == len(frame) > 250_000
    assert {written.rows for written in receipt.windows} == {2605}
    back = read(warehouse, COUNTS, windows).sort_values("bikes", ignore_index=True)
    pd.testing.assert_frame_equal(back, frame, check_dtype=False, check_column_type=False)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_the_session_zone_of_the_database_does_not_matter(warehouse, database_url, zone):
    with databases.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE \"{database_url.database}\" SET timezone = '{zone}'")
    write(warehouse, counts(ticks(0, 3)), ticks(0, 3))
    write(warehouse, counts(stations=[]), [tick(1)])
    assert [row[1] for row in stored(warehouse, ticks(0, 3))] == [
        tick(0).start,
        tick(0).start,
        tick(2).start,
        tick(2).start,
    ]


def test_instants_given_in_another_zone_are_the_same_instants(warehouse):
    local = counts().assign(
        observed_at=lambda frame: frame["observed_at"].dt.tz_convert("America/New_York")
    )
    write(warehouse, local)
    assert {row[1] for row in stored(warehouse)} == {tick().start}


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2024, 3, 10, 5, tzinfo=UTC), 23), (datetime(2024, 11, 3, 4, tzinfo=UTC), 25)],
)
def test_a_local_day_of_a_clock_change_has_its_own_number_of_hours(warehouse, day, hours):
    window = Window(day, day + timedelta(hours=hours))
    each = [Window(day + timedelta(hours=n), day + timedelta(hours=n + 1)) for n in range(hours)]
    write(warehouse, counts(each, stations=["a"]), [window])
    frame = read(warehouse, COUNTS, [window])
    local = frame["observed_at"].dt.tz_convert("America/New_York")
    assert len(frame) == hours
    assert local.dt.date.nunique() == 1


def test_identifiers_that_need_quotes_are_quoted(warehouse):
    name, column = 'Weird "Table"; --', 'a "b" {c} \\'
    table = declare_table(
        name,
        sa.Column("select", sa.DateTime(timezone=True), primary_key=True),
        sa.Column('scope "x"', sa.Text, primary_key=True),
        sa.Column(column, sa.Integer),
        time="select",
        scope=('scope "x"',),
    )
    values = ["o'clock", 'quote"d', "%s", "back\\slash", "a,b}"]
    frame = pd.DataFrame({"select": tick().start, 'scope "x"': values, column: 1})
    for _ in range(2):
        replace(warehouse, table, [tick()], Rows(frame, {'scope "x"': values}))
    for value in values:
        assert len(read(warehouse, table, [tick()], scope={'scope "x"': [value]})) == 1


def test_names_of_63_bytes_are_stored_and_longer_ones_are_refused(warehouse):
    name = "ü" * 31 + "x"
    table = declare_table(
        name,
        sa.Column("t" * 63, sa.DateTime(timezone=True), primary_key=True),
        sa.Column("ß" * 31 + "v", sa.Integer),
        time="t" * 63,
    )
    frame = pd.DataFrame({"t" * 63: [tick().start], "ß" * 31 + "v": [1]})
    replace(warehouse, table, [tick()], Rows(frame))
    assert len(read(warehouse, table, [tick()])) == 1
    with pytest.raises(ValueError, match="63 bytes"):
        declare_table(name + "x", sa.Column("id", sa.Integer, primary_key=True))


def test_a_table_that_is_stored_with_another_shape_is_refused(warehouse):
    def declare(kind: type[sa.types.TypeEngine]) -> object:
        return declare_table(
            "reshaped", sa.Column("id", sa.Text, primary_key=True), sa.Column("value", kind)
        )

    replace(warehouse, declare(sa.Integer), None, Rows(pd.DataFrame({"id": ["a"], "value": [1]})))
    changed = declare(sa.Double)
    with pytest.raises(PermanentStorageError, match=r"\['value'\] differ"):
        replace(warehouse, changed, None, Rows(pd.DataFrame({"id": ["a"], "value": [0.5]})))


def test_a_table_without_time_is_replaced_in_its_scope(warehouse):
    table = declare_table(
        "owners",
        sa.Column("system_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, primary_key=True),
        scope=("system_id",),
    )

    def owners(system: str, *names: str) -> Rows:
        return Rows(pd.DataFrame({"system_id": system, "owner": names}), {"system_id": [system]})

    replace(warehouse, table, None, owners("nyc", "x", "y"))
    replace(warehouse, table, None, owners("bos", "z"))
    replace(warehouse, table, None, owners("nyc", "y"))
    assert sorted(read(warehouse, table)["owner"]) == ["y", "z"]


def test_partitions_on_a_table_without_time_are_refused(warehouse):
    table = declare_table("timeless", sa.Column("id", sa.Text, primary_key=True))
    with pytest.raises(InvalidFrameError, match="declared without time"):
        replace(warehouse, table, [tick()], Rows(pd.DataFrame({"id": ["a"]})))


def test_an_upsert_keeps_first_seen_and_marks_who_left(warehouse):
    def stations(at: datetime, *ids: str, system: str = "nyc") -> Rows:
        frame = pd.DataFrame(
            {
                "system_id": system,
                "station_id": ids,
                "name": f"seen {at:%H}",
                "short_name": None,
                "lat": 40.0,
                "lon": -74.0,
                "capacity": 20,
                "region_id": None,
                "is_virtual_station": False,
                "is_active": True,
                "first_seen": at,
                "last_seen": at,
            }
        )
        return Rows(frame, {"system_id": [system]})

    later = MIDNIGHT + timedelta(hours=1)
    replace(warehouse, STATION_INFORMATION, None, stations(MIDNIGHT, "a", "b"))
    replace(warehouse, STATION_INFORMATION, None, stations(MIDNIGHT, "z", system="bos"))
    replace(warehouse, STATION_INFORMATION, None, stations(later, "b", "c"))

    frame = read(warehouse, STATION_INFORMATION).set_index("station_id").sort_index()
    assert frame["is_active"].to_dict() == {"a": False, "b": True, "c": True, "z": True}
    assert frame["first_seen"]["b"] == MIDNIGHT
    assert frame["last_seen"]["b"] == later
    assert frame["name"]["b"] == "seen 01"
    assert frame["last_seen"]["a"] == MIDNIGHT


def test_an_upsert_of_nothing_but_a_key_is_written_once(warehouse):
    table = declare_table("seen", sa.Column("id", sa.Text, primary_key=True), upsert=Upsert())
    for _ in range(2):
        replace(warehouse, table, None, Rows(pd.DataFrame({"id": ["a"]})))
    assert len(read(warehouse, table)) == 1


def test_a_server_that_cannot_be_reached_is_a_transient_failure(closed_port):
    url = f"postgresql://someone:secret@127.0.0.1:{closed_port}/nothing"
    unreachable = Warehouse(lambda: sa.make_url(url))
    with pytest.raises(TransientStorageError) as failure:
        write(unreachable, counts())
    assert f"127.0.0.1:{closed_port}/nothing" in str(failure.value)
    assert "secret" not in str(failure.value)


# Regression: a write took what it was not given for its own, or dropped it in silence.


def test_a_table_that_is_its_own_companion_is_refused(warehouse):
    with pytest.raises(InvalidFrameError, match="its own companion"):
        write(warehouse, counts(), counts=Rows(counts(bikes=2), {"system_id": ["nyc"]}))


def test_companions_of_companions_are_refused(warehouse):
    inner = Rows(rejected_records([tick()]), {"system_id": ["nyc"], "source": ["counts"]})
    outer = Rows(pd.DataFrame(), {"system_id": ["nyc"]}, {"rejected_record": inner})
    with pytest.raises(InvalidFrameError, match="no companions of its own"):
        write(warehouse, counts(), feed_poll=outer)


def test_a_table_with_time_is_not_emptied_by_a_write_without_windows(warehouse):
    write(warehouse, counts(ticks(0, 2)), ticks(0, 2))
    with pytest.raises(InvalidFrameError, match="Nothing was deleted"):
        replace(warehouse, COUNTS, None, Rows(counts(), {"system_id": ["nyc"]}))
    assert len(stored(warehouse)) == 4


def test_rows_may_name_their_own_windows(warehouse):
    write(warehouse, counts(ticks(0, 2)), ticks(0, 2))
    rows = Rows(counts(bikes=9), {"system_id": ["nyc"]}, windows=[tick(0)])
    replace(warehouse, COUNTS, None, rows)
    assert [row[3] for row in stored(warehouse)] == [9, 9, 1, 1]


def test_a_scope_of_inexact_numbers_is_compared_in_the_column_s_own_type(warehouse):
    table = declare_table(
        "by_real",
        sa.Column("r", sa.REAL, primary_key=True),
        sa.Column("id", sa.Integer, primary_key=True),
        scope=("r",),
    )
    for number in (1, 2):
        frame = pd.DataFrame({"r": np.array([0.1], np.float32), "id": [number]})
        replace(warehouse, table, None, Rows(frame, {"r": [np.float32(0.1)]}))
    assert read(warehouse, table)["id"].tolist() == [2]


@pytest.mark.parametrize(
    "rows",
    [
        Rows(None, {"system_id": ["nyc"]}),
        Rows("frame", {"system_id": ["nyc"]}),
        Rows([1], {"system_id": ["nyc"]}),
        Rows(counts(), None),
        Rows(counts(), {"system_id": [1]}),
        Rows(counts(), {"system_id": ["\ud800"]}),
        Rows(counts(), {"system_id": ["nyc"]}, {"feed_poll": pd.DataFrame()}),
    ],
)
def test_rows_that_are_none_are_a_permanent_failure(warehouse, rows):
    with pytest.raises(InvalidFrameError):
        replace(warehouse, COUNTS, [tick()], rows)


@pytest.mark.parametrize("setting", ["PGCLIENTENCODING=LATIN1", "PGOPTIONS=-c timezone=Asia/Tokyo"])
def test_text_and_time_are_stored_as_they_are_whatever_the_environment(
    warehouse, monkeypatch, setting
):
    monkeypatch.setenv(*setting.split("=", 1))
    write(warehouse, counts(note="Zoë €"))
    monkeypatch.undo()
    with warehouse.connection() as connection:
        [row] = connection.execute(
            "SELECT DISTINCT note, octet_length(note), observed_at FROM counts"
        ).fetchall()
    assert row == ("Zoë €", 8, tick().start)
    assert set(read(warehouse, COUNTS)["note"]) == {"Zoë €"}


def test_a_writer_that_waited_sees_what_it_waited_for_whatever_the_role_s_isolation(
    warehouse, database_url
):
    with databases.connect(database_url, autocommit=True) as connection:
        connection.execute(
            f'ALTER DATABASE "{database_url.database}" '
            "SET default_transaction_isolation = 'repeatable read'"
        )
    first_holds_the_lock, second_may_end = threading.Event(), threading.Event()

    def slow() -> Iterator[pd.DataFrame]:
        yield counts(stations=["a"])
        first_holds_the_lock.set()
        second_may_end.wait(1)  # nobody sets it: the second writer waits for our commit
        yield counts(stations=["b"])

    def second() -> None:
        first_holds_the_lock.wait()
        write(warehouse, counts(bikes=2))

    warehouse.ensure_table(COUNTS)
    at_once(lambda: write(warehouse, slow()), second)
    assert [row[3] for row in stored(warehouse)] == [2, 2]


def rejected_records(
    windows: list[Window], *, source: str = "counts", reason: str = "x"
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "system_id": "nyc",
            "source": source,
            "window_start": [window.start for window in windows],
            "ordinal": 0,
            "reason": reason,
            "detail": "why",
            "record": "{}",
        }
    )


def count(warehouse: Warehouse, table: str) -> int:
    with warehouse.connection() as connection:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def physical_rows(warehouse: Warehouse, system: str) -> list[tuple]:
    """Rows with their place on disk and the transaction that wrote them."""
    with warehouse.connection() as connection:
        return connection.execute(
            "SELECT ctid, xmin, counts FROM counts WHERE system_id = %s ORDER BY ctid", [system]
        ).fetchall()


def terminate_other_connections(url: sa.URL) -> None:
    with psycopg.connect(databases.conninfo(url)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def at_once(*functions) -> None:
    with ThreadPoolExecutor(len(functions)) as pool:
        for future in [pool.submit(function) for function in functions]:
            future.result()
