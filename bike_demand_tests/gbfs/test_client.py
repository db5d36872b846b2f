import threading
from datetime import timedelta

import pytest

from bike_demand.download.downloader import Limits
from bike_demand.download.errors import FeedError, PermanentFeedError, TransientFeedError
from bike_demand.gbfs.client import MAX_CACHE_AGE, GbfsClient, fetch_all
from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand.gbfs.feeds import System
from bike_demand_tests.gbfs.payloads import EPOCH, NOW, envelope, fact, station, stations


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def clock():
    return Clock()


def discovery(server, version="2.3", ttl=3600, **paths):
    feeds = [{"name": name, "url": server.base + path} for name, path in paths.items()]
    return envelope({"en": {"feeds": feeds}}, version=version, ttl=ttl)


@pytest.fixture
def city(server):
    """A tidy system; its discovery's URL."""
    server.serve("/status", stations(station("a"), station("b")))
    server.serve("/information", stations(fact("a"), fact("b")))
    server.serve("/system", envelope({"name": "City", "timezone": "Europe/Oslo"}))
    return server.serve(
        "/gbfs",
        discovery(
            server,
            station_status="/status",
            station_information="/information",
            system_information="/system",
        ),
    )


def client(clock, url=None, system_id="city", **options):
    return GbfsClient(
        System(system_id=system_id, url=url, **options),
        limits=Limits(connect_seconds=2, read_seconds=2, total_seconds=5),
        clock=clock,
        sleep=lambda _seconds: None,
    )


def test_a_system_is_read_from_its_discovery(city, clock):
    asked = client(clock, city)
    assert list(asked.station_status().rows["station_id"]) == ["a", "b"]
    assert list(asked.station_information().rows["name"]) == ["Arthur Ave & E 183 St"] * 2
    assert asked.system_information().timezone == "Europe/Oslo"


def test_a_result_says_when_it_was_asked_for_and_how_it_was_answered(city, clock, server):
    got = client(clock, city + "?key=s3cret").station_status()
    assert (got.fetched_at, got.http_status, got.not_modified) == (NOW, 200, False)
    assert got.feed == server.base + "/status"


def test_a_system_is_read_from_direct_urls_without_discovery(server, city, clock):
    asked = client(clock, feeds={"station_status": server.base + "/status"})
    assert len(asked.station_status().rows) == 2
    assert not server.seen["/gbfs"]


def test_a_direct_url_wins_over_the_discovery(server, city, clock):
    url = server.serve("/mine", stations(station("mine")))
    asked = client(clock, city, feeds={"station_status": url})
    assert list(asked.station_status().rows["station_id"]) == ["mine"]
    assert len(asked.station_information().rows) == 2


def test_a_feed_nobody_named_is_asked_for_by_name(server, clock):
    asked = client(clock, feeds={"station_status": server.base + "/status"})
    with pytest.raises(PermanentFeedError, match=r"system city.*station_information"):
        asked.station_information()


def test_a_system_without_stations_says_what_it_lists(server, clock):
    url = server.serve("/gbfs", discovery(server, free_bike_status="/free"))
    with pytest.raises(
        PermanentFeedError, match=r"no station_status \(it lists 'free_bike_status'\)"
    ):
        client(clock, url).station_status()


def test_a_listed_address_that_is_not_http_is_refused(server, clock):
    feeds = [{"name": "station_status", "url": "file:///etc/passwd"}]
    url = server.serve("/gbfs", envelope({"feeds": feeds}))
    with pytest.raises(PermanentFeedError, match="http or https"):
        client(clock, url).station_status()


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b"<html>Sorry</html>", "web page"), (stations(station())[:-40], "truncated")],
)
def test_an_answer_that_is_no_gbfs_names_the_feed_and_is_not_retried(
    server, city, clock, body, problem
):
    url = server.serve("/status", body)
    with pytest.raises(InvalidFeedError, match=problem) as caught:
        client(clock, city).station_status()
    assert caught.value.feed == url
    assert caught.value.http_status == 200
    assert len(server.seen["/status"]) == 1


def test_a_mostly_invalid_snapshot_hands_over_its_records(server, city, clock):
    server.serve("/status", stations("x", "y", station()))
    with pytest.raises(InvalidFeedError) as caught:
        client(clock, city).station_status()
    assert len(caught.value.rejected) == 2
    assert caught.value.http_status == 200


def test_headers_reach_the_configured_host_and_no_other(server, city, clock):
    feeds = discovery(server, station_status="/status").replace(b"127.0.0.1", b"localhost")
    server.serve("/gbfs", feeds)
    client(clock, city, headers={"X-Key": "s3cret"}).station_status()
    assert server.seen["/gbfs"][0]["x-key"] == "s3cret"
    assert "x-key" not in server.seen["/status"][0]


def test_no_secret_shows_in_a_client(city, clock):
    asked = client(clock, city + "?key=s3cret", headers={"X-Key": "s3cret"})
    assert "s3cret" not in repr(asked)


# conditional requests


def test_an_unchanged_feed_gives_the_rows_before_at_the_new_time(server, city, clock):
    body = stations(station("a"))
    server.serve("/status", server.answer(200, body, etag='"1"'), server.answer(304))
    asked = client(clock, city)
    first = asked.station_status()
    clock.advance(minutes=15)
    second = asked.station_status()
    assert (first.not_modified, second.not_modified) == (False, True)
    assert second.http_status == 304
    assert second.fetched_at == NOW + timedelta(minutes=15)
    assert second.rows.equals(first.rows)


def test_a_useless_body_is_not_kept_alive_by_304(server, city, clock):
    broken = server.answer(200, b"<html>", etag='"1"')
    server.serve("/status", broken, stations(station("a")))
    asked = client(clock, city)
    with pytest.raises(InvalidFeedError):
        asked.station_status()
    assert len(asked.station_status().rows) == 1
    assert "if-none-match" not in server.seen["/status"][1]


# discovery over time


def test_the_discovery_is_read_again_when_its_ttl_ends(server, city, clock):
    asked = client(clock, city)
    asked.station_status()
    clock.advance(seconds=3599)
    asked.station_status()
    assert len(server.seen["/gbfs"]) == 1
    clock.advance(seconds=1)
    asked.station_status()
    assert len(server.seen["/gbfs"]) == 2


def test_a_discovery_that_promises_a_day_is_read_again_within_the_hour(server, city, clock):
    server.serve("/gbfs", discovery(server, station_status="/status", ttl=86400))
    asked = client(clock, city)
    asked.station_status()
    clock.advance(seconds=MAX_CACHE_AGE.total_seconds())
    asked.station_status()
    assert len(server.seen["/gbfs"]) == 2


@pytest.mark.parametrize("ended", [404, 500, "html"])
def test_a_version_that_changes_overnight_is_followed_at_once(server, city, clock, ended):
    server.serve("/2.2", stations(station("a"), version="2.2"))
    server.serve("/gbfs", discovery(server, version="2.2", station_status="/2.2"))
    asked = client(clock, city)
    assert asked.station_status().version == "2.2"

    server.serve("/2.2", b"<html>" if ended == "html" else server.answer(ended))
    server.serve("/2.3", stations(station("a"), version="2.3"))
    server.serve("/gbfs", discovery(server, version="2.3", station_status="/2.3"))
    assert asked.station_status().version == "2.3"


def test_a_feed_that_fails_at_the_same_address_fails_with_its_own_error(server, city, clock):
    asked = client(clock, city)
    asked.station_status()
    server.serve("/status", server.answer(404))
    with pytest.raises(PermanentFeedError, match="404") as caught:
        asked.station_status()
    assert caught.value.feed.endswith("/status")
    assert len(server.seen["/gbfs"]) == 2


def test_a_system_that_is_gone_as_a_whole_fails_with_the_error_of_the_feed(server, city, clock):
    asked = client(clock, city)
    asked.station_status()
    server.serve("/status", server.answer(404))
    server.serve("/gbfs", server.answer(500))
    with pytest.raises(PermanentFeedError, match="404"):
        asked.station_status()
    assert len(server.seen["/gbfs"]) == 2


def test_a_freshly_read_discovery_is_not_read_again_for_a_dead_feed(server, city, clock):
    server.serve("/status", server.answer(404))
    with pytest.raises(PermanentFeedError):
        client(clock, city).station_status()
    assert len(server.seen["/gbfs"]) == 1


@pytest.mark.parametrize("dead", [404, 500])
def test_a_dead_discovery_does_not_cost_a_snapshot_that_can_be_had(server, city, clock, dead):
    asked = client(clock, city)
    asked.station_status()
    clock.advance(days=1)
    server.serve("/gbfs", server.answer(dead))
    assert len(asked.station_status().rows) == 2
    server.serve("/status", server.answer(404))
    with pytest.raises(PermanentFeedError) as caught:
        asked.station_status()
    assert caught.value.feed.endswith("/status")


def test_a_discovery_that_was_never_read_fails_as_itself(server, clock):
    url = server.serve("/gbfs", server.answer(500))
    with pytest.raises(TransientFeedError) as caught:
        client(clock, url).station_status()
    assert caught.value.feed == url
    assert len(server.seen["/gbfs"]) == 4


# e-bikes by vehicle type

EBIKE = {"vehicle_type_id": "e", "form_factor": "bicycle", "propulsion_type": "electric_assist"}


@pytest.fixture
def typed_city(server):
    record = station(
        num_ebikes_available=..., vehicle_types_available=[{"vehicle_type_id": "e", "count": 5}]
    )
    server.serve("/status", stations(record))
    server.serve("/types", envelope({"vehicle_types": [EBIKE]}, ttl=600))
    return server.serve(
        "/gbfs", discovery(server, station_status="/status", vehicle_types="/types")
    )


def test_vehicle_types_are_fetched_where_only_they_tell_ebikes(server, typed_city, clock):
    asked = client(clock, typed_city)
    assert list(asked.station_status().rows["num_ebikes_available"]) == [5]
    clock.advance(seconds=599)
    asked.station_status()
    assert len(server.seen["/types"]) == 1
    clock.advance(seconds=1)
    asked.station_status()
    assert len(server.seen["/types"]) == 2


def test_vehicle_types_are_not_fetched_where_the_count_is_given(server, typed_city, clock):
    server.serve("/status", stations(station()))
    client(clock, typed_city).station_status()
    assert not server.seen["/types"]


@pytest.mark.parametrize("types", [500, 404, "html", "unlisted"])
def test_a_snapshot_does_not_fail_for_want_of_vehicle_types(server, typed_city, clock, types):
    if types == "unlisted":
        server.serve("/gbfs", discovery(server, station_status="/status"))
    else:
        server.serve("/types", b"<html>" if types == "html" else server.answer(types))
    got = client(clock, typed_city).station_status()
    assert list(got.rows["num_bikes_available"]) == [5]
    assert got.rows["num_ebikes_available"].isna().all()
    assert got.notes == {"num_ebikes_available_not_derivable": 1}
    assert len(server.seen["/types"]) <= 1


def test_vehicle_types_once_known_stay_known_when_their_feed_dies(server, typed_city, clock):
    asked = client(clock, typed_city)
    asked.station_status()
    server.serve("/types", server.answer(500))
    clock.advance(hours=2)
    assert list(asked.station_status().rows["num_ebikes_available"]) == [5]


# several systems


def test_one_system_that_fails_does_not_hide_and_does_not_stop_the_others(server, city, clock):
    dead = server.serve("/dead", server.answer(404))
    html = server.serve("/html", b"<html>")
    asked = [
        client(clock, city, "good"),
        client(clock, system_id="dead", feeds={"station_status": dead}),
        client(clock, system_id="html", feeds={"station_status": html}),
        client(clock, city, "also-good"),
    ]
    got = fetch_all(asked, GbfsClient.station_status)
    assert list(got) == ["good", "dead", "html", "also-good"]
    assert len(got["good"].rows) == len(got["also-good"].rows) == 2
    assert isinstance(got["dead"], FeedError)
    assert "404" in str(got["dead"])
    assert isinstance(got["html"], InvalidFeedError)


def test_systems_are_fetched_at_once(server, city, clock):
    together = threading.Barrier(3, timeout=60)

    def respond(handler):
        together.wait()
        server.answer(200, stations(station()))(handler)

    url = server.serve("/together", respond)
    asked = [client(clock, system_id=f"s{n}", feeds={"station_status": url}) for n in range(3)]
    got = fetch_all(asked, GbfsClient.station_status)
    assert [len(result.rows) for result in got.values()] == [1, 1, 1]


def test_a_fault_of_ours_is_not_taken_for_one_of_the_feed(city, clock):
    def fetch(_client):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch_all([client(clock, city)], fetch)


def test_no_systems_give_no_results():
    assert fetch_all([], GbfsClient.station_status) == {}


def test_two_systems_of_one_name_are_refused(city, clock):
    with pytest.raises(ValueError, match="share an id"):
        fetch_all([client(clock, city), client(clock, city)], GbfsClient.station_status)


# a frozen feed


def test_a_feed_that_no_longer_moves_is_read_and_its_age_shows_it(server, city, clock):
    server.serve("/status", stations(station(), last_updated=EPOCH - 30, ttl=86400))
    asked = client(clock, city)
    ages = []
    for _ in range(3):
        ages.append(asked.station_status().age.total_seconds())
        clock.advance(minutes=15)
    assert ages == [30, 930, 1830]
    assert len(server.seen["/status"]) == 3
