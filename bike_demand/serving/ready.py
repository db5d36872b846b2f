"""Answers in bytes: made once, sent often, as such or compressed."""

import gzip
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

WORTH_IT: Final = 1_000
"""Bytes from which on an answer is compressed."""

_LEVEL: Final = 5  # of 9: a tenth larger than the best, in half the time
_JSON: Final = "application/json"
_VARY: Final = (b"vary", b"Accept-Encoding")
_GZIP: Final = (b"content-encoding", b"gzip")


KEPT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "ETag": {"description": "Of this answer", "schema": {"type": "string"}},
            "Cache-Control": {"description": "How long it holds", "schema": {"type": "string"}},
        }
    },
    304: {"description": "Nothing is new since the answer whose `ETag` was sent"},
}
"""What OpenAPI says of each answer that is made here."""


class Ready:
    """A body, with what is known of it.

    Args:
        body: As it is.
        media: Its content type.
    """

    __slots__ = ("_gzipped", "_tag", "_type", "body", "etag")

    def __init__(self, body: bytes, media: str = _JSON) -> None:
        self.body = body
        # Weak: one for both ways to send it.
        self.etag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
        self._tag = self.etag.encode("ascii")
        self._type = (b"content-type", media.encode("ascii"))
        self._gzipped: bytes | None = None

    @property
    def gzipped(self) -> bytes:
        """Compressed; the work is done once."""
        if self._gzipped is None:
            self._gzipped = gzip.compress(self.body, _LEVEL, mtime=0)
        return self._gzipped

    def compressed(self) -> "Ready":
        """The same, with the work done."""
        if len(self.body) >= WORTH_IT:
            _ = self.gzipped
        return self

    def response(self, request: Request, cache: str) -> Response:
        """What to send to who asks: nothing new, the body, or the body compressed.

        Args:
            request: Who asks.
            cache: `Cache-Control`.
        """
        accepted, known = b"", None
        for name, value in request.scope["headers"]:
            if name == b"accept-encoding":
                accepted = value
            elif name == b"if-none-match":
                known = value.decode("latin-1")
        headers = [(b"cache-control", cache.encode("ascii")), (b"etag", self._tag), _VARY]
        if known is not None and _matches(known, self.etag):
            return Sent(b"", headers, 304)
        headers.append(self._type)
        if len(self.body) >= WORTH_IT and takes_gzip(accepted):
            headers.append(_GZIP)
            return Sent(self.gzipped, headers)
        return Sent(self.body, headers)


class Sent(Response):
    """A response whose headers are bytes already: Starlette's takes a while to make them.

    Args:
        body: As it is sent.
        headers: But for its length.
        status: Of HTTP.
    """

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        if status != 304:
            headers.append((b"content-length", b"%d" % len(body)))
        self.raw_headers = headers


class Recipe(NamedTuple):
    """A large answer, before it is made.

    Attributes:
        key: Tells it from all others of a state.
        whole: Whether it is one of the few that everybody asks for.
        make: Makes its body.
    """

    key: tuple[Hashable, ...]
    whole: bool
    make: Callable[[], bytes]


class Kept:
    """The last few answers, each made by one who asks while others wait.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Ready] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Ready | None:
        """The answer, if it is there."""
        return self._kept.get(key)

    def made(self, key: Hashable, make: Callable[[], bytes]) -> Ready:
        """The answer, made and compressed unless it is there."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = Ready(make()).compressed()
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            return found


@lru_cache(256)
def takes_gzip(accepted: bytes) -> bool:
    """Whether who sends this `Accept-Encoding` takes gzip."""
    for part in accepted.decode("latin-1").lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in {"gzip", "*"}:
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _matches(known: str, etag: str) -> bool:
    plain = etag.removeprefix("W/")
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return "*" in tags or plain in tags
