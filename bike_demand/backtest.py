"""`bike-demand backtest`: what forecasts of a recorded file would have been worth.

The file is read, and figures become JSON and a picture. What is forecast and scored, and how, is
in `forecasting`; docs/backtest.md has the definition.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bike_demand import settings
from bike_demand.download.errors import FeedError
from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import (
    FEATURE_VERSION,
    LOOKS_BACK,
    Surroundings,
    features,
)
from bike_demand.forecasting.grid import COLUMNS, Grid, to_grid
from bike_demand.forecasting.learners import LightGBM, XGBoost
from bike_demand.forecasting.model import (
    PAIRS_PER_GROUP,
    PARTS,
    Model,
    put_together,
    train,
)
from bike_demand.forecasting.risk import AHEAD, LASTING
from bike_demand.forecasting.scores import CENTRE, LEVELS
from bike_demand.forecasting.simple import SIMPLE
from bike_demand.forecasting.splits import Split, TooLittleHistoryError, first_start, hourly_origins
from bike_demand.forecasting.yardstick import NothingToScoreError, Yardstick
from bike_demand.gbfs.document import read_document
from bike_demand.gbfs.parse import station_information
from bike_demand.history.errors import RecordingError
from bike_demand.history.recording import Recording, open_recording
from bike_demand.resources.recorded_feed import CACHE

LEARNERS: Final = (LightGBM(), XGBoost())

# Told apart by the colour-blind (Okabe, Ito), and by their marks.
STYLES: Final = {
    "model": ("#d55e00", "o", "-"),
    "persistence": ("#0072b2", "s", "--"),
    "yesterday": ("#cc79a7", "^", ":"),
    "last_week": ("#999999", "v", ":"),
    "average": ("#e69f00", "D", ":"),
    "blend": ("#009e73", "X", "--"),
}


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        system_id: Whose recording it is.
        timezone: IANA name of the clock that its riders live by, and of times in the file that
            state no zone; if not given, the clock is UTC and such times are refused.
        start: S, UTC; if not given, the first midnight with a full week of data before it.
        train: Time to learn from.
        test: Time to score.
        horizons: In hours.
        breakdowns: Of `forecasting.yardstick.BREAKDOWNS`.
    """

    system_id: str
    timezone: str | None
    start: datetime | None
    train: timedelta
    test: timedelta
    horizons: tuple[int, ...]
    breakdowns: tuple[str, ...]


def run(
    path: Path,
    plan: Plan,
    information: Path | None,
    out: Path,
    plot: Path | None,
) -> None:
    """Backtest a file, write the figures and print the main ones.

    Args:
        path: A recording, as `import-history` takes it.
        plan: What to do.
        information: The system's GBFS `station_information` document.
        out: The JSON to write.
        plot: The PNG to write.

    Raises:
        RecordingError: The file or the document cannot be used, or is too short.
    """
    console = Console(highlight=False, soft_wrap=True)
    started = time.perf_counter()
    for written in (out, plot):
        if written is not None and not written.absolute().parent.is_dir():
            raise RecordingError(f"{written} cannot be written: there is no such folder.")
    recording = open_recording(path, settings.resolve_home() / CACHE, timezone=plan.timezone)
    split = make_split(recording, plan)
    with _progress(console) as progress:
        task = progress.add_task("Reading", total=None)
        grid = read_grid(recording, split)
        stations = stations_of(information, recording, grid)
        progress.update(task, description="Features")
        surroundings = Surroundings(stations, None, plan.timezone or "UTC", None)
        known = features(grid, hourly_origins(grid, split.start, split.end), surroundings)
        joined = Joined(grid, known, surroundings)
        del known
        progress.update(task, total=PARTS + len(plan.horizons) + 1)
        with _explained(path):
            yardstick = Yardstick(joined, grid, split, surroundings)
            for horizon in plan.horizons:
                yardstick.rows(timedelta(hours=horizon))  # learning for nothing would take minutes
            parts = []
            progress.update(task, description="Learning")
            for part in train(
                joined, grid, split.start, split.train_end, LEARNERS, PAIRS_PER_GROUP
            ):
                parts.append(part)
                progress.advance(task)
            models = {
                learner.name: put_together(parts, learner.name, split.train_end, FEATURE_VERSION)
                for learner in LEARNERS
            }
            chosen = min(models, key=lambda name: models[name].error)
            horizons = {}
            for horizon in plan.horizons:
                progress.update(task, description=f"{horizon} h ahead")
                horizons[str(horizon)] = yardstick.score(
                    timedelta(hours=horizon), models, chosen, plan.breakdowns
                )
                progress.advance(task)
            progress.update(task, description="Risk")
            risk = yardstick.score_risk(models, chosen)
            progress.advance(task)
    figures = {
        "definition": definition(recording, split, plan, models[chosen]),
        "horizons": horizons,
        "risk": risk,
    }
    out.write_text(json.dumps(_without_nan(figures), indent=2, allow_nan=False) + "\n")
    if plot is not None:
        draw(horizons, f"{plan.system_id}, {split.train_end:%Y-%m-%d} to {split.end:%m-%d}", plot)
    _print(console, horizons, risk)
    console.print(f"In {time.perf_counter() - started:.0f} s; all figures are in {out}.")


def make_split(recording: Recording, plan: Plan) -> Split:
    """When to learn and when to score.

    Raises:
        RecordingError: The recording does not cover it.
    """
    span = recording.span
    split = Split(plan.start or first_start(span.start), plan.train, plan.test)
    if span.start <= split.start and split.end <= span.end:
        return split
    days = f"{plan.train.days} days to learn from and {plan.test.days} to be scored on"
    if plan.start is None:
        days = f"a week, then from a midnight on {days}"
    raise RecordingError(
        f"{recording.path} is too short: it covers {span.start:%Y-%m-%d %H:%M} to "
        f"{span.end:%Y-%m-%d %H:%M} UTC, {(span.end - span.start) / timedelta(days=1):.1f} days, "
        f"and {days} are needed: {split.start:%Y-%m-%d} to {split.end:%Y-%m-%d}. "
        "See --from, --train-days and --test-days."
    )


def read_grid(recording: Recording, split: Split) -> Grid:
    """The status of the split, and of what features look back on before it."""
    start = split.start - LOOKS_BACK
    days = [day for day in recording.days() if start < day.end and day.start < split.end]
    status = pd.concat([recording.read(day).status[list(COLUMNS)] for day in days])
    return to_grid(status, start, split.end)


def definition(recording: Recording, split: Split, plan: Plan, model: Model) -> dict[str, Any]:
    """What was done, for whoever reads the figures or does it again."""
    return {
        "system_id": plan.system_id,
        "recording": recording.path.name,
        "timezone": plan.timezone or "UTC",
        "tick_minutes": 15,
        "train_start": split.start.isoformat(),
        "train_end": split.train_end.isoformat(),
        "test_end": split.end.isoformat(),
        "model": model.algorithm,
        "pairs": model.pairs,
        "feature_version": model.feature_version,
        "crps_levels": LEVELS.tolist(),
        "coverage": [*CENTRE],
        "risk_hours": AHEAD // timedelta(hours=1),
        "risk_minutes": LASTING // timedelta(minutes=1),
    }


def draw(horizons: Mapping[str, Mapping[str, Any]], title: str, path: Path) -> None:
    """Draw the error of each forecast, and the model's skill, by horizon.

    Args:
        horizons: Scores by horizon in hours.
        title: What was forecast.
        path: The PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    hours = [int(horizon) for horizon in horizons]
    places = range(len(hours))
    figure = Figure(figsize=(11, 4.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    error, skill = figure.subplots(1, 2, width_ratios=[1.35, 1])
    for name in (*SIMPLE, "model"):
        colour, mark, line = STYLES[name]
        rmse = [
            (scores["model"] if name == "model" else scores["simple"][name])["rmse"]
            for scores in horizons.values()
        ]
        width = 2.4 if name == "model" else 1.5
        label = name.replace("_", " ")
        error.plot(places, rmse, color=colour, marker=mark, ls=line, lw=width, label=label)
    error.set_title("RMSE [bikes], lower is better")
    error.set_ylim(bottom=0)
    error.legend(loc="lower right", ncols=2, frameon=False)

    lines = {
        "rmse": ("RMSE", "#d55e00", "o"),
        "mae": ("MAE", "#0072b2", "s"),
        "crps": ("CRPS", "#009e73", "^"),
        "brier_empty": ("Brier of empty", "#cc79a7", "D"),
        "brier_full": ("Brier of full", "#e69f00", "X"),
    }
    for name, (label, colour, mark) in lines.items():
        values = [scores[f"skill_{name}"] for scores in horizons.values()]
        skill.plot(places, values, color=colour, marker=mark, lw=1.5, label=label)
    skill.axhline(0, color="#444444", lw=1)
    skill.set_title("Skill of the model over the best simple forecast")
    skill.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    skill.legend(loc="upper left", ncols=2, frameon=False)
    skill.margins(y=0.3)
    for axes in (error, skill):
        axes.set_xticks(places, [f"{hour} h" for hour in hours])
        axes.set_xlabel("ahead")
        axes.grid(axis="y", color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def stations_of(information: Path | None, recording: Recording, grid: Grid) -> pd.DataFrame:
    """Places and capacities, as far as they are known."""
    if information is None:
        stations = pd.DataFrame({"station_id": grid.station_ids})
        return stations.assign(lat=math.nan, lon=math.nan, capacity=math.nan)
    try:
        raw = information.read_bytes()
        document = read_document(raw, url=str(information), fetched_at=recording.last)
        rows = station_information(document).rows
    except OSError as error:
        raise RecordingError(f"{information} cannot be read: {error.strerror}") from None
    except FeedError as error:
        raise RecordingError(f"{information} is no station_information: {error}") from error
    return rows[["station_id", "lat", "lon", "capacity"]]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (TooLittleHistoryError, NothingToScoreError) as error:
        raise RecordingError(f"{path} does not suffice. {error}") from error


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, Mapping):
        return {name: _without_nan(each) for name, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
        console=console,
    )


def _print(
    console: Console,
    horizons: Mapping[str, Mapping[str, Any]],
    risk: Mapping[str, Mapping[str, Any]],
) -> None:
    names: Sequence[str] = ("ahead", "rows", "RMSE", "best simple", "skill", "CRPS skill")
    table = Table(*names, box=None)
    for horizon, scores in horizons.items():
        best = min(scores["simple"], key=lambda name: scores["simple"][name]["rmse"])
        table.add_row(
            f"{horizon} h",
            f"{scores['n']:,}",
            f"{scores['model']['rmse']:.3f}",
            f"{scores['simple'][best]['rmse']:.3f} ({best})",
            f"{scores['skill_rmse']:+.1%}",
            f"{scores['skill_crps']:+.1%}",
        )
    console.print(table)
    told = (
        f"{event} {scores['brier']:.4f} (persistence {scores['persistence_brier']:.4f}, "
        f"skill {scores['skill_brier']:+.1%})"
        for event, scores in risk.items()
        if scores["n"]
    )
    console.print(f"For an hour within {AHEAD // timedelta(hours=1)} h, Brier: {', '.join(told)}")
