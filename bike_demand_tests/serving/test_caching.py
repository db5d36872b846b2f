"""What who asked may keep, and what is not sent twice."""

import gzip
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from bike_demand.serving.ready import takes_gzip
from bike_demand_tests.serving.city import HOUR, NOW, TICK, configured, forecast_again, running

PATHS = (
    "/systems",
    "/stations",
    "/stations/s0017",
    "/stations/s0017/forecast",
    "/stations/s0017/forecast?hours=3",
    "/forecast",
    "/forecast?bbox=-74,40,-73,41",
    "/risks",
    "/history/s0017",
    "/accuracy",
    "/model",
    "/page/settings.json",
)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_known_is_not_sent_again(standing, path):
    first = standing.get(path)
    assert first.status_code == 200
    for known in (first.headers["ETag"], f'"other", {first.headers["ETag"]}', "*"):
        again = standing.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    changed = standing.get(path, headers={"If-None-Match": '"other"'})
    assert changed.content == first.content


@pytest.mark.parametrize("path", PATHS)
def test_compressed_and_plain_are_the_same(standing, path):
    plain = standing.get(path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    packed = standing.get(path, headers={"Accept-Encoding": "br, gzip"}, stream=True)
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] == plain.headers["ETag"]
    raw = packed.raw.read()
    large = len(plain.content) >= 1000
    assert ("Content-Encoding" in packed.headers) == large
    assert (gzip.decompress(raw) if large else raw) == plain.content


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        (b"gzip", True),
        (b"br;q=1.0, GZIP;q=0.8", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.0, *", False),
        (b"identity", False),
        (b"", False),
    ],
)
def test_who_takes_gzip_is_sent_it(accepted, takes):
    assert takes_gzip(accepted) is takes


def test_an_answer_holds_until_the_next_forecast(api, city_url, clock):
    def kept(path):
        return api.get(path).headers["Cache-Control"]

    assert kept("/forecast") == "public, max-age=900"  # 48 minutes would be too long
    assert kept("/stations") == "public, max-age=180"
    clock.now = NOW + HOUR * 0.75
    assert kept("/forecast") == "public, max-age=180"
    clock.now = NOW + HOUR
    assert kept("/forecast") == "public, max-age=15"
    forecast_again(city_url, clock.now)
    api.reload()
    assert kept("/forecast") == "public, max-age=900"
    clock.now += TICK
    assert kept("/accuracy") == kept("/stations") == "public, max-age=15"


def test_a_new_forecast_has_a_new_tag(api, city_url):
    before = api.get("/forecast").headers["ETag"]
    forecast_again(city_url, NOW, version="9")
    api.reload()
    answer = api.get("/forecast", headers={"If-None-Match": before})
    assert answer.status_code == 200
    assert answer.json()["model_version"] == "9"


def test_behind_keys_nothing_is_kept_for_others(tmp_path, city_url, clock):
    from bike_demand.serving.security import hashed

    given = configured(tmp_path, city_url, api_keys={"me": hashed("k")})
    with running(given, clock) as api:
        answer = api.get("/forecast", headers={"X-API-Key": "k"})
        assert answer.headers["Cache-Control"] == "private, max-age=900"


def test_a_head_is_a_get_without_its_body(standing):
    got = standing.get("/forecast")
    answer = standing.session.head(f"{standing.url}/forecast", timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == got.headers["ETag"]
    assert answer.headers["Content-Length"] == got.headers["Content-Length"]


def test_a_head_is_no_failure_and_leaves_its_connection_open(standing, caplog):
    address = urlsplit(standing.url)
    with closing(HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
        for path in ("/forecast", "/health", "/page/page.js", "/nope", "/predict"):
            connection.request("HEAD", path)
            opened = connection.sock
            connection.getresponse().read()
            assert connection.sock is opened
        connection.request("GET", "/health")
        assert connection.sock is opened
        assert connection.getresponse().status == 200
    assert not caplog.records
