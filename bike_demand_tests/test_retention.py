"""What goes of each table, and what is kept longer because it is needed."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bike_demand.forecasting.features import LOOKS_BACK
from bike_demand.forecasting.splits import TRAINING
from bike_demand.retention import LEARNT_FROM, cutoffs
from bike_demand.settings import Retention
from bike_demand.storage.declaration import declared_table
from bike_demand.storage.tables import METADATA

NOW = datetime(2026, 11, 21, 5, 40, tzinfo=UTC)
DAY = timedelta(days=1)


def test_every_table_that_is_kept_for_days_has_a_time():
    for table in Retention.model_fields:
        assert declared_table(table).time is not None
        assert declared_table(table).scope[0] == "system_id"


def test_every_table_with_a_time_is_kept_for_days_or_stays_as_the_page_says():
    stay = {"local_calendar", "champion_decision", "model_evaluation", "model_event"}
    timed = {name for name in METADATA.tables if declared_table(name).time is not None}
    assert timed == {*Retention.model_fields} | stay


def test_the_page_tells_of_each_table_how_long_it_is_kept():
    page = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`retention\..*?) \| (\d+) \|", page, re.MULTILINE)
    told = {name: int(days) for names, days in rows for name in re.findall(r"`\w*\.(\w+)`", names)}
    assert told == Retention().model_dump()


def test_rows_are_kept_for_as_long_as_the_settings_say():
    found = {cut.table: cut for cut in cutoffs(Retention(), NOW, NOW, NOW)}
    assert found["station_status"].before == datetime(2025, 10, 17, tzinfo=UTC)
    assert found["station_forecast"].before == datetime(2026, 11, 7, tzinfo=UTC)
    assert not any(cut.needed for cut in found.values())


def test_what_the_next_training_reads_is_kept_however_short_the_settings():
    kept = Retention(station_status=3, station_features=3, weather=3)
    for cut in cutoffs(kept, NOW, NOW, NOW):
        if cut.table in LEARNT_FROM:
            assert cut.needed
            assert cut.before <= NOW - TRAINING - LOOKS_BACK


ago = st.integers(0, 2_000).map(lambda days: NOW - days * DAY)


@given(
    days=st.integers(3, 500),
    trained_until=ago,
    made_from=ago,
    table=st.sampled_from([*LEARNT_FROM]),
)
def test_nothing_goes_that_a_champion_or_a_run_needs(days, trained_until, made_from, table):
    [cut] = [
        cut
        for cut in cutoffs(Retention(**{table: days}), NOW, trained_until, made_from)
        if cut.table == table
    ]
    assert cut.before <= trained_until - TRAINING - LOOKS_BACK
    assert cut.before <= made_from - TRAINING - LOOKS_BACK + DAY
    assert cut.before <= NOW - days * DAY


@given(made_from=ago)
def test_no_window_goes_that_a_run_is_at(made_from):
    assert all(cut.before <= made_from for cut in cutoffs(Retention(), NOW, NOW, made_from))
