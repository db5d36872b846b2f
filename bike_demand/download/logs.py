"""Query strings stay out of the log: keys travel in them.

urllib3 logs the URLs that it asks for, at DEBUG all, at WARNING those whose headers it cannot read.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import parse_qsl

_LOGGERS = ("urllib3.connection", "urllib3.connectionpool")
_QUERY = re.compile(r"\?[^\s\"')]+")

# Shorter ones are no keys, and would tear holes into other words.
_SHORTEST_SECRET = 8

_hidden: ContextVar[tuple[str, ...] | None] = ContextVar("_hidden", default=None)


class _WithoutQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass, those of our own downloads without query strings."""
        hidden = _hidden.get()
        if hidden is not None:
            message = _QUERY.sub("?…", record.getMessage())
            for value in hidden:
                message = re.sub(re.escape(value), "…", message, flags=re.IGNORECASE)
            record.msg, record.args = message, ()
        return True


_filter = _WithoutQueries()


@contextmanager
def hidden_query(url: str, *secrets: str) -> Iterator[None]:
    """What urllib3 logs within it, in this thread, shows no query string. Others' logs stay.

    Args:
        url: What is asked for. The values of its query are hidden wherever they stand: a redirect
            may repeat them in its path.
        *secrets: Hidden likewise, such as a path that is a key.
    """
    values = (*(value for _, value in parse_qsl(url.partition("?")[2])), *secrets)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)  # once, however often it is added
    token = _hidden.set(tuple(value for value in values if len(value) >= _SHORTEST_SECRET))
    try:
        yield
    finally:
        _hidden.reset(token)
