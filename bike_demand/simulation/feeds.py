"""A city as GBFS documents, version 2.3 or 3.0.

Pure: facts in, bytes of compact JSON out. When a document is made, and what goes wrong on its way,
is decided in `server`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from bike_demand.simulation.city import Snapshot
from bike_demand.simulation.plan import STEP, Plan

FEEDS: Final = ("system_information", "vehicle_types", "station_information", "station_status")
"""The feeds of a city, as its discovery document lists them."""

LANGUAGE: Final = "en"
FACTS_TTL_SECONDS: Final = 3600
STATUS_TTL_SECONDS: Final = int(STEP.total_seconds())

CLASSIC, ELECTRIC = "bike", "ebike"
ELECTRIC_RANGE_METERS: Final = 60_000


class Version(StrEnum):
    """A version of GBFS that can be served."""

    V2_3 = "2.3"
    V3_0 = "3.0"


# A record's text, as a hundred thousand of them are made at every step: five times quicker than
# from dicts. Short names of vehicle types keep a document of that size under 32 MiB.
_STATUS_2_3: Final = (
    '{"station_id":%s,"num_bikes_available":%d,"vehicle_types_available":['
    f'{{"vehicle_type_id":"{CLASSIC}","count":%d}},{{"vehicle_type_id":"{ELECTRIC}","count":%d}}],'
    '"num_bikes_disabled":%d,"num_docks_available":%d,"num_docks_disabled":%d,"is_installed":%s,'
    '"is_renting":%s,"is_returning":%s,"last_reported":%s}'
)
_STATUS_TEMPLATES: Final = {
    Version.V2_3: _STATUS_2_3,
    Version.V3_0: _STATUS_2_3.replace('"num_bikes_', '"num_vehicles_'),
}


def discovery(version: Version, plan: Plan, base_url: str) -> bytes:
    """`gbfs.json`; the feeds lie beside each other under `base_url`."""
    listed = {"feeds": [{"name": name, "url": f"{base_url}/{name}.json"} for name in FEEDS]}
    data = {LANGUAGE: listed} if version is Version.V2_3 else listed
    return _facts(version, plan, data)


def system_information(version: Version, plan: Plan) -> bytes:
    """The facts of the system."""
    name = f"Simulated city {plan.seed}"
    data: dict[str, Any] = {"system_id": system_id(plan), "timezone": plan.timezone}
    if version is Version.V2_3:
        data |= {"name": name, "language": LANGUAGE}
    else:
        data |= {
            "name": _localized(name),
            "languages": [LANGUAGE],
            "opening_hours": "24/7",
            "feed_contact_email": "nobody@example.com",
        }
    return _facts(version, plan, data)


def system_id(plan: Plan) -> str:
    """What a city calls itself."""
    return f"simulated_{plan.seed}"


def vehicle_types(version: Version, plan: Plan) -> bytes:
    """Bicycles with and without a motor."""
    kinds = (
        (CLASSIC, "Bicycle", {"propulsion_type": "human"}),
        (
            ELECTRIC,
            "E-bike",
            {"propulsion_type": "electric_assist", "max_range_meters": ELECTRIC_RANGE_METERS},
        ),
    )
    types = [
        {
            "vehicle_type_id": key,
            "form_factor": "bicycle",
            **motor,
            "name": name if version is Version.V2_3 else _localized(name),
        }
        for key, name, motor in kinds
    ]
    return _facts(version, plan, {"vehicle_types": types})


def station_information(version: Version, plan: Plan, stations: pd.DataFrame) -> bytes:
    """The facts of the stations.

    Args:
        version: Which GBFS.
        plan: The city's.
        stations: `City.stations`.
    """
    records = stations[["station_id", "name", "short_name", "lat", "lon", "capacity"]].to_dict(
        "records"
    )
    if version is Version.V3_0:
        for record in records:
            record["name"] = _localized(record["name"])
            record["short_name"] = _localized(record["short_name"])
    return _facts(version, plan, {"stations": records})


def status_records(version: Version, station_ids: Sequence[str], now: Snapshot) -> list[str]:
    """A record of `station_status` for each station, as JSON.

    Args:
        version: Which GBFS.
        station_ids: What the stations are called, in the snapshot's order.
        now: How they are.
    """
    ebikes = now.num_ebikes_available
    columns = (
        now.num_bikes_available,
        now.num_bikes_available - ebikes,
        ebikes,
        now.num_bikes_disabled,
        now.num_docks_available,
        now.num_docks_disabled,
        *(np.where(flag, "true", "false") for flag in (now.is_installed, now.is_renting)),
        np.where(now.is_returning, "true", "false"),
        _times(version, now.last_reported),
    )
    rows = zip(map(json.dumps, station_ids), *(column.tolist() for column in columns), strict=True)
    return list(map(_STATUS_TEMPLATES[version].__mod__, rows))


def station_status(version: Version, at: datetime, records: Sequence[str]) -> bytes:
    """The status feed.

    Args:
        version: Which GBFS.
        at: When the stations were so (aware).
        records: One JSON object for each station.
    """
    data = f'{{"stations":[{",".join(records)}]}}'
    return _document(version, at, STATUS_TTL_SECONDS, data)


def _facts(version: Version, plan: Plan, data: dict[str, Any]) -> bytes:
    """A document that holds for as long as the city does."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return _document(version, plan.start, FACTS_TTL_SECONDS, text)


def _document(version: Version, updated: datetime, ttl: int, data: str) -> bytes:
    seconds = int(updated.timestamp())
    time = str(seconds) if version is Version.V2_3 else _rfc3339(updated)
    return f'{{"last_updated":{time},"ttl":{ttl},"version":"{version}","data":{data}}}'.encode()


def _rfc3339(moment: datetime) -> str:
    """As JSON."""
    return moment.astimezone(UTC).strftime('"%Y-%m-%dT%H:%M:%SZ"')


def _times(version: Version, seconds: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Seconds since 1970 as JSON values."""
    if version is Version.V2_3:
        return seconds
    texts = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="s")
    return np.strings.add(np.strings.add('"', texts), 'Z"')


def _localized(text: str) -> list[dict[str, str]]:
    return [{"text": text, "language": LANGUAGE}]
