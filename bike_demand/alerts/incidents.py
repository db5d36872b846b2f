"""What is wrong, and what changed since it was last looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Self


@dataclass(frozen=True)
class Incident:
    """Something that is wrong until it is right again.

    Attributes:
        key: The same as long as it is the same incident.
        asset: Concerned.
        partition: Concerned; None if it is the asset as a whole.
        since: From when on, UTC.
        what: What is wrong, in a sentence.
        todo: What to do about it, in a sentence.
        link: Into Dagster's page.
    """

    key: str
    asset: str
    partition: str | None
    since: datetime
    what: str
    todo: str
    link: str

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {**asdict(self), "since": self.since.isoformat()}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The same again."""
        return cls(**{**kept, "since": datetime.fromisoformat(kept["since"])})


@dataclass(frozen=True)
class Message:
    """What people are told.

    Attributes:
        id: Of this message; the same if it is sent again.
        kind: "opened" or "recovered" for an incident, "notice" for what just happened.
        asset: Concerned; None if it is all.
        partition: Concerned, or None.
        since: From when on, ISO 8601, UTC.
        title: In a few words.
        text: In sentences: what is wrong, since when, what to do.
        link: Into Dagster's page.
    """

    id: str
    kind: Literal["opened", "recovered", "notice"]
    asset: str | None
    partition: str | None
    since: str
    title: str
    text: str
    link: str


def changes(
    known: Mapping[str, Incident], found: Sequence[Incident], now: datetime
) -> tuple[dict[str, Incident], list[Message]]:
    """The incidents that are open now, each as it was opened, and what is to be told of it.

    Args:
        known: Those that were open before, by key.
        found: Those that there are now.
        now: UTC.
    """
    there = {incident.key: incident for incident in found}
    opened = [incident for key, incident in there.items() if key not in known]
    over = [incident for key, incident in known.items() if key not in there]
    still = {key: incident for key, incident in known.items() if key in there}
    messages = [_opened(incident) for incident in opened]
    messages += [_recovered(incident, now) for incident in over]
    return {**still, **{incident.key: incident for incident in opened}}, messages


def _opened(incident: Incident) -> Message:
    return Message(
        id=f"{incident.key} {incident.since.isoformat()} opened",
        kind="opened",
        asset=incident.asset,
        partition=incident.partition,
        since=incident.since.isoformat(),
        title=f"{incident.key}: since {incident.since:%H:%M} UTC",
        text=f"{incident.what} Since {incident.since:%Y-%m-%d %H:%M} UTC. {incident.todo}",
        link=incident.link,
    )


def _recovered(incident: Incident, now: datetime) -> Message:
    return Message(
        id=f"{incident.key} {incident.since.isoformat()} recovered",
        kind="recovered",
        asset=incident.asset,
        partition=incident.partition,
        since=incident.since.isoformat(),
        title=f"{incident.key}: recovered",
        text=(
            f"Over at {now:%Y-%m-%d %H:%M} UTC, after "
            f"{lasting(now - incident.since)}. It was: {incident.what}"
        ),
        link=incident.link,
    )


def lasting(span: timedelta) -> str:
    """A time span in words."""
    minutes = round(span.total_seconds() / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
