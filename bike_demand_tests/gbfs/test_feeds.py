import pytest

from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand.gbfs.feeds import System, listed_feeds
from bike_demand_tests.gbfs.payloads import document, envelope

URL = "https://city.example/gbfs/gbfs.json"


def block(prefix, *names):
    return {"feeds": [{"name": name, "url": f"https://{prefix}.example/{name}"} for name in names]}


def listed(data, language=None):
    return listed_feeds(document(envelope(data)), URL, language)


def test_gbfs_3_lists_feeds_once():
    assert listed(block("x", "station_status")) == {
        "station_status": "https://x.example/station_status"
    }


@pytest.mark.parametrize(
    ("language", "host"), [("fr", "fr"), ("FR-ca", "fr"), ("de", "en"), (None, "en")]
)
def test_gbfs_1_and_2_list_feeds_per_language(language, host):
    data = {tag: block(tag, "station_status") for tag in ("nb", "fr", "en")}
    assert listed(data, language) == {"station_status": f"https://{host}.example/station_status"}


def test_any_language_will_do_where_the_preferred_ones_are_missing():
    assert "station_status" in listed({"de": block("de", "station_status")}, "fr")


def test_a_language_without_feeds_is_passed_over():
    assert "station_status" in listed({"en": {"feeds": []}, "nb": block("nb", "station_status")})


def test_entries_that_are_none_are_passed_over_and_of_two_the_first_counts():
    feeds = [7, {"name": "a"}, {"name": "a", "url": 7}, {"url": "https://x.example"}]
    feeds += [{"name": "a", "url": "https://1.example"}, {"name": "a", "url": "https://2.example"}]
    assert listed({"feeds": feeds}) == {"a": "https://1.example"}


def test_relative_urls_are_resolved_against_the_discovery():
    assert listed({"feeds": [{"name": "a", "url": "en/a.json"}]}) == {
        "a": "https://city.example/gbfs/en/a.json"
    }


@pytest.mark.parametrize(
    "data",
    [{}, {"feeds": []}, {"feeds": 7}, {"en": 7}, {"en": {"feeds": {}}}, {"versions": [{}]}],
)
def test_a_discovery_without_feeds_fails_with_the_remedy(data):
    with pytest.raises(InvalidFeedError, match=r"lists no feeds.*gbfs\.json"):
        listed(data)


def test_a_system_may_name_its_feeds_directly():
    system = System(system_id="x", feeds={"station_status": "https://x.example/status"})
    assert system.url is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"system_id": "a b"}, "system_id"),
        ({"system_id": "a/b"}, "system_id"),
        ({"system_id": ""}, "system_id"),
        ({"url": None}, "gbfs.json"),
        ({"url": None, "feeds": {"station_information": URL}}, "station_status"),
        ({"url": "file:///etc/passwd"}, "http or https"),
        ({"url": "city.example/gbfs.json"}, "http or https"),
        ({"url": "https://"}, "http or https"),
        ({"url": "https://[::1/"}, "http or https"),
        ({"url": "https://h:99999/"}, "http or https"),
        ({"url": "https://user:s3cret@city.example/"}, "Authorization"),
        ({"feeds": {"station_status": "ftp://city.example/?key=s3cret"}}, "station_status"),
        ({"headers": {"X Key": "s3cret"}}, "'X Key'"),
        ({"headers": {"X-Key": "s3cret\n"}}, "'X-Key'"),
        ({"headers": {"X-Key": "s3cret\r\nHost: x"}}, "'X-Key'"),
        ({"headers": {"X-Key": ""}}, "'X-Key'"),
        ({"headers": {"X-Key": "s3cret→"}}, "'X-Key'"),
    ],
)
def test_a_system_that_cannot_be_right_says_so_without_secrets(fields, problem):
    with pytest.raises(ValueError, match=problem) as caught:
        System(**{"system_id": "x", "url": URL} | fields)
    assert "s3cret" not in str(caught.value)


def test_the_repr_of_a_system_holds_no_secret():
    system = System(
        system_id="x",
        url=f"{URL}?key=s3cret",
        feeds={"station_status": "https://x.example/s?token=s3cret"},
        headers={"X-Key": "s3cret"},
    )
    assert "s3cret" not in repr(system)
    assert "X-Key" in repr(system)


def test_a_system_does_not_change_with_the_dict_it_was_made_of():
    headers = {"X-Key": "a"}
    system = System(system_id="x", url=URL, headers=headers)
    headers["X-Key"] = "b\n"
    assert system.headers["X-Key"] == "a"
    assert hash(system) == hash(System(system_id="x", url=URL))
