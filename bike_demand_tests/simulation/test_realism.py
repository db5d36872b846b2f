import pytest

from benchmarks import realism

WEEKS = 2


@pytest.fixture(scope="module")
def both(shared_data):
    file = shared_data / "baywheels" / "station_status_2023-03_2023-04.parquet"
    if not file.exists():
        pytest.skip(f"recorded data is not here: {file}")
    real = realism.figures(realism.bay_wheels(file, WEEKS))
    return real, realism.figures(realism.simulated(250, WEEKS))


@pytest.mark.parametrize("horizon", ["15 min", "1 h", "3 h", "6 h", "12 h", "24 h", "7 d"])
def test_persistence_is_worth_as_much_as_in_a_real_city(both, horizon):
    real, ours = (figures[f"persistence RMSE, {horizon}"] for figures in both)
    assert ours == pytest.approx(real, rel=0.25)


@pytest.mark.parametrize("name", ["empty, % of station-ticks", "full, %"])
def test_stations_are_empty_and_full_about_as_often(both, name):
    real, ours = (figures[name] for figures in both)
    assert 1 / 1.8 < ours / real < 1.8


def test_stations_rest_about_as_often(both):
    real, ours = (figures["no change in 15 min, %"] for figures in both)
    assert ours == pytest.approx(real, abs=4)
