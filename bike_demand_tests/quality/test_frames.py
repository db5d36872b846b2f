"""What assets check of the frames that they are about to store."""

import pandas as pd
import pytest

from bike_demand.quality.frames import replaced, unforeseen, unsound


def stations(first, count, system_id="a"):
    names = [f"s{number}" for number in range(first, first + count)]
    return pd.DataFrame({"system_id": system_id, "station_id": names})


@pytest.mark.parametrize(
    ("now", "is_replaced"),
    [
        (stations(0, 20), False),
        (stations(10, 20), False),  # half came, half left
        (stations(11, 20), True),
        (stations(100, 20), True),
        (stations(0, 40), False),  # it grew
        (stations(0, 10), False),  # it shrank
        (stations(100, 9), False),  # too few to tell
        (stations(0, 0), False),
    ],
)
def test_ids_are_replaced_where_fewer_than_half_stay(now, is_replaced):
    assert bool(replaced(stations(0, 20), now)) == is_replaced


def test_of_two_systems_the_one_that_replaced_its_ids_is_told():
    before = pd.concat([stations(0, 20), stations(0, 20, "b")])
    now = pd.concat([stations(0, 20), stations(100, 30, "b")])
    assert replaced(before, now) == {
        "b": "0 of 30 stations are among the 20 of the snapshot before: their ids were replaced"
    }


def test_a_system_that_was_not_there_before_replaced_nothing():
    assert replaced(stations(0, 0), stations(0, 20)) == {}


SOUND = {
    "p10": 0,
    "p50": 3,
    "p90": 8,
    "bikes": 3.4,
    "capacity": 8,
    "p_empty": 0.1,
    "p_full": 0.0,
}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"p10": 4}, "quantiles out of order"),
        ({"p90": 2}, "quantiles out of order"),
        ({"p90": 9}, "bikes outside of the capacity"),
        ({"bikes": 8.5}, "bikes outside of the capacity"),
        ({"bikes": -0.5}, "bikes outside of the capacity"),
        ({"bikes": float("nan")}, "bikes outside of the capacity"),
        ({"p_empty": 1.5}, "a probability that is none"),
        ({"p_empty": float("nan")}, "a probability that is none"),
        ({"p_full": -0.1}, "a probability that is none"),
    ],
)
def test_a_forecast_that_is_none_is_told_with_how_many_rows(change, what):
    frame = pd.DataFrame([SOUND, {**SOUND, **change}, SOUND])
    assert unsound(frame) == f"1 of 3 rows have {what}"


def test_a_forecast_that_is_sound_is_nothing_to_tell_of():
    assert unsound(pd.DataFrame([SOUND, {**SOUND, "p_full": float("nan")}])) is None


@pytest.mark.parametrize(("observed", "is_told"), [(11.0, False), (18.5, True), (288.0, True)])
def test_an_observation_is_held_against_what_is_foretold_for_the_next_hour(observed, is_told):
    at = pd.Timestamp("2026-03-01T12:00Z")
    weather = pd.DataFrame(
        {
            "system_id": "a",
            "kind": ["forecast", "observation", "forecast"],
            "valid_at": [at + pd.Timedelta("2h"), at, at + pd.Timedelta("1h")],
            "temperature": [30.0, observed, 10.0],
        }
    )
    told = unforeseen(weather)
    assert bool(told) == is_told
    if is_told:
        assert "10.0 °C is foretold for 13:00 UTC" in told["a"]
    assert unforeseen(weather[weather["kind"] == "observation"]) == {}
