"""Half-open windows of time, `[start, end)`, and the arithmetic on them.

A window is what a partition is to the warehouse. All instants are UTC and tz-aware.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_HOUR: Final = timedelta(hours=1)
_INSTANT: Final = timedelta(microseconds=1)  # nothing is stored more finely


@dataclass(frozen=True, order=True)
class Window:
    """All instants from `start`, up to but without `end`; both UTC.

    Raises:
        ValueError: A bound is naive, or the window holds no instant.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for bound in (self.start, self.end):
            if bound.tzinfo is None:
                raise ValueError(f"a window's bounds are tz-aware; {bound!r} is not")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.start >= self.end:
            raise ValueError(f"a window ends after it starts; {self} does not")

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%dT%H:%M:%SZ}, {self.end:%Y-%m-%dT%H:%M:%SZ})"


@dataclass(frozen=True)
class Reach:
    """What a reader sees besides its own windows.

    Attributes:
        lookback: Pairs `(from, to)` of durations before the window: each window
            `[start, end)` also reads `[start - from, end - to)`. So the 24 hours before are
            `(24 h, 0)`, and the same ticks a week ago `(7 d, 7 d)`.
        hourly: How far before a window's start the reader sees the instants at full hours (UTC),
            for a long past that a quarter of is enough of.
        lookahead: How far past the window's end the reader sees, for values that close
            an interval.

    Raises:
        ValueError: A pair that would read nothing of some window or lies after it.
    """

    lookback: tuple[tuple[timedelta, timedelta], ...] = ()
    hourly: timedelta = timedelta(0)
    lookahead: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        zero = timedelta(0)
        for before, until in self.lookback:
            if not before >= until >= zero:
                raise ValueError(f"lookback goes back from {before} to {until}: not a stretch")
        if self.lookahead < zero or self.hourly < zero:
            raise ValueError("lookahead and hourly are not negative")

    def of(self, windows: Iterable[Window]) -> tuple[Window, ...]:
        """The windows together with all that is seen from them, merged."""
        seen: list[Window] = []
        for window in windows:
            seen.append(Window(window.start, window.end + self.lookahead))
            seen.extend(
                Window(window.start - before, window.end - until) for before, until in self.lookback
            )
            after = _full_hour_from(window.start)
            seen.extend(whole_hours_before(after, self.hourly + (after - window.start)))
        return merge(seen)


def _full_hour_from(instant: datetime) -> datetime:
    """The first full hour (UTC) from an instant on."""
    hour = instant.replace(minute=0, second=0, microsecond=0)
    return hour if hour == instant else hour + _HOUR


def whole_hours_before(instant: datetime, span: timedelta) -> tuple[Window, ...]:
    """The instants that lie whole hours before one, in order, each a window of its own.

    Args:
        instant: UTC; it is not among them.
        span: How far back the first of them lies, at most.
    """
    hours = range(span // _HOUR, 0, -1)
    return tuple(Window(instant - n * _HOUR, instant - n * _HOUR + _INSTANT) for n in hours)


def merge(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same instants in the fewest windows, in order of time."""
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return tuple(merged)


def describe(windows: Sequence[Window]) -> str:
    """The windows for people: the first few, and how many more."""
    shown = ", ".join(str(window) for window in windows[:3])
    return shown + (f" and {len(windows) - 3} more" if len(windows) > 3 else "")
