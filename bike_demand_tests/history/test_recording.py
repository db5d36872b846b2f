"""Files read as if somebody had polled: the rule of the grid, and what is refused."""

import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bike_demand.history.errors import RecordingError
from bike_demand.history.recording import open_recording
from bike_demand.storage.windows import Window
from bike_demand_tests.history.recordings import NOON, NOW, snapshot, snapshots

MINUTE = timedelta(minutes=1)


@pytest.fixture
def recorded(tmp_path):
    """Write records to a file and open it."""

    def open_(*frames, suffix="parquet", **options):
        path = tmp_path / f"recorded.{suffix}"
        frame = pd.concat(frames, ignore_index=True)
        if suffix == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False)
        return open_recording(path, tmp_path / "cache", **{"now": NOW, **options})

    return open_


@pytest.fixture
def refused(recorded, tmp_path):
    """Open what cannot be opened, and give the message; nothing is left behind."""

    def message(*frames, **options):
        with pytest.raises(RecordingError) as refusal:
            recorded(*frames, **options)
        assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())
        return str(refusal.value)

    return message


@pytest.fixture
def csv(tmp_path):
    """Write lines of CSV and open them."""

    def open_(*lines, **options):
        path = tmp_path / "recorded.csv"
        path.write_text("\n".join(lines) + "\n")
        return open_recording(path, tmp_path / "cache", **{"now": NOW, **options})

    return open_


def bikes_by_tick(recording):
    status = recording.read(recording.span).status
    return {
        tick: dict(zip(of_tick["station_id"], of_tick["num_bikes_available"], strict=True))
        for tick, of_tick in status.groupby(status["observed_at"].dt.strftime("%H:%M"))
    }


# The grid


def test_a_tick_holds_the_first_snapshot_fetched_in_it(recorded):
    recording = recorded(
        snapshot(NOON - MINUTE, [1]),
        snapshot(NOON, [2]),
        snapshot(NOON + 14 * MINUTE, [3]),
        snapshot(NOON + 15 * MINUTE, [4]),
    )
    assert bikes_by_tick(recording) == {"11:45": {"s0": 1}, "12:00": {"s0": 2}, "12:15": {"s0": 4}}
    assert recording.span == Window(NOON - 15 * MINUTE, NOON + 30 * MINUTE)


def test_every_snapshot_is_a_poll_also_those_that_no_tick_holds(recorded):
    recording = recorded(snapshot(NOON, [1, 1]), snapshot(NOON + MINUTE, [2]))
    polls = recording.read(recording.span).polls
    assert polls["polled_at"].tolist() == [NOON, NOON + MINUTE]
    assert polls["records"].tolist() == [2, 1]
    assert polls["rejected"].tolist() == [0, 0]


def test_the_order_of_the_file_does_not_matter(recorded):
    frame = snapshots(NOON - timedelta(hours=30), minutes=7, count=300)
    sorted_ = recorded(frame)
    expected = sorted_.read(sorted_.span).status.reset_index(drop=True)
    shuffled = recorded(frame.sample(frac=1, random_state=1))
    assert shuffled.digest != sorted_.digest
    found = shuffled.read(shuffled.span).status
    key = ["observed_at", "station_id"]
    pd.testing.assert_frame_equal(found.sort_values(key, ignore_index=True), expected)


def test_days_together_hold_what_the_span_holds(recorded):
    recording = recorded(snapshots(NOON, minutes=11, count=400))
    days = recording.days()
    assert [day.start for day in days[1:]] == [
        datetime(2024, 5, number, tzinfo=UTC) for number in (7, 8, 9)
    ]
    assert (days[0].start, days[-1].end) == (recording.span.start, recording.span.end)
    pieces = pd.concat([recording.read(day).status for day in days], ignore_index=True)
    whole = recording.read(recording.span).status.reset_index(drop=True)
    pd.testing.assert_frame_equal(pieces, whole)


def test_a_gap_is_a_window_without_rows(recorded):
    recording = recorded(snapshot(NOON, [1]), snapshot(NOON + timedelta(days=2), [2]))
    empty = recording.read(recording.days()[1])
    assert len(empty.status) == len(empty.polls) == len(empty.rejected) == 0
    assert "fetched_at" in empty.status


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_parquet_and_csv_say_the_same(recorded, suffix):
    frame = snapshots(NOON, minutes=5, count=20).assign(
        last_reported=pd.Timestamp(NOON), num_ebikes_available=pd.array([1, None] * 50, "Int32")
    )
    parquet = recorded(frame)
    text = recorded(frame, suffix=suffix)
    for window in parquet.days():
        pd.testing.assert_frame_equal(parquet.read(window).status, text.read(window).status)


def test_a_column_that_is_not_there_is_null(recorded):
    recording = recorded(snapshot(NOON, [1]))
    [row] = recording.read(recording.span).status.to_dict("records")
    assert pd.isna(row["num_docks_available"])
    assert pd.isna(row["is_renting"])
    assert pd.isna(row["last_reported"])


def test_columns_of_others_are_not_looked_at(recorded):
    recording = recorded(snapshot(NOON, [1], weather="rain"))
    assert bikes_by_tick(recording) == {"12:00": {"s0": 1}}


def test_a_station_twice_in_a_snapshot_is_the_one_that_reported_last(recorded):
    reported = [NOON - MINUTE, NOON - 2 * MINUTE, NOON - MINUTE]
    frame = pd.concat(
        [snapshot(NOON, {"a": 1}), snapshot(NOON, {"a": 2}), snapshot(NOON, {"b": 3})]
    )
    recording = recorded(frame.assign(last_reported=pd.to_datetime(reported)))
    found = recording.read(recording.span)
    assert bikes_by_tick(recording) == {"12:00": {"a": 1, "b": 3}}
    [rejected] = found.rejected.to_dict("records")
    assert rejected["reason"] == "duplicate_station"
    assert rejected["ordinal"] == 1
    assert rejected["window_start"] == NOON
    assert '"num_bikes_available":2' in rejected["record"]
    assert found.polls[["records", "rejected"]].to_numpy().tolist() == [[3, 1]]


def test_a_station_twice_alike_is_one_row(recorded):
    recording = recorded(snapshot(NOON, {"a": 1}), snapshot(NOON, {"a": 1}))
    found = recording.read(recording.span)
    assert len(found.status) == 1
    assert len(found.rejected) == 0


@pytest.mark.parametrize("when", [0, 86_400, 1_714_996_800 + 301])
def test_a_report_before_2000_or_after_the_fetch_is_null(recorded, when):
    assert datetime.fromtimestamp(1_714_996_800, UTC) == NOON
    recording = recorded(snapshot(NOON, [1], last_reported=when))
    assert recording.read(recording.span).status["last_reported"].isna().all()


# Kinds of values


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-06T12:00:00Z",
        "2024-05-06 12:00:00+00:00",
        "2024-05-06T14:00:00+0200",
        "2024-05-06 12:00:00.000000 UTC",
        "1714996800",
        "1714996800000",
    ],
)
def test_a_time_in_text_that_names_a_moment_is_that_moment(csv, text):
    recording = csv("fetched_at,station_id,num_bikes_available", f"{text},007,3")
    assert recording.first == NOON
    assert bikes_by_tick(recording) == {"12:00": {"007": 3}}


def test_naive_times_are_of_the_zone_that_is_given(recorded):
    local = snapshot(datetime(2024, 5, 6, 8), [1])  # noqa: DTZ001
    assert recorded(local, timezone="America/New_York").first == NOON
    assert recorded(local, suffix="csv", timezone="America/New_York").first == NOON


def test_times_of_any_zone_are_stored_in_utc(recorded):
    zone = timezone(timedelta(hours=-7))
    recording = recorded(snapshot(NOON.astimezone(zone), [1]))
    assert recording.first == NOON
    assert str(recording.read(recording.span).status["fetched_at"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize("flag", [True, 1, 1.0, "true", "1"])
def test_flags_come_in_any_dress(recorded, flag):
    recording = recorded(snapshot(NOON, [1], is_renting=flag))
    assert recording.read(recording.span).status["is_renting"].tolist() == [True]


def test_whole_numbers_may_be_floats_with_gaps_and_ids_numbers(recorded):
    frame = snapshot(NOON, {17: 1.0, 18: 2.0}, num_docks_available=[3.0, np.nan])
    assert bikes_by_tick(recorded(frame)) == {"12:00": {"17": 1, "18": 2}}


# Change logs


def test_a_change_is_carried_to_each_tick_within_the_limit_and_not_beyond(recorded):
    log = recorded(
        snapshot(NOON + MINUTE, {"a": 1, "b": 5}),
        snapshot(NOON + 46 * MINUTE, {"a": 2}),
        snapshot(NOON + 100 * MINUTE, {"a": 3}),
        carry=timedelta(minutes=45),
    )
    assert bikes_by_tick(log) == {
        "12:15": {"a": 1, "b": 5},
        "12:30": {"a": 1, "b": 5},
        "12:45": {"a": 1, "b": 5},
        "13:00": {"a": 2},
        "13:15": {"a": 2},
        "13:30": {"a": 2},
    }


def test_what_changes_after_a_tick_is_not_known_at_it(recorded):
    log = recorded(snapshot(NOON, [1]), snapshot(NOON + 16 * MINUTE, [2]), carry=timedelta(hours=1))
    assert bikes_by_tick(log) == {"12:00": {"s0": 1}, "12:15": {"s0": 1}}


def test_a_change_log_reads_as_polls_at_the_ticks_and_the_report_keeps_its_age(recorded):
    log = recorded(
        snapshot(NOON + MINUTE, [1]), snapshot(NOON + 40 * MINUTE, [2]), carry=timedelta(hours=1)
    )
    found = log.read(log.span)
    assert (found.status["fetched_at"] == found.status["observed_at"]).all()
    assert found.status["last_reported"].tolist() == [NOON + MINUTE, NOON + MINUTE]
    assert found.polls["polled_at"].tolist() == [NOON + 15 * MINUTE, NOON + 30 * MINUTE]


def test_a_change_is_carried_over_midnight(recorded):
    evening = NOON + timedelta(hours=11)
    log = recorded(
        snapshot(evening, [1]),
        snapshot(evening + timedelta(hours=4), [2]),
        carry=timedelta(hours=6),
    )
    first, second = log.days()
    assert len(log.read(first).status) == 4
    assert log.read(second).status["num_bikes_available"].tolist() == [1] * 12 + [2]


def test_silence_beyond_the_limit_is_a_gap(recorded):
    log = recorded(
        snapshot(NOON, [1]), snapshot(NOON + timedelta(days=3), [2]), carry=timedelta(hours=1)
    )
    assert len(log.read(log.days()[1]).status) == 0
    assert len(log.read(log.days()[1]).polls) == 0


@pytest.mark.parametrize("carry", [timedelta(0), timedelta(days=8)])
def test_a_limit_that_says_nothing_is_refused(refused, carry):
    assert "up to 7 days" in refused(snapshot(NOON, [1]), carry=carry)


# What is refused


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("name", ["fetched_at", "station_id", "num_bikes_available"])
def test_a_required_column_that_is_missing_is_named(refused, name, suffix):
    message = refused(snapshot(NOON, [1]).drop(columns=name), suffix=suffix)
    assert f"has no column {name}" in message


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_naive_times_without_a_zone_are_refused_with_the_remedy(refused, suffix):
    naive = snapshot(datetime(2024, 5, 6), [1])  # noqa: DTZ001
    assert "--timezone America/New_York" in refused(naive, suffix=suffix)


def test_mixed_times_are_refused_also_with_a_zone(refused):
    mixed = [snapshot("2024-05-06 12:00:00", [1]), snapshot("2024-05-06 12:15:00Z", [1])]
    assert "has no zone, but others have one" in refused(*mixed, timezone="UTC")


def test_a_time_that_the_clock_shows_twice_is_refused(refused):
    twice = snapshot(datetime(2024, 11, 3, 1, 30), [1])  # noqa: DTZ001
    assert "shows twice or never" in refused(twice, timezone="America/New_York")


def test_an_unknown_zone_is_refused(refused):
    assert "'Mars/Olympus' is not an IANA time zone" in refused(
        snapshot(NOON, [1]), timezone="Mars/Olympus"
    )


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("count", "problem"),
    [
        (-1, "is negative"),
        (2.5, "is not a whole number"),
        (2**31, "is over 100000"),
        (2**62, "is over 100000"),
        (None, "is missing"),
    ],
)
def test_a_count_that_cannot_be_is_refused_with_its_row(refused, count, problem, suffix):
    message = refused(snapshot(NOON, [1]), snapshot(NOON, {"x": count}), suffix=suffix)
    assert problem in message
    assert "row 2: num_bikes_available" in message


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"num_docks_available": "few"}, "num_docks_available 'few' is not a number"),
        ({"num_docks_available": True}, "holds bool, not numbers"),
        ({"is_renting": "perhaps"}, "is_renting 'perhaps' is neither true nor false"),
        ({"last_reported": "yesterday"}, "last_reported is not a time everywhere"),
        ({"station_id": " "}, "station_id ' ' is blank"),
        ({"station_id": "x" * 256}, "is too long"),
        ({"station_id": 1.5}, "station_id holds double, not text"),
        ({"fetched_at": NOW + timedelta(hours=1)}, "lies in the future"),
        ({"fetched_at": 0}, "lies before 2000"),
        ({"fetched_at": None}, "fetched_at is missing"),
        ({"fetched_at": True}, "holds bool, not times"),
    ],
)
def test_other_values_that_cannot_be_are_refused(refused, columns, problem):
    options = {"timezone": "UTC"}
    assert problem in refused(snapshot(NOON, [1]).assign(**columns), **options)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_without_rows_is_refused(refused, suffix):
    assert "holds no rows" in refused(snapshot(NOON, [1]).iloc[:0], suffix=suffix)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"\x00\xff\xfe" * 99, b"{}"])
def test_a_file_that_is_neither_parquet_nor_csv_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"cannot be read|has no column"):
        open_recording(path, tmp_path / "cache")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read"):
        open_recording(tmp_path / "nothing.parquet", tmp_path / "cache")


# The folder of days


def test_a_file_is_cut_once_however_it_is_called(recorded, tmp_path, monkeypatch):
    recording = recorded(snapshot(NOON, [1]))
    moved = recording.path.rename(tmp_path / "moved")
    monkeypatch.setattr("bike_demand.history.recording._cut", None)
    assert open_recording(moved, tmp_path / "cache").folder == recording.folder


def test_what_a_killed_process_left_is_cleared_away(recorded, tmp_path):
    killed = tmp_path / "cache" / "abc-aware-1.4194305.partial"  # over Linux' greatest pid
    living = tmp_path / "cache" / f"abc-aware-1.{os.getppid()}.partial"
    killed.mkdir(parents=True)
    living.mkdir()
    recorded(snapshot(NOON, [1]))
    assert not killed.exists()
    assert living.exists()


def test_the_file_in_the_document_is_a_recording(csv):
    text = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
    [lines] = re.findall(r"^```csv\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    recording = csv(*lines.splitlines(), now=datetime(2027, 1, 1, tzinfo=UTC))
    assert bikes_by_tick(recording) == {"12:00": {"s1": 3, "s2": 0}, "12:15": {"s1": 4, "s2": 0}}
