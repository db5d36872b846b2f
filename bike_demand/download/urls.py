"""URLs: which may be opened, which share an origin, and how one may be shown."""

from urllib.parse import urlsplit


def public_url(url: str) -> str:
    """A URL as it may be shown: no user, password, query string or fragment (keys travel there).

    Args:
        url: Any text that was configured or served as a URL.

    Returns:
        Scheme, host, port and path, printable and at most 300 characters; `?…` marks a query
        that was left out.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a URL that cannot be read)"
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}" if host else f"{parts.scheme}:{parts.path}"
    # Feeds name URLs too, and messages end up in logs and databases.
    shown = "".join(character if character.isprintable() else "?" for character in shown[:300])
    return f"{shown}?…" if parts.query else shown


def origin(url: str) -> str:
    """Scheme, host and port of an HTTP URL, in one spelling.

    Raises:
        ValueError: The URL cannot be read.
    """
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def is_http(url: str) -> bool:
    """Whether a URL is readable, absolute, and http or https: nothing else is ever opened."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
