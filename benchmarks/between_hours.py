"""What forecasts from between full hours are worth, by a model that has learnt from full hours.

Run as `python -m benchmarks.between_hours RECORDING STATION_INFORMATION TIMEZONE START`, for Bay
Wheels from 2023-03-01: it learns 28 days from START, and forecasts from every third hour of the two
weeks that begin two days later, and from a quarter, a half and three quarters past.
"""

import sys
from datetime import datetime

import numpy as np
import pandas as pd

from benchmarks.drift import Month, of_recording
from bike_demand.forecasting.features import LOOKS_BACK
from bike_demand.forecasting.grid import TICK
from bike_demand.forecasting.outlook import LOOKS_AHEAD, Outlook
from bike_demand.forecasting.splits import DAY, HOUR, WEEK, in_service

EACH = 3 * HOUR
AHEAD = (1, 3, 6, 12, 24)


def errors(month: Month, origin: datetime) -> pd.DataFrame:
    """Squared errors of the model and of persistence, by station and horizon."""
    grid, row = month.grid, month.grid.index(origin)
    seen = grid.between(row - LOOKS_BACK // TICK, row + LOOKS_AHEAD // TICK + 1)
    if np.isnan(grid.bikes[row]).all():
        return pd.DataFrame()
    rows = Outlook(seen, origin, month.around).forecast(month.model, AHEAD)
    place = np.searchsorted(grid.station_ids, rows["station_id"].to_numpy(dtype=object))
    target = row + rows["horizon"].to_numpy() * (HOUR // TICK)
    came, stayed = grid.bikes[target, place], grid.bikes[row, place]
    known = ~np.isnan(came) & rows["in_service"].to_numpy() & in_service(grid)[target, place]
    model, persistence = (came - rows["bikes"].to_numpy()) ** 2, (came - stayed) ** 2
    told = {"horizon": rows["horizon"][known], "model": model[known]}
    return pd.DataFrame(told).assign(past=origin.minute, persistence=persistence[known])


def main() -> None:
    """Print it by horizon and minute."""
    month, learnt, _ = of_recording(sys.argv[1:])
    first = learnt + 2 * DAY
    origins = [
        first + hour * EACH + past * TICK for hour in range(2 * WEEK // EACH) for past in range(4)
    ]
    found = pd.concat([errors(month, origin) for origin in origins])
    means = found.groupby(["horizon", "past"])[["model", "persistence"]].mean() ** 0.5
    means["skill"] = 1 - means["model"] / means["persistence"]
    means["rows"] = found.groupby(["horizon", "past"]).size()
    print(means.round(3).to_markdown())


if __name__ == "__main__":
    main()
