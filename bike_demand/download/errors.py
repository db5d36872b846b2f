"""What can go wrong with a feed, in two kinds: worth another try, or not.

Only the exceptions stand here, and what a person is advised. When each is raised is said where
it happens (`downloader.py`, and the parts that read what was downloaded).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """What a person can do about a feed, by what is wrong; one or two sentences each.

    Attributes:
        address: The address does not lead to such a feed.
        credentials: The server wants other credentials, or none of ours (401, 403).
        missing: The server does not have it (404, 410).
    """

    address: str
    credentials: str
    missing: str


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
    """Asking again gives the same answer: somebody must change something.

    Attributes:
        answer: The first bytes of a refusal, which may explain it. As they came: they may repeat
            what we sent.
    """

    def __init__(
        self,
        feed: str,
        problem: str,
        remedy: str,
        *,
        http_status: int | None = None,
        answer: bytes = b"",
    ) -> None:
        super().__init__(feed, problem, remedy, http_status=http_status)
        self.answer = answer
