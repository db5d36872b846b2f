"""What the rules find in a window of one system: counts, shares and a sample."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import pandas as pd
import psycopg

from bike_demand.quality.rules import RULES, Rule, Severity
from bike_demand.storage.tables import DATA_QUALITY
from bike_demand.storage.windows import Window

SAMPLED: Final = 5
"""Rows that a finding names."""

_COUNTS: Final = "SELECT coalesce(sum({rows}), 0), {broken} FROM ({asked}) AS asked"
_BROKEN: Final = "coalesce(sum({rows}) FILTER (WHERE {broken}), 0)"
_SAMPLE: Final = """
SELECT json_agg(sample) FROM (
  SELECT {columns} FROM ({asked}) AS asked WHERE {broken} ORDER BY {columns} LIMIT {most}
) AS sample
"""


@dataclass(frozen=True)
class Finding:
    """What a rule found: a row of `data_quality`, but for its window.

    Attributes:
        rule: Its name.
        severity: The rule's.
        count: Rows that break it; 0 if it holds.
        checked: Rows that were asked.
        share: One over the other; None where none was asked.
        sample: The first few that break it, by their keys [JSON].
    """

    rule: str
    severity: Severity
    count: int
    checked: int
    share: float | None
    sample: str


def findings(
    connection: psycopg.Connection, system_id: str, window: Window, *, live: bool
) -> list[Finding]:
    """Ask every rule.

    Args:
        connection: To the warehouse, in UTC.
        system_id: Whose rows.
        window: Which.
        live: The system has a feed, so that a quarter of an hour without a snapshot is a loss.
    """
    values = {"system": system_id, "start": window.start, "end": window.end, "live": live}
    return [finding for rules in by_rows() for finding in asked(connection, rules, values)]


def frame(found: list[Finding], system_id: str, window: Window) -> pd.DataFrame:
    """Findings of one window as rows of `data_quality`."""
    rows = pd.DataFrame([asdict(finding) for finding in found])
    return rows.assign(
        system_id=system_id,
        window_start=pd.Timestamp(window.start),
        share=rows["share"].astype("float64"),
    )[[*DATA_QUALITY.columns]]


def by_rows() -> list[list[Rule]]:
    """The rules in their order, those together that stand beside each other and ask the same."""
    return [[*rules] for _, rules in groupby(RULES, attrgetter("asked"))]


def asked(
    connection: psycopg.Connection, rules: list[Rule], values: dict[str, Any]
) -> Iterator[Finding]:
    """What rules of the same rows find: those are read once.

    Args:
        connection: To the warehouse, in UTC.
        rules: As `by_rows` gives them.
        values: Of `system`, `start`, `end` and `live`.
    """
    rows = rules[0].rows
    broken = ", ".join(_BROKEN.format(rows=rows, broken=rule.broken) for rule in rules)
    query = _COUNTS.format(rows=rows, broken=broken, asked=rules[0].asked)
    checked, *counts = connection.execute(query, values).fetchone() or (0,)
    for rule, count in zip(rules, counts, strict=True):
        sample = _sample(connection, rule, values) if count else []
        yield Finding(
            rule.name,
            rule.severity,
            int(count),
            int(checked),
            float(count) / float(checked) if checked else None,
            json.dumps(sample),
        )


def _sample(
    connection: psycopg.Connection, rule: Rule, values: dict[str, Any]
) -> list[dict[str, Any]]:
    query = _SAMPLE.format(
        columns=", ".join(rule.sample), asked=rule.asked, broken=rule.broken, most=SAMPLED
    )
    [sample] = connection.execute(query, values).fetchone() or ([],)
    return list(sample)
