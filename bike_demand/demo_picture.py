"""The picture that the demo ends with: the city, what is to come, and how far to trust that."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EMPTY, FULL, NEITHER = (
    "#d55e00",
    "#0072b2",
    "#c8ccd0",
)  # told apart by the colour-blind (Okabe, Ito)


def draw(
    stations: pd.DataFrame,
    shares: pd.DataFrame,
    expected: pd.DataFrame,
    errors: pd.DataFrame,
    timezone: str,
    path: Path,
) -> None:
    """Draw what is stored.

    Args:
        stations: The newest tick: `lat`, `lon`, `capacity`, `num_bikes_available`,
            `num_docks_available`, one row per station.
        shares: Index: ticks (UTC); columns `empty` and `full`, shares of stations [0-1].
        expected: The same, as forecast for the next hours.
        errors: Index: hours ahead; columns `model` and `simple`, RMSE of the champion and of the
            best simple forecast [bikes]. Without rows where there is no champion.
        timezone: IANA name of the city's clock.
        path: The PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    zone = ZoneInfo(timezone)
    figure = Figure(figsize=(13, 4.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    city, week, trust = figure.subplots(1, 3, width_ratios=[1, 1.4, 0.8])

    empty = stations["num_bikes_available"] == 0
    full = stations["num_docks_available"] == 0
    rest = stations[~empty & ~full]
    fill = rest["num_bikes_available"] / (rest["num_bikes_available"] + rest["num_docks_available"])
    points = city.scatter(
        rest["lon"], rest["lat"], c=fill, cmap="Greys", vmin=-0.3, vmax=1.2, s=rest["capacity"]
    )
    points.set_edgecolor("#888888")
    points.set_linewidth(0.4)
    for chosen, colour, name in ((empty, EMPTY, "empty"), (full, FULL, "full")):
        some = stations[chosen]
        label = f"{name} ({len(some)})"
        city.scatter(some["lon"], some["lat"], color=colour, s=some["capacity"] * 1.6, label=label)
    newest: datetime = shares.index[-1].astimezone(zone)
    city.set_title(f"{len(stations)} stations, {newest:%a %d %b %H:%M}\ndarker is fuller")
    city.set_aspect(1 / _cosine(stations["lat"]))
    city.set_axis_off()
    city.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False)

    for name, colour in (("empty", EMPTY), ("full", FULL)):
        week.plot(shares.index, shares[name], color=colour, linewidth=1.4)
        week.plot(expected.index, expected[name], color=colour, linewidth=1.4, ls=":")
        week.annotate(
            name,
            (expected.index[-1], expected[name].iloc[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )
    week.axvline(shares.index[-1], color="#444444", linewidth=0.8)
    week.set_title("Stations empty and full; dotted: expected")
    week.set_xlabel(f"{timezone} time")
    week.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    week.set_ylim(bottom=0)
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    week.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    week.xaxis.set_major_formatter(formatter)
    week.grid(axis="y", color="#eeeeee")
    week.spines[["top", "right"]].set_visible(False)

    _trust(trust, errors)
    figure.savefig(path)


def _trust(axes: "Axes", errors: pd.DataFrame) -> None:
    hours = range(len(errors))
    axes.plot(hours, errors["simple"], color="#777777", marker="s", ls="--", label="best simple")
    axes.plot(hours, errors["model"], color="#009e73", marker="o", label="champion")
    axes.set_title("RMSE on days not learnt [bikes]")
    axes.set_xticks(hours, [f"{hour} h" for hour in errors.index])
    axes.set_xlabel("ahead")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#eeeeee")
    axes.spines[["top", "right"]].set_visible(False)
    if len(errors):
        axes.legend(loc="lower right", frameon=False)
    else:
        axes.text(0.5, 0.5, "no champion", ha="center", transform=axes.transAxes)


def _cosine(latitudes: "pd.Series[float]") -> float:
    """How much narrower a degree of longitude is than one of latitude, here."""
    from math import cos, radians

    return cos(radians(float(latitudes.mean())))
