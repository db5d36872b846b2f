"""Which partitions that should exist do not, and which of them to make now. Pure functions.

A policy of Dagster looks at when an asset was last made; here it is partitions: a backfill of last
month makes nothing fresh, and a window that cannot be made is not asked for.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bike_demand.cadence import Cadence
from bike_demand.storage.windows import Window

TRIES: Final = 3
"""How often a partition is asked for before it is given up."""

PAUSES: Final = (timedelta(minutes=5), timedelta(hours=1))
"""After the first and the second time: what was down may be up again."""

LIVE_PAUSE: Final = timedelta(minutes=2)
"""Likewise, of what is over in a few minutes."""

AT_ONCE: Final = 8
"""How many runs that were asked for may be queued or go on."""

OVER: Final = "it is over: a live source tells of the present only"

Made = Callable[[str, Collection[str]], Collection[str]]
"""Of an asset's partition keys those that are materialised."""

Begun = Callable[[str], datetime | None]
"""Of an asset where its first partition begins, UTC."""

Tries = Mapping[str, tuple[int, datetime]]
"""How often each missing partition was asked for, and when last, UTC."""


@dataclass(frozen=True)
class Missing:
    """A partition that should exist and does not.

    Attributes:
        cadence: Of its assets.
        key: The partition's.
        window: It.
        assets: Those that lack it.
        why_left: Why it cannot be made; None if it can.
    """

    cadence: Cadence
    key: str
    window: Window
    assets: tuple[str, ...]
    why_left: str | None

    @property
    def name(self) -> str:
        """Asset and partition."""
        return f"{self.cadence.name} {self.key}"


@dataclass
class Plan:
    """What is to be done at a tick.

    Attributes:
        expected: How many partitions should exist.
        ask: To be made now, each by a run of its own.
        left: What is missing and is not asked for, with the reason.
        tries: Of the missing ones, this tick included.
    """

    expected: int = 0
    ask: list[Missing] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    tries: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def told(self) -> str:
        """In one line what was seen, done and left."""
        missing = len(self.ask) + len(self.left)
        if not missing:
            return f"All {self.expected} partitions that should exist do."
        parts = [f"{missing} of {self.expected} partitions are missing"]
        parts.append("asked for " + (_some([item.name for item in self.ask]) or "none"))
        for reason in dict.fromkeys(self.left.values()):
            names = [name for name, why in self.left.items() if why == reason]
            parts.append(f"left {_some(names)} ({reason})")
        return "; ".join(parts) + "."


def missing(
    cadences: Sequence[Cadence], now: datetime, made: Made, begun: Begun
) -> tuple[int, list[Missing]]:
    """How many partitions should exist, and which do not; by cadence, the newest first.

    A gap is told of where it is: of a live source's windows count those since the first that is
    there; of others those that anything is there to be made from, unless it lacks what was before
    the first of it.

    Args:
        cadences: In the order in which they are made.
        now: UTC.
        made: What exists.
        begun: Where it begins.
    """
    expected, found = 0, []
    by_asset = {asset: cadence for cadence in cadences for asset in cadence.assets}
    for cadence in cadences:
        windows = {cadence.key(window.start): window for window in cadence.windows(now)}
        known = {asset: set(made(asset, windows)) for asset in cadence.assets}
        lacking = {
            key: tuple(asset for asset in cadence.assets if key not in known[asset])
            for key in windows
        }
        short = {key: windows[key] for key, assets in lacking.items() if assets}
        if cadence.live:
            first = min((windows[key].start for key in windows if key not in short), default=now)
            why = {
                key: OVER if window.end <= now else None
                for key, window in short.items()
                if window.start >= first or window.end > now
            }
        else:
            why = _by_needs(cadence, short, by_asset, made, begun)
        expected += len(windows) - len(short) + len(why)
        found += [
            Missing(
                cadence,
                key,
                windows[key],
                cadence.assets if cadence.whole else lacking[key],
                why[key],
            )
            for key in windows
            if key in why
        ]
    return expected, found


def plan(
    expected: int,
    found: Sequence[Missing],
    now: datetime,
    going_on: Collection[tuple[str, str]],
    tried: Tries,
    waiting: int,
) -> Plan:
    """Decide what to ask for: what is overdue and can be made, the newest first.

    Args:
        expected: How many partitions should exist.
        found: Those that do not.
        now: UTC.
        going_on: Assets and partitions that a run is queued for, or at.
        tried: As in `Plan.tries`.
        waiting: Runs that were asked for and have not ended.
    """
    done = Plan(
        expected, tries={item.name: tried[item.name] for item in found if item.name in tried}
    )
    for item in sorted(found, key=lambda item: item.window.end, reverse=True):
        number, last = done.tries.get(item.name, (0, now))
        again = last + _pause(item, number)
        if any((asset, item.key) in going_on for asset in item.cadence.assets):
            done.left[item.name] = "a run is at it"
        elif item.why_left:
            done.left[item.name] = item.why_left
        elif number >= TRIES:
            done.left[item.name] = f"given up after {TRIES} tries"
        elif now < again:
            done.left[item.name] = f"again at {again:%H:%M}"
        elif len(done.ask) + waiting >= AT_ONCE:
            done.left[item.name] = "next time"
        else:
            done.ask.append(item)
            done.tries[item.name] = (number + 1, now)
    return done


def _pause(item: Missing, number: int) -> timedelta:
    """Until it is asked for again, after so many times."""
    if not number:
        return timedelta()
    return LIVE_PAUSE if item.cadence.live else PAUSES[min(number, len(PAUSES)) - 1]


def lacking(
    cadence: Cadence, window: Window, cadences: Sequence[Cadence], made: Made
) -> str | None:
    """Why a window cannot be made for want of others; None if it can.

    Args:
        cadence: Of its assets.
        window: One of its partitions.
        cadences: All.
        made: What exists.
    """
    by_asset = {asset: other for other in cadences for asset in other.assets}
    key = cadence.key(window.start)
    nothing = f"nothing of {' or '.join(need.asset for need in cadence.needs)} is there"
    return _by_needs(cadence, {key: window}, by_asset, made, lambda _: None).get(key, nothing)


def _by_needs(
    cadence: Cadence,
    windows: Mapping[str, Window],
    by_asset: Mapping[str, Cadence],
    made: Made,
    begun: Begun,
) -> dict[str, str | None]:
    """Why partitions cannot be made, None if they can; without those that nobody would expect."""
    why: dict[str, str | None] = dict.fromkeys(windows)
    for need in cadence.needs:
        other = by_asset[need.asset]
        asked = {
            key: [
                other.key(window.start + need.since + number * other.period)
                for number in range((need.until - need.since) // other.period)
            ]
            for key, window in windows.items()
        }
        there = set(made(need.asset, {key for keys in asked.values() for key in keys}))
        first = begun(need.asset) if windows else None
        for key, keys in asked.items():
            number = len(there & set(keys))
            early = first is not None and windows[key].start + need.since < first
            if not number or (number < need.least and early):
                why.pop(key, None)
            elif number < need.least and key in why:
                why[key] = f"{need.asset} is there {number} times of {need.least} needed"
    return why


def _some(names: Sequence[str], most: int = 3) -> str:
    told = ", ".join(names[:most])
    return told + (f" and {len(names) - most} more" if len(names) > most else "")
