"""Writes the tables of `docs/features.md` from the declared features; a test holds them together.

Run as `python -m bike_demand_tests.feature_table` after changing a feature.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from bike_demand.forecasting.feature import Feature
from bike_demand.forecasting.features import FEATURE_VERSION, FEATURES, TARGET_FEATURES

PATH = Path(__file__).parents[1] / "docs" / "features.md"
START = "<!-- written by bike_demand_tests/feature_table.py -->\n"


def render() -> str:
    return (
        f"{START}\nVersion {FEATURE_VERSION}.\n\n"
        f"## Of an origin\n\n{render_table(FEATURES)}\n"
        f"## Of an origin and its target\n\n{render_table(TARGET_FEATURES)}"
    )


def render_table(features: Sequence[Feature]) -> str:
    rows = "".join(
        f"| `{feature.name}` | {feature.meaning} | {feature.unit} | {span(feature.lookback)} "
        f"| {feature.source} | {feature.dtype} |\n"
        for feature in features
    )
    return (
        f"| name | meaning | unit | lookback | source | type |\n|---|---|---|---|---|---|\n{rows}"
    )


def span(lookback: timedelta) -> str:
    hours, rest = divmod(lookback, timedelta(hours=1))
    minutes = rest // timedelta(minutes=1)
    if lookback > timedelta(days=1):
        return f"{lookback.days} d"
    return " ".join(
        f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number
    )


if __name__ == "__main__":
    page, _, _ = PATH.read_text().partition(START)
    PATH.write_text(page + render())
