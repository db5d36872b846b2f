"""The ways to programs: a receiver of signed events, and the server of forecasts.

Both addresses and keys are secrets: no error and no log shows them.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self
from urllib.parse import urlsplit

from bike_demand.announce.events import Event
from bike_demand.download.logs import hidden_query
from bike_demand.settings import WEBHOOK_SECRET_PREFIX, Settings

TIMEOUT_S: Final = 10.0
"""For a whole exchange with a receiver."""

RELOAD_TIMEOUT_S: Final = 5.0


class RefusedError(Exception):
    """What was posted was not taken; the text says why and holds no secret.

    Attributes:
        retry_after: When to try again, as the receiver says [s]; None if it does not.
    """

    def __init__(self, why: str, retry_after: int | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Receiver:
    """Whoever is told of events, as Standard Webhooks 1.0.0 says it.

    Attributes:
        url: Its address.
        key: That events are signed with.
    """

    url: str = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """That the settings name; None if they name none."""
        url, secret = settings.forecast_webhook, settings.forecast_webhook_secret
        if url is None or secret is None:
            return None
        key = secret.get_secret_value().removeprefix(WEBHOOK_SECRET_PREFIX)
        return cls(url.get_secret_value(), base64.b64decode(key))

    def deliver(self, event: Event, now: datetime) -> None:
        """Post an event; only a 2xx is success, and nothing is followed.

        Args:
            event: To tell.
            now: The time of this try, UTC.

        Raises:
            RefusedError: It was not taken.
        """
        message, timestamp, body = f"evt_{event.id}", str(int(now.timestamp())), event.body()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "bike_demand",
            "webhook-id": message,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self.key, message, timestamp, body),
        }
        _post(self.url, body, headers, TIMEOUT_S)


@dataclass(frozen=True)
class Server:
    """The server of forecasts, which looks by itself within a minute, and at once if it is told.

    Attributes:
        url: Its address.
        token: It lets nobody else tell it.
    """

    url: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """That the settings name; None if they name none."""
        token = settings.serving_reload_token
        if settings.serving_url is None or token is None:
            return None
        return cls(settings.serving_url, token.get_secret_value())

    def reload(self) -> None:
        """Have it look.

        Raises:
            RefusedError: It does not.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        _post(f"{self.url.rstrip('/')}/model/reload", b"", headers, RELOAD_TIMEOUT_S)


def signature(key: bytes, message: str, timestamp: str, body: bytes) -> str:
    """What proves to a receiver who sends: the header `webhook-signature`."""
    signed = b".".join((message.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _post(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> None:
    import requests

    from bike_demand.download.deadline import Deadline, WatchedAdapter

    def as_given(request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Keeps what a .netrc says of the host out of it."""
        return request

    with (
        hidden_query(url, urlsplit(url).path),
        Deadline(seconds) as deadline,
        requests.Session() as session,
    ):
        session.mount("http://", WatchedAdapter())
        session.mount("https://", WatchedAdapter())
        try:
            # What it answers beside its status is not read, and nothing is followed elsewhere.
            answer = session.post(
                url,
                data=body,
                headers=dict(headers),
                timeout=seconds,
                allow_redirects=False,
                stream=True,
                auth=as_given,
            )
        except (requests.RequestException, ValueError) as error:  # an address that is none
            why = "no answer in time" if deadline.expired else type(error).__name__
            raise RefusedError(why) from None
        answer.close()
    if not 200 <= answer.status_code < 300:
        wait = answer.headers.get("Retry-After", "")
        seconds_told = int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 9 else None
        raise RefusedError(f"it answered {answer.status_code}", seconds_told)
