"""Which simulated city stands in, and when none does."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bike_demand import demo_city, settings
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FEED_POLL
from bike_demand.storage.windows import Window

NOW = datetime(2026, 5, 1, 12, 34, tzinfo=UTC)
START = datetime(2026, 4, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def poll(warehouse):
    """Store that a system was once asked."""

    def store(system_id):
        row = {"system_id": system_id, "polled_at": NOW, "http_status": 200}
        frame = pd.DataFrame([row]).reindex(columns=list(FEED_POLL.columns))
        window = Window(NOW - HOUR, NOW + HOUR)
        replace(warehouse, FEED_POLL, [window], Rows(frame, {"system_id": [system_id]}))

    return store


def test_a_city_is_founded_at_midnight_four_weeks_ago_and_found_again(tmp_path):
    assert demo_city.founded(tmp_path, NOW).start == START
    assert demo_city.founded(tmp_path, NOW + timedelta(days=59 - 28)).start == START


@pytest.mark.parametrize("now", [NOW + timedelta(days=61), NOW - timedelta(days=40)])
def test_an_old_city_and_one_of_the_future_are_left_for_a_new_one_and_it_is_said(
    tmp_path, now, capsys
):
    demo_city.founded(tmp_path, NOW)
    assert demo_city.founded(tmp_path, now).start > now - timedelta(days=29)
    assert "city of 2026-04-03 is left, and a new one is founded" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "2026-0", "soon"])
def test_what_was_never_written_to_its_end_is_written_anew(tmp_path, content):
    folder = demo_city.folder(tmp_path)
    folder.mkdir()
    (folder / "founded").write_text(content)
    assert demo_city.founded(tmp_path, NOW).start == START


def stands_in(home, warehouse):
    with warehouse.connection() as connection:
        return demo_city.stands_in(settings.load(home), connection)


def test_a_city_stands_in_where_nobody_follows_a_system(tmp_path, warehouse, poll):
    poll(demo_city.SYSTEM_ID)
    assert stands_in(tmp_path, warehouse) is None


def test_a_city_does_not_stand_in_beside_data_of_another_system(tmp_path, warehouse, poll):
    poll("baywheels")
    reason = stands_in(tmp_path, warehouse)
    assert reason == "the database holds data of baywheels"


def test_a_city_does_not_stand_in_for_a_feed_that_is_set(tmp_path, warehouse, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_GBFS_URL", "https://city.example/gbfs.json")
    reason = stands_in(tmp_path, warehouse)
    assert reason == "gbfs_url is set (environment)"
