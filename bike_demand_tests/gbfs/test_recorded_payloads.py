"""Payloads of real systems and of the specification, as they were served."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from bike_demand.gbfs import parse
from bike_demand.gbfs.document import read_document
from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand.gbfs.feeds import STATION_STATUS, listed_feeds
from bike_demand.gbfs.frames import INFORMATION_COLUMNS, STATUS_COLUMNS
from bike_demand_tests.gbfs.payloads import RECORDED, needs_recorded_payloads

pytestmark = needs_recorded_payloads

LATER = datetime(2026, 11, 1, tzinfo=UTC)

CITI_BIKE = "citibike_nyc_v1.1_2024-10-02"
CAPITAL = "capital_bikeshare_v2.3_2025"
BAY_WHEELS = "baywheels_sf_v1_2023-07-19"
BCYCLE = "bcycle_santabarbara_v1.1_2026"
BERYL = "beryl_greater_manchester_v2.2_2024"
MYBUXI = "mybuxi_ch_v2.3"
NEXTBIKE = "nextbike_vrn_v1_2022"
TWICE = "otp_duplicate-stations-v2"
ENTUR = "spec_fixtures_entur"
MOBILITY_DATA = "spec_fixtures_mobilitydata"

NEVER = {"last_reported_before_2000": 1}
ONCE_MORE = {"duplicate_collapsed": 1}

STATUSES = [
    # path, version, rows, rejected, e-bikes (None: not known), notes
    (f"{CITI_BIKE}/station_status.json", "1.1", 2226, 0, 12829, NEVER),
    (f"{CAPITAL}/station_status.json", "2.3", 784, 0, 1111, NEVER),
    (f"{BAY_WHEELS}/station_status.json", "1.0", 518, 0, 1958, NEVER),
    (f"{BCYCLE}/station-status-v1.1.json", "1.1", 95, 0, 208, {}),
    (
        f"{BERYL}/sampleStationStatus.json",
        "2.2",
        279,
        0,
        None,
        {"num_ebikes_available_not_derivable": 279},
    ),
    (f"{MYBUXI}/station_status.json", "2.3", 1926, 0, 0, ONCE_MORE),
    (f"{TWICE}/station_status.json", "2.2", 3, 1, None, {}),
    (f"{ENTUR}/v2.1/station_status.json", "2.1", 2, 0, 0, {}),
    (f"{ENTUR}/v2.2/station_status.json", "2.2", 2, 0, 0, {}),
    (f"{ENTUR}/v2.3/station_status.json", "2.3", 2, 0, 0, {}),
    (f"{ENTUR}/v3.0/station_status.json", "3.0", 2, 0, 0, {}),
    (f"{MOBILITY_DATA}/v2.3/station_status.json", "2.3", 2, 0, 0, {}),
    (f"{MOBILITY_DATA}/v3.0/station_status.json", "3.0", 1, 0, 0, {}),
]

INFORMATIONS = [
    # path, rows, stations without capacity, stations without position, notes
    (f"{CITI_BIKE}/station_information.json", 2226, 0, 0, {}),
    (f"{CAPITAL}/station_information.json", 784, 0, 0, {}),
    (f"{BAY_WHEELS}/station_information.json", 518, 0, 0, {}),
    (f"{BCYCLE}/station-information-v1.1.json", 95, 95, 0, {}),
    (f"{BERYL}/sampleStationInformation.json", 279, 0, 0, {}),
    (f"{MYBUXI}/station_information.json", 1926, 0, 0, ONCE_MORE),
    (f"{NEXTBIKE}/station_information.json", 382, 0, 0, {}),
    (f"{TWICE}/station_information.json", 3, 0, 0, {}),
    (f"{ENTUR}/v2.1/station_information_virtual.json", 1, 0, 1, {}),
    (f"{ENTUR}/v2.3/station_information_virtual.json", 1, 0, 0, {}),
    (f"{ENTUR}/v3.0/station_information.json", 2, 1, 0, {}),
    (f"{MOBILITY_DATA}/v3.0/station_information.json", 23, 19, 0, {}),
]

ZONES = [
    (f"{BAY_WHEELS}/system_information.json", "America/Los_Angeles"),
    (f"{BCYCLE}/system-information-v1.1.json", "America/Los_Angeles"),
    (f"{BERYL}/sampleSystemInformation.json", "Europe/London"),
    (f"{MYBUXI}/system_information.json", "Europe/Zurich"),
    (f"{ENTUR}/v1.0/system_information.json", "America/Chicago"),
    (f"{ENTUR}/v3.0/system_information.json", "America/Chicago"),
    (f"{MOBILITY_DATA}/v3.0/system_information.json", "Europe/Amsterdam"),
]

DISCOVERIES = [
    f"{BCYCLE}/gbfs-discovery.json",
    f"{BERYL}/sampleGBFSInformation.json",
    f"{MYBUXI}/gbfs.json",
    f"{NEXTBIKE}/gbfs.json",
    f"{TWICE}/gbfs.json",
    f"{MOBILITY_DATA}/v2.3/gbfs.json",
    f"{MOBILITY_DATA}/v3.0/gbfs.json",
]


def read(path):
    return read_document(
        (RECORDED / path).read_bytes(), url=f"https://city.example/{path}", fetched_at=LATER
    )


def status(path):
    types = RECORDED / path.rpartition("/")[0] / "vehicle_types.json"
    electric = None
    document = read(path)
    if parse.needs_vehicle_types(document) and types.exists():
        electric = parse.electric_vehicle_types(read(str(types.relative_to(RECORDED))))
    return parse.station_status(document, electric)


@pytest.mark.parametrize(("path", "version", "rows", "rejected", "ebikes", "notes"), STATUSES)
def test_a_recorded_status_is_read(path, version, rows, rejected, ebikes, notes):
    got = status(path)
    assert (got.version, len(got.rows), len(got.rejected), got.notes) == (
        version,
        rows,
        rejected,
        notes,
    )
    assert {name: str(dtype) for name, dtype in got.rows.dtypes.items()} == dict(STATUS_COLUMNS)
    assert got.rows["station_id"].is_unique
    assert got.last_updated is not None
    if ebikes is None:
        assert got.rows["num_ebikes_available"].isna().any()
    else:
        assert got.rows["num_ebikes_available"].sum() == ebikes


@pytest.mark.parametrize(("path", "rows", "no_capacity", "no_position", "notes"), INFORMATIONS)
def test_recorded_facts_of_stations_are_read(path, rows, no_capacity, no_position, notes):
    got = parse.station_information(read(path))
    assert (len(got.rows), len(got.rejected), got.notes) == (rows, 0, notes)
    assert {name: str(dtype) for name, dtype in got.rows.dtypes.items()} == dict(
        INFORMATION_COLUMNS
    )
    assert got.rows["capacity"].isna().sum() == no_capacity
    assert got.rows["lat"].isna().sum() == no_position
    assert got.rows["name"].notna().all()


@pytest.mark.parametrize(("path", "zone"), ZONES)
def test_the_recorded_facts_of_a_system_are_read(path, zone):
    got = parse.system_information(read(path))
    assert (got.timezone, got.notes) == (zone, {})


@pytest.mark.parametrize("path", DISCOVERIES)
def test_a_recorded_discovery_lists_the_station_status(path):
    assert STATION_STATUS in listed_feeds(read(path), "https://city.example/gbfs.json")


def test_counts_of_citi_bike_are_those_of_the_file():
    got = status(f"{CITI_BIKE}/station_status.json")
    raw = pd.DataFrame(read(f"{CITI_BIKE}/station_status.json").data["stations"])
    for column in STATUS_COLUMNS:
        if column.startswith("num_"):
            assert list(got.rows[column]) == list(raw[column])
        elif column.startswith("is_"):
            assert list(got.rows[column]) == list(raw[column] == 1)
    reported = pd.to_datetime(raw["last_reported"], unit="s", utc=True)
    known = got.rows["last_reported"].notna()
    assert (got.rows["last_reported"][known] == reported[known]).all()
    assert known.sum() == 2225


def test_a_system_that_says_minus_one_bike_everywhere_fails_and_hands_over_its_records():
    with pytest.raises(InvalidFeedError, match="382 of 382 records are invalid") as caught:
        status(f"{NEXTBIKE}/station_status.json")
    assert set(caught.value.rejected["reason"]) == {"negative_count"}


def test_a_status_for_a_station_without_facts_can_be_told():
    rows = status(f"{TWICE}/station_status.json").rows
    facts = parse.station_information(read(f"{TWICE}/station_information.json")).rows
    assert len(parse.unknown_stations(rows, facts)) + len(facts) >= len(rows)
    assert list(rows["num_bikes_available"][rows["station_id"] == "station_duplicate"]) == [8]


READERS = {
    "station_status": parse.station_status,
    "stationstatus": parse.station_status,
    "station_information": parse.station_information,
    "stationinformation": parse.station_information,
    "system_information": parse.system_information,
    "systeminformation": parse.system_information,
    "vehicle_types": parse.electric_vehicle_types,
}


def test_every_recorded_payload_is_read_or_fails_with_the_stated_error():
    failed = []
    paths = sorted(p for p in RECORDED.rglob("*.json") if "json_schema" not in p.parts)
    for path in paths:
        name = path.name.lower().replace("-", "_")
        try:
            document = read(str(path.relative_to(RECORDED)))
            for part, reader in READERS.items():
                if part in name:
                    reader(document)
        except InvalidFeedError:
            failed.append(str(path.relative_to(RECORDED)))
    assert len(paths) > 80
    assert failed == [f"{NEXTBIKE}/station_status.json"]
