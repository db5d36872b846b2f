"""What the rules find in real history; docs/data-quality.md says what became of it."""

import json
from datetime import UTC, datetime

import pytest

from bike_demand import import_history
from bike_demand.history.recording import open_recording
from bike_demand.quality import findings
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FEED_POLL, STATION_INFORMATION, STATION_STATUS
from bike_demand.storage.windows import Window
from bike_demand_tests.quality.conftest import DAY, WINDOW

START, END = datetime(2023, 4, 2, tzinfo=UTC), datetime(2023, 4, 13, tzinfo=UTC)
ONE = {"system_id": ["baywheels"]}


@pytest.fixture
def recorded(warehouse, shared_data, tmp_path):
    """Eleven days of San Francisco, as the importer stores them."""
    folder = shared_data / "baywheels"
    recording = open_recording(folder / "station_status_2023-03_2023-04.parquet", tmp_path)
    for number in range((END - START) // DAY):
        day = Window(START + number * DAY, START + (number + 1) * DAY)
        read = recording.read(day)
        status = read.status.assign(system_id="baywheels")[[*STATION_STATUS.columns]]
        polls = read.polls.assign(system_id="baywheels", last_updated=None, http_status=None)
        along = {FEED_POLL.name: Rows(polls[[*FEED_POLL.columns]], ONE)}
        replace(warehouse, STATION_STATUS, [day], Rows(status, ONE, along))
    facts = import_history._facts(folder / "station_information.json", "baywheels", recording)
    replace(warehouse, STATION_INFORMATION, None, Rows(facts, ONE))
    return warehouse


def test_real_history_breaks_few_rules_none_of_them_critical_and_a_real_fault_is_found(recorded):
    broken, stuck = set(), set()
    with recorded.connection() as connection:
        connection.execute("ANALYZE")
        for number in range((END - START) // WINDOW):
            window = Window(START + number * WINDOW, START + (number + 1) * WINDOW)
            for one in findings(connection, "baywheels", window, live=False):
                if one.count:
                    broken.add((one.rule, one.severity))
                if one.rule == "stations_stuck":
                    stuck |= {row["station_id"] for row in json.loads(one.sample)}
    assert broken == {
        ("capacity_contradicted", "warning"),
        ("stations_stuck", "warning"),
        ("status_without_station", "warning"),
        ("ticks_missing", "error"),
    }
    assert stuck == {"482f48f4-7ed6-4e69-a778-a2aba0f39c80"}
