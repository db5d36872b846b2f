"""Times as the API has them: UTC, ISO 8601, `2026-05-01T12:00:00Z`."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

EXAMPLE: Final = "2026-05-01T12:00:00Z"
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _read(value: Any) -> datetime:
    wanted = f"must be a time with its offset from UTC, such as {EXAMPLE}"
    if isinstance(value, str) and _ISO.fullmatch(value.replace(" ", "+")) and " " in value:
        raise ValueError("has a space for the + of its offset: send %2B in a query")
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        raise ValueError(wanted)
    try:
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(wanted) from None
    if not 2000 <= moment.year <= 2100:
        raise ValueError("must lie in the years 2000 to 2100")
    return moment


Moment = Annotated[
    datetime,
    BeforeValidator(_read),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": [EXAMPLE]}),
]
"""A time that somebody asks for, with its offset from UTC."""


def told(moment: datetime) -> str:
    """A time as the API answers it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def told_or_none(moment: datetime | None) -> str | None:
    """Likewise, where there may be none."""
    return None if moment is None else told(moment)
