"""What a station shows of itself: its state, its last day, and the same time of past weeks."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.arithmetic import mean_of_known, ratio
from bike_demand.forecasting.feature import Feature
from bike_demand.forecasting.grid import TICK, Floats
from bike_demand.forecasting.past import DAY, HOUR, WEEK, Past

WEEKS: Final = (1, 2, 3, 4)
"""Past weeks whose same time is looked at."""

FOLLOWED: Final = (1, 3, 6, 12, 24)
"""Hours after the same time of past weeks, at the end of which one looks again."""

ENOUGH: Final = 0.75
"""Share of a day's ticks that must be known to say that something did not happen in it."""

_LAGS: Final = {
    "15m": 1,
    "30m": 2,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "3h": 3 * HOUR,
    "6h": 6 * HOUR,
    "24h": DAY,
    "168h": WEEK,
}
_CHANGES: Final = ("15m", "30m", "1h", "2h", "3h")
_WINDOWS: Final = {3 * HOUR: "3h", 6 * HOUR: "6h", DAY: "24h"}
_TURNOVERS: Final = (3 * HOUR, DAY)
_MINUTES: Final = TICK // timedelta(minutes=1)


def _declared(name: str, meaning: str, unit: str, ticks: int = 0) -> Feature:
    return Feature(name, meaning, unit, ticks * TICK, "station_status")


def _lagged(what: str) -> Iterator[Feature]:
    for label, ticks in _LAGS.items():
        yield _declared(f"{what}_lag_{label}", f"{what.capitalize()} {label} before", what, ticks)


def _changed(what: str) -> Iterator[Feature]:
    for label in _CHANGES:
        meaning = f"{what.capitalize()} now less those {label} before"
        yield _declared(f"{what}_change_{label}", meaning, what, _LAGS[label])


STATION: Final = (
    _declared("bikes", "Bikes to rent, e-bikes included", "bikes"),
    _declared("docks", "Free docks", "docks"),
    _declared("ebikes", "E-bikes to rent", "bikes"),
    _declared("disabled", "Bikes out of order", "bikes"),
    _declared("fill", "Bikes among bikes and free docks", "0-1"),
    Feature(
        "capacity",
        "Docks, as declared; else bikes, free docks and what is told to be out of order, if docks "
        "are told",
        "docks",
        timedelta(0),
        "station_information, station_status",
    ),
    _declared("renting", "Gives bikes out", "0 or 1"),
    _declared("returning", "Takes bikes back", "0 or 1"),
    _declared("report_age", "Age of the station's report when it was fetched", "s"),
    *_lagged("bikes"),
    *_lagged("docks"),
    *_changed("bikes"),
    *_changed("docks"),
    *(
        feature
        for ticks, label in _WINDOWS.items()
        for feature in (
            _declared(f"bikes_mean_{label}", f"Mean of the known bikes of {label}", "bikes", ticks),
            _declared(
                f"bikes_deviation_{label}",
                f"Standard deviation of the known bikes of {label}, if two or more are known",
                "bikes",
                ticks,
            ),
        )
    ),
    *(
        _declared(
            f"turnover_{_WINDOWS[ticks]}",
            "Bikes that came or went, net of each quarter of an hour, per known time of "
            f"{_WINDOWS[ticks]}",
            "bikes/h",
            ticks,
        )
        for ticks in _TURNOVERS
    ),
    *(
        _declared(
            f"minutes_since_{state}",
            f"Since the station was last seen without a {what}; 1440 if not in 24 h, of which "
            "three quarters or more are known",
            "min",
            DAY,
        )
        for state, what in (("empty", "bike"), ("full", "free dock"))
    ),
    _declared("coverage", "Share of the 97 ticks of 24 h that are known", "0-1", DAY),
    *(
        _declared(f"bikes_week_{week}", f"Bikes {7 * week} days ago", "bikes", week * WEEK)
        for week in WEEKS[1:]  # that of a week ago is `bikes_lag_168h`
    ),
    _declared("bikes_weeks_mean", "Mean of the known, with `bikes_lag_168h`", "bikes", 4 * WEEK),
    _declared(
        "docks_weeks_mean",
        "Free docks at this time of the past 4 weeks, mean of the known",
        "docks",
        4 * WEEK,
    ),
    *(
        _declared(
            f"bikes_weeks_change_{hours}h",
            f"Change of bikes in the {hours} h after this time of the past 4 weeks, mean of the "
            "known",
            "bikes",
            4 * WEEK,
        )
        for hours in FOLLOWED
    ),
)

STATION_AHEAD: Final = (
    *(
        feature
        for week in WEEKS
        for feature in (
            _declared(
                f"bikes_week_{week}",
                f"Bikes at the target's time {7 * week} days before",
                "bikes",
                week * WEEK,
            ),
            _declared(
                f"bikes_change_week_{week}",
                f"Change of bikes from the origin's to the target's time {7 * week} days before",
                "bikes",
                week * WEEK,
            ),
        )
    ),
    *(
        _declared(name, meaning, unit, 4 * WEEK)
        for name, meaning, unit in (
            ("bikes_weeks_mean", "Mean of the known `target_bikes_week_…`", "bikes"),
            ("bikes_weeks_change", "Mean of the known `target_bikes_change_week_…`", "bikes"),
            (
                "docks_weeks_mean",
                "Free docks at the target's time of the past 4 weeks, mean of the known",
                "docks",
            ),
        )
    ),
    _declared("bikes_day", "Bikes 24 h before the target", "bikes", DAY),
    _declared("docks_day", "Free docks 24 h before the target", "docks", DAY),
    _declared(
        "bikes_change_day",
        "Change of bikes from 24 h before the origin to 24 h before the target",
        "bikes",
        DAY,
    ),
)


def station(past: Past, declared_capacity: Floats) -> Mapping[str, NDArray[Any]]:
    """The features of `STATION`.

    Args:
        past: R origins, S stations.
        declared_capacity: Docks, NaN where not declared, shape (S,).

    Returns:
        Arrays of shape (R, S), whatever is known of a station's state at the origin.
    """
    grid = past.grid
    bikes, docks = past.now(grid.bikes), past.now(grid.docks)
    seen = bikes + docks
    for broken in (grid.disabled, grid.docks_disabled):
        seen = seen + np.nan_to_num(past.now(broken))
    lags = {
        what: {label: past.ago(values, ticks) for label, ticks in _LAGS.items()}
        for what, values in (("bikes", grid.bikes), ("docks", grid.docks))
    }
    return {
        "bikes": bikes,
        "docks": docks,
        "ebikes": past.now(grid.ebikes),
        "disabled": past.now(grid.disabled),
        "fill": ratio(bikes, bikes + docks),
        "capacity": np.where(np.isnan(declared_capacity), seen, declared_capacity),
        "renting": past.now(grid.renting),
        "returning": past.now(grid.returning),
        "report_age": past.now(grid.report_age),
        **{f"bikes_lag_{label}": lag for label, lag in lags["bikes"].items()},
        **{f"docks_lag_{label}": lag for label, lag in lags["docks"].items()},
        **{f"bikes_change_{label}": bikes - lags["bikes"][label] for label in _CHANGES},
        **{f"docks_change_{label}": docks - lags["docks"][label] for label in _CHANGES},
        **_rolling(past),
        "minutes_since_empty": _minutes_since_none(past, grid.bikes),
        "minutes_since_full": _minutes_since_none(past, grid.docks),
        **_weeks(past),
    }


def station_ahead(past: Past, horizon: int) -> Mapping[str, NDArray[Any]]:
    """The features of `STATION_AHEAD`.

    Args:
        past: R origins, S stations.
        horizon: Ticks from an origin to its target, up to a day.

    Returns:
        Arrays of shape (R, S).
    """
    bikes, docks = past.grid.bikes, past.grid.docks
    levels = {week: past.ago(bikes, week * WEEK - horizon) for week in WEEKS}
    changes = {week: levels[week] - past.ago(bikes, week * WEEK) for week in WEEKS}
    yesterday = past.ago(bikes, DAY - horizon)
    return {
        **{f"bikes_week_{week}": level for week, level in levels.items()},
        **{f"bikes_change_week_{week}": change for week, change in changes.items()},
        "bikes_weeks_mean": mean_of_known([*levels.values()]),
        "bikes_weeks_change": mean_of_known([*changes.values()]),
        "docks_weeks_mean": mean_of_known(
            [past.ago(docks, week * WEEK - horizon) for week in WEEKS]
        ),
        "bikes_day": yesterday,
        "docks_day": past.ago(docks, DAY - horizon),
        "bikes_change_day": yesterday - past.ago(bikes, DAY),
    }


def _weeks(past: Past) -> dict[str, NDArray[Any]]:
    """What was at the same time of past weeks, and what became of it."""
    bikes, docks = past.grid.bikes, past.grid.docks
    levels = {week: past.ago(bikes, week * WEEK) for week in WEEKS}
    changes = {
        hours: [past.ago(bikes, week * WEEK - hours * HOUR) - levels[week] for week in WEEKS]
        for hours in FOLLOWED
    }
    return {
        **{f"bikes_week_{week}": levels[week] for week in WEEKS[1:]},
        "bikes_weeks_mean": mean_of_known([*levels.values()]),
        "docks_weeks_mean": mean_of_known([past.ago(docks, week * WEEK) for week in WEEKS]),
        **{f"bikes_weeks_change_{hours}h": mean_of_known(changes[hours]) for hours in FOLLOWED},
    }


def _rolling(past: Past) -> dict[str, NDArray[Any]]:
    """Means, deviations, turnover and coverage, in one pass from the origin back.

    The windows lie in each other, so one is the sum of its lags when the pass comes to its end. A
    pass takes each lag in its turn, whatever else is computed: no running sum, from which an
    origin's features would depend on where the sum began.
    """
    bikes = past.since(past.grid.bikes, DAY).astype(np.float64)
    known = ~np.isnan(bikes)
    moved = np.abs(np.diff(bikes, axis=0, prepend=np.nan))
    both = ~np.isnan(moved)
    summed = {
        "known": known.astype(np.int16),
        "bikes": np.where(known, bikes, 0),
        "squares": np.where(known, bikes * bikes, 0),
    }
    between = {"both": both.astype(np.int16), "moved": np.where(both, moved, 0)}
    sums = {
        name: np.zeros((len(past.rows), bikes.shape[1]), dtype=values.dtype)
        for name, values in {**summed, **between}.items()
    }
    found = {}
    for ago in range(DAY + 1):
        if ago in _TURNOVERS:  # as many intervals as the window has, before one more is added
            found[f"turnover_{_WINDOWS[ago]}"] = HOUR * ratio(sums["moved"], sums["both"])
        part = past.part(DAY, ago)
        for name, values in {**summed, **between}.items():
            sums[name] += values[part]
        if ago in _WINDOWS:
            label, count, total = _WINDOWS[ago], sums["known"], sums["bikes"]
            found[f"bikes_mean_{label}"] = ratio(total, count)
            # n Σx² - (Σx)² is a whole number: it loses nothing, unlike the difference of means.
            spread = count * sums["squares"] - total * total
            deviation = np.sqrt(ratio(spread, count.astype(np.float64) ** 2))
            found[f"bikes_deviation_{label}"] = np.where(count > 1, deviation, np.nan)
    found["coverage"] = sums["known"] / (DAY + 1)
    return found


def _minutes_since_none(past: Past, counts: Floats) -> NDArray[Any]:
    """Minutes since a count was last seen at 0 within a day.

    If it was not, it is a day where enough of it is known to say so, else NaN.
    """
    window = past.since(counts, DAY)
    number = np.arange(1, len(window) + 1, dtype=np.int32)[:, None]
    last = np.maximum.accumulate(np.where(window == 0, number, np.int32(-DAY)), axis=0)
    known = (~np.isnan(window)).astype(np.int16)
    now = past.part(DAY, 0)
    ticks, count = number[now] - last[now], np.zeros_like(known[now])
    for ago in range(DAY + 1):
        count += known[past.part(DAY, ago)]
    never = np.where(count >= ENOUGH * (DAY + 1), float(DAY * _MINUTES), np.nan)
    return np.where(ticks > DAY, never, ticks * _MINUTES)
