"""The time in a city, which may start on another day than ours and run faster.

Whoever serves a city asks a callable for the present; a test may pass any other.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock


def utc_now() -> datetime:
    """The wall clock (aware, UTC)."""
    return datetime.now(UTC)


class Clock:
    """Tells the city's present and never goes back, whatever the wall clock does. Thread-safe.

    Args:
        at: What it shows at first (aware); the wall clock's time if None.
        factor: How many seconds pass in the city in one of ours.
        wall: The wall clock (aware, UTC).
    """

    def __init__(
        self,
        at: datetime | None = None,
        factor: float = 1.0,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        if factor <= 0:
            raise ValueError(f"a clock's factor is above 0, not {factor}")
        self._wall = wall
        self._factor = factor
        self._since = wall()
        self._at = self._latest = self._since if at is None else at.astimezone(UTC)
        self._lock = Lock()

    def __call__(self) -> datetime:
        """The present (aware, UTC)."""
        with self._lock:
            passed = (self._wall() - self._since) * self._factor
            self._latest = max(self._latest, self._at + passed)
            return self._latest
