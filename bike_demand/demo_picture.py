"""The picture that the demo ends with: the city on its map, and its empty and full stations."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

EMPTY, FULL, NEITHER = (
    "#d55e00",
    "#0072b2",
    "#c8ccd0",
)  # told apart by the colour-blind (Okabe, Ito)


def draw(stations: pd.DataFrame, shares: pd.DataFrame, timezone: str, path: Path) -> None:
    """Draw what is stored.

    Args:
        stations: The newest tick: `lat`, `lon`, `capacity`, `num_bikes_available`,
            `num_docks_available`, one row per station.
        shares: Index: ticks (UTC); columns `empty` and `full`, shares of stations [0-1].
        timezone: IANA name of the city's clock.
        path: The PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    zone = ZoneInfo(timezone)
    figure = Figure(figsize=(11, 4.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    city, week = figure.subplots(1, 2, width_ratios=[1, 1.5])

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
    city.set_title(f"{len(stations)} stations at {newest:%a %d %b %H:%M}, darker is fuller")
    city.set_aspect(1 / _cosine(stations["lat"]))
    city.set_axis_off()
    city.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False)

    for name, colour in (("empty", EMPTY), ("full", FULL)):
        week.plot(shares.index, shares[name], color=colour, linewidth=1.4)
        week.annotate(
            name,
            (shares.index[-1], shares[name].iloc[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )
    week.set_title(f"Share of stations empty and full, last 7 days, {timezone} time")
    week.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    week.set_ylim(bottom=0)
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    week.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    week.xaxis.set_major_formatter(formatter)
    week.grid(axis="y", color="#eeeeee")
    week.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _cosine(latitudes: "pd.Series[float]") -> float:
    """How much narrower a degree of longitude is than one of latitude, here."""
    from math import cos, radians

    return cos(radians(float(latitudes.mean())))
