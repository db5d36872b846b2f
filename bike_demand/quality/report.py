"""Findings as Markdown, with a small picture, for the asset's page."""

import json
from typing import Final

import pandas as pd

from bike_demand.forecasting.inline_image import inline_figure
from bike_demand.forecasting.pictures import of_quality
from bike_demand.storage.windows import Window

SEVERITIES: Final = ("critical", "error", "warning")
"""The worst first."""

NAMED: Final = 2
"""Rows of a finding's sample that the report shows."""


def report(system_id: str, window: Window, found: pd.DataFrame, past: pd.DataFrame) -> str:
    """What was found in a window, and how that compares with the days before.

    Args:
        system_id: Whose rows were asked.
        window: Which.
        found: Rows of `data_quality`: every rule of this window.
        past: Likewise, of the days before.
    """
    broken = worst_first(found)
    asked = int((found["checked"] > 0).sum())
    lines = [f"{len(broken)} of {asked} rules that had something to ask are broken.", ""]
    if (past["count"] > 0).any() or len(broken):
        figure = of_quality(f"{system_id}, {window}", found, past)
        lines += [inline_figure("findings", figure), ""]
    if len(broken):
        lines += ["| rule | severity | rows | of | share | such as |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{row['rule']}` | {row['severity']} | {row['count']:,} | {row['checked']:,} "
        f"| {row['share']:.2%} | {told(row['sample'], NAMED).replace('|', ' ')} |"
        for row in broken.to_dict("records")
    ]
    return "\n".join(lines)


def worst_first(found: pd.DataFrame) -> pd.DataFrame:
    """Of findings those of rules that are broken, by severity and then by share."""
    broken = found[found["count"] > 0]
    order = broken["severity"].map(SEVERITIES.index)
    return broken.assign(order=order).sort_values(
        ["order", "share"], ascending=[True, False], kind="stable"
    )


def told(sample: str, most: int) -> str:
    """A sample in words.

    Args:
        sample: As it is stored.
        most: Rows of it.
    """
    return "; ".join(
        ", ".join(f"{name} {value}" for name, value in row.items() if value is not None)
        for row in json.loads(sample)[:most]
    )
