"""What is written is what is read, for any frame a table admits."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bike_demand.storage.read import read
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.windows import Window
from bike_demand_tests.storage.examples import COUNTS, MIDNIGHT
from bike_demand_tests.storage.test_frames import EVERYTHING

# All of Unicode but what Postgres' text cannot hold.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
AWKWARD = st.sampled_from(
    ["", " ", "\\N", "NULL", "\\.", '"', "'", "\t\n\r", ",", "é\u200d🚲", "%s"]
)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


def integers(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


VALUES = {
    "small": integers(16),
    "integer": integers(32),
    "big": integers(64),
    "real": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "flag": st.booleans(),
    "day": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "text": TEXT | AWKWARD,
    "at": INSTANTS,
}
ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": TEXT | AWKWARD, "required": integers(32)}
        | {name: st.none() | values for name, values in VALUES.items()}
    ),
    max_size=30,
    unique_by=lambda row: row["id"],
)


def frame_of(rows):
    """The rows with one object column each, so that no dtype rounds a value on the way."""
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=object) for name in EVERYTHING.columns}
    )


def values_of(frame):
    """Each row by its key, in Python's own types, a missing value as None."""
    return {
        row["id"]: {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    }


@given(rows=ROWS)
@settings(
    max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_frame_that_a_table_admits_is_read_as_it_was_written(warehouse, rows):
    replace(warehouse, EVERYTHING, None, Rows(frame_of(rows)))
    assert values_of(read(warehouse, EVERYTHING)) == values_of(frame_of(rows))


STEP = timedelta(minutes=5)
SPAN = Window(MIDNIGHT, MIDNIGHT + 20 * STEP)
EDGES = st.integers(0, 19).map(lambda number: SPAN.start + number * STEP)
SOMETIME = st.timedeltas(timedelta(0), SPAN.end - SPAN.start - timedelta(microseconds=1)).map(
    lambda elapsed: SPAN.start + elapsed
)


@given(
    instants=st.lists(EDGES | SOMETIME, max_size=12, unique=True),
    edges=st.lists(EDGES, min_size=2, max_size=6, unique=True).map(sorted),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_write_of_any_windows_changes_what_lies_in_them_and_nothing_else(
    warehouse, instants, edges
):
    windows = [Window(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False)]
    frame = pd.DataFrame(
        {
            "system_id": "nyc",
            "observed_at": pd.Series(instants, dtype="datetime64[us, UTC]"),
            "station_id": "a",
            "bikes": np.arange(len(instants)),
            "ratio": 0.0,
            "note": "old",
        }
    )
    inside = pd.Series(
        [any(window.start <= at < window.end for window in windows) for at in instants], dtype=bool
    )
    replace(warehouse, COUNTS, [SPAN], Rows(frame, {"system_id": ["nyc"]}))
    replace(
        warehouse, COUNTS, windows, Rows(frame[inside].assign(note="new"), {"system_id": ["nyc"]})
    )

    notes = read(warehouse, COUNTS).set_index("observed_at")["note"]
    assert len(notes) == len(instants)
    assert [notes[at] for at in instants] == ["new" if new else "old" for new in inside]
    assert list(read(warehouse, COUNTS, windows)["note"]) == ["new"] * inside.sum()


def test_a_day_of_recorded_status_is_read_as_it_was_recorded(warehouse, shared_data):
    from bike_demand.storage.tables import STATION_STATUS

    path = shared_data / "baywheels" / "station_status_2023-03_2023-04.parquet"
    start = pd.Timestamp("2023-03-12", tz="UTC")  # clocks change in San Francisco
    window = Window(start.to_pydatetime(), (start + pd.Timedelta(days=1)).to_pydatetime())
    recorded = pd.read_parquet(
        path, filters=[("fetched_at", ">=", window.start), ("fetched_at", "<", window.end)]
    )
    if recorded.empty:
        pytest.fail(f"{path} holds nothing of {window}")
    frame = recorded.assign(system_id="baywheels", observed_at=recorded["fetched_at"])[
        list(STATION_STATUS.columns)
    ]

    replace(warehouse, STATION_STATUS, [window], Rows(frame, {"system_id": ["baywheels"]}))

    key = ["observed_at", "station_id"]
    back = read(warehouse, STATION_STATUS, [window]).sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(
        back.astype(object), frame.sort_values(key, ignore_index=True).astype(object)
    )
