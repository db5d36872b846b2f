"""What assets check of the frames that they are about to store. Pure functions."""

from typing import Final

import pandas as pd

LEAST: Final = 10
"""Stations that a system needs to have for its ids to be compared."""

STRAYS: Final = 8
"""How far an observation may be from what its own source foretells for the hour [°C]."""


def replaced(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, str]:
    """The systems of whose stations fewer than half are still called as they were, and how many.

    Args:
        before: `system_id` and `station_id` of the snapshot before.
        now: Likewise, of this one.
    """
    found = {}
    for system_id, old in before.groupby("system_id")["station_id"]:
        new = now.loc[now["system_id"] == system_id, "station_id"]
        stayed, most = int(new.isin(old).sum()), min(len(old), len(new))
        if most >= LEAST and 2 * stayed < most:
            found[str(system_id)] = (
                f"{stayed} of {len(new)} stations are among the {len(old)} of the snapshot before: "
                "their ids were replaced"
            )
    return found


def unsound(forecast: pd.DataFrame) -> str | None:
    """Why a forecast is none, if it is.

    Args:
        forecast: Columns of `station_forecast`.
    """
    quantiles, room = forecast[["p10", "p50", "p90"]], forecast["capacity"]
    full = forecast["p_full"]
    possible = {
        "quantiles out of order": (quantiles["p10"] <= quantiles["p50"])
        & (quantiles["p50"] <= quantiles["p90"]),
        "bikes outside of the capacity": (quantiles["p10"] >= 0)
        & (quantiles["p90"] <= room)
        & (forecast["bikes"] >= 0)
        & (forecast["bikes"] <= room + 0.01),
        "a probability that is none": forecast["p_empty"].between(0, 1)
        & (full.between(0, 1) | full.isna()),
    }
    wrong = {what: int((~holds).sum()) for what, holds in possible.items()}
    told = [f"{number} of {len(forecast)} rows have {what}" for what, number in wrong.items()]
    return ", ".join(one for one, number in zip(told, wrong.values(), strict=True) if number) or (
        None
    )


def unforeseen(weather: pd.DataFrame) -> dict[str, str]:
    """The systems whose observation is not near what the same answer foretells for the next hours.

    Args:
        weather: Rows of `weather`, as they were asked for at one time.
    """
    found = {}
    known = weather.dropna(subset=["temperature"])
    for system_id, own in known.groupby("system_id"):
        now = own.loc[own["kind"] == "observation"]
        ahead = own.loc[own["kind"] == "forecast"].nsmallest(1, "valid_at")
        if now.empty or ahead.empty:
            continue
        here, there = float(now["temperature"].iloc[0]), float(ahead["temperature"].iloc[0])
        if abs(here - there) > STRAYS:
            found[str(system_id)] = (
                f"{here:.1f} °C is observed, {there:.1f} °C is foretold for "
                f"{ahead['valid_at'].iloc[0]:%H:%M} UTC"
            )
    return found
