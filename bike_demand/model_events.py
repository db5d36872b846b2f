"""What is noted when a champion changes: a row of `model_event`, at the moment of the change."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from bike_demand.registry import Version
from bike_demand.storage.replace import Rows
from bike_demand.storage.windows import Window


def event(
    kind: str, at: str, champion: Version, replaced: str | None, reason: str
) -> dict[str, Any]:
    """The row.

    Args:
        kind: "promotion" or "rollback".
        at: When, as a tag has it.
        champion: That has been appointed.
        replaced: The version that it came after.
        reason: In a sentence.
    """
    return {
        "system_id": champion.system_id,
        "at": pd.Timestamp(at),
        "kind": kind,
        "model_version": champion.version,
        "replaced": replaced,
        "trained_for": pd.Timestamp(champion.trained_for, tz=UTC),
        "reason": reason,
    }


def rows(events: Sequence[dict[str, Any]]) -> Rows:
    """Events to be stored; each replaces what was noted of its system at the same moment."""
    frame = pd.DataFrame(events)
    moments: list[datetime] = [at.to_pydatetime() for at in frame["at"]]
    windows = [Window(at, at + timedelta(microseconds=1)) for at in moments]
    return Rows(frame, {"system_id": [*frame["system_id"]]}, windows=windows)
