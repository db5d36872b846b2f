"""The backtest of the simple forecasts once more: dictionaries and loops, straight from the rows.

Written from the definition in docs/backtest.md and sharing nothing with the package.
"""

from collections import defaultdict
from datetime import timedelta
from math import sqrt
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)


class NaiveBacktest:
    def __init__(self, rows, start, train_days, test_days, timezone):
        """`rows`: dicts with fetched_at, station_id, bikes, docks, installed, renting."""
        self.s, self.zone = start, ZoneInfo(timezone)
        self.t0 = start + timedelta(days=train_days)
        self.t1 = self.t0 + timedelta(days=test_days)
        first = {}
        for row in rows:
            at = row["fetched_at"]
            tick = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
            first[tick] = min(at, first.get(tick, at))
        of_fetch = {at: tick for tick, at in first.items()}
        self.state = {
            (of_fetch[row["fetched_at"]], row["station_id"]): row
            for row in rows
            if row["fetched_at"] in of_fetch
        }
        self.stations = sorted({station for tick, station in self.state if tick < self.t1})

    def value(self, what, tick, station):
        row = self.state.get((tick, station))
        if row is None:
            return None
        if what == "bikes":
            return row["bikes"]
        count = row["bikes" if what == "empty" else "docks"]
        return None if count is None else int(count == 0)

    def serves(self, tick, station):
        row = self.state.get((tick, station))
        return row is not None and row["installed"] and row["renting"]

    def counts(self, origin, horizon, station):
        target = origin + horizon
        moments = (origin, target, target - 24 * HOUR, target - 168 * HOUR)
        return (
            self.serves(origin, station)
            and self.serves(target, station)
            and all(self.value("bikes", moment, station) is not None for moment in moments)
        )

    def pairs(self, begin, end, horizon):
        origin = begin
        while origin + horizon < end:
            for station in self.stations:
                yield origin, origin + horizon, station
            origin += HOUR

    def averages(self, what):
        """Mean by (block left out or None, station, hour of week), and by (block, station)."""
        slots, wholes = defaultdict(list), defaultdict(list)
        blocks = -(-(self.t0 - self.s) // timedelta(days=7))
        for tick, station in self.state:
            value = self.value(what, tick, station)
            if not (self.s <= tick < self.t0) or not self.serves(tick, station) or value is None:
                continue
            local = tick.astimezone(self.zone)
            own = (tick - self.s) // timedelta(days=7)
            for block in [None, *(other for other in range(blocks) if other != own)]:
                slots[block, station, local.weekday(), local.hour].append(value)
                wholes[block, station].append(value)

        def average(block, tick, station):
            local = tick.astimezone(self.zone)
            found = slots.get((block, station, local.weekday(), local.hour))
            found = found or wholes.get((block, station))
            return sum(found) / len(found) if found else None

        return average

    def weight(self, what, average, horizon):
        above = below = 0.0
        for origin, target, station in self.pairs(self.s, self.t0, horizon):
            if not self.counts(origin, horizon, station):
                continue
            persisted = self.value(what, origin, station)
            mean = average((target - self.s) // timedelta(days=7), target, station)
            outcome = self.value(what, target, station)
            if None in {persisted, mean, outcome}:
                continue
            above += (persisted - mean) * (outcome - mean)
            below += (persisted - mean) ** 2
        return min(1, max(0, above / below))

    def scores(self, horizon_hours):
        horizon = horizon_hours * HOUR
        average = {what: self.averages(what) for what in ("bikes", "empty", "full")}
        weight = {what: self.weight(what, average[what], horizon) for what in average}
        errors = {what: defaultdict(list) for what in average}
        n = dropped = bikes = 0
        for origin, target, station in self.pairs(self.t0, self.t1, horizon):
            if not self.counts(origin, horizon, station) or (
                average["bikes"](None, target, station) is None
            ):
                dropped += 1
                continue
            n += 1
            bikes += self.value("bikes", target, station)
            for what, mean in average.items():
                forecasts = {
                    "persistence": self.value(what, origin, station),
                    "yesterday": self.value(what, target - 24 * HOUR, station),
                    "last_week": self.value(what, target - 168 * HOUR, station),
                    "average": mean(None, target, station),
                }
                outcome = self.value(what, target, station)
                if None in forecasts.values() or outcome is None:
                    continue
                a = weight[what]
                forecasts["blend"] = a * forecasts["persistence"] + (1 - a) * forecasts["average"]
                for name, forecast in forecasts.items():
                    errors[what][name].append(forecast - outcome)
        simple = {}
        for name, of_bikes in errors["bikes"].items():
            absolute = sum(abs(error) for error in of_bikes)
            simple[name] = {
                "rmse": sqrt(sum(error**2 for error in of_bikes) / n),
                "mae": absolute / n,
                "wape": absolute / bikes,
                "crps": absolute / n,
                **{
                    f"brier_{what}": sum(error**2 for error in errors[what][name])
                    / len(errors[what][name])
                    for what in ("empty", "full")
                },
            }
        return {"n": n, "dropped": dropped, "simple": simple}
