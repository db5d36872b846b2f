import pytest

from bike_demand.weather.codes import OPENWEATHERMAP, TEXTS, says_rain, says_snow, wmo_code

OPEN_METEO = {
    *{0, 1, 2, 3, 45, 48, 51, 53, 55, 56, 57, 61, 63, 65, 66, 67},
    *{71, 73, 75, 77, 80, 81, 82, 85, 86, 95, 96, 99},
}
DOCUMENTED = {
    *{200, 201, 202, 210, 211, 212, 221, 230, 231, 232},
    *{300, 301, 302, 310, 311, 312, 313, 314, 321},
    *{500, 501, 502, 503, 504, 511, 520, 521, 522, 531},
    *{600, 601, 602, 611, 612, 613, 615, 616, 620, 621, 622},
    *{701, 711, 721, 731, 741, 751, 761, 762, 771, 781},
    *{800, 801, 802, 803, 804},
}


def test_each_code_that_a_source_gives_has_a_text_and_no_other():
    assert set(TEXTS) == OPEN_METEO | set(OPENWEATHERMAP.values())


def test_texts_are_short_and_no_two_are_alike():
    assert len(set(TEXTS.values())) == len(TEXTS)
    assert max(map(len, TEXTS.values())) <= 40


def test_every_id_that_openweathermap_documents_has_a_code():
    assert set(OPENWEATHERMAP) == DOCUMENTED


@pytest.mark.parametrize(("value", "code"), [(61.0, 61), (0, 0), (99, 99)])
def test_a_whole_number_to_99_is_a_code(value, code):
    assert wmo_code(value) == code


@pytest.mark.parametrize("value", [None, -1, 100, 61.5, 1e300])
def test_another_number_is_no_code(value):
    assert wmo_code(value) is None


@pytest.mark.parametrize(
    ("ids", "rain", "snow"),
    [
        ([500], True, False),
        ([311], True, False),
        ([201], True, False),
        ([601], False, True),
        ([616], True, True),
        ([611], True, True),
        ([211], False, False),
        ([800], False, False),
        ([741, 601], False, True),
        ([], False, False),
    ],
)
def test_ids_say_what_falls(ids, rain, snow):
    assert (says_rain(ids), says_snow(ids)) == (rain, snow)
