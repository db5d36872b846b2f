"""What can be wrong with an answer, beside what can go wrong in getting one (`download.errors`)."""

from datetime import datetime
from typing import Final

import pandas as pd

from bike_demand.download.errors import Advice, PermanentFeedError

ADVICE: Final = Advice(
    address=(
        "Open the URL in a browser: it must serve a GBFS document. If it does not, correct the "
        "configured URL or tell the operator."
    ),
    credentials="Check the headers (API key) configured for this system.",
    missing=(
        "The feed has moved or ended. Look up the system's current gbfs.json, for example "
        "in MobilityData's list of systems, and correct the configured URL."
    ),
)


class InvalidFeedError(PermanentFeedError):
    """The feed answered, and the answer is not GBFS or is mostly invalid records.

    Attributes:
        rejected: The rejected records (`frames.REJECTED_COLUMNS`), to be stored before failing.
        records: How many records the document held, or None if it could not be read so far.
        last_updated: When the feed says it was made (UTC), or None.
    """

    def __init__(
        self,
        feed: str,
        problem: str,
        remedy: str,
        *,
        rejected: pd.DataFrame | None = None,
        records: int | None = None,
        last_updated: datetime | None = None,
    ) -> None:
        super().__init__(feed, problem, remedy)
        self.rejected = rejected
        self.records = records
        self.last_updated = last_updated


def not_gbfs(feed: str, problem: str) -> InvalidFeedError:
    """The error for an answer that is no GBFS document, with the usual remedy."""
    return InvalidFeedError(feed, problem, ADVICE.address)
