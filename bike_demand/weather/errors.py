"""What can be wrong with an answer, beside what can go wrong in getting one (`download.errors`)."""

from typing import Final

from bike_demand.download.errors import PermanentFeedError

REMEDY: Final = (
    "Nothing of it is kept, and it is asked again at the next tick. If it goes on, look up whether "
    "the service has changed its answers, and whether the configured address is its own."
)


class InvalidWeatherError(PermanentFeedError):
    """The service answered, and the answer is not the weather as it documents it.

    Args:
        feed: Where it came from, as it may be shown (`urls.public_url`).
        problem: What is wrong with it, one clause.
    """

    def __init__(self, feed: str, problem: str, remedy: str = REMEDY) -> None:
        super().__init__(feed, problem, remedy)
