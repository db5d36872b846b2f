"""Who may ask, and how often: API keys, the reload token, and a rate for each client."""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

KEY_HEADER: Final = "X-API-Key"
CLIENTS: Final = 10_000
"""Whose requests are counted at a time; who has not asked for longest is forgotten."""

MINUTE_S: Final = 60.0


def new_key() -> str:
    """A key: 256 random bits, so that its hash needs no salt."""
    return secrets.token_urlsafe(32)


def hashed(key: str) -> str:
    """What is kept of a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def holder(keys: Mapping[str, str], key: str) -> str | None:
    """Whose key it is, in a time that tells nothing of it; None if nobody's.

    Args:
        keys: Hashes by name.
        key: As it was sent.
    """
    given, found = hashed(key), None
    for name, kept in keys.items():
        if hmac.compare_digest(kept, given):
            found = name
    return found


def same(one: str, other: str) -> bool:
    """Whether two secrets are one, in a time that tells nothing of them."""
    return hmac.compare_digest(hashed(one), hashed(other))


class Rate:
    """How many requests of a client are answered: a minute's at once, then evenly.

    Of each client only a time is kept: until when the requests it made would fill the rate.

    Args:
        per_minute: How many; 0 for any number.
        clock: Seconds that only grow.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each_s = MINUTE_S / per_minute if per_minute else 0.0
        self._clock = clock
        self._filled: OrderedDict[str, float] = OrderedDict()

    def wait(self, client: str) -> float:
        """How long a client has to wait [s]; 0 if it may go on, and then it is counted."""
        if not self._each_s:
            return 0.0
        now = self._clock()
        filled = max(self._filled.get(client, now), now) + self._each_s
        if filled - now > MINUTE_S + 1e-9:
            return filled - now - MINUTE_S
        self._filled[client] = filled
        self._filled.move_to_end(client)
        if len(self._filled) > CLIENTS:
            self._filled.popitem(last=False)
        return 0.0


@lru_cache(4096)
def client_of(host: str) -> str:
    """Whom an address belongs to: of IPv6 a whole network is given to one."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return ":".join(address.exploded.split(":")[:4]) + "::/64"
    return host


def headers(tiles_url: str | None) -> list[tuple[bytes, bytes]]:
    """What every answer tells a browser not to do.

    Args:
        tiles_url: Whose pictures the page may show.
    """
    images = "'self' data:" + (f" {_origin(tiles_url)}" if tiles_url else "")
    policy = (
        f"default-src 'self'; img-src {images}; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    return [
        (b"content-security-policy", policy.encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]


def _origin(tiles_url: str) -> str:
    parts = urlsplit(tiles_url.replace("{s}", "*"))
    return f"{parts.scheme}://{parts.netloc}"
