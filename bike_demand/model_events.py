"""What is noted of models: a row of `model_event` for each thing done, or refused."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pandas as pd

from bike_demand.registry import Version
from bike_demand.storage.replace import Rows
from bike_demand.storage.windows import Window

Kind = Literal["promotion", "refusal", "rollback", "retraining", "nothing_new", "pin", "unpin"]


def event(
    kind: Kind,
    at: str,
    version: Version,
    replaced: str | None,
    reason: str,
    figures: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The row.

    Args:
        kind: What was done.
        at: When, as a tag has it.
        version: The champion from then on; of a refusal the challenger.
        replaced: The version that it came after; None if there was none, or it stays.
        reason: In a sentence.
        figures: The numbers it goes by; None if it was done by hand.
    """
    return {
        "system_id": version.system_id,
        "at": pd.Timestamp(at),
        "kind": kind,
        "model_version": version.version,
        "replaced": replaced,
        "trained_for": pd.Timestamp(version.trained_for, tz=UTC),
        "reason": reason,
        "figures": None if figures is None else json.dumps(figures),
    }


def rows(events: Sequence[dict[str, Any]]) -> Rows:
    """Events to be stored; each replaces what was noted of its system at the same moment."""
    frame = pd.DataFrame(events)
    moments: list[datetime] = [at.to_pydatetime() for at in frame["at"]]
    windows = [Window(at, at + timedelta(microseconds=1)) for at in moments]
    return Rows(frame, {"system_id": [*frame["system_id"]]}, windows=windows)
