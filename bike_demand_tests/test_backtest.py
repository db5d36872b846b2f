"""`backtest`: a file becomes figures."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from bike_demand.cli import main
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
STATIONS = 12


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A file of 23 days, and where its stations are."""
    folder = tmp_path_factory.mktemp("city")
    path = folder / "city.parquet"
    plan = Plan(BEGIN, stations=STATIONS)
    write_recording(plan, BEGIN + timedelta(days=23), path)
    return path


@pytest.fixture(scope="module")
def backtest(city):
    """Run the command on the file."""

    def run(*arguments):
        home = ["--home", str(city.parent / "home")]
        fixed = ["backtest", str(city), "--system-id", "city", "--timezone", "Europe/Lisbon"]
        return CliRunner(env={"BIKE_DEMAND_HOME": ""}).invoke(main, [*home, *fixed, *arguments])

    return run


@pytest.fixture(scope="module")
def short(backtest, city):
    """A short backtest's figures and picture."""

    def run(name):
        out, plot = city.parent / f"{name}.json", city.parent / f"{name}.png"
        result = backtest(
            *("--train-days", "14", "--test-days", "2", "--horizons", "3,1"),
            *("--breakdown", "hour", "--breakdown", "activity"),
            *("--json", str(out), "--plot", str(plot)),
        )
        assert result.exit_code == 0, result.output
        return json.loads(out.read_text()), plot.read_bytes(), result.output

    return run


@pytest.fixture(scope="module")
def done(short):
    return short("done")


def test_the_figures_say_what_was_done(done):
    figures, _, _ = done
    told = figures["definition"]
    assert told["train_start"] == "2026-03-09T00:00:00+00:00"
    assert told["test_end"] == "2026-03-25T00:00:00+00:00"
    assert (told["system_id"], told["timezone"]) == ("city", "Europe/Lisbon")


def test_every_forecast_has_its_scores_by_horizon(done):
    figures, _, _ = done
    assert list(figures["horizons"]) == ["1", "3"]
    scores = figures["horizons"]["1"]
    assert scores["n"] + scores["dropped"] == STATIONS * 47
    assert [*scores["simple"]] == ["persistence", "yesterday", "last_week", "average", "blend"]
    assert [*scores["algorithms"]] == ["lightgbm", "xgboost"]
    assert scores["model"] == scores["algorithms"][figures["definition"]["model"]]
    assert 0.6 < scores["model"]["pit_coverage_80"] < 0.95


def test_skill_is_of_the_model_over_the_lowest_simple_score(done):
    scores = done[0]["horizons"]["3"]
    lowest = min(simple["rmse"] for simple in scores["simple"].values())
    assert scores["skill_rmse"] == pytest.approx(1 - scores["model"]["rmse"] / lowest)


@pytest.mark.parametrize("event", ["empty", "full"])
def test_the_risk_of_an_hour_has_its_scores(done, event):
    figures, _, output = done
    scores = figures["risk"][event]
    assert STATIONS * 36 < scores["n"] <= STATIONS * 42  # two days of origins less six hours
    assert 0 <= scores["share"] < 0.2
    assert [*scores["algorithms"]] == ["lightgbm", "xgboost"]
    chosen = scores["algorithms"][figures["definition"]["model"]]
    assert scores["brier"] == chosen["brier"]
    assert f"{event} {scores['brier']:.4f} (persistence" in output


@pytest.mark.parametrize(("name", "groups"), [("hour", 24), ("activity", 3)])
def test_a_breakdown_divides_the_rows(done, name, groups):
    scores = done[0]["horizons"]["1"]
    parts = scores[f"by_{name}"]
    assert len(parts) == groups
    assert sum(part["n"] for part in parts.values()) == scores["n"]
    squares = sum(part["n"] * part["model"]["rmse"] ** 2 for part in parts.values())
    assert np.sqrt(squares / scores["n"]) == pytest.approx(scores["model"]["rmse"])


def test_the_same_file_has_the_same_figures(done, short):
    assert short("again")[0] == done[0]


def test_a_picture_is_drawn(done):
    assert done[1].startswith(b"\x89PNG")


def test_the_main_figures_are_printed(done):
    assert "best simple" in done[2]
    assert f"{done[0]['horizons']['1']['model']['rmse']:.3f}" in done[2]


def refused(backtest, tmp_path, *arguments, code=1):
    result = backtest("--json", str(tmp_path / "out.json"), *arguments)
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert not (tmp_path / "out.json").exists()
    return result.output


def test_a_file_too_short_says_how_much_there_is_and_is_needed(backtest, tmp_path):
    told = refused(backtest, tmp_path)
    assert "23.0 days" in told
    assert "28 days to learn from and 14" in told


def test_a_start_before_the_file_is_refused(backtest, tmp_path):
    arguments = ["--from", "2026-02-01", "--train-days", "14", "--test-days", "1"]
    assert "2026-02-01 to 2026-02-16" in refused(backtest, tmp_path, *arguments)


def test_a_start_without_rows_to_learn_from_says_so(backtest, tmp_path):
    arguments = ["--from", "2026-03-02", "--train-days", "14", "--test-days", "1"]
    assert "for the test" in refused(backtest, tmp_path, *arguments)


def test_a_file_that_is_not_there_is_told_in_a_line(tmp_path):
    arguments = ["backtest", str(tmp_path / "no.parquet"), "--system-id", "x", "--json", "out.json"]
    result = CliRunner().invoke(main, ["--home", str(tmp_path), *arguments])
    assert result.exit_code == 1
    assert "no.parquet" in result.output


def test_a_folder_that_is_not_there_is_told_before_the_work_begins(backtest, tmp_path):
    arguments = ["--json", str(tmp_path / "no" / "out.json")]
    assert "no such folder" in refused(backtest, tmp_path, *arguments)


@pytest.mark.parametrize("hours", ["0", "25", "1,x", ""])
def test_horizons_are_hours_up_to_a_day(backtest, tmp_path, hours):
    assert "1 to 24 hours" in refused(backtest, tmp_path, "--horizons", hours, code=2)


def test_neighbourhoods_need_places(backtest, tmp_path):
    told = refused(backtest, tmp_path, "--breakdown", "neighbourhood", code=2)
    assert "--station-information" in told
