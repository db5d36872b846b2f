"""What a table admits: every refusal names the column, and nothing is lost silently."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa

from bike_demand.storage.declaration import declare_table
from bike_demand.storage.errors import InvalidFrameError
from bike_demand.storage.frames import empty_frame, to_arrow, to_pandas
from bike_demand_tests.storage.examples import COUNTS, MIDNIGHT, counts

EVERYTHING = declare_table(
    "everything",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("small", sa.SmallInteger),
    sa.Column("integer", sa.Integer),
    sa.Column("big", sa.BigInteger),
    sa.Column("real", sa.REAL),
    sa.Column("double", sa.Double),
    sa.Column("flag", sa.Boolean),
    sa.Column("day", sa.Date),
    sa.Column("text", sa.Text),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("required", sa.Integer, nullable=False),
)


def everything(**columns):
    return pd.DataFrame(
        dict.fromkeys(EVERYTHING.columns) | {"id": ["a"], "required": [1]} | columns
    )


def stored_value(column, value):
    frame = to_pandas(EVERYTHING, to_arrow(EVERYTHING, everything(**{column: value})))
    return frame[column][0]


def test_a_missing_column_is_named():
    with pytest.raises(InvalidFrameError, match=r"lacks \['bikes'\]"):
        to_arrow(COUNTS, counts().drop(columns="bikes"))


def test_an_extra_column_is_named():
    with pytest.raises(InvalidFrameError, match=r"has \['mood'\]"):
        to_arrow(COUNTS, counts().assign(mood="fine"))


def test_a_column_that_stands_twice_is_named():
    frame = pd.concat([counts(), counts()[["bikes"]]], axis=1)
    with pytest.raises(InvalidFrameError, match=r"has \['bikes'\] twice"):
        to_arrow(COUNTS, frame)


def test_the_order_of_columns_and_the_index_do_not_matter():
    frame = counts()[sorted(COUNTS.columns)].set_index(pd.Index([7, 7]))
    assert to_arrow(COUNTS, frame).equals(to_arrow(COUNTS, counts()))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("small", 40_000),
        ("integer", 2**31),
        ("big", 2**63),
        ("integer", 1.5),
        ("integer", np.inf),
        ("integer", "7"),
        ("integer", True),
        ("integer", Decimal(7)),
        ("real", 0.1),
        ("real", 2**24 + 1),
        ("double", 2**53 + 1),
        ("double", "0.5"),
        ("flag", 1),
        ("flag", "true"),
        ("day", datetime(2024, 1, 1, tzinfo=UTC)),
        ("day", "2024-01-01"),
        ("text", 7),
        ("text", b"bytes"),
        ("at", "2024-01-01T00:00:00Z"),
        ("at", 1_700_000_000),
        ("at", date(2024, 1, 1)),
    ],
)
def test_a_value_of_another_type_or_one_that_would_change_is_refused(column, value):
    with pytest.raises(InvalidFrameError, match=f"column '{column}'"):
        to_arrow(EVERYTHING, everything(**{column: [value]}))


def test_values_of_different_types_in_one_column_are_refused():
    with pytest.raises(InvalidFrameError, match="column 'text'"):
        to_arrow(EVERYTHING, everything(id=["a", "b"], text=["x", 7], required=1))


@pytest.mark.parametrize(
    "times",
    [
        pd.Series([pd.Timestamp("2024-01-01")]),
        pd.Series([datetime(2024, 1, 1)], dtype=object),  # noqa: DTZ001  # the fault itself
        pd.Series([pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01")], dtype=object),
    ],
)
def test_times_without_a_zone_are_refused(times):
    frame = everything(id=[str(n) for n in range(len(times))], required=1).assign(at=times)
    with pytest.raises(InvalidFrameError, match="without a zone"):
        to_arrow(EVERYTHING, frame)


def test_nanoseconds_that_postgres_cannot_hold_are_refused():
    with pytest.raises(InvalidFrameError, match="column 'at'"):
        to_arrow(EVERYTHING, everything(at=[pd.Timestamp("2024-01-01 00:00:00.000000001Z")]))


@pytest.mark.parametrize("column", ["required", "id"])
def test_a_null_where_a_value_is_required_is_refused(column):
    frame = everything(id=["a", "b"], required=[1, 2])
    frame[column] = frame[column].astype(object)
    frame.loc[1, column] = None
    with pytest.raises(InvalidFrameError, match=f"'{column}': 1 of 2 values are null.* row 1"):
        to_arrow(EVERYTHING, frame)


def test_a_key_that_stands_twice_is_refused_with_the_key():
    with pytest.raises(InvalidFrameError, match=r"1 rows repeat a key.*'station_id': 'a'"):
        to_arrow(COUNTS, counts(stations=["a", "b", "a"]))


def test_a_nul_character_is_refused_with_its_row():
    with pytest.raises(InvalidFrameError, match="row 1 holds a NUL"):
        to_arrow(COUNTS, counts(stations=["a", "b\0"]))


def test_a_lone_surrogate_is_refused():
    with pytest.raises(InvalidFrameError, match=r"column 'station_id'.*surrogates"):
        to_arrow(COUNTS, counts(stations=["a", "\ud800"]))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("integer", 7.0, 7),
        ("big", np.uint8(7), 7),
        ("double", 3, 3.0),
        ("double", np.inf, np.inf),
        ("double", -np.inf, -np.inf),
        ("real", np.float32(0.1), np.float32(0.1)),
        ("real", 0.5, 0.5),
        ("text", "", ""),
        ("day", date(1999, 12, 31), date(1999, 12, 31)),
        ("at", pd.Timestamp("2024-03-10 03:00", tz="America/New_York"), MIDNIGHT.replace(hour=7)),
    ],
)
def test_a_value_that_fits_without_loss_is_kept(column, value, expected):
    assert stored_value(column, [value]) == expected


@pytest.mark.parametrize("column", ["integer", "double", "flag", "day", "text", "at", "real"])
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_every_kind_of_missing_value_is_a_null(column, missing):
    assert pd.isna(stored_value(column, pd.Series([missing], dtype=object)))


def test_nan_in_a_nullable_float_column_is_a_null_too():
    values = pd.arrays.ArrowExtensionArray(pa.array([float("nan")]))
    assert to_arrow(EVERYTHING, everything(double=values))["double"].null_count == 1


# Regression: an Arrow array of one type was made of values of two.


def test_a_time_among_dates_is_refused():
    mixed = pd.Series([date(2026, 1, 1), datetime(2026, 1, 1, 5, tzinfo=UTC)], dtype=object)
    with pytest.raises(InvalidFrameError, match="column 'day'"):
        to_arrow(EVERYTHING, everything(id=["a", "b"], required=1).assign(day=mixed))


def test_a_naive_time_among_categories_is_refused():
    times = [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-02")]
    mixed = pd.Series(pd.Categorical(pd.Series(times, dtype=object)))
    with pytest.raises(InvalidFrameError, match="column 'at'"):
        to_arrow(EVERYTHING, everything(id=["a", "b"], required=1).assign(at=mixed))


def test_a_time_before_postgres_begins_is_refused():
    early = pd.Series(np.array([-(2**62)], "datetime64[us]")).dt.tz_localize("UTC")
    with pytest.raises(InvalidFrameError, match="row 0 holds a time before 4714 BC"):
        to_arrow(EVERYTHING, everything(at=early))


def test_columns_without_any_value_fit_every_type():
    frame = pd.DataFrame({name: [] for name in EVERYTHING.columns})
    assert len(to_arrow(EVERYTHING, frame)) == 0
    sparse = pd.DataFrame({"id": ["a"], "required": [1]}).reindex(columns=EVERYTHING.columns)
    assert to_arrow(EVERYTHING, sparse)["text"].null_count == 1
    for missing in (np.nan, pd.NaT, np.datetime64("NaT")):
        blank = everything(**dict.fromkeys(("text", "at", "day", "flag"), missing))
        assert to_arrow(EVERYTHING, blank)["at"].null_count == 1


def test_columns_that_are_not_named_by_text_are_refused():
    table = declare_table("numbered", sa.Column("0", sa.Integer, primary_key=True))
    with pytest.raises(InvalidFrameError, match="lacks"):
        to_arrow(table, pd.DataFrame({0: [1]}))


@pytest.mark.parametrize("dtype", ["category", "string", "string[pyarrow]", "object"])
def test_text_of_any_pandas_dtype_is_text(dtype):
    assert stored_value("text", pd.Series(["x"], dtype=dtype)) == "x"


def test_each_column_has_its_dtype_with_and_without_rows():
    expected = {
        "id": "str",
        "small": "Int16",
        "integer": "Int32",
        "big": "Int64",
        "real": "float32",
        "double": "float64",
        "flag": "boolean",
        "day": "object",
        "text": "str",
        "at": "datetime64[us, UTC]",
        "required": "int32",
    }
    frame = to_pandas(EVERYTHING, to_arrow(EVERYTHING, everything()))
    for found in (frame, empty_frame(EVERYTHING)):
        assert {name: str(dtype) for name, dtype in found.dtypes.items()} == expected


def test_an_empty_frame_of_objects_fits_any_table():
    assert len(to_arrow(EVERYTHING, pd.DataFrame(columns=list(EVERYTHING.columns)))) == 0
