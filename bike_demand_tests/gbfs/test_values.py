import pytest

from bike_demand.gbfs import values
from bike_demand.gbfs.values import BadValueError
from bike_demand_tests.gbfs.payloads import EPOCH, NOW

LATEST = values.to_microseconds(NOW)


@pytest.mark.parametrize("value", [3, 3.0, "3", " 3 ", "3.0", "+3"])
def test_a_count_is_read_in_every_dress(value):
    assert values.count(value) == 3
    assert type(values.count(value)) is int


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_count_is_none(value):
    assert values.count(value) is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (-1, "negative_count"),
        ("-1", "negative_count"),
        (-0.5, "negative_count"),
        (2.5, "fractional_count"),
        ("2.5", "fractional_count"),
        (10**400, "count_too_large"),
        (float("inf"), "count_too_large"),
        (values.MAX_COUNT + 1, "count_too_large"),
        (True, "not_a_count"),
        ("many", "not_a_count"),
        ("9" * 50, "not_a_count"),
        ("٣", "not_a_count"),
        ([3], "not_a_count"),
        ({"n": 3}, "not_a_count"),
    ],
)
def test_an_impossible_count_says_in_a_word_why(value, word):
    with pytest.raises(BadValueError) as caught:
        values.count(value)
    assert caught.value.word == word


@pytest.mark.parametrize("value", [True, 1, 1.0, "1", "true", "True", " TRUE "])
def test_a_true_flag_is_read_in_every_dress(value):
    assert values.flag(value) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, "0", "false", "FALSE"])
def test_a_false_flag_is_read_in_every_dress(value):
    assert values.flag(value) is False


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_flag_is_none_and_not_false(value):
    assert values.flag(value) is None


@pytest.mark.parametrize("value", [2, -1, 0.5, "maybe", "yes", [], {}, float("inf")])
def test_anything_else_is_no_flag(value):
    with pytest.raises(BadValueError, match="not_a_flag"):
        values.flag(value)


@pytest.mark.parametrize(
    "value",
    [
        EPOCH,
        float(EPOCH),
        str(EPOCH),
        EPOCH * 1000,
        str(EPOCH * 1000),
        "2024-10-02T19:05:00Z",
        "2024-10-02t19:05:00z",
        "2024-10-02T15:05:00-04:00",
        "2024-10-02T19:05:00.000Z",
        "2024-10-02 19:05:00+00:00",
    ],
)
def test_a_moment_is_read_as_seconds_milliseconds_and_rfc_3339(value):
    assert values.from_microseconds(values.instant(value, latest=LATEST)) == NOW


def test_fractions_of_a_second_are_kept():
    assert values.instant(EPOCH - 0.5, latest=LATEST) == LATEST - 500_000
    assert values.instant("2024-10-02T19:04:59.5Z", latest=LATEST) == LATEST - 500_000


@pytest.mark.parametrize("value", [0, 86400, -5, "0", -(10**400), "1969-12-31T23:59:59Z"])
def test_a_time_before_2000_is_no_report(value):
    with pytest.raises(BadValueError, match="before_2000"):
        values.instant(value, latest=LATEST)


@pytest.mark.parametrize(
    "value", [EPOCH + 1, EPOCH * 10**6, 10**400, float("inf"), "9999-12-31T23:59:59-23:59"]
)
def test_a_time_after_the_latest_is_in_the_future(value):
    with pytest.raises(BadValueError, match="in_future"):
        values.instant(value, latest=LATEST)


@pytest.mark.parametrize(
    "value",
    ["soon", "", "2024-10-02T19:05:00", "2024-10-02", "2024-02-30T00:00:00Z", True, [], {}],
)
def test_what_names_no_moment_is_unreadable_a_time_without_zone_too(value):
    with pytest.raises(BadValueError, match="unreadable"):
        values.instant(value, latest=LATEST)


@pytest.mark.parametrize(
    ("value", "expected"), [("a7", "a7"), (" a ", " a "), (121354, "121354"), (12.0, "12")]
)
def test_an_id_is_kept_as_served_and_numbers_become_digits(value, expected):
    assert values.identifier(value) == expected


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_id_is_said_to_be_missing(value):
    with pytest.raises(BadValueError, match="missing_station_id"):
        values.identifier(value)


@pytest.mark.parametrize(
    "value", [True, 1.5, float("inf"), [], {}, "x" * 256, "a\0b", "\ud800", 10**300]
)
def test_an_id_that_no_key_can_hold_is_refused(value):
    with pytest.raises(BadValueError, match="bad_station_id"):
        values.identifier(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Gare de l'Est", "Gare de l'Est"),
        ("", None),
        (None, None),
        (71, "71"),
        (71.0, "71"),
        ([], None),
        ([{"text": "Bern", "language": "de"}], "Bern"),
        ([{"text": "Berne", "language": "fr"}, {"text": "Bern", "language": "de"}], "Bern"),
        ([{"text": "Berne", "language": "fr"}, {"text": "Berna", "language": "it"}], "Berne"),
        (
            [{"text": "Berna", "language": "it"}, {"text": "Bern (en)", "language": "EN"}],
            "Bern (en)",
        ),
        ([{"text": None, "language": "de"}, 7], None),
    ],
)
def test_a_text_is_read_in_the_preferred_language_then_english_then_the_first(value, expected):
    assert values.text(value, values.preferred_languages("de-CH")) == expected


@pytest.mark.parametrize("value", ["a\0b", "\udfff", True, {}, float("inf")])
def test_a_text_no_database_can_hold_is_unreadable(value):
    with pytest.raises(BadValueError, match="unreadable"):
        values.text(value)


def test_degrees_are_bounded():
    assert values.degrees("40.5", 90) == 40.5
    assert values.degrees(None, 90) is None
    for value in (90.1, "north", True, float("inf"), 10**400):
        with pytest.raises(BadValueError, match="unreadable"):
            values.degrees(value, 90)


def test_a_value_in_a_message_is_short_whatever_its_size():
    deep = value = []
    for _ in range(5000):
        value.append([])
        value = value[0]
    assert len(values.show(deep)) < 100
    assert len(values.show("x" * 10**6)) < 100
    assert len(values.show({str(n): n for n in range(10**4)})) < 200
