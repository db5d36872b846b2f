"""What makes a city. How it lives stands in `city`."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

STEP: Final = timedelta(minutes=5)
"""How often the city's state changes."""


@dataclass(frozen=True)
class Plan:
    """The same plan is the same city, to the last bike.

    Attributes:
        start: When its recorded life begins: aware, UTC, on the hour.
        stations: How many it has.
        seed: Tells cities of the same size apart.
        timezone: IANA name of the clock its riders live by.
    """

    start: datetime
    stations: int = 300
    seed: int = 1
    timezone: str = "Europe/Lisbon"

    def __post_init__(self) -> None:
        if self.start.tzinfo is not UTC or self.start.timestamp() % 3600:
            raise ValueError(f"a city starts at a full hour UTC, not at {self.start!r}")
        if self.seed < 0:
            raise ValueError(f"a seed is 0 or more, not {self.seed}")
        if not 2 <= self.stations <= 1_000_000:
            raise ValueError(f"a city has 2 to 1,000,000 stations, not {self.stations}")
