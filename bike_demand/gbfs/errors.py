"""What can go wrong with a feed, in two kinds: worth another try, or not.

Only the exceptions stand here. When each is raised is said where it happens (`download.py`,
`document.py`, `parse.py`).
"""

from datetime import datetime
from typing import Final

import pandas as pd

CHECK_URL: Final = (
    "Open the URL in a browser: it must serve a GBFS document. If it does not, correct the "
    "configured URL or tell the operator."
)
"""The remedy where an address does not lead to a feed."""


class FeedError(Exception):
    """A feed could not be had. The message names the feed, the problem and the remedy.

    Raised only as one of its subclasses. Nothing in it holds a header's value or a query string.

    Attributes:
        feed: The feed's URL as it may be shown (`urls.public_url`), or the configured system's
            name where there is none.
        problem: What happened, one clause.
        remedy: What a person can do, one or two sentences.
        http_status: The status the server answered with, or None if it did not answer.
    """

    def __init__(
        self, feed: str, problem: str, remedy: str, *, http_status: int | None = None
    ) -> None:
        super().__init__(feed, problem, remedy)
        self.feed = feed
        self.problem = problem
        self.remedy = remedy
        self.http_status = http_status

    def __str__(self) -> str:
        return f"{self.feed}: {self.problem}. {self.remedy}"


class TransientFeedError(FeedError):
    """It may work next time: timeouts, refused connections, 408, 429, 5xx.

    It reaches a caller only after the client's own retries.

    Attributes:
        retry_after: Seconds the server asked us to wait, or None if it did not say.
    """

    def __init__(
        self,
        feed: str,
        problem: str,
        remedy: str,
        *,
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(feed, problem, remedy, http_status=http_status)
        self.retry_after = retry_after


class PermanentFeedError(FeedError):
    """Asking again gives the same answer: somebody must change something."""


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
    return InvalidFeedError(feed, problem, CHECK_URL)
