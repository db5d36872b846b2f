"""Which metrics there are: the one list of names, labels and meanings.

All are gauges: what is counted is counted over a time that the meaning says, because nothing that
is kept between two scrapes could be added up.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

_PREFIX: Final = "bike_demand_"


class Sample(NamedTuple):
    """A number.

    Attributes:
        metric: Of which metric.
        labels: Values of its labels, in their order.
        value: The number.
    """

    metric: "Metric"
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: As Prometheus has it.
        meaning: In a sentence, with the unit where the name lacks it.
        labels: What tells its numbers apart.
    """

    name: str
    meaning: str
    labels: tuple[str, ...]

    def __call__(self, value: float, *labels: str) -> Sample:
        """A number of it.

        Args:
            value: The number.
            labels: In the order that they are declared in.
        """
        return Sample(self, labels, float(value))


METRICS: Final[list[Metric]] = []
"""All of them."""


def _metric(name: str, meaning: str, *labels: str) -> Metric:
    declared = Metric(_PREFIX + name, meaning, labels)
    METRICS.append(declared)
    return declared


UP: Final = _metric("up", "1 if a source of numbers could be read, else 0", "source")
SCRAPE: Final = _metric("scrape_seconds", "How long a source of numbers took to be read", "source")

DATA_AGE: Final = _metric(
    "data_age_seconds",
    "How old the newest data of an asset is, by the time that the data speaks of",
    *("system", "asset"),
)
DATA_AGE_LIMIT: Final = _metric(
    "data_age_limit_seconds",
    "From which age on that data is stale; of systems that are followed live",
    *("system", "asset"),
)
EXPECTED: Final = _metric(
    "partitions_expected", "Partitions of the last 48 h that should exist by now"
)
MISSING: Final = _metric(
    "partitions_missing",
    "Partitions that should and do not; makeable is true if what they are made from is there",
    *("asset", "makeable"),
)

RUNS: Final = _metric(
    "runs",
    "Runs that ended within the last hour; asset is several, or the job, if it is not one",
    *("asset", "status"),
)
MEDIAN_RUN: Final = _metric(
    "run_median_seconds", "Median duration of the runs that ended within the last hour", "asset"
)
LONGEST_RUN: Final = _metric(
    "run_longest_seconds", "Duration of the longest run that ended within the last hour", "asset"
)
UNFINISHED: Final = _metric("runs_unfinished", "Runs that wait or go on", *("asset", "status"))
DAEMON: Final = _metric(
    "daemon_up", "1 if a daemon of Dagster's has a heart beat, else 0", "daemon"
)

NEWEST_ROWS: Final = _metric(
    "newest_rows", "Rows of a table at its newest time", *("system", "table")
)
TABLE_ROWS: Final = _metric("table_rows", "Rows of a table, as many as Postgres reckons", "table")
TABLE_BYTES: Final = _metric("table_bytes", "Size of a table with its indexes", "table")
POLLS: Final = _metric(
    "feed_polls",
    "Polls of a status feed within the last 24 h; http_status is none where no answer came",
    *("system", "http_status"),
)
RECORDS: Final = _metric(
    "feed_records", "Records in the answers of a status feed within the last 24 h", "system"
)
REJECTED: Final = _metric(
    "rejected_records",
    "Records of the last 24 h that were refused; source is the table they were meant for",
    *("system", "source", "reason"),
)

CHAMPION: Final = _metric(
    "champion_info", "1; the champion by the newest event that made one", *("system", "version")
)
REIGN: Final = _metric("champion_reign_seconds", "Since the champion was made one", "system")
CHAMPION_AGE: Final = _metric(
    "champion_age_seconds", "Since the end of the day that the champion was trained for", "system"
)
SERVING: Final = _metric(
    "serving_info",
    "1; who made the newest forecast: a champion, or a simple one, which has no version",
    *("system", "role", "version"),
)
TRAINING_AGE: Final = _metric(
    "training_age_seconds",
    "Since the end of the day that a model was last trained for",
    *("system", "algorithm"),
)

_SCORED: Final = ("system", "role", "horizon", "window")
FORECASTS: Final = _metric(
    "forecasts_scored", "Forecasts that came due within the window, 24h or 7d", *_SCORED
)
RMSE: Final = _metric(
    "forecast_rmse", "Root mean squared error of the forecasts that came due, in bikes", *_SCORED
)
SKILL: Final = _metric(
    "forecast_skill_ratio", "1 - RMSE / RMSE of persistence on the same rows", *_SCORED
)
COVERAGE: Final = _metric(
    "forecast_coverage_ratio",
    "Probability of what came within the middle 80 %: 0.8 if calibrated",
    *_SCORED,
)
BRIER_SKILL: Final = _metric(
    "forecast_brier_skill_ratio",
    "1 - Brier score / that of persistence, of stations that are empty or full",
    *_SCORED,
    "event",
)

DRIFT_AGE: Final = _metric(
    "drift_age_seconds", "Since the newest hour that drift was measured for", "system"
)
PSI: Final = _metric(
    "feature_psi",
    "Population stability index of the newest hour; feature is also forecast or target",
    *("system", "feature"),
)
DRIFT_FEATURES: Final = _metric(
    "drift_features",
    "Features by band of PSI: none, minor (0.1 or more), moderate (0.15), critical (0.25), unknown",
    *("system", "band"),
)

QUALITY_AGE: Final = _metric(
    "data_quality_age_seconds", "Since the newest 4 hours whose data was looked at began", "system"
)
QUALITY: Final = _metric(
    "data_quality_rows",
    "Rows of the newest 4 hours that break a rule",
    *("system", "severity", "rule"),
)
