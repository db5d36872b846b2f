"""Of critical findings, what people are told: those of the newest window of each system."""

from collections.abc import Sequence
from typing import Final

from bike_demand.alerts import Incident
from bike_demand.settings import System
from bike_demand.storage.warehouse import Warehouse

_CRITICAL: Final = """
SELECT system_id, window_start, rule, count, checked, sample
FROM unnest(%(systems)s::text[]) AS system_id CROSS JOIN LATERAL (
  SELECT window_start, rule, count, checked, sample FROM data_quality
  WHERE data_quality.system_id = system_id.system_id AND severity = 'critical' AND count > 0
    AND window_start = (
      SELECT max(window_start) FROM data_quality WHERE data_quality.system_id = system_id.system_id
    )
) AS finding
ORDER BY system_id, rule
"""


def incidents(warehouse: Warehouse, systems: Sequence[System], *, page_url: str) -> list[Incident]:
    """What is wrong now; of what was recorded nobody is told, for nothing of it goes on.

    Args:
        warehouse: With the findings.
        systems: Those that are followed.
        page_url: Of Dagster's page.
    """
    live = [system.system_id for system in systems if system.is_live]
    rows = warehouse.frame(_CRITICAL, {"systems": live}).to_dict("records")
    return [
        Incident(
            key=f"data_quality {row['system_id']} {row['rule']}",
            asset="data_quality",
            partition=f"{row['window_start']:%Y-%m-%d-%H:%M}",
            since=row["window_start"].to_pydatetime(),
            what=(
                f"{row['count']} of {row['checked']} rows of {row['system_id']} break the rule "
                f"{row['rule']}, such as {row['sample']}."
            ),
            todo="Do not trust what is made of them; 'bike-demand quality' shows all findings.",
            link=f"{page_url}/assets/data_quality?partition={row['window_start']:%Y-%m-%d-%H:%M}",
        )
        for row in rows
    ]
