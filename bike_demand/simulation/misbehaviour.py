"""How the served feeds can go wrong, for tests and drills.

What each kind means for an answer is settled in `server`; here stands what may be asked for, and
how records are broken.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Misbehaviour:
    """What is wrong with the server now; by default nothing.

    Attributes:
        slow: Seconds before each answer.
        errors: Share of requests answered with HTTP 500.
        frozen: The status feed repeats what it last said, `last_updated` included, while the
            city lives on.
        malformed: Share of status records that are broken.
        wrong_ids: The status feed calls every station by another id.
    """

    slow: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    errors: Share = 0.0
    frozen: bool = False
    malformed: Share = 0.0
    wrong_ids: bool = False


_READER: Final = TypeAdapter(Misbehaviour)


def from_words(words: Sequence[str]) -> Misbehaviour:
    """Reads `slow=2`, `errors=0.5`, `frozen`, `malformed=0.1` and `wrong-ids`.

    Raises:
        ValueError: One is none of these.
    """
    parts = [word.partition("=") for word in words]
    stated = {name.replace("-", "_"): value or "true" for name, _, value in parts}
    try:
        return _READER.validate_strings(stated)
    except ValidationError as error:
        raise ValueError(_told(error)) from None


def from_json(text: bytes) -> Misbehaviour:
    """Reads what `to_json` wrote; what is not named is not wrong.

    Raises:
        ValueError: It is no such object.
    """
    try:
        return _READER.validate_json(text)
    except ValidationError as error:
        raise ValueError(_told(error)) from None


def to_json(misbehaviour: Misbehaviour) -> bytes:
    """All fields by name."""
    return _READER.dump_json(misbehaviour)


def _told(error: ValidationError) -> str:
    """What is wrong with the first field that is."""
    first = error.errors()[0]
    return f"misbehaviour {'.'.join(map(str, first['loc']))!r}: {first['msg']}"


def break_records(records: Sequence[str], share: float, seed: int) -> list[str]:
    """Breaks a share of status records, each in one of several ways.

    Args:
        records: GBFS `station_status` records, as JSON.
        share: How many of them, from 0 to 1; rounded to whole records.
        seed: The same seed breaks the same records.
    """
    broken = list(records)
    chosen = random.Random(seed).sample(range(len(broken)), round(share * len(broken)))  # noqa: S311  # no secret
    for turn, index in enumerate(chosen):
        record = json.loads(broken[index])
        _WAYS[turn % len(_WAYS)](record)
        broken[index] = json.dumps(record, separators=(",", ":"))
    return broken


def _negative_count(record: dict[str, Any]) -> None:
    record[_bikes(record)] = -1


def _without_id(record: dict[str, Any]) -> None:
    del record["station_id"]


def _text_for_a_number(record: dict[str, Any]) -> None:
    record[_bikes(record)] = "several"


def _null_for_a_number(record: dict[str, Any]) -> None:
    record[_bikes(record)] = None


_WAYS: Final[tuple[Callable[[dict[str, Any]], None], ...]] = (
    _negative_count,
    _without_id,
    _text_for_a_number,
    _null_for_a_number,
)


def _bikes(record: Mapping[str, Any]) -> str:
    """The name of the field that every version requires."""
    return next(name for name in record if name.endswith("s_available"))
