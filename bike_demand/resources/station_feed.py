"""Where station status comes from: the live systems of the settings, or a recording.

A feed reads windows. The asset does not know which kind it has: a live feed can only speak for
the present tick, a recorded one for any window that it holds.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
import pandas as pd

from bike_demand.storage.windows import Window


@dataclass(frozen=True)
class Reading:
    """What the systems said, ready to be stored.

    Attributes:
        window: When they said it.
        rows: Rows of the table that was read for, of the systems in `answered`.
        rejected: Rows of `rejected_record`, of all systems asked.
        polls: Rows of `feed_poll`, of all systems asked.
        answered: The systems that `rows` speaks for.
        failures: For each system that did not answer, why, and what to do about it.
    """

    window: Window
    rows: pd.DataFrame
    rejected: pd.DataFrame
    polls: pd.DataFrame
    answered: tuple[str, ...]
    failures: Mapping[str, str]

    @property
    def asked(self) -> tuple[str, ...]:
        """All systems that were asked."""
        return (*self.answered, *self.failures)


class StationFeed(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """Reads what every system says of its stations in a window."""

    @abstractmethod
    def read(self, window: Window) -> Reading:
        """Read `station_status` of a window of one or more 15-minute ticks.

        Raises:
            PermanentFailure: This feed cannot speak for that window.
        """
