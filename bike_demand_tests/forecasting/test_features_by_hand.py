"""Every feature once more, the slow way: a station at a time, from rows, with pandas and sums."""

import math
import statistics
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting.features import (
    FEATURES,
    TARGET_FEATURES,
    features,
    target_features,
)
from bike_demand_tests.forecasting.feature_examples import (
    DAY,
    MEASURES,
    REACH,
    random_grid,
    random_surroundings,
    status_of,
)

NOTHING = math.nan
QUARTER, HOUR, ONE_DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
SPANS = {
    "15m": QUARTER,
    "30m": 2 * QUARTER,
    **{f"{hours}h": hours * HOUR for hours in (1, 2, 3, 6, 24, 168)},
}


class History:
    """Rows of station_status, asked one value at a time."""

    def __init__(self, grid):
        status = status_of(grid)
        keys = zip(status["observed_at"], status["station_id"], strict=True)
        self.rows = dict(zip(keys, status.itertuples(index=False), strict=True))
        self.station_ids = [*grid.station_ids]

    def __call__(self, what, station, time):
        row = self.rows.get((time, station))
        return NOTHING if row is None else getattr(row, f"num_{what}_available")

    def since(self, what, station, time, span):
        return [self(what, station, time - ago * QUARTER) for ago in range(span // QUARTER + 1)]


def known(values):
    return [value for value in values if not math.isnan(value)]


def mean(values):
    return sum(known(values)) / len(known(values)) if known(values) else NOTHING


def share(bikes, docks):
    return bikes / (bikes + docks) if bikes + docks > 0 else NOTHING


def minutes_since_none(counts):
    if 0 in counts:
        return counts.index(0) * 15
    return 1440 if len(known(counts)) >= 73 else NOTHING


def of_the_station(history, around, station, time):
    row = history.rows[time, station]
    bikes, docks = row.num_bikes_available, row.num_docks_available
    declared = around.stations.set_index("station_id")["capacity"][station]
    broken = known([row.num_bikes_disabled, row.num_docks_disabled])
    found = {
        "bikes": bikes,
        "docks": docks,
        "ebikes": row.num_ebikes_available,
        "disabled": row.num_bikes_disabled,
        "renting": row.is_renting,
        "returning": row.is_returning,
        "report_age": (row.fetched_at - row.last_reported).total_seconds(),
        "fill": share(bikes, docks),
        "capacity": bikes + docks + sum(broken) if pd.isna(declared) else declared,
    }
    for what in ("bikes", "docks"):
        for label, span in SPANS.items():
            before = history(what, station, time - span)
            found[f"{what}_lag_{label}"] = before
            if span <= 3 * HOUR:
                found[f"{what}_change_{label}"] = found[what] - before
    for label in ("3h", "6h", "24h"):
        counts = history.since("bikes", station, time, SPANS[label])
        found[f"bikes_mean_{label}"] = mean(counts)
        several = len(known(counts)) > 1
        found[f"bikes_deviation_{label}"] = statistics.pstdev(known(counts)) if several else NOTHING
        moves = known([abs(now - then) for now, then in pairwise(counts)])
        if label != "6h":
            found[f"turnover_{label}"] = 4 * mean(moves)
    counts = history.since("bikes", station, time, ONE_DAY)
    found["coverage"] = len(known(counts)) / 97
    found["minutes_since_empty"] = minutes_since_none(counts)
    found["minutes_since_full"] = minutes_since_none(history.since("docks", station, time, ONE_DAY))
    weeks = [time - timedelta(weeks=week) for week in (1, 2, 3, 4)]
    levels = [history("bikes", station, then) for then in weeks]
    found |= {f"bikes_week_{number}": levels[number - 1] for number in (2, 3, 4)}
    found["bikes_weeks_mean"] = mean(levels)
    found["docks_weeks_mean"] = mean([history("docks", station, then) for then in weeks])
    for hours in (1, 3, 6, 12, 24):
        after = [history("bikes", station, then + hours * HOUR) for then in weeks]
        found[f"bikes_weeks_change_{hours}h"] = mean(
            [end - begin for begin, end in zip(levels, after, strict=True)]
        )
    return found


def kilometres(a, b):
    """Haversine."""
    lat, lon = np.radians(b["lat"] - a["lat"]), np.radians(b["lon"] - a["lon"])
    cosines = math.cos(math.radians(a["lat"])) * math.cos(math.radians(b["lat"]))
    return (
        2 * 6371 * math.asin(math.sqrt(math.sin(lat / 2) ** 2 + cosines * math.sin(lon / 2) ** 2))
    )


def of_the_nearest(history, around, station, time):
    facts = around.stations.set_index("station_id").to_dict("index")
    others = [other for other in facts if other != station]
    others.sort(key=lambda other: kilometres(facts[station], facts[other]))
    near = [other for other in others[:12] if (time, other) in history.rows][:5]
    bikes = [history("bikes", other, time) for other in near]
    docks = [history("docks", other, time) for other in near]
    before = [history("bikes", other, time - HOUR) for other in near]
    return {
        "near_fill": mean([share(*both) for both in zip(bikes, docks, strict=True)]),
        "near_bikes": mean(bikes),
        "near_docks": mean(docks),
        "near_change_1h": mean([now - then for now, then in zip(bikes, before, strict=True)]),
    }


def of_the_system(history, time):
    stations = history.station_ids
    bikes = {station: history("bikes", station, time) for station in stations}
    docks = {station: history("docks", station, time) for station in stations}
    docked = [station for station in stations if not math.isnan(bikes[station] + docks[station])]
    held, free = (sum(counts[station] for station in docked) for counts in (bikes, docks))
    found = {
        "system_bikes": sum(known(bikes.values())),
        "system_fill": share(held, free) if docked else NOTHING,
        "system_empty": mean([float(count == 0) for count in known(bikes.values())]),
        "system_full": mean([float(docks[station] == 0) for station in docked]),
    }
    for hours in (1, 24):
        before = [history("bikes", station, time - hours * HOUR) for station in stations]
        changes = known([now - then for now, then in zip(bikes.values(), before, strict=True)])
        found[f"system_change_{hours}h"] = sum(changes) if changes else NOTHING
    return found


def of_the_weather(weather, time, known_at):
    told = weather[(weather["kind"] == "observation") & (weather["issued_at"] <= known_at)]
    told = told[told["valid_at"] >= time - 2 * HOUR]
    made = weather[(weather["kind"] == "reanalysis") & (weather["valid_at"] <= time)]
    made = made[made["valid_at"] > time - HOUR]
    rows = made if told.empty else told
    if rows.empty:
        return {**dict.fromkeys(MEASURES, NOTHING), "weather_is_reanalysis": False}
    row = rows.sort_values(["valid_at", "issued_at"]).iloc[-1]
    return {**row[[*MEASURES]], "weather_is_reanalysis": told.empty}


def of_the_forecast(weather, time, known_at, target):
    issued = weather[(weather["kind"] == "forecast") & (weather["issued_at"] <= known_at)]
    issued = issued[issued["issued_at"] == issued["issued_at"].max()]
    issued = issued.assign(off=(issued["valid_at"] - target).abs()).sort_values(["off", "valid_at"])
    issued = issued[(issued["off"] <= 1.5 * HOUR) & (issued["issued_at"] >= time - ONE_DAY)]
    row = dict.fromkeys(MEASURES, NOTHING) if issued.empty else issued.iloc[0]
    return {f"target_{name}": row[name] for name in MEASURES}


def of_the_calendar(time, holidays):
    local = time.tz_convert("America/New_York")
    working = local.isoweekday() <= 5 and str(local.date()) not in holidays
    return {
        "hour": local.hour,
        "quarter_hour": local.minute / 15,
        "weekday": local.isoweekday(),
        "weekend": local.isoweekday() in {6, 7},
        "month": local.month,
        "day_of_year": int(local.strftime("%j")),
        "holiday": str(local.date()) in holidays,
        "morning_rush": working and 7 <= local.hour <= 9,
        "evening_rush": working and 16 <= local.hour <= 18,
    }


def of_the_target(history, station, time, target):
    found = {}
    levels, changes = [], []
    for week in (1, 2, 3, 4):
        back = timedelta(weeks=week)
        levels.append(history("bikes", station, target - back))
        changes.append(levels[-1] - history("bikes", station, time - back))
        found[f"target_bikes_week_{week}"] = levels[-1]
        found[f"target_bikes_change_week_{week}"] = changes[-1]
    docks = [history("docks", station, target - timedelta(weeks=week)) for week in (1, 2, 3, 4)]
    day = history("bikes", station, target - ONE_DAY)
    return found | {
        "target_bikes_weeks_mean": mean(levels),
        "target_bikes_weeks_change": mean(changes),
        "target_docks_weeks_mean": mean(docks),
        "target_bikes_day": day,
        "target_docks_day": history("docks", station, target - ONE_DAY),
        "target_bikes_change_day": day - history("bikes", station, time - ONE_DAY),
    }


def is_free(local):
    return local.weekday() > 4 or str(local.date()) == "2024-02-19"  # Presidents' Day


def of_the_days(history, station, time, target):
    """Past days as examples, each as (change, bikes then, bikes and docks after, alike, weight)."""
    zone, now = "America/New_York", history("bikes", station, time)
    horizon = target - time
    examples = []
    for days in range(1, 29):
        day = time.tz_convert("UTC") - days * ONE_DAY
        clock = time.tz_convert(zone).utcoffset() - day.tz_convert(zone).utcoffset()
        ends = (day.tz_convert(zone), (day + horizon).tz_convert(zone))
        nows = (time.tz_convert(zone), target.tz_convert(zone))
        alike = all(is_free(a) == is_free(b) for a, b in zip(ends, nows, strict=True))
        for hours in (-1, 0, 1):
            begin = day + clock + hours * HOUR
            if begin + horizon > time:
                continue
            before, after = (history("bikes", station, at) for at in (begin, begin + horizon))
            if math.isnan(after - before):
                continue
            weight = math.exp(-((before - now) ** 2) / 32) * (1 if alike else 0.1)
            docks = history("docks", station, begin + horizon)
            examples.append((after - before, before, after, docks, alike, weight))
    like = [one for one in examples if one[4]]
    total = sum(one[5] for one in examples)

    def weighted(value):
        return sum(one[5] * value(one) for one in examples) / total if examples else NOTHING

    change = weighted(lambda one: one[0])
    found = {
        "change_days": mean([one[0] for one in examples]),
        "bikes_days": mean([one[2] for one in examples]),
        "change_alike": mean([one[0] for one in like]),
        "deviation_alike": statistics.pstdev([one[0] for one in like]) if like else NOTHING,
        "bikes_alike": mean([one[2] for one in like]),
        "bikes_before_alike": mean([one[1] for one in like]),
        "empty_alike": mean([float(one[2] == 0) for one in like]),
        "full_alike": mean([float(one[3] == 0) for one in like]),
        "change_near": change,
        "deviation_near": math.sqrt(max(weighted(lambda one: (one[0] - change) ** 2), 0)),
        "empty_near": weighted(lambda one: one[2] == 0),
        "full_near": weighted(lambda one: one[3] == 0),
        "weight_near": total,
    }
    return {f"target_{name}": value for name, value in found.items()}


@pytest.mark.parametrize(("seed", "holes"), [(1, 0.0), (2, 0.1), (3, 0.5), (4, 0.85)])
def test_features_are_what_one_computes_by_hand(seed, holes):
    grid = random_grid(seed, stations=9, holes=holes)
    around = random_surroundings(grid, seed)
    history = History(grid)
    rng = np.random.default_rng(seed)
    origins = [REACH, *rng.integers(REACH, REACH + DAY, 2)]
    horizon = [QUARTER, 3 * HOUR, 11 * HOUR, ONE_DAY][seed - 1]
    frame = pd.concat(
        [features(grid, origins, around), target_features(grid, origins, horizon, around)], axis=1
    )
    assert len(frame)
    for row in frame.to_dict("records"):
        time, station = row["observed_at"], row["station_id"]
        fetched = history.rows[time, station].fetched_at
        ahead = of_the_calendar(time + horizon, holidays=())  # none in these days of March
        expected = {
            **of_the_calendar(time, holidays=()),
            **of_the_station(history, around, station, time),
            **of_the_nearest(history, around, station, time),
            **of_the_system(history, time),
            **of_the_weather(around.weather, time, fetched),
            **{f"target_{name}": value for name, value in ahead.items()},
            **of_the_target(history, station, time, time + horizon),
            **of_the_days(history, station, time, time + horizon),
            **of_the_forecast(around.weather, time, fetched, time + horizon),
        }
        names = {feature.name for feature in (*FEATURES, *TARGET_FEATURES)}
        assert expected.keys() == names
        for name in names:
            value = expected[name]
            value = NOTHING if value is pd.NA else value
            assert row[name] == pytest.approx(value, rel=1e-5, abs=1e-3, nan_ok=True), name
