"""What one snapshot of a system amounts to, in figures and in a picture."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bike_demand.forecasting.inline_image import inline_svg

BINS = 10


@dataclass(frozen=True)
class SnapshotSummary:
    """A snapshot in figures.

    Attributes:
        bikes: Bikes that can be rented.
        share_empty: Share of renting stations without a bike, 0-1; NaN if none rents.
        share_full: Share of returning stations that tell their docks and have none free, 0-1.
        report_age_s: Median age of the stations' reports when fetched, in seconds; NaN if
            none says.
        fill: How many stations are filled to each tenth, shape (10,).
    """

    bikes: int
    share_empty: float
    share_full: float
    report_age_s: float
    fill: tuple[int, ...]


def summarize(status: pd.DataFrame) -> SnapshotSummary:
    """Sum up a snapshot.

    Args:
        status: Rows with the columns of `station_status`.
    """
    bikes = status["num_bikes_available"]
    docks = status["num_docks_available"].astype("Float64")
    renting = status["is_renting"].fillna(value=True).astype(bool)
    returning = status["is_returning"].fillna(value=True).astype(bool) & docks.notna()
    age = (status["fetched_at"] - status["last_reported"]).dt.total_seconds().dropna()
    room = (bikes + docks).astype("float64")
    fill = (bikes / room.where(room > 0)).dropna()
    return SnapshotSummary(
        bikes=int(bikes.sum()),
        share_empty=float((bikes[renting] == 0).mean()),
        share_full=float((docks[returning] == 0).astype(bool).mean()),
        report_age_s=float(age.median()) if len(age) else math.nan,
        fill=tuple(int(count) for count in np.histogram(fill, bins=BINS, range=(0, 1))[0]),
    )


def fill_chart(summary: SnapshotSummary) -> str:
    """A bar chart of how full the stations are, as Markdown with an SVG image inside (2 kB)."""
    width, base, tallest_bar = 34, 96, 78
    tallest = max(*summary.fill, 1)
    bars = []
    for number, count in enumerate(summary.fill):
        left, height = number * width + 4, tallest_bar * count / tallest
        middle = left + (width - 4) / 2
        bars.append(
            f'<rect x="{left}" y="{base - height:.1f}" width="{width - 4}" height="{height:.1f}" '
            'fill="#4f7cac"/>'
            f'<text x="{middle}" y="{base - height - 4:.1f}">{count}</text>'
            f'<text x="{middle}" y="{base + 13}">{number * 10}%</text>'
        )
    drawing = inline_svg("fill", BINS * width + 4, base + 18, "".join(bars))
    return (
        f"Stations by the share of their places that hold a bike: 0-10 %, 10-20 %, ...\n\n{drawing}"
    )
