"""The warehouse's tables: every column of the project, with its unit.

Names are GBFS' where GBFS has one. A change here needs a migration in
`storage/migrations/versions`; a test holds the two together.
"""

from typing import Any

import sqlalchemy as sa

from bike_demand.forecasting.features import FEATURES
from bike_demand.storage.declaration import Upsert, declare_table

METADATA = sa.MetaData(
    naming_convention={"ck": "%(table_name)s_%(constraint_name)s", "pk": "%(table_name)s_pkey"}
)

INSTANT = sa.DateTime(timezone=True)


def _system_id() -> sa.Column[str]:
    return sa.Column(
        "system_id", sa.Text, primary_key=True, comment="The bike-share system, as in the settings"
    )


def _count(name: str, what: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=nullable, comment=f"{what} [count]")


def _measure(name: str, what: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, comment=f"{what}; null where the source does not say")


def _not_negative(*columns: str) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(f"{name} >= 0", name=f"{name}_not_negative") for name in columns]


STATION_INFORMATION = declare_table(
    "station_information",
    _system_id(),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    sa.Column("name", sa.Text, comment="Public name"),
    sa.Column("short_name", sa.Text, comment="Number or code on its sign"),
    sa.Column("lat", sa.Double, comment="WGS 84 latitude [degrees]"),
    sa.Column("lon", sa.Double, comment="WGS 84 longitude [degrees]"),
    _count("capacity", "Docks installed, as declared; null where the feed does not say"),
    sa.Column("region_id", sa.Text, comment="Region, as the feed names it"),
    sa.Column("is_virtual_station", sa.Boolean, comment="A place without docks"),
    sa.Column("is_active", sa.Boolean, nullable=False, comment="The newest feed lists it"),
    sa.Column("first_seen", INSTANT, nullable=False, comment="First fetch that listed it [UTC]"),
    sa.Column("last_seen", INSTANT, nullable=False, comment="Newest fetch that listed it [UTC]"),
    *_not_negative("capacity"),
    sa.CheckConstraint("lat BETWEEN -90 AND 90", name="lat_range"),
    sa.CheckConstraint("lon BETWEEN -180 AND 180", name="lon_range"),
    scope=("system_id",),
    upsert=Upsert(keep=("first_seen",), absent={"is_active": False}),
    comment="Stations ever seen; one that leaves stays, inactive",
    metadata=METADATA,
)

FEED_POLL = declare_table(
    "feed_poll",
    _system_id(),
    sa.Column("polled_at", INSTANT, primary_key=True, comment="When we asked [UTC]"),
    sa.Column("last_updated", INSTANT, comment="What the feed says of its own age [UTC]"),
    sa.Column("http_status", sa.Integer, comment="Status of the answer; null when none came"),
    _count("records", "Records in the answer; null when none came"),
    _count("rejected", "Records refused; null when none came"),
    *_not_negative("records", "rejected"),
    time="polled_at",
    scope=("system_id",),
    comment="Every poll of a status feed: tells an outage from a quiet city",
    metadata=METADATA,
)

STATION_STATUS = declare_table(
    "station_status",
    _system_id(),
    sa.Column("observed_at", INSTANT, primary_key=True, comment="15-minute tick [UTC]"),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    sa.Column("fetched_at", INSTANT, nullable=False, comment="When we asked [UTC]"),
    sa.Column("last_reported", INSTANT, comment="When the station last reported [UTC]"),
    _count("num_bikes_available", "Bikes to rent, e-bikes included", nullable=False),
    _count("num_ebikes_available", "E-bikes to rent; null where the feed does not say"),
    _count("num_bikes_disabled", "Bikes out of order; null where the feed does not say"),
    _count("num_docks_available", "Free docks; null where the feed has none"),
    _count("num_docks_disabled", "Docks out of order; null where the feed does not say"),
    sa.Column("is_installed", sa.Boolean, comment="On the street"),
    sa.Column("is_renting", sa.Boolean, comment="Gives bikes out"),
    sa.Column("is_returning", sa.Boolean, comment="Takes bikes back"),
    *_not_negative(
        "num_bikes_available",
        "num_ebikes_available",
        "num_bikes_disabled",
        "num_docks_available",
        "num_docks_disabled",
    ),
    time="observed_at",
    scope=("system_id",),
    comment="One station at one tick: the first snapshot fetched in [tick, tick + 15 min)",
    metadata=METADATA,
)

REJECTED_RECORD = declare_table(
    "rejected_record",
    _system_id(),
    sa.Column("source", sa.Text, primary_key=True, comment="Table that the record was meant for"),
    sa.Column("window_start", INSTANT, primary_key=True, comment="Start of its window [UTC]"),
    sa.Column("ordinal", sa.Integer, primary_key=True, comment="Position in the feed, from 0"),
    sa.Column("reason", sa.Text, nullable=False, comment="Why it was refused, in a stable word"),
    sa.Column("detail", sa.Text, nullable=False, comment="Why it was refused, in a sentence"),
    sa.Column("record", sa.Text, nullable=False, comment="The record as it came [JSON]"),
    *_not_negative("ordinal"),
    time="window_start",
    scope=("system_id", "source"),
    comment="Records that a feed sent and the warehouse refused",
    metadata=METADATA,
)

WEATHER = declare_table(
    "weather",
    _system_id(),
    sa.Column(
        "issued_at",
        INSTANT,
        primary_key=True,
        comment="From when on it was known [UTC]; of a reanalysis valid_at, for want of it",
    ),
    sa.Column("valid_at", INSTANT, primary_key=True, comment="The time it speaks of [UTC]"),
    sa.Column(
        "kind",
        sa.Text,
        primary_key=True,
        comment="observation, forecast, or reanalysis: made later, never known at the time",
    ),
    sa.Column("fetched_at", INSTANT, nullable=False, comment="When we asked [UTC]"),
    sa.Column("source", sa.Text, nullable=False, comment="open-meteo or openweathermap"),
    _measure("temperature", "Temperature at 2 m [°C]"),
    _measure("apparent_temperature", "Temperature as it feels [°C]"),
    _measure("relative_humidity", "Relative humidity at 2 m [%]"),
    _measure("wind_speed", "Wind at 10 m [m/s]"),
    _measure("wind_gusts", "Gusts at 10 m [m/s]"),
    _measure("precipitation", "Rain and snow, as water [mm/h]"),
    _measure("rain", "Rain and showers [mm/h]"),
    _measure("snowfall", "Snow, as water [mm/h]"),
    _measure("precipitation_probability", "Chance of rain or snow, in a forecast [%]"),
    _measure("cloud_cover", "Sky covered [%]"),
    _measure("pressure", "Air pressure at sea level [hPa]"),
    _measure("visibility", "How far one sees [m]"),
    sa.Column("weather_code", sa.SmallInteger, comment="WMO code table 4677 [0-99]"),
    sa.Column("weather_text", sa.Text, comment="The code in words"),
    sa.CheckConstraint("kind IN ('observation', 'forecast', 'reanalysis')", name="kind_known"),
    time="issued_at",
    scope=("system_id", "kind"),
    comment="Weather where a system is: observed, forecast as issued, or reanalysed later",
    metadata=METADATA,
)

_FEATURE_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "float32": sa.REAL,
    "int16": sa.SmallInteger,
    "bool": sa.Boolean,
}

STATION_FEATURES = declare_table(
    "station_features",
    _system_id(),
    sa.Column("observed_at", INSTANT, primary_key=True, comment="Origin, a 15-minute tick [UTC]"),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    sa.Column(
        "feature_version",
        sa.Text,
        nullable=False,
        comment="What the features mean; a model is given those of its own version only",
    ),
    *(
        sa.Column(
            feature.name,
            _FEATURE_TYPES[feature.dtype],
            nullable=feature.dtype == "float32",
            comment=f"{feature.meaning} [{feature.unit}]" if feature.unit else feature.meaning,
        )
        for feature in FEATURES
    ),
    time="observed_at",
    scope=("system_id",),
    comment="What was known of a station at a tick, as models see it (docs/features.md)",
    metadata=METADATA,
)

STATION_DEMAND = declare_table(
    "station_demand",
    _system_id(),
    sa.Column("hour", INSTANT, primary_key=True, comment="Start of the hour [UTC]"),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    _count(
        "departures", "Bikes that left, at least, by net changes in 15 minutes; null if unknown"
    ),
    _count("arrivals", "Bikes that came, at least; null if unknown"),
    sa.Column("minutes_empty", sa.Integer, comment="Without a bike; null if unknown [min]"),
    sa.Column("minutes_full", sa.Integer, comment="Without a free dock; null if unknown [min]"),
    sa.Column(
        "intervals",
        sa.SmallInteger,
        nullable=False,
        comment="Of the hour's four intervals of 15 minutes, how many are known [0-4]",
    ),
    *_not_negative("departures", "arrivals", "minutes_empty", "minutes_full", "intervals"),
    time="hour",
    scope=("system_id",),
    comment="How many bikes left and came in an hour, and how long a station was empty or full",
    metadata=METADATA,
)

LOCAL_CALENDAR = declare_table(
    "local_calendar",
    _system_id(),
    sa.Column("hour", INSTANT, primary_key=True, comment="Start of the hour [UTC]"),
    sa.Column("local_date", sa.Date, nullable=False, comment="Date on the system's clock"),
    sa.Column("local_hour", sa.SmallInteger, nullable=False, comment="Hour on its clock [0-23]"),
    sa.Column("weekday", sa.SmallInteger, nullable=False, comment="ISO weekday [1 Mon - 7 Sun]"),
    sa.Column("utc_offset", sa.Integer, nullable=False, comment="Local time minus UTC [seconds]"),
    time="hour",
    scope=("system_id",),
    comment="What the system's clock shows at each UTC hour: local time is never a key",
    metadata=METADATA,
)


def _probability(name: str, what: str) -> sa.Column[float]:
    return sa.Column(name, sa.REAL, comment=f"{what} [0-1]")


def _score(name: str, what: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, comment=what)


MODEL_EVALUATION = declare_table(
    "model_evaluation",
    _system_id(),
    sa.Column("trained_for", INSTANT, primary_key=True, comment="Start of the UTC day [UTC]"),
    sa.Column("algorithm", sa.Text, primary_key=True, comment="lightgbm or xgboost"),
    sa.Column(
        "split",
        sa.Text,
        primary_key=True,
        comment="validation: learning was stopped by it; test: nothing of it was learnt",
    ),
    sa.Column("horizon", sa.SmallInteger, primary_key=True, comment="Hours ahead [1-24]"),
    sa.Column("model_version", sa.Text, nullable=False, comment="In the registry"),
    sa.Column("run_id", sa.Text, nullable=False, comment="In MLflow"),
    sa.Column("feature_version", sa.Text, nullable=False, comment="Of the features it expects"),
    sa.Column("data_until", INSTANT, nullable=False, comment="Last target looked at [UTC]"),
    sa.Column("pairs", sa.Integer, nullable=False, comment="Rows it was learnt from [count]"),
    sa.Column("rows", sa.Integer, nullable=False, comment="Rows scored [count]"),
    _score("rmse", "Root mean squared error of the mean [bikes]"),
    _score("mae", "Mean absolute error of the median [bikes]; of the test only, as what follows"),
    _score("wape", "Sum of absolute errors over the sum of bikes"),
    _score("crps", "Continuous ranked probability score [bikes]"),
    _score("brier_empty", "Brier score of the probability of no bike"),
    _score("brier_full", "Brier score of the probability of no free dock"),
    _score("pit_coverage_80", "Probability within the middle 80 %; 0.8 if calibrated"),
    sa.Column("best_simple", sa.Text, comment="Simple forecast with the lowest RMSE"),
    _score("skill_rmse", "1 - RMSE / lowest RMSE of the simple forecasts on the same rows"),
    _score("skill_mae", "Likewise of the MAE"),
    _score("skill_crps", "Likewise of the CRPS"),
    _score("skill_brier_empty", "Likewise of the Brier score of empty"),
    _score("skill_brier_full", "Likewise of the Brier score of full"),
    *_not_negative("pairs", "rows"),
    sa.CheckConstraint("split IN ('validation', 'test')", name="split_known"),
    time="trained_for",
    scope=("system_id", "algorithm"),
    comment="How good each day's models were, on rows held out: the leaderboard",
    metadata=METADATA,
)

CHAMPION_DECISION = declare_table(
    "champion_decision",
    _system_id(),
    sa.Column("trained_for", INSTANT, primary_key=True, comment="Start of the UTC day [UTC]"),
    sa.Column("decision", sa.Text, nullable=False, comment="promoted or kept"),
    sa.Column("reason", sa.Text, nullable=False, comment="Why, in a stable word"),
    sa.Column("detail", sa.Text, nullable=False, comment="Why, in a sentence"),
    sa.Column(
        "applied",
        sa.Boolean,
        nullable=False,
        comment="The challenger became champion; false too for a day that is not the newest",
    ),
    sa.Column("challenger", sa.Text, nullable=False, comment="Its version in the registry"),
    sa.Column("algorithm", sa.Text, nullable=False, comment="The challenger's"),
    sa.Column("champion", sa.Text, comment="The version that reigned before; null: none did"),
    sa.Column("unseen_from", INSTANT, comment="First origin compared on [UTC]"),
    sa.Column("unseen_until", INSTANT, comment="No target compared on is as late [UTC]"),
    _count("rows", "Rows compared on, of all gated horizons"),
    _score("gain", "1 - CRPS of the challenger / of the champion, mean of the gated horizons"),
    _score("gain_low", "Lower end of its 90 % interval, days drawn with replacement"),
    _score("gain_high", "Upper end"),
    _score("margin", "Gain that is asked for"),
    sa.Column("figures", sa.Text, nullable=False, comment="Scores by gated horizon [JSON]"),
    sa.CheckConstraint("decision IN ('promoted', 'kept')", name="decision_known"),
    time="trained_for",
    scope=("system_id",),
    comment="Which model each day's comparison was won by, and why",
    metadata=METADATA,
)

MODEL_EVENT = declare_table(
    "model_event",
    _system_id(),
    sa.Column("at", INSTANT, primary_key=True, comment="When it happened [UTC]"),
    sa.Column(
        "kind",
        sa.Text,
        primary_key=True,
        comment="promotion, refusal, rollback, retraining, nothing_new, pin or unpin",
    ),
    sa.Column(
        "model_version",
        sa.Text,
        nullable=False,
        comment="The champion from now on; of a refusal the challenger",
    ),
    sa.Column("replaced", sa.Text, comment="The champion before; null: none was, or it stays"),
    sa.Column("trained_for", INSTANT, nullable=False, comment="Day of the version [UTC]"),
    sa.Column("reason", sa.Text, nullable=False, comment="Why, in a sentence"),
    sa.Column("figures", sa.Text, comment="The numbers it goes by [JSON]; null: by hand"),
    time="at",
    scope=("system_id",),
    comment="What was done about models, and what was refused, with the reason",
    metadata=METADATA,
)


def _origin() -> list[sa.Column[Any]]:
    return [
        _system_id(),
        sa.Column("origin_at", INSTANT, primary_key=True, comment="Tick forecast from [UTC]"),
        sa.Column(
            "station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"
        ),
    ]


def _role() -> sa.Column[str]:
    return sa.Column(
        "role",
        sa.Text,
        primary_key=True,
        comment="champion; simple: there is none, or it has seen what came after the origin; "
        "challenger, predecessor: in the shadow, at some horizons, to be compared",
    )


def _issue() -> list[sa.Column[Any]]:
    return [
        sa.Column("issued_at", INSTANT, nullable=False, comment="When it was made [UTC]"),
        sa.Column(
            "late", sa.Boolean, nullable=False, comment="Made over 30 minutes after the origin"
        ),
        sa.Column("model_version", sa.Text, comment="In the registry; null for a simple one"),
    ]


STATION_FORECAST = declare_table(
    "station_forecast",
    *_origin(),
    sa.Column("target_at", INSTANT, primary_key=True, comment="Tick forecast for [UTC]"),
    _role(),
    *_issue(),
    sa.Column("horizon", sa.SmallInteger, nullable=False, comment="Hours ahead [1-24]"),
    sa.Column("in_service", sa.Boolean, nullable=False, comment="It gave bikes out at the origin"),
    _count("capacity", "Bikes there is room for", nullable=False),
    sa.Column("bikes", sa.REAL, nullable=False, comment="Expected bikes: the mean [bikes]"),
    sa.Column("p10", sa.Integer, nullable=False, comment="With 10 % there are no more [bikes]"),
    sa.Column("p50", sa.Integer, nullable=False, comment="The median [bikes]"),
    sa.Column("p90", sa.Integer, nullable=False, comment="With 90 % there are no more [bikes]"),
    _probability("p_empty", "Probability of no bike"),
    _probability("p_full", "Probability of no free dock; null where docks are not told"),
    _probability("p10_inside", "Share of p10 bikes that lies in the middle 80 %: its PIT, if due"),
    _probability("p90_inside", "Likewise of p90 bikes"),
    *_not_negative("capacity", "p10"),
    time="origin_at",
    scope=("system_id", "role"),
    comment="Bikes at each station 1 to 24 hours ahead, as distributions",
    metadata=METADATA,
)

STATION_RISK = declare_table(
    "station_risk",
    *_origin(),
    _role(),
    *_issue(),
    sa.Column("in_service", sa.Boolean, nullable=False, comment="It gave bikes out at the origin"),
    _probability("p_empty_hour", "Probability of an hour or more without a bike, in the next 6 h"),
    _probability("p_full_hour", "Likewise without a free dock; null where docks are not told"),
    sa.Column("neighbour_id", sa.Text, comment="Nearest station in service; null: none is placed"),
    sa.Column("neighbour_distance", sa.REAL, comment="How far it is [m]"),
    sa.Column(
        "empty_shared", sa.Boolean, comment="The neighbour is more likely than not empty, too"
    ),
    sa.Column("full_shared", sa.Boolean, comment="The neighbour is more likely than not full, too"),
    time="origin_at",
    scope=("system_id", "role"),
    comment="How likely each station is to be empty or full for an hour or more, within 6 hours",
    metadata=METADATA,
)

FORECAST_INPUT = declare_table(
    "forecast_input",
    _system_id(),
    sa.Column("origin_at", INSTANT, primary_key=True, comment="Tick forecast from [UTC]"),
    sa.Column("feature", sa.Text, primary_key=True, comment="Of the model; forecast: what it said"),
    sa.Column("model_version", sa.Text, nullable=False, comment="The champion, with its bins"),
    sa.Column(
        "counts",
        sa.Text,
        nullable=False,
        comment="Rows in each of the model's bins, last those unknown [JSON]",
    ),
    time="origin_at",
    scope=("system_id",),
    comment="What the champion was asked, counted in the bins of what it has learnt from",
    metadata=METADATA,
)


def _sum(name: str, what: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, comment=f"Sum over rows: {what}")


FORECAST_ACCURACY = declare_table(
    "forecast_accuracy",
    _system_id(),
    sa.Column("target_at", INSTANT, primary_key=True, comment="Tick that was forecast [UTC]"),
    sa.Column("horizon", sa.SmallInteger, primary_key=True, comment="Hours ahead [1-24]"),
    sa.Column(
        "role", sa.Text, primary_key=True, comment="champion, simple, challenger or predecessor"
    ),
    sa.Column(
        "model_version",
        sa.Text,
        primary_key=True,
        comment="In the registry; empty for a simple one",
    ),
    sa.Column("rows", sa.Integer, nullable=False, comment="Stations scored [count]"),
    _sum("bikes", "those there were"),
    _sum("squared_error", "of the mean [bikes²]"),
    _sum("absolute_error", "of the median [bikes]"),
    _sum("quantile_loss", "twice the mean pinball loss of the 10, 50 and 90 % quantiles [bikes]"),
    sa.Column(
        "inside",
        sa.Double,
        comment="Sum over rows: probability within the middle 80 %; 0.8 of rows if calibrated; "
        "null of forecasts that did not tell it",
    ),
    _sum("empty", "stations without a bike"),
    _sum("p_empty", "probability of it"),
    _sum("brier_empty", "squared error of the probability"),
    sa.Column("rows_full", sa.Integer, nullable=False, comment="Of rows, those with docks [count]"),
    _sum("full", "stations without a free dock"),
    _sum("p_full", "probability of it"),
    _sum("brier_full", "squared error of the probability"),
    _sum("persistence_squared_error", "of the bikes at the origin [bikes²]"),
    _sum("persistence_absolute_error", "of the same, and their quantile loss [bikes]"),
    _sum("persistence_brier_empty", "of being empty at the origin"),
    _sum("persistence_brier_full", "of being full at the origin"),
    *_not_negative("rows", "rows_full"),
    time="target_at",
    scope=("system_id",),
    comment="How forecasts that came due fared, beside persistence; sums, so that hours add up",
    metadata=METADATA,
)

FEATURE_DRIFT = declare_table(
    "feature_drift",
    _system_id(),
    sa.Column("hour", INSTANT, primary_key=True, comment="Last of the 24 origins [UTC]"),
    sa.Column("feature", sa.Text, primary_key=True, comment="Of the model; or forecast, or target"),
    sa.Column("model_version", sa.Text, nullable=False, comment="The champion compared with"),
    _score("psi", "Population stability index against what the champion has learnt from"),
    sa.Column(
        "band",
        sa.Text,
        nullable=False,
        comment="none, minor (0.1 or more), moderate (0.15), critical (0.25); unknown: too little",
    ),
    sa.Column("rows", sa.Integer, nullable=False, comment="Compared [count]"),
    sa.Column("hours", sa.SmallInteger, nullable=False, comment="Origins they are of [0-24]"),
    sa.CheckConstraint(
        "band IN ('none', 'minor', 'moderate', 'critical', 'unknown')", name="band_known"
    ),
    *_not_negative("rows", "hours"),
    time="hour",
    scope=("system_id",),
    comment="How far what the champion is asked has moved from what it has learnt from",
    metadata=METADATA,
)

DATA_QUALITY = declare_table(
    "data_quality",
    _system_id(),
    sa.Column("window_start", INSTANT, primary_key=True, comment="Start of the 4 hours [UTC]"),
    sa.Column("rule", sa.Text, primary_key=True, comment="What was asked (docs/data-quality.md)"),
    sa.Column(
        "severity", sa.Text, nullable=False, comment="critical, error or warning, if it is broken"
    ),
    sa.Column("count", sa.Integer, nullable=False, comment="Rows that break it [count]"),
    sa.Column("checked", sa.Integer, nullable=False, comment="Rows that were asked [count]"),
    sa.Column("share", sa.Double, comment="One over the other; null where none was asked [0-1]"),
    sa.Column("sample", sa.Text, nullable=False, comment="Some of them, by their keys [JSON]"),
    sa.CheckConstraint("severity IN ('critical', 'error', 'warning')", name="severity_known"),
    *_not_negative("count", "checked"),
    time="window_start",
    scope=("system_id",),
    comment="What was wrong with what is stored, by rule; a rule that holds has a count of 0",
    metadata=METADATA,
)
