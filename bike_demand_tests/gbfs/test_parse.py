import json
from datetime import timedelta

import pandas as pd
import pytest

from bike_demand.gbfs import parse
from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand.gbfs.frames import INFORMATION_COLUMNS, REJECTED_COLUMNS, STATUS_COLUMNS
from bike_demand_tests.gbfs.payloads import (
    EPOCH,
    NOW,
    document,
    envelope,
    fact,
    station,
    stations,
)

TIDY = [station("tidy-1"), station("tidy-2"), station("tidy-3")]


def status(*records, electric_types=None, **changes):
    return parse.station_status(document(stations(*records, **changes)), electric_types)


def information(*records, language=None):
    return parse.station_information(document(stations(*records)), language)


def only(result):
    """The one row as a dict, nulls as None."""
    assert len(result.rows) == 1
    row = result.rows.astype(object).iloc[0]
    return {name: None if pd.isna(value) else value for name, value in row.items()}


def rejected_among_tidy(record):
    """The reason for which one record among tidy ones is rejected."""
    result = status(*TIDY, record)
    assert list(result.rows["station_id"]) == ["tidy-1", "tidy-2", "tidy-3"]
    assert list(result.rejected["ordinal"]) == [3]
    assert result.records == 4
    return result.rejected["reason"].iloc[0]


def dtypes(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


# Status, tidy


def test_a_tidy_record_becomes_a_typed_row():
    result = status(station())
    assert only(result) == {
        "station_id": "a",
        "num_bikes_available": 5,
        "num_ebikes_available": 2,
        "num_bikes_disabled": 1,
        "num_docks_available": 7,
        "num_docks_disabled": 0,
        "is_installed": True,
        "is_renting": True,
        "is_returning": True,
        "last_reported": pd.Timestamp(NOW) - pd.Timedelta(seconds=60),
    }
    assert dtypes(result.rows) == dict(STATUS_COLUMNS)
    assert dtypes(result.rejected) == dict(REJECTED_COLUMNS)
    assert (result.records, result.notes, result.version, result.ttl) == (1, {}, "2.3", 60)
    assert result.age == timedelta(seconds=30)


def test_an_empty_list_is_no_rows_of_the_same_types_and_is_noted():
    result = status()
    assert dtypes(result.rows) == dict(STATUS_COLUMNS)
    assert dtypes(result.rejected) == dict(REJECTED_COLUMNS)
    assert (len(result.rows), result.records, result.notes) == (0, 0, {"no_stations": 1})


def test_missing_values_are_null_and_nothing_is_filled_in():
    row = only(status({"station_id": "a", "num_bikes_available": 5}))
    assert row == dict.fromkeys(STATUS_COLUMNS) | {"station_id": "a", "num_bikes_available": 5}


def test_types_do_not_depend_on_what_is_missing():
    result = status({"station_id": "a", "num_bikes_available": 5})
    assert dtypes(result.rows) == dict(STATUS_COLUMNS)


def test_rows_stand_in_the_order_of_the_feed():
    ids = list("hgfedcba")
    assert list(status(*map(station, ids)).rows["station_id"]) == ids


def test_vendor_fields_are_ignored():
    row = only(status(station(legacy_id="66", eightd_has_available_keys=False, _x={"y": [1]})))
    assert set(row) == set(STATUS_COLUMNS)


def test_integer_ids_become_text():
    assert only(status(station(121354)))["station_id"] == "121354"


@pytest.mark.parametrize("legacy", ["installed", "renting", "returning"])
def test_a_legacy_flag_counts_where_the_current_one_is_missing_and_only_there(legacy):
    assert only(status(station(**{f"is_{legacy}": ..., legacy: True})))[f"is_{legacy}"] is True
    assert only(status(station(**{f"is_{legacy}": 0, legacy: True})))[f"is_{legacy}"] is False


def test_an_unreadable_flag_is_null_and_noted_and_the_counts_stand():
    result = status(station(is_renting="perhaps"))
    assert only(result)["is_renting"] is None
    assert only(result)["num_bikes_available"] == 5
    assert result.notes == {"is_renting_unreadable": 1}


def test_vehicles_stand_for_bikes_in_gbfs_3_and_bikes_win_where_both_are_there():
    three = station(
        num_bikes_available=...,
        num_bikes_disabled=...,
        num_vehicles_available=4,
        num_vehicles_disabled=3,
    )
    assert only(status(three))["num_bikes_available"] == 4
    assert only(status(three))["num_bikes_disabled"] == 3
    assert only(status(station(num_vehicles_available=4)))["num_bikes_available"] == 5


def test_bikes_and_docks_over_any_capacity_are_kept_as_the_station_said():
    row = only(status(station(num_bikes_available=60, num_docks_available=60)))
    assert (row["num_bikes_available"], row["num_docks_available"]) == (60, 60)


def test_more_ebikes_than_bikes_are_kept_as_the_station_said():
    assert only(status(station(num_ebikes_available=9)))["num_ebikes_available"] == 9


# Status, times


@pytest.mark.parametrize(("value", "word"), [(0, "before_2000"), (86400, "before_2000")])
def test_a_report_time_that_means_never_is_null_and_noted(value, word):
    result = status(station(last_reported=value))
    assert only(result)["last_reported"] is None
    assert result.notes == {f"last_reported_{word}": 1}


def test_a_report_after_last_updated_is_kept_at_every_station():
    result = status(*TIDY, last_updated=EPOCH - 3600)
    assert result.rows["last_reported"].notna().all()
    assert (result.rows["last_reported"] > result.last_updated).all()


def test_a_report_ahead_of_our_clock_is_kept_within_five_minutes_and_null_beyond():
    result = status(
        station("a", last_reported=EPOCH + 300), station("b", last_reported=EPOCH + 301)
    )
    assert list(result.rows["last_reported"].isna()) == [False, True]
    assert result.notes == {"last_reported_in_future": 1}


def test_report_times_are_utc_with_microseconds():
    row = only(status(station(last_reported="2024-10-02T15:04:59.123456-04:00")))
    assert row["last_reported"] == pd.Timestamp("2024-10-02T19:04:59.123456Z")


def test_a_report_time_without_zone_is_null_and_noted():
    result = status(station(last_reported="2024-10-02T15:05:00"))
    assert only(result)["last_reported"] is None
    assert result.notes == {"last_reported_unreadable": 1}


def test_the_age_of_a_feed_that_no_longer_moves_grows():
    assert status(last_updated=EPOCH - 86400).age == timedelta(days=1)


def test_the_age_is_unknown_without_last_updated_and_never_negative():
    assert status(last_updated=...).age is None
    assert status(last_updated=EPOCH + 60).age == timedelta(0)


# Status, e-bikes


@pytest.mark.parametrize(
    "kinds",
    [
        {"mechanical": 3, "ebike": 2},
        {"electric": 2, "smart": 0, "classic": 3},
        [{"mechanical": 3}, {"ebike": 2}],
        [{"ebike": "2"}],
    ],
)
def test_ebikes_are_read_from_kinds_as_an_object_and_as_a_list(kinds):
    record = station(num_ebikes_available=..., num_bikes_available_types=kinds)
    assert only(status(record))["num_ebikes_available"] == 2


@pytest.mark.parametrize(
    "kinds", [{}, [], {"mechanical": 3}, "2", 7, [["ebike", 2]], {"ebike": -1}, {"ebike": 2.5}]
)
def test_kinds_that_do_not_say_how_many_ebikes_leave_them_null_and_noted(kinds):
    result = status(station(num_ebikes_available=..., num_bikes_available_types=kinds))
    assert only(result)["num_ebikes_available"] is None
    assert result.notes == {"num_ebikes_available_not_derivable": 1}


TYPES = {"ebike": True, "bike": False, "scooter": False}


def by_type(*counts, bikes=5):
    return station(
        num_bikes_available=bikes,
        num_ebikes_available=...,
        vehicle_types_available=[
            {"vehicle_type_id": name, "count": number} for name, number in counts
        ],
    )


def test_ebikes_are_summed_by_vehicle_type():
    result = status(by_type(("ebike", 2), ("bike", 3)), electric_types=TYPES)
    assert only(result)["num_ebikes_available"] == 2
    assert result.notes == {}


def test_no_vehicles_at_all_are_no_ebikes():
    assert only(status(by_type(bikes=0), electric_types=TYPES))["num_ebikes_available"] == 0


@pytest.mark.parametrize(
    "record",
    [
        by_type(("ebike", 2), ("tricycle", 3)),
        by_type(("ebike", 2)),
        by_type(),
        by_type((7, 5)),
        by_type(("ebike", None)),
        by_type(("ebike", -5)),
        station(num_ebikes_available=..., vehicle_types_available={"ebike": 5}),
        station(num_ebikes_available=..., vehicle_types_available=["ebike"]),
    ],
    ids=["unknown type", "incomplete", "empty", "numeric id", "null", "negative", "object", "text"],
)
def test_vehicle_types_that_leave_a_vehicle_unknown_leave_ebikes_null(record):
    result = status(record, electric_types=TYPES)
    assert only(result)["num_ebikes_available"] is None
    assert only(result)["num_bikes_available"] == 5
    assert result.notes == {"num_ebikes_available_not_derivable": 1}


def test_a_type_of_which_none_is_there_need_not_be_known():
    record = by_type(("ebike", 5), ("tricycle", 0))
    assert only(status(record, electric_types=TYPES))["num_ebikes_available"] == 5


def test_ebikes_by_type_are_null_without_the_list_of_types():
    assert only(status(by_type(("ebike", 5))))["num_ebikes_available"] is None


def test_a_stated_number_of_ebikes_wins_over_kinds_and_types():
    record = by_type(("ebike", 5)) | {
        "num_ebikes_available": 1,
        "num_bikes_available_types": {"ebike": 3},
    }
    assert only(status(record, electric_types=TYPES))["num_ebikes_available"] == 1


def test_vehicle_types_are_needed_only_where_nothing_else_tells_ebikes():
    def needed(*records):
        return parse.needs_vehicle_types(document(stations(*records)))

    assert needed(station("a"), by_type(("ebike", 5)))
    assert not needed(station("a"), by_type())
    assert not needed(station("a", vehicle_types_available=[{"vehicle_type_id": "x", "count": 1}]))
    assert not needed()
    assert not parse.needs_vehicle_types(document(envelope({"stations": 7})))


def test_an_ebike_is_a_bicycle_with_a_motor_and_not_any_electric_vehicle():
    types = [
        ("ebike", "bicycle", "electric_assist"),
        ("cargo", "cargo_bicycle", "electric"),
        ("bike", "bicycle", "human"),
        ("scooter", "scooter_standing", "electric"),
        ("bus", "car", "electric"),
        ("unsaid", "bicycle", None),
        (7, "bicycle", "electric"),
    ]
    entries = [
        {"vehicle_type_id": key, "form_factor": form, "propulsion_type": propulsion}
        for key, form, propulsion in types
    ]
    read = parse.electric_vehicle_types(document(envelope({"vehicle_types": [*entries, "x"]})))
    assert read == {"ebike": True, "cargo": True, "bike": False, "scooter": False, "bus": False}


def test_a_list_of_vehicle_types_that_is_none_is_no_gbfs():
    with pytest.raises(InvalidFeedError, match="vehicle_types"):
        parse.electric_vehicle_types(document(envelope({})))


# Status, rejected records


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("station", "not_an_object"),
        (None, "not_an_object"),
        ([station()], "not_an_object"),
        (station(station_id=...), "missing_station_id"),
        (station(""), "missing_station_id"),
        (station(True), "bad_station_id"),
        (station(num_bikes_available=...), "missing_num_bikes_available"),
        (station(num_bikes_available=None), "missing_num_bikes_available"),
        (station(num_bikes_available=-1), "negative_count"),
        (station(num_bikes_available=2.5), "fractional_count"),
        (station(num_bikes_available="2.5"), "fractional_count"),
        (station(num_bikes_available="few"), "not_a_count"),
        (station(num_bikes_available=True), "not_a_count"),
        (station(num_bikes_available=10**9), "count_too_large"),
        (station(num_ebikes_available=-1), "negative_count"),
        (station(num_bikes_disabled=-1), "negative_count"),
        (station(num_docks_available=-3), "negative_count"),
        (station(num_docks_disabled=0.5), "fractional_count"),
    ],
)
def test_a_record_without_a_true_identity_or_count_is_rejected_with_the_reason(record, reason):
    assert rejected_among_tidy(record) == reason


@pytest.mark.parametrize("value", [3.0, "3"])
def test_whole_counts_in_other_dress_are_accepted(value):
    assert only(status(station(num_bikes_available=value)))["num_bikes_available"] == 3


def test_a_rejection_holds_the_record_and_names_field_and_value():
    bad = station("é", num_docks_available=-3)
    row = status(*TIDY, bad).rejected.iloc[0]
    assert json.loads(row["record"]) == bad
    assert row["record"].isascii()
    assert row["detail"] == "num_docks_available: -3 is below zero"


def test_a_huge_record_is_cut_in_the_rejection():
    row = status(*TIDY, {"x": "y" * 10**6}).rejected.iloc[0]
    assert len(row["record"]) == 4000
    assert row["record"].endswith("…")


def test_half_the_records_may_be_invalid():
    result = status(station("a"), station("b", num_bikes_available=-1))
    assert (len(result.rows), len(result.rejected)) == (1, 1)


def test_over_half_invalid_fails_the_feed_and_hands_over_the_rejected():
    records = [station("a")] + [station(f"b{n}", num_bikes_available=-1) for n in range(2)]
    with pytest.raises(
        InvalidFeedError, match=r"2 of 3 records are invalid \(2 negative_count"
    ) as c:
        status(*records)
    assert list(c.value.rejected["ordinal"]) == [1, 2]
    assert dtypes(c.value.rejected) == dict(REJECTED_COLUMNS)
    assert (c.value.records, c.value.last_updated) == (3, NOW - timedelta(seconds=30))
    assert "rejected records" in c.value.remedy


@pytest.mark.parametrize("data", [{}, {"stations": None}, {"stations": {"a": station()}}])
def test_a_document_without_a_list_of_stations_is_no_gbfs(data):
    for read in (parse.station_status, parse.station_information):
        with pytest.raises(InvalidFeedError, match=r"data\.stations"):
            read(document(envelope(data)))


# a station twice


def test_a_station_that_comes_twice_alike_is_one_row_and_nothing_is_rejected():
    result = status(station("a"), station("b"), station("a", legacy_id="7"))
    assert sorted(result.rows["station_id"]) == ["a", "b"]
    assert len(result.rejected) == 0
    assert (result.records, result.notes) == (3, {"duplicate_collapsed": 1})


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_station_that_comes_twice_the_later_report_stays_wherever_it_stands(order):
    old = station("a", num_bikes_available=1, last_reported=EPOCH - 120)
    new = station("a", num_bikes_available=2, last_reported=EPOCH - 60)
    result = status(*[old, new][::order], station("b"))
    assert dict(
        zip(result.rows["station_id"], result.rows["num_bikes_available"], strict=True)
    ) == {
        "a": 2,
        "b": 5,
    }
    assert list(result.rejected["reason"]) == ["duplicate_station"]
    assert json.loads(result.rejected["record"].iloc[0]) == old


def test_of_two_reports_of_one_time_the_one_further_down_stays():
    result = status(station("a", num_bikes_available=1), station("a", num_bikes_available=2))
    assert only(result)["num_bikes_available"] == 2


def test_a_report_with_a_time_wins_over_one_without():
    result = status(station("a", num_bikes_available=1), station("a", last_reported=0))
    assert only(result)["num_bikes_available"] == 1


def test_ids_as_number_and_as_text_are_one_station():
    assert status(station(7), station("7")).notes == {"duplicate_collapsed": 1}


def test_every_record_is_a_row_a_rejection_or_a_repetition():
    records = [station("a"), station("a"), station("a", num_bikes_available=9), "x", station("b")]
    result = status(*records)
    assert len(result.rows) + len(result.rejected) + result.notes["duplicate_collapsed"] == 5


# Facts of stations


def test_tidy_facts_become_a_typed_row():
    result = information(fact())
    assert only(result) == {
        "station_id": "a",
        "name": "Arthur Ave & E 183 St",
        "short_name": "8430.03",
        "lat": 40.85307,
        "lon": -73.88953,
        "capacity": 25,
        "region_id": "71",
        "address": None,
        "is_virtual_station": None,
    }
    assert dtypes(result.rows) == dict(INFORMATION_COLUMNS)
    assert dtypes(information().rows) == dict(INFORMATION_COLUMNS)
    assert dtypes(information({"station_id": "a"}).rows) == dict(INFORMATION_COLUMNS)


def test_capacity_0_is_kept_and_a_missing_one_is_null():
    assert only(information(fact(capacity=0)))["capacity"] == 0
    assert only(information(fact(capacity=...)))["capacity"] is None


def test_capacity_by_vehicle_type_is_not_summed_into_one():
    row = only(information(fact(capacity=..., vehicle_type_capacity={"abc": 7})))
    assert row["capacity"] is None


@pytest.mark.parametrize("capacity", [-1, 2.5, "many"])
def test_an_impossible_capacity_is_null_and_noted_and_the_station_stays(capacity):
    result = information(fact(capacity=capacity))
    assert only(result)["capacity"] is None
    assert sum(result.notes.values()) == 1


def test_a_virtual_station_may_have_no_position_and_stays():
    row = only(information(fact(lat=..., lon=..., is_virtual_station=True)))
    assert (row["lat"], row["lon"], row["is_virtual_station"]) == (None, None, True)


@pytest.mark.parametrize(
    ("lat", "lon", "note"),
    [
        (0, 0, "position_zero"),
        (91, 0, "position_unreadable"),
        (40.8, 181, "position_unreadable"),
        ("north", 0, "position_unreadable"),
    ],
)
def test_a_position_that_cannot_be_is_null_as_a_whole_and_noted(lat, lon, note):
    result = information(fact(lat=lat, lon=lon))
    assert (only(result)["lat"], only(result)["lon"]) == (None, None)
    assert result.notes == {note: 1}


def test_localized_names_are_read_in_the_preferred_language():
    name = [{"text": "Gare", "language": "fr"}, {"text": "Bahnhof", "language": "de"}]
    assert only(information(fact(name=name), language="de-CH"))["name"] == "Bahnhof"
    assert only(information(fact(name=name)))["name"] == "Gare"


def test_an_unreadable_name_is_null_and_noted_and_the_station_stays():
    result = information(fact(name={"de": "Bahnhof"}))
    assert only(result)["name"] is None
    assert result.notes == {"name_unreadable": 1}


def test_the_name_may_stand_under_its_old_field():
    assert only(information(fact(name=..., station_name="Belmont")))["name"] == "Belmont"


def test_facts_without_an_id_are_rejected_and_over_half_fails_the_feed():
    result = information(fact("a"), fact(station_id=...))
    assert list(result.rejected["reason"]) == ["missing_station_id"]
    with pytest.raises(InvalidFeedError, match="2 of 3"):
        information(fact("a"), fact(station_id=...), "x")


def test_of_different_facts_of_one_station_the_last_stay():
    result = information(fact("a", capacity=1), fact("a", capacity=2), fact("b"))
    assert list(result.rows["capacity"]) == [2, 25]
    assert list(result.rejected["reason"]) == ["duplicate_station"]


# Status against facts


def test_a_status_without_facts_is_kept_and_can_be_told():
    rows = status(station("new"), station("a")).rows
    facts = information(fact("a"), fact("gone")).rows
    assert parse.unknown_stations(rows, facts) == ["new"]


def test_replaced_ids_of_a_whole_system_show_as_all_unknown():
    rows = status(*[station(f"x{n}") for n in range(4)]).rows
    facts = information(*[fact(f"y{n}") for n in range(4)]).rows
    assert parse.unknown_stations(rows, facts) == list(rows["station_id"])


# Facts of a system


def system(**data):
    return parse.system_information(document(envelope(data)))


def test_the_facts_of_a_system_are_read():
    read = system(
        system_id="lyft_nyc", name="Citi Bike", timezone="America/New_York", language="en"
    )
    assert (read.system_id, read.name, read.timezone, read.language, read.notes) == (
        "lyft_nyc",
        "Citi Bike",
        "America/New_York",
        "en",
        {},
    )


def test_the_facts_of_a_gbfs_3_system_are_read():
    read = system(name=[{"text": "Example", "language": "en"}], languages=["nb", "en"])
    assert (read.name, read.language, read.system_id) == ("Example", "nb", None)


@pytest.mark.parametrize("zone", ["America/Gotham", "../../etc/passwd", "America", "EST5EDT4,x", 7])
def test_a_time_zone_nobody_knows_is_none_and_noted(zone):
    read = system(timezone=zone)
    assert read.timezone is None
    assert read.notes == {"timezone_unknown": 1}


def test_unreadable_facts_of_a_system_are_none_and_noted():
    read = system(system_id={}, name=True, timezone=[], language={}, languages=[])
    assert (read.system_id, read.name, read.timezone, read.language) == (None, None, None, None)
    assert read.notes == {"system_id_unreadable": 1, "name_unreadable": 1, "language_unreadable": 1}
    assert system(languages=["a\0b"]).language is None
