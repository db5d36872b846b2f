"""Messages on their way: a channel that is down keeps its own until it is back."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from bike_demand.alerts.channels import Channel, ChannelError
from bike_demand.alerts.incidents import Message

MOST: Final = 200
"""Messages that wait for one channel; of more, the oldest go."""

BUDGET_S: Final = 15.0
"""After which no further message is begun: Dagster ends a tick after a minute, and forgets it."""


class Outbox:
    """What each channel has still to be given, in order."""

    def __init__(
        self,
        kept: dict[str, list[dict[str, Any]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._waiting = {
            name: [Message(**message) for message in messages]
            for name, messages in (kept or {}).items()
        }

    def send(self, channels: Sequence[Channel], messages: Iterable[Message]) -> list[str]:
        """Send what waits, and new messages; what fails waits on.

        Returns:
            Of each channel that failed, its name and why.
        """
        new, failures, end = list(messages), [], self._clock() + BUDGET_S
        waiting: dict[str, list[Message]] = {}
        for channel in channels:
            queue = [*self._waiting.get(channel.name, []), *new]
            while queue and self._clock() < end:
                try:
                    channel.send(queue[0])
                except Exception as error:  # noqa: BLE001  # what a library makes of an odd setting
                    # Only our own text is known to hold no setting.
                    why = error if isinstance(error, ChannelError) else type(error).__name__
                    failures.append(f"{channel.name}: {why}; {len(queue)} messages wait")
                    break
                queue.pop(0)
            if queue:
                waiting[channel.name] = queue[-MOST:]
        self._waiting = waiting
        return failures

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """As it is kept."""
        return {
            name: [asdict(message) for message in messages]
            for name, messages in self._waiting.items()
        }
