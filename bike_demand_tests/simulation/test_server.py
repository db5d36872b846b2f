"""The city's server: what it sends when, and how it goes wrong when told to."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests

from bike_demand.download.errors import TransientFeedError
from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand.simulation.city import City
from bike_demand.simulation.misbehaviour import Misbehaviour, from_json
from bike_demand.simulation.server import OTHER_IDS_PREFIX, CityServer
from bike_demand_tests.simulation.conftest import START

WEATHER = "/v1/forecast?latitude=38.7&longitude=-9.1&current=temperature_2m"
STATUS = "/station_status.json"


def test_the_discovery_lists_addresses_that_answer(get):
    listed = get("/gbfs.json").json()["data"]["en"]["feeds"]
    assert [requests.get(feed["url"], timeout=10).status_code for feed in listed] == [200] * 4


def test_a_feed_that_is_not_there_is_404(get):
    assert get("/station_weather.json").status_code == 404


def test_a_city_lives_on_with_its_clock(server, client, city, plan, present):
    follower = client(server)
    follower.station_status()
    present.move(hours=3)
    read = follower.station_status()
    twin = City(plan)
    twin.advance(START + timedelta(hours=3, minutes=30))
    assert city.now == twin.now
    assert read.rows["num_bikes_available"].tolist() == twin.snapshot().num_bikes_available.tolist()


def test_a_status_stays_the_same_until_the_next_step(get, present):
    before = get(STATUS)
    present.move(minutes=2)
    assert get(STATUS).content == before.content


def test_our_client_is_told_when_nothing_changed(server, client, present):
    follower = client(server)
    assert follower.station_status().http_status == 200
    present.move(minutes=1)
    assert follower.station_status().http_status == 304
    present.move(minutes=5)
    assert follower.station_status().http_status == 200


def test_a_document_is_packed_for_those_who_can_unpack(get):
    packed = get(STATUS, headers={"Accept-Encoding": "gzip"})
    plain = get(STATUS, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content


def test_many_may_ask_at_once_while_time_passes(server, present):
    def ask(_):
        present.move(minutes=1)
        return requests.get(f"{server.url}{STATUS}", timeout=10).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(40))) == {200}


def test_a_server_answers_no_more_when_its_context_is_left(city, present):
    with CityServer(city, present) as server:
        url = server.gbfs_url
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


def test_a_taken_port_is_told(server, city, present):
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 cannot be had"):
        CityServer(city, present, port=port).__enter__()


def test_a_frozen_feed_repeats_itself_while_the_city_lives_on(server, client, city, present):
    follower = client(server)
    before = follower.station_status()
    server.misbehaviour = Misbehaviour(frozen=True)
    present.move(hours=2)
    after = follower.station_status()
    assert after.last_updated == before.last_updated
    assert after.rows.equals(before.rows)
    assert city.now == START + timedelta(hours=2, minutes=30)


def test_a_feed_that_thaws_tells_the_present(server, client, present):
    follower = client(server)
    server.misbehaviour = Misbehaviour(frozen=True)
    present.move(hours=2)
    follower.station_status()
    server.misbehaviour = Misbehaviour()
    assert follower.station_status().last_updated == START + timedelta(hours=2, minutes=30)


def test_malformed_records_are_those_that_our_client_rejects(server, client):
    server.misbehaviour = Misbehaviour(malformed=0.2)
    read = client(server).station_status()
    assert len(read.rejected) == 6
    assert set(read.rejected["reason"]) == {
        "negative_count",
        "missing_station_id",
        "not_a_count",
        "missing_num_bikes_available",
    }


def test_a_feed_that_is_mostly_malformed_is_refused_by_our_client(server, client):
    server.misbehaviour = Misbehaviour(malformed=0.6)
    with pytest.raises(InvalidFeedError):
        client(server).station_status()


def test_wrong_ids_are_of_no_known_station(server, client, city):
    server.misbehaviour = Misbehaviour(wrong_ids=True)
    read = client(server).station_status()
    assert read.rows["station_id"].tolist() == [
        f"{OTHER_IDS_PREFIX}{station}" for station in city.stations["station_id"]
    ]
    assert (
        client(server)
        .station_information()
        .rows["station_id"]
        .isin(city.stations["station_id"])
        .all()
    )


def test_errors_are_what_our_client_calls_transient(server, client):
    server.misbehaviour = Misbehaviour(errors=1)
    with pytest.raises(TransientFeedError, match="500"):
        client(server).station_status()


def test_errors_meet_the_weather_too(server, get):
    server.misbehaviour = Misbehaviour(errors=1)
    assert get(WEATHER).status_code == 500


def test_errors_meet_about_the_share_that_was_asked_for(server):
    server.misbehaviour = Misbehaviour(errors=0.5)
    with requests.Session() as session:
        answers = [session.get(server.gbfs_url, timeout=10).status_code for _ in range(60)]
    assert 15 < answers.count(500) < 45


@pytest.mark.parametrize("path", [STATUS, WEATHER])
def test_a_slow_server_waits_before_it_answers(path, city, present):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    with CityServer(city, present, wrong=Misbehaviour(slow=40), sleep=sleep) as server:
        assert requests.get(f"{server.url}{path}", timeout=10).status_code == 200
    assert waited == [40]


def test_misbehaviour_is_changed_over_http(server, get):
    wanted = {"slow": 0.0, "errors": 1.0, "frozen": True, "malformed": 0.1, "wrong_ids": False}
    body = json.dumps({"errors": 1, "frozen": True, "malformed": 0.1})
    answer = requests.put(f"{server.url}/misbehaviour", data=body, timeout=10)
    assert answer.json() == wanted
    assert get("/misbehaviour").json() == wanted
    assert get(STATUS).status_code == 500


def test_misbehaviour_that_makes_no_sense_is_refused_and_changes_nothing(server):
    server.misbehaviour = Misbehaviour(errors=0.5)
    answer = requests.put(f"{server.url}/misbehaviour", data='{"errors": 2}', timeout=10)
    assert answer.status_code == 400
    assert "'errors': Input should be less than or equal to 1" in answer.json()["reason"]
    assert server.misbehaviour == Misbehaviour(errors=0.5)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"slow": -1}', "'slow': Input should be greater than or equal to 0"),
        (b'{"mood": 1}', "'mood'"),
        (b"[]", "should be an object"),
        (b"{", "Invalid JSON"),
    ],
)
def test_what_is_no_misbehaviour_is_told(body, reason):
    with pytest.raises(ValueError, match=reason):
        from_json(body)
