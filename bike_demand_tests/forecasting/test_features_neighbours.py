"""Which stations are the nearest."""

import numpy as np
import pandas as pd

from bike_demand.forecasting.surrounding_features import CANDIDATES, nearest_stations


def nearest(places, station_ids=None):
    """Of stations by id, in the order of a grid that has them all or those named."""
    stations = pd.DataFrame(
        [{"station_id": one, "lat": lat, "lon": lon} for one, (lat, lon) in places.items()]
    )
    ids = np.array(sorted(places) if station_ids is None else station_ids, dtype=object)
    return nearest_stations(stations, ids).tolist()


def padded(columns, none):
    return columns + [none] * (CANDIDATES - len(columns))


def test_a_degree_of_longitude_is_shorter_than_one_of_latitude():
    found = nearest({"a": (60, 10), "b": (60.7, 10), "c": (60, 11)})
    assert found[0] == padded([2, 1], 3)


def test_the_date_line_divides_no_neighbours():
    assert nearest({"a": (0, 179.9), "b": (0, -179.9), "c": (0, 179)})[0] == padded([1, 2], 3)


def test_those_equally_far_away_come_by_id():
    found = nearest({f"s{number:02}": (40, -74) for number in reversed(range(15))})
    assert found[7] == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]


def test_a_station_without_a_place_has_and_is_no_neighbour():
    found = nearest({"a": (0, 0), "b": (np.nan, 0), "c": (0, 1)})
    assert found == [padded([2], 3), padded([], 3), padded([0], 3)]


def test_a_station_that_the_grid_does_not_have_keeps_its_rank_and_is_never_known():
    found = nearest({"a": (0, 0), "b": (0, 1), "c": (0, 2)}, station_ids=["a", "c"])
    assert found[0] == padded([2, 1], 2)


def test_a_station_that_nobody_has_described_has_no_neighbours():
    assert nearest({"a": (0, 0), "b": (0, 1)}, station_ids=["a", "z"])[1] == padded([], 2)
    assert nearest({"a": (0, 0)}) == [padded([], 1)]
