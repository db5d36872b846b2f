"""A feed's records become typed frames, and the records that cannot are named.

Pure: a document in, results out. What each untidy thing becomes is decided here and listed in
`docs/gbfs.md`. Bytes become documents in `document.py`; a single value's meaning is in `values.py`.

The rule behind the decisions: a record whose identity or counts cannot be true is rejected with a
reason; any other value that cannot be read becomes null and is counted in `notes`; nothing is
filled in.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from bike_demand.gbfs import values
from bike_demand.gbfs.document import CLOCK_TOLERANCE, Document, lenient
from bike_demand.gbfs.errors import InvalidFeedError, not_gbfs
from bike_demand.gbfs.frames import (
    INFORMATION_COLUMNS,
    STATUS_COLUMNS,
    Row,
    frame,
    rejected_frame,
)
from bike_demand.gbfs.values import BadValueError, show

_BICYCLES = frozenset({"bicycle", "cargo_bicycle"})
_ELECTRIC = frozenset({"electric", "electric_assist"})
_ELECTRIC_KEYS = ("ebike", "electric")


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What every parsed feed says of itself; see `Document` for the fields they share.

    Attributes:
        http_status: 200, or 304 when the server said that nothing changed; None when the
            document did not come over HTTP.
    """

    feed: str
    fetched_at: datetime
    last_updated: datetime | None
    ttl: int | None
    version: str
    notes: Mapping[str, int]
    http_status: int | None = None

    @property
    def not_modified(self) -> bool:
        """Whether the server said 304 and the content is that of the fetch before."""
        return self.http_status == 304

    @property
    def age(self) -> timedelta | None:
        """How old the content was when fetched; None if the feed does not say. Never negative."""
        if self.last_updated is None:
            return None
        return max(self.fetched_at - self.last_updated, timedelta(0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Stations(Result):
    """A feed with one record per station.

    Attributes:
        rows: One row per station, in the feed's order; possibly none.
        rejected: The records that could not be rows, `frames.REJECTED_COLUMNS`.
        records: How many records the feed held: those in `rows` and `rejected`, and exact
            repetitions.
    """

    rows: pd.DataFrame
    rejected: pd.DataFrame
    records: int


@dataclass(frozen=True, kw_only=True, eq=False)
class StationStatus(Stations):
    """One snapshot of a system. The rows' columns are `frames.STATUS_COLUMNS`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StationInformation(Stations):
    """The facts of a system's stations. The rows' columns are `frames.INFORMATION_COLUMNS`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SystemInformation(Result):
    """The facts of a system; each None where the feed does not say it readably.

    Attributes:
        system_id: The operator's own id, not the one the system is configured under.
        name: Its name in the preferred language.
        timezone: An IANA name that this machine knows.
        language: Its (first) language, a BCP 47 tag as served.
    """

    system_id: str | None
    name: str | None
    timezone: str | None
    language: str | None


def station_status(
    document: Document, electric_types: Mapping[str, bool] | None = None
) -> StationStatus:
    """Reads `station_status`.

    Args:
        document: What `read_document` returned.
        electric_types: For each vehicle type whether it is an e-bike (`electric_vehicle_types`);
            needed only where `needs_vehicle_types` says so. Without it those e-bike counts are
            null.

    Raises:
        InvalidFeedError: There is no list of stations, or more than half of its records are
            invalid; in the latter case it carries them.
    """
    notes = Counter(document.notes)
    latest = values.to_microseconds(document.fetched_at + CLOCK_TOLERANCE)

    def row(record: Mapping[str, Any]) -> Row:
        return _status_row(record, latest, electric_types, notes)

    def reported(row: Row) -> int:
        return -1 if row[-1] is None else int(row[-1])

    return StationStatus(**_read_stations(document, STATUS_COLUMNS, row, reported, notes))


def needs_vehicle_types(document: Document) -> bool:
    """Whether a `station_status` tells e-bikes from others only by vehicle type."""
    stations = document.data.get("stations")
    return isinstance(stations, list) and any(
        isinstance(record, dict)
        and bool(record.get("vehicle_types_available"))
        and record.get("num_ebikes_available") is None
        and record.get("num_bikes_available_types") is None
        for record in stations
    )


def electric_vehicle_types(document: Document) -> dict[str, bool]:
    """Reads `vehicle_types`: for each type's id, whether it is an electric bicycle.

    A type that does not say what it is, is left out: not known is not the same as no.

    Raises:
        InvalidFeedError: There is no list of vehicle types.
    """
    entries = document.data.get("vehicle_types")
    if not isinstance(entries, list):
        raise not_gbfs(document.feed, "the document has no list `data.vehicle_types`")
    electric = {}
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        key, form, propulsion = (
            entry.get(name) for name in ("vehicle_type_id", "form_factor", "propulsion_type")
        )
        if isinstance(key, str) and isinstance(form, str) and isinstance(propulsion, str):
            electric[key] = form in _BICYCLES and propulsion in _ELECTRIC
    return electric


def station_information(document: Document, language: str | None = None) -> StationInformation:
    """Reads `station_information`.

    Args:
        document: What `read_document` returned.
        language: Preferred language of names (BCP 47); then English, then the first there is.

    Raises:
        InvalidFeedError: There is no list of stations, or more than half of its records are
            invalid; in the latter case it carries them.
    """
    notes = Counter(document.notes)
    languages = values.preferred_languages(language)

    def row(record: Mapping[str, Any]) -> Row:
        return _information_row(record, languages, notes)

    # Facts carry no time of their own: of two records the one further down wins.
    return StationInformation(
        **_read_stations(document, INFORMATION_COLUMNS, row, lambda _row: 0, notes)
    )


def system_information(document: Document, language: str | None = None) -> SystemInformation:
    """Reads `system_information`. Unreadable facts are None and noted; it does not fail.

    Args:
        document: What `read_document` returned.
        language: Preferred language of the name (BCP 47); then English, then the first there is.
    """
    notes = Counter(document.notes)
    data = document.data
    languages = values.preferred_languages(language)

    def fact(name: str) -> str | None:
        return lenient(lambda: values.text(data.get(name), languages), name, notes)

    timezone = fact("timezone")
    if timezone is not None and not _known_zone(timezone):
        notes["timezone_unknown"] += 1
        timezone = None
    spoken, several = fact("language"), data.get("languages")
    if spoken is None and isinstance(several, list) and several:
        spoken = lenient(lambda: values.text(several[0]), "language", notes)
    return SystemInformation(
        system_id=fact("system_id"),
        name=fact("name"),
        timezone=timezone,
        language=spoken,
        **_envelope(document, notes),
    )


def unknown_stations(status: pd.DataFrame, information: pd.DataFrame) -> list[str]:
    """The ids with a status but without facts, sorted.

    A few are new stations whose facts are on their way. All of them means that the system changed
    its ids, which some do for a single snapshot.

    Args:
        status: Frame with `station_id`.
        information: Frame with `station_id`.
    """
    return sorted(set(status["station_id"]) - set(information["station_id"]))


def _envelope(document: Document, notes: Mapping[str, int]) -> dict[str, Any]:
    return {
        "feed": document.feed,
        "fetched_at": document.fetched_at,
        "last_updated": document.last_updated,
        "ttl": document.ttl,
        "version": document.version,
        "notes": dict(notes),
    }


# Stations, one record after the other


def _read_stations(
    document: Document,
    columns: Mapping[str, str],
    read: Callable[[Mapping[str, Any]], Row],
    rank: Callable[[Row], int],
    notes: Counter[str],
) -> dict[str, Any]:
    """The fields of a `Stations`: reads each record, settles stations that come twice.

    Raises:
        InvalidFeedError: The feed has no list of stations, or a mostly invalid one.
    """
    records = document.data.get("stations")
    if not isinstance(records, list):
        raise not_gbfs(document.feed, "the document has no list `data.stations`")
    if not records:
        notes["no_stations"] += 1
    rows: dict[int, Row] = {}
    bad: dict[int, BadValueError] = {}
    for ordinal, record in enumerate(records):
        try:
            rows[ordinal] = read(_as_object(record))
        except BadValueError as error:
            bad[ordinal] = error
    if len({row[0] for row in rows.values()}) < len(rows):
        _settle_duplicates(rows, bad, rank, notes)
    rejected = rejected_frame(records, bad)
    if 2 * len(bad) > len(records):
        reasons = Counter(error.word for error in bad.values()).most_common(3)
        worst = ", ".join(f"{number} {word}" for word, number in reasons)
        example = bad[min(bad)].detail
        raise InvalidFeedError(
            document.feed,
            f"{len(bad)} of {len(records)} records are invalid ({worst}; the first: {example})",
            "The last good state stands. Look at the rejected records; if the feed has changed for "
            "good, tell the operator or choose another version of the feed.",
            rejected=rejected,
            records=len(records),
            last_updated=document.last_updated,
        )
    return {
        "rows": frame(list(rows.values()), columns),
        "rejected": rejected,
        "records": len(records),
        **_envelope(document, notes),
    }


def _settle_duplicates(
    rows: dict[int, Row],
    bad: dict[int, BadValueError],
    rank: Callable[[Row], int],
    notes: Counter[str],
) -> None:
    """Of a station that comes twice, keeps the record of highest rank, the later one on a tie."""
    kept: dict[str, int] = {}
    for ordinal in sorted(rows, key=lambda ordinal: (rank(rows[ordinal]), ordinal)):
        station = rows[ordinal][0]
        earlier = kept.get(station)
        kept[station] = ordinal
        if earlier is None:
            continue
        if rows[earlier] == rows[ordinal]:
            notes["duplicate_collapsed"] += 1
        else:
            bad[earlier] = BadValueError(
                "duplicate_station",
                f"{show(station)} comes again, differently, as record {ordinal}",
            )
        del rows[earlier]


def _status_row(
    record: Mapping[str, Any],
    latest: int,
    electric_types: Mapping[str, bool] | None,
    notes: Counter[str],
) -> Row:
    """A record's values in the order of `STATUS_COLUMNS`; times in microseconds."""
    bikes = _count(record, "num_bikes_available", "num_vehicles_available")
    if bikes is None:
        raise BadValueError(
            "missing_num_bikes_available",
            "neither num_bikes_available nor num_vehicles_available is there",
        )
    return (
        values.identifier(record.get("station_id")),
        bikes,
        _ebikes(record, bikes, electric_types, notes),
        _count(record, "num_bikes_disabled", "num_vehicles_disabled"),
        _count(record, "num_docks_available"),
        _count(record, "num_docks_disabled"),
        _flag(record, "is_installed", "installed", notes),
        _flag(record, "is_renting", "renting", notes),
        _flag(record, "is_returning", "returning", notes),
        _last_reported(record, latest, notes),
    )


def _information_row(
    record: Mapping[str, Any], languages: tuple[str, ...], notes: Counter[str]
) -> Row:
    """A record's values in the order of `INFORMATION_COLUMNS`."""

    def text(name: str, legacy: str | None = None) -> str | None:
        value = record.get(name)
        if value is None and legacy is not None:
            value = record.get(legacy)
        return lenient(lambda: values.text(value, languages), name, notes)

    return (
        values.identifier(record.get("station_id")),
        text("name", "station_name"),
        text("short_name"),
        *_position(record, notes),
        lenient(lambda: values.count(record.get("capacity")), "capacity", notes),
        text("region_id"),
        text("address"),
        _flag(record, "is_virtual_station", None, notes),
    )


def _as_object(record: object) -> Mapping[str, Any]:
    if isinstance(record, dict):
        return record
    raise BadValueError("not_an_object", f"{show(record)} is no JSON object")


def _count(record: Mapping[str, Any], name: str, other: str | None = None) -> int | None:
    value = record.get(name)
    if value is None and other is not None:
        name, value = other, record.get(other)
    if value is None or (type(value) is int and 0 <= value <= values.MAX_COUNT):
        return value  # nearly every value of a snapshot of thousands of stations
    try:
        return values.count(value)
    except BadValueError as error:
        raise BadValueError(error.word, f"{name}: {error.detail}") from None


def _flag(
    record: Mapping[str, Any], name: str, legacy: str | None, notes: Counter[str]
) -> bool | None:
    value = record.get(name)
    if value is None and legacy is not None:
        value = record.get(legacy)
    try:
        return values.flag(value)
    except BadValueError:
        notes[f"{name}_unreadable"] += 1
        return None


def _last_reported(record: Mapping[str, Any], latest: int, notes: Counter[str]) -> int | None:
    try:
        return values.instant(record.get("last_reported"), latest=latest)
    except BadValueError as error:
        notes[f"last_reported_{error.word}"] += 1
        return None


def _position(record: Mapping[str, Any], notes: Counter[str]) -> tuple[float | None, float | None]:
    """Latitude and longitude, or neither: half a position is none, and (0, 0) is the sea."""
    try:
        lat = values.degrees(record.get("lat"), 90)
        lon = values.degrees(record.get("lon"), 180)
    except BadValueError:
        notes["position_unreadable"] += 1
        return None, None
    if lat is None or lon is None:
        return None, None
    if lat == 0 and lon == 0:
        notes["position_zero"] += 1
        return None, None
    return lat, lon


def _ebikes(
    record: Mapping[str, Any],
    bikes: int,
    electric_types: Mapping[str, bool] | None,
    notes: Counter[str],
) -> int | None:
    """E-bikes by the most direct statement there is: own field, vendors' field, vehicle types."""
    stated = _count(record, "num_ebikes_available")
    if stated is not None:
        return stated
    by_kind = record.get("num_bikes_available_types")
    by_type = record.get("vehicle_types_available")
    derived = None
    try:
        if by_kind is not None:
            derived = _ebikes_by_kind(by_kind)
        elif by_type is not None:
            derived = _ebikes_by_type(by_type, bikes, electric_types)
        else:
            return None
    except BadValueError:
        derived = None
    if derived is None:
        notes["num_ebikes_available_not_derivable"] += 1
    return derived


def _ebikes_by_kind(by_kind: object) -> int | None:
    """From `{"mechanical": 3, "ebike": 2}`, or the same in pieces: `[{"mechanical": 3}, …]`."""
    pieces = by_kind if isinstance(by_kind, list) else [by_kind]
    counts = [
        values.count(piece.get(key))
        for piece in pieces
        if isinstance(piece, dict)
        for key in _ELECTRIC_KEYS
    ]
    known = [number for number in counts if number is not None]
    return sum(known) if known and sum(known) <= values.MAX_COUNT else None


def _ebikes_by_type(
    by_type: object, bikes: int, electric_types: Mapping[str, bool] | None
) -> int | None:
    """From `[{"vehicle_type_id": "7", "count": 2}, …]`, if every vehicle's type is known."""
    if electric_types is None or not isinstance(by_type, list):
        return None
    total = ebikes = 0
    for entry in by_type:
        if not isinstance(entry, dict):
            return None
        number = values.count(entry.get("count"))
        key = entry.get("vehicle_type_id")
        if number is None or not isinstance(key, str):
            return None
        electric = electric_types.get(key)
        if electric is None and number > 0:
            return None
        total += number
        ebikes += number if electric else 0
    # A list that leaves vehicles out says nothing about those.
    return ebikes if bikes <= total and ebikes <= values.MAX_COUNT else None


def _known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, not a name, a directory
        return False
    return True
