"""One question and its answer: again where it may help, and by `ETag` where nothing is new.

What is asked and what an answer means stands elsewhere.
"""

import json
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests

from bike_demand.client.errors import (
    AnswerError,
    FieldError,
    ProblemError,
    TransientProblemError,
    UnreachableError,
)

TRANSIENT: Final = frozenset({429, 502, 503, 504})
TRIES: Final = 4
PATIENCE_S: Final = 30.0
"""For all tries of a question, waits included; a server that asks for more is not waited for."""

FIRST_WAIT_S: Final = 0.5

THINKING_S: Final = 40.0
"""For an answer to what is posted, which has to be computed: the server gives up after 30 s."""

KEPT: Final = 64
"""Answers that are kept to ask whether they still hold."""

KEPT_BYTES: Final = 8_000_000


class Exchange:
    """Asks one server. May be used by several threads.

    Args:
        url: Of the server.
        headers: Of each request.
        timeout: For a connection, and between two parts of an answer [s].
        clock: The time that is waited by [s].
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url, self._clock, self._sleep = url, clock, sleep
        self._timeout, self._thinking = timeout, max(timeout, THINKING_S)
        self._session = requests.Session()
        self._session.headers.update({"Accept": "application/json", **headers})
        self._kept = _Kept()

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def get(self, path: str, parameters: Mapping[str, str]) -> Any:
        """What the server answers to a question, parsed.

        Raises:
            UnreachableError: It does not answer.
            ProblemError: It says why it does not; `TransientProblemError` if it may later.
            AnswerError: What answers is not the API.
        """
        key = (path, *sorted(parameters.items()))
        kept = self._kept.get(key)
        headers = {} if kept is None else {"If-None-Match": kept[0]}
        answer = self._ask("GET", path, parameters, headers, None)
        if answer.status_code == 304 and kept is not None:
            return _parsed(kept[1])
        parsed = _parsed(answer.content)
        etag = answer.headers.get("ETag")
        if etag:
            self._kept.put(key, etag, answer.content)
        return parsed

    def post(self, path: str, body: bytes) -> Any:
        """What the server answers to what is posted, which changes nothing there; as `get`."""
        headers = {"Content-Type": "application/json"}
        return _parsed(self._ask("POST", path, {}, headers, body).content)

    def _ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> requests.Response:
        end, wait = self._clock() + PATIENCE_S, FIRST_WAIT_S
        for left in reversed(range(TRIES)):
            try:
                return self._once(method, path, parameters, headers, body)
            except (TransientProblemError, UnreachableError) as error:
                told = error.retry_after if isinstance(error, TransientProblemError) else None
                # All clients at the same moment would find the server as busy as before.
                pause = wait * random.uniform(0.5, 1) if told is None else told  # noqa: S311
                if not left or self._clock() + pause > end:
                    raise
            self._sleep(pause)
            wait *= 2
        raise AssertionError  # the last try returns or raises

    def _once(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> requests.Response:
        try:
            # Elsewhere nobody is to see the key.
            answer = self._session.request(
                method,
                self._url + path,
                params=parameters,
                headers=dict(headers),
                data=body,
                timeout=(self._timeout, self._timeout if body is None else self._thinking),
                allow_redirects=False,
            )
        except requests.Timeout:
            raise UnreachableError(f"{path}: no answer in time") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise UnreachableError(f"{path}: {type(error).__name__}") from None
        except requests.RequestException as error:  # its text may repeat a password of the address
            raise AnswerError(f"{path}: {type(error).__name__}") from None
        if answer.status_code in {200, 304}:
            return answer
        raise _problem(path, answer)


class _Kept:
    """The newest answers by question, as they came."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[Any, ...], tuple[str, bytes]] = OrderedDict()
        self._size, self._lock = 0, threading.Lock()

    def get(self, key: tuple[Any, ...]) -> tuple[str, bytes] | None:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def put(self, key: tuple[Any, ...], etag: str, body: bytes) -> None:
        with self._lock:
            if key in self._answers:
                self._size -= len(self._answers.pop(key)[1])
            self._answers[key] = (etag, body)
            self._size += len(body)
            while self._answers and (len(self._answers) > KEPT or self._size > KEPT_BYTES):
                _, (_, oldest) = self._answers.popitem(last=False)
                self._size -= len(oldest)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise AnswerError("The answer is not JSON: is this the address of the API?") from None


def _problem(path: str, answer: requests.Response) -> Exception:
    status = answer.status_code
    told: Any = {}
    if "json" in answer.headers.get("Content-Type", ""):
        try:
            told = answer.json()
        except ValueError:
            told = {}
    if not isinstance(told, dict):
        told = {}
    if 200 <= status < 400:
        return AnswerError(f"{path}: the server answered {status}; is this the API's address?")
    kind = TransientProblemError if status in TRANSIENT else ProblemError
    errors = told.get("errors")
    problem = kind(
        status,
        str(told.get("title") or answer.reason or "no reason"),
        None if told.get("detail") is None else str(told["detail"]),
        type=str(told.get("type", "about:blank")),
        errors=[
            FieldError(str(error.get("location", "")), str(error.get("message", "")))
            for error in (errors if isinstance(errors, list) else [])
            if isinstance(error, dict)
        ],
        request_id=answer.headers.get("X-Request-ID"),
    )
    if isinstance(problem, TransientProblemError):
        problem.retry_after = _seconds(answer.headers.get("Retry-After"))
    return problem


def _seconds(told: str | None) -> float | None:
    """`Retry-After` in seconds, whichever of its two forms it has."""
    if told is None:
        return None
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
