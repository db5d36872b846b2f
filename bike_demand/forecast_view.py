"""`bike-demand forecast`: what is stored of the next hours, for people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

from bike_demand import settings
from bike_demand.forecasting.risk import AHEAD, EVENTS
from bike_demand.forecasting.splits import HOUR
from bike_demand.storage.warehouse import open_warehouse

MOST: Final = 10
"""Stations that are shown of those likely to run empty, and full."""

LEAST: Final = 0.01
"""Probability that is shown."""

BLOCKS: Final = "·▁▂▃▄▅▆▇█"
WIDTH: Final = 20
"""Of the bar of a station's hour."""

_ORIGIN = """
SELECT system_id, max(origin_at) AS origin_at FROM station_forecast
WHERE (%(system)s::text IS NULL OR system_id = %(system)s)
  AND (%(at)s::timestamptz IS NULL OR origin_at <= %(at)s)
GROUP BY system_id ORDER BY system_id
"""
_ROWS = """
SELECT station_id, coalesce(name, station_id) AS name, short_name, role, model_version, late,
       horizon, target_at, station_forecast.capacity, bikes, p10, p50, p90, p_empty, p_full
FROM station_forecast LEFT JOIN station_information USING (system_id, station_id)
WHERE system_id = %(system)s AND origin_at = %(origin)s AND horizon <= %(hours)s
  AND role IN ('champion', 'simple') AND (in_service OR %(station)s::text IS NOT NULL)
ORDER BY station_id, horizon
"""
_RISKS = """
SELECT station_id, p_empty_hour, p_full_hour, empty_shared, full_shared
FROM station_risk
WHERE system_id = %(system)s AND origin_at = %(origin)s AND role IN ('champion', 'simple')
"""


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        system_id: Of which system; of each if None.
        station: A station's id, or a part of its name; those most at risk if None.
        hours: How many, 1 to 24.
        at: The forecast made last before this time, UTC; the newest if None.
    """

    system_id: str | None
    station: str | None
    hours: int
    at: datetime | None


def show(question: Question) -> None:
    """Print the answer.

    Raises:
        click.ClickException: There is no such forecast, or no such station.
    """
    configured = settings.load()
    warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
    zones = {system.system_id: system.timezone or "UTC" for system in configured.systems}
    asked = {"system": question.system_id, "at": question.at}
    origins = warehouse.frame(_ORIGIN, asked)
    if origins.empty:
        of = f" of {question.system_id}" if question.system_id else ""
        before = f" before {question.at:%Y-%m-%d %H:%M} UTC" if question.at else ""
        raise click.ClickException(
            f"There is no forecast{of}{before}: materialise station_forecast, as `dev` shows it."
        )
    console = Console(highlight=False, soft_wrap=True)
    answers = {
        str(system_id): warehouse.frame(
            _ROWS,
            {
                "system": system_id,
                "origin": origin,
                "hours": question.hours,
                "station": question.station,
            },
        ).assign(system_id=system_id, origin_at=origin)
        for system_id, origin in zip(origins["system_id"], origins["origin_at"], strict=True)
    }
    if question.station is not None:
        rows = _found(pd.concat(answers.values()), question.station)
        zone = ZoneInfo(zones.get(rows["system_id"].iloc[0], "UTC"))
        _say_whose(console, rows, zone)
        console.print(_of_station(rows, zone))
        return
    for system_id, rows in answers.items():
        if rows.empty:
            console.print(f"{system_id}: no station was in service when it was last forecast.")
            continue
        zone = ZoneInfo(zones.get(system_id, "UTC"))
        _say_whose(console, rows, zone)
        asked = {"system": system_id, "origin": rows["origin_at"].iloc[0]}
        risks = warehouse.frame(_RISKS, asked)
        for event in EVENTS:
            console.print(_of_risks(rows, risks, event, zone))


def _say_whose(console: Console, rows: pd.DataFrame, zone: ZoneInfo) -> None:
    """Of which system, from when on, and by whom."""
    first = rows.iloc[0]
    by = (
        f"champion, version {first['model_version']}"
        if first["role"] == "champion"
        else "the simple forecast: there is no champion that may be asked"
    )
    late = ", issued late" if first["late"] else ""
    origin = first["origin_at"].astimezone(zone)
    console.print(f"{first['system_id']}, from {origin:%a %Y-%m-%d %H:%M %Z}, by {by}{late}")


def _of_risks(rows: pd.DataFrame, risks: pd.DataFrame, event: str, zone: ZoneInfo) -> Table:
    """The stations most likely to be without for an hour."""
    most = risks[risks["station_id"].isin(rows["station_id"])]
    most = most[most[f"p_{event}_hour"] >= LEAST].nlargest(MOST, f"p_{event}_hour")
    title = f"Stations that may be {event} for an hour within {AHEAD // HOUR} h"
    if most.empty:
        title += f": none with {LEAST:.0%} or more"
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    start, hours = rows["target_at"].min().astimezone(zone), rows["horizon"].max()
    table.add_column("station", no_wrap=True, max_width=26)
    table.add_column("risk", justify="right", no_wrap=True)
    table.add_column("near", justify="right", no_wrap=True)
    table.add_column(f"{start:%H:%M} + {hours - 1} h", no_wrap=True, min_width=int(hours))
    table.add_column("bikes", justify="right", no_wrap=True)
    table.add_column("room", justify="right", no_wrap=True)
    table.add_column(f"most {event} at", justify="right", no_wrap=True)
    for risk in most.to_dict("records"):
        own = rows[rows["station_id"] == risk["station_id"]]
        worst = own.loc[own[f"p_{event}"].idxmax()]
        table.add_row(
            own["name"].iloc[0],
            f"{risk[f'p_{event}_hour']:.0%}",
            {True: "too", False: "not"}.get(risk[f"{event}_shared"], "-"),
            _spark(own["bikes"] / own["capacity"].clip(lower=1)),
            f"{own['bikes'].iloc[-1]:.0f}",
            f"{own['capacity'].iloc[-1]}",
            f"{worst['target_at'].astimezone(zone):%H:%M} ({worst[f'p_{event}']:.0%})",
        )
    return table


def _of_station(rows: pd.DataFrame, zone: ZoneInfo) -> Table:
    first = rows.iloc[0]
    table = Table(
        title=f"{first['name']}, room for {first['capacity']}", title_justify="left", box=None
    )
    for name in ("time", "bikes", "10-90 %", "", "empty", "full"):
        table.add_column(name, justify="left" if name in {"", "time"} else "right")
    for row in rows.to_dict("records"):
        table.add_row(
            f"{row['target_at'].astimezone(zone):%a %H:%M}",
            f"{row['bikes']:.1f}",
            f"{row['p10']}-{row['p90']}",
            _bar(row["bikes"] / max(row["capacity"], 1)),
            f"{row['p_empty']:.0%}",
            "-" if pd.isna(row["p_full"]) else f"{row['p_full']:.0%}",
        )
    return table


def _found(rows: pd.DataFrame, station: str) -> pd.DataFrame:
    """The rows of the one station that is meant."""
    exact = rows[(rows["station_id"] == station) | (rows["short_name"] == station)]
    by_name = rows[rows["name"].str.casefold().str.contains(station.casefold(), regex=False)]
    same = rows[rows["name"].str.casefold() == station.casefold()]
    for found in (exact, same, by_name):
        names = found.drop_duplicates(["system_id", "station_id"])
        if len(names) == 1:
            return found
        if len(names) > 1:
            told = ", ".join(
                f"{name} ({own} of {of})"
                for name, own, of in zip(
                    names["name"], names["station_id"], names["system_id"], strict=True
                )
            )
            raise click.ClickException(f"{station!r} is {len(names)} stations: {told}"[:1000])
    raise click.ClickException(f"There is no forecast of a station {station!r}.")


def _spark(shares: "pd.Series[float]") -> str:
    """A block for each hour, as high as the station is full."""
    last = len(BLOCKS) - 1
    return "".join(BLOCKS[min(last, max(0, round(share * last)))] for share in shares)


def _bar(share: float) -> str:
    return ("█" * round(min(max(share, 0), 1) * WIDTH)).ljust(WIDTH, "·")
