"""One URL's bytes over HTTP, within limits, or an error that says what to do.

Retries, redirects, deadlines, sizes, conditional requests and who may see the headers are settled
here. What the bytes mean is not.
"""

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Any, Final
from urllib.parse import urljoin

import requests
import urllib3

from bike_demand.download.deadline import Deadline, WatchedAdapter
from bike_demand.download.errors import (
    Advice,
    FeedError,
    PermanentFeedError,
    TransientFeedError,
)
from bike_demand.download.logs import hidden_query
from bike_demand.download.urls import is_http, origin, public_url

TRANSIENT_STATUSES: Final = frozenset({408, 429, *range(500, 600)})
REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})

# Small, as a compressed chunk may unpack to a thousand times its size before the cap is checked.
_CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True)
class Limits:
    """What one download may take.

    Attributes:
        connect_seconds: For a connection to be made.
        read_seconds: For the next bytes to arrive.
        total_seconds: For one attempt from its start to its last byte, redirects included;
            only a stuck name resolution can outlast it.
        max_body_bytes: Size of a body, unpacked.
        max_redirects: Redirects followed.
        retries: Further attempts after a transient failure.
        backoff_seconds: Longest wait before the first retry; doubles with each.
        max_wait_seconds: Longest wait before any retry. A server that asks for a longer one is
            not asked again.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    total_seconds: float = 30.0
    max_body_bytes: int = 32 * 1024 * 1024
    max_redirects: int = 5
    retries: int = 3
    backoff_seconds: float = 1.0
    max_wait_seconds: float = 60.0


def utc_now() -> datetime:
    """The wall clock (aware, UTC)."""
    return datetime.now(UTC)


def user_agent() -> str:
    """What a server sees of us: the project, its version, its purpose."""
    try:
        version = metadata.version("bike-demand")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return f"bike_demand/{version} (forecasts of bike-share availability)"


@dataclass(frozen=True)
class Download:
    """A body and how it came.

    Attributes:
        body: The bytes, unpacked. On a 304 those of the download before.
        url: The URL that was asked for; may hold secrets.
        http_status: 200 or 304.
        fetched_at: When the attempt that succeeded began (aware, UTC).
    """

    body: bytes = field(repr=False)
    url: str = field(repr=False)
    http_status: int
    fetched_at: datetime


@dataclass(frozen=True)
class _Remembered:
    """A body with what the server calls its version, to ask whether it has changed."""

    body: bytes
    validators: Mapping[str, str]


class Downloader:
    """Downloads feeds of one source. Safe to share between threads.

    Each attempt has a connection of its own: polls are minutes apart, longer than a server keeps
    one open.

    Args:
        advice: What people can do about a failure.
        headers: Headers for requests to `origins`, and to no other. Values are secrets.
        origins: Origins (`urls.origin`) that may see `headers`.
        limits: What one download may take.
        clock: The present (aware, UTC).
        sleep: Waits so many seconds.
        jitter: A number from 0 to 1 that spreads the retries of many clients.
    """

    def __init__(
        self,
        advice: Advice,
        *,
        headers: Mapping[str, str] | None = None,
        origins: frozenset[str] = frozenset(),
        limits: Limits | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._advice = advice
        self._headers = dict(headers or {})
        self._origins = origins
        self._limits = limits or Limits()
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._remembered: dict[str, _Remembered] = {}

    def get(self, url: str, *, retries: int | None = None) -> Download:
        """Downloads a URL, trying again after transient failures.

        Args:
            url: http or https.
            retries: Further attempts, if other than the limits say.

        Raises:
            TransientFeedError: It failed at every attempt, or the server asked for a longer
                pause than we wait.
            PermanentFeedError: Trying again would not help.
        """
        attempts = 1 + (self._limits.retries if retries is None else retries)
        for attempt in range(1, attempts + 1):
            try:
                return self._attempt(url)
            except TransientFeedError as error:
                wait = self._wait_before_retry(attempt, error.retry_after)
                if attempt == attempts or wait is None:
                    raise
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def forget(self, url: str) -> None:
        """Forgets a body that proved useless, so that no 304 brings it back."""
        self._remembered.pop(url, None)

    def _wait_before_retry(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait after the given attempt; None if the server wants more than we wait."""
        longest = self._limits.max_wait_seconds
        backoff = min(longest, self._limits.backoff_seconds * 2.0 ** (attempt - 1))
        wait = backoff * (1 + self._jitter()) / 2
        if retry_after is None:
            return wait
        return None if retry_after > longest else max(wait, retry_after)

    def _attempt(self, url: str) -> Download:
        fetched_at = self._clock()
        limits = self._limits
        failure: FeedError
        with (
            Deadline(limits.total_seconds) as deadline,
            hidden_query(url),
            requests.Session() as session,
        ):
            session.mount("http://", WatchedAdapter())
            session.mount("https://", WatchedAdapter())
            try:
                download = self._follow(session, url, fetched_at)
            except FeedError as error:
                failure = error
            except _NETWORK_ERRORS as error:
                failure = self._translate(url, error)
            else:
                if not deadline.expired:
                    return download
            if deadline.expired:
                # What was read until we hung up may look complete, and anything else than a
                # cut-off answer: headers and bodies without a stated length just end.
                self.forget(url)
                failure = TransientFeedError(
                    public_url(url),
                    f"it took longer than {limits.total_seconds:g} seconds and was cut off",
                    _PATIENCE,
                )
        # Raised outside of the handler: the original's message may hold the query string.
        raise failure

    def _follow(self, session: requests.Session, url: str, fetched_at: datetime) -> Download:
        target, seen = url, {url}
        for _ in range(self._limits.max_redirects + 1):
            if not is_http(target):
                what = "it is" if target == url else f"it redirects to {public_url(target)},"
                raise self._unusable(url, f"{what} no http or https URL")
            with self._request(session, target, self._remembered.get(url)) as response:
                if response.status_code not in REDIRECT_STATUSES:
                    return self._accept(response, url, target, fetched_at)
                location = response.headers.get("Location")
            if not location:
                raise self._unusable(url, "it redirects without saying where to")
            target = _join(target, location)
            if target in seen:
                raise self._unusable(url, f"it redirects in a loop, to {public_url(target)} again")
            seen.add(target)
        raise self._unusable(url, f"it redirects more than {self._limits.max_redirects} times")

    def _request(
        self, session: requests.Session, url: str, remembered: _Remembered | None
    ) -> requests.Response:
        headers = requests.structures.CaseInsensitiveDict[str](
            {"User-Agent": user_agent(), "Accept": "application/json, */*;q=0.5"}
        )
        if origin(url) in self._origins:
            headers.update(self._headers)
        headers["Accept-Encoding"] = "gzip, deflate"
        if remembered is not None:
            headers.update(remembered.validators)
        request = session.prepare_request(
            # Without `auth` a .netrc on the machine would be sent, over a configured header.
            requests.Request("GET", url, headers=headers, auth=lambda request: request)
        )
        settings: dict[str, Any] = dict(
            session.merge_environment_settings(url, {}, True, None, None)  # noqa: FBT003
        )
        # Not `session.send`: it reads the whole body of a redirect, even of one it does not
        # follow, and fails on a `Location` that is no URL.
        return session.get_adapter(url).send(
            request,
            timeout=(self._limits.connect_seconds, self._limits.read_seconds),
            **settings,
        )

    def _accept(
        self, response: requests.Response, url: str, target: str, fetched_at: datetime
    ) -> Download:
        status = response.status_code
        remembered = self._remembered.get(url)
        if status == 304 and remembered is not None:
            return Download(remembered.body, url, status, fetched_at)
        if status != 200:
            raise self._status_error(response, url, target)
        body = self._read_body(response, url)
        validators = {
            ask: response.headers[told]
            for ask, told in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
            if told in response.headers
        }
        if validators:
            self._remembered[url] = _Remembered(body, validators)
        else:
            self.forget(url)
        return Download(body, url, status, fetched_at)

    def _read_body(self, response: requests.Response, url: str) -> bytes:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise self._unusable(
                url, f"it answers in the encoding {encoding!r}, which we did not offer"
            )
        cap = self._limits.max_body_bytes
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > cap:
                raise self._unusable(
                    url, f"the answer is larger than {cap / 2**20:g} MiB, unpacked"
                )
        return bytes(body)

    def _status_error(self, response: requests.Response, url: str, target: str) -> FeedError:
        status = response.status_code
        feed = public_url(url)
        said = f"the server answered HTTP {status}"
        if target != url:
            said = f"{said} (redirected to {public_url(target)})"
        if status in TRANSIENT_STATUSES:
            pause = _retry_after(response.headers.get("Retry-After"), self._clock())
            if pause is not None:
                said = f"{said} and asks to wait {pause:.0f} seconds"
            return TransientFeedError(feed, said, _PATIENCE, http_status=status, retry_after=pause)
        if status in {401, 403}:
            remedy = self._advice.credentials
            if self._headers and origin(target) not in self._origins:
                remedy += (
                    " They were not sent to this host, as the configuration does not name it: "
                    "if it may have them, configure this feed's URL directly."
                )
        elif status in {404, 410}:
            remedy = self._advice.missing
        else:
            remedy = "Open the URL in a browser; if it fails there too, tell the operator."
        return PermanentFeedError(
            feed, said, remedy, http_status=status, answer=_beginning(response)
        )

    def _unusable(self, url: str, problem: str) -> PermanentFeedError:
        return PermanentFeedError(public_url(url), problem, self._advice.address)

    def _translate(self, url: str, error: Exception) -> FeedError:
        """An error of the network as ours, without its message: that may hold secrets."""
        causes = list(_causes(error))
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return PermanentFeedError(
                public_url(url),
                "the server's certificate could not be verified",
                "Open the URL in a browser: if the certificate is wrong there too, tell the "
                "operator. Behind an inspecting proxy, point REQUESTS_CA_BUNDLE at its "
                "certificate.",
            )
        if any(isinstance(cause, requests.exceptions.ContentDecodingError) for cause in causes):
            return self._unusable(url, "the answer is compressed wrongly and cannot be unpacked")
        if isinstance(error, ValueError) or any(
            isinstance(cause, urllib3.exceptions.LocationParseError) for cause in causes
        ):
            return self._unusable(url, "its address cannot be used")
        if any(isinstance(cause, requests.exceptions.ConnectTimeout) for cause in causes):
            problem = "no connection could be made in time"
        elif any(isinstance(cause, TimeoutError | requests.Timeout) for cause in causes):
            problem = "the connection stalled"
        elif any(isinstance(cause, socket.gaierror) for cause in causes):
            problem = "its host name could not be resolved"
        elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            problem = "the connection was refused"
        elif any(isinstance(cause, ssl.SSLError) for cause in causes):
            problem = "the encrypted connection failed"
        elif any(isinstance(cause, urllib3.exceptions.IncompleteRead) for cause in causes):
            problem = "the connection broke off before the answer was complete"
        else:
            problem = f"the connection failed ({type(error).__name__})"
        return TransientFeedError(public_url(url), problem, _PATIENCE)


# A `ValueError` is how addresses fail that only look like one; servers hand those out too.
_NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
)

_PATIENCE = (
    "It is tried again at the next poll. If it goes on for hours, look whether the operator "
    "reports an outage and whether this machine reaches the host."
)


def _beginning(response: requests.Response) -> bytes:
    """The first bytes of a refusal, which may explain it; none if they do not come."""
    try:
        return next(response.iter_content(_CHUNK_BYTES), b"")[:_CHUNK_BYTES]
    except _NETWORK_ERRORS:
        return b""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps, in causes, contexts and (as urllib3 does) arguments."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [item for item in inner if isinstance(item, BaseException)]


def _join(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError:
        return location


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a `Retry-After`, which is a number of them or a date; None if unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
