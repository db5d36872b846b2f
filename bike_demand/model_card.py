"""A model's card in Markdown: what it is, what it is for, how good it is, and what it cannot do.

The headings follow Mitchell et al., Model Cards for Model Reporting (2019). A pure function of
plain figures: where those come from, and where the card is put, is others' business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isnan
from typing import Final

BANDS: Final = ("critical", "moderate")
"""Of drift, those that are told."""

UNKNOWN: Final = "-"

MOST: Final = 8
"""Features that have moved, and reigns, that are told: MLflow keeps 5,000 characters."""

LIMITS: Final = (
    "It knows what feeds, the calendar and weather services tell: nothing of events, of works, of "
    "what trucks are about to do.",
    "It has learnt 28 days at most. A season, a price or a network unlike those is new to it.",
    "It forecasts bikes at stations, not demand: whoever found none there was never seen.",
    "It has learnt from stations that are installed and give bikes out, at full hours, and was "
    "scored on them; of others its forecast says little.",
    "A new station has no past weeks to go by, and is forecast from its state and the others'.",
    "Scores and calibration are of all stations together: a single one may fare otherwise.",
    "Where a feed does not tell of free docks, full means as many bikes as there is room for, by "
    "the capacity declared or the most seen.",
    "Beyond 24 hours it says nothing.",
)


@dataclass(frozen=True)
class Score:
    """On the test's rows, at a horizon, as in `model_evaluation`.

    Attributes:
        horizon: Hours ahead.
        rows: Scored.
        rmse: Of the mean [bikes].
        best_simple: The simple forecast with the lowest RMSE.
        skill: 1 - RMSE / that one's.
        crps_skill: Likewise of the CRPS.
        coverage: Probability within the middle 80 %.
    """

    horizon: int
    rows: int
    rmse: float
    best_simple: str | None
    skill: float | None
    crps_skill: float | None
    coverage: float | None


@dataclass(frozen=True)
class GroupScore:
    """On the test's rows of some stations, at a horizon.

    Attributes:
        group: Which stations, such as "quiet".
        horizon: Hours ahead.
        rmse: Of the mean [bikes].
        skill: 1 - RMSE / that of the best simple forecast on the same rows.
    """

    group: str
    horizon: int
    rmse: float
    skill: float | None


@dataclass(frozen=True)
class LiveScore:
    """Of forecasts that came due in the last seven days, at a horizon, as in `forecast_accuracy`.

    Attributes:
        horizon: Hours ahead.
        rows: Scored.
        rmse: Of the mean [bikes].
        skill: 1 - RMSE / that of persistence.
        coverage: Probability within the middle 80 %.
    """

    horizon: int
    rows: int
    rmse: float
    skill: float | None
    coverage: float | None


@dataclass(frozen=True)
class Drift:
    """What the model is asked, beside what it has learnt from, as in `feature_drift`.

    Attributes:
        hour: Last of the 24 origins, UTC.
        psi: By feature.
        bands: Likewise.
    """

    hour: datetime
    psi: dict[str, float]
    bands: dict[str, str]


@dataclass(frozen=True)
class Reign:
    """A time as champion.

    Attributes:
        since: Its begin, UTC.
        until: Its end, UTC; None if it goes on.
        version: Who reigned.
        how: It began, such as "promotion".
    """

    since: datetime
    until: datetime | None
    version: str
    how: str


@dataclass(frozen=True)
class Card:
    """All that a card tells.

    Attributes:
        system_id: Whose bikes.
        version: In the registry.
        algorithm: lightgbm or xgboost.
        trained_for: The UTC day.
        trained_from: First origin learnt from, UTC.
        trained_until: Last one, UTC.
        data_until: Last target time looked at, UTC.
        stations: Learnt from.
        pairs: Rows learnt from.
        feature_version: Of the features it expects.
        scores: On the test, by horizon.
        groups: Likewise by groups of stations; may be empty.
        live: Of the last seven days; may be empty.
        drift: Since; None if it was not measured.
        reigns: Of the system's champions, the newest first; may be empty.
    """

    system_id: str
    version: str
    algorithm: str
    trained_for: date
    trained_from: datetime
    trained_until: datetime
    data_until: datetime
    stations: int
    pairs: int
    feature_version: str
    scores: Sequence[Score]
    groups: Sequence[GroupScore] = ()
    live: Sequence[LiveScore] = ()
    drift: Drift | None = None
    reigns: Sequence[Reign] = ()


def model_card(card: Card) -> str:
    """The card, in Markdown."""
    sections = {
        "What it is": _what(card),
        "Intended use": _use(card),
        "Data window": _data(card),
        "Accuracy": _accuracy(card),
        "Calibration": _calibration(card),
        "Limits": "\n".join(f"- {limit}" for limit in LIMITS),
        "Drift since": _drift(card.drift),
        "Reigns": _reigns(card.reigns),
    }
    told = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in sections.items())
    return f"# {card.system_id}, version {card.version}\n\n{told}\n"


def _what(card: Card) -> str:
    return (
        f"Version {card.version} of `bike_demand.{card.system_id}`, {card.algorithm}, trained for "
        f"{card.trained_for}. Of each station of {card.system_id} it tells how many bikes it will "
        "have 1 to 24 hours ahead, as one probability for each count: mean, quantiles, and the "
        "probabilities of an empty and of a full station come from it. How it learns stands in "
        "docs/model.md."
    )


def _use(card: Card) -> str:
    return (
        f"To see ahead of time which stations of {card.system_id} run empty or full, and how far "
        "to trust that: for those who move bikes, for riders, for analysts. Not for another "
        "system, nor for bikes without stations. To promise a bike to a single rider it is not "
        "sure enough."
    )


def _data(card: Card) -> str:
    return _table(
        ("", ""),
        [
            ("origins learnt from", f"{_time(card.trained_from)} to {_time(card.trained_until)}"),
            ("last target looked at", _time(card.data_until)),
            ("stations", f"{card.stations:,}"),
            ("pairs of origin and target", f"{card.pairs:,}"),
            ("features", f"version {card.feature_version}"),
        ],
    )


def _accuracy(card: Card) -> str:
    parts = [
        "On the days that it was tested on, of which it has learnt nothing, beside the best "
        "forecast that needs no model:",
        _table(
            ("ahead", "rows", "RMSE", "best simple", "skill", "CRPS skill"),
            [
                (
                    _ahead(score.horizon),
                    f"{score.rows:,}",
                    f"{score.rmse:.3f}",
                    score.best_simple or UNKNOWN,
                    _signed(score.skill),
                    _signed(score.crps_skill),
                )
                for score in card.scores
            ],
        ),
    ]
    if card.groups:
        parts += [
            "The same by thirds of the stations, by how often bikes come and go:",
            _table(
                ("stations", "ahead", "RMSE", "skill"),
                [
                    (one.group, _ahead(one.horizon), f"{one.rmse:.3f}", _signed(one.skill))
                    for one in card.groups
                ],
            ),
        ]
    if not card.live:
        return "\n\n".join([*parts, "None of its forecasts came due in the last seven days."])
    rows = [
        (_ahead(one.horizon), f"{one.rows:,}", f"{one.rmse:.3f}", _signed(one.skill))
        for one in card.live
    ]
    parts += [
        "Of its forecasts that came due in the last seven days, beside persistence, which is "
        "easier to beat:",
        _table(("ahead", "rows", "RMSE", "skill"), rows),
    ]
    return "\n\n".join(parts)


def _calibration(card: Card) -> str:
    live = {one.horizon: one.coverage for one in card.live}
    rows = [
        (_ahead(one.horizon), _share(one.coverage), _share(live.get(one.horizon)))
        for one in card.scores
    ]
    told = "What came had this probability within the middle 80 % of its distributions:"
    return f"{told}\n\n{_table(('ahead', 'test', 'last seven days'), rows)}"


def _drift(drift: Drift | None) -> str:
    if drift is None:
        return "Not measured."
    moved = sorted(
        (name for name, band in drift.bands.items() if band in BANDS),
        key=lambda name: -drift.psi[name],
    )
    most = max(drift.psi.values(), default=None)
    told = f"In the 24 hours to {_time(drift.hour)}"
    if most is None:
        return f"{told} there was too little to compare."
    told += f" the largest population stability index was {most:.2f}"
    if not moved:
        return f"{told}: nothing has moved much."
    rows = [(f"`{name}`", f"{drift.psi[name]:.2f}", drift.bands[name]) for name in moved[:MOST]]
    more = f", {len(moved)} features, the farthest" if len(moved) > MOST else ""
    return f"{told}. What has moved{more}:\n\n{_table(('feature', 'PSI', 'band'), rows)}"


def _reigns(reigns: Sequence[Reign]) -> str:
    if not reigns:
        return "There was no champion yet."
    rows = [
        (_time(one.since), _time(one.until) if one.until else "now", one.version, one.how)
        for one in reigns[:MOST]
    ]
    return _table(("from", "to", "version", "how"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(heads), f"|{'---|' * len(heads)}", *map(line, rows)])


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _ahead(hours: int) -> str:
    return f"{hours} h"


def _signed(share: float | None) -> str:
    return UNKNOWN if share is None or isnan(share) else f"{share:+.1%}"


def _share(share: float | None) -> str:
    return _signed(share).removeprefix("+")
