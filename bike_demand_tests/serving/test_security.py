"""Keys, rates, headers, and who may not ask."""

import pytest
from click.testing import CliRunner

from bike_demand import settings
from bike_demand.cli import main
from bike_demand.serving import security
from bike_demand.serving.security import Rate, client_of, hashed
from bike_demand_tests.serving.city import RELOAD_TOKEN, configured, running
from bike_demand_tests.serving.test_refusals import is_a_problem

DATA = ("/systems", "/stations", "/forecast", "/risks", "/accuracy", "/model", "/metrics", "/nope")
OPEN = ("/health", "/ready", "/openapi.json", "/page/settings.json")


@pytest.fixture
def guarded(tmp_path, city_url, clock):
    keys = {"ann": hashed("ann's key"), "bob": hashed("bob's key")}
    with running(configured(tmp_path, city_url, api_keys=keys), clock) as found:
        yield found


def test_where_keys_are_set_data_wants_one(guarded):
    for path in DATA:
        for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": "\xff"}, {"X-API-Key": ""}):
            answer = guarded.get(path, headers=headers)
            assert answer.status_code == 401
            assert is_a_problem(answer)["type"] == "/problems#key-wanted"
            assert "WWW-Authenticate" in answer.headers
        for key in ("ann's key", "bob's key"):
            answer = guarded.get(path, headers={"X-API-Key": key})
            assert answer.status_code == (404 if path == "/nope" else 200)


def test_what_needs_no_data_needs_no_key(guarded):
    for path in (*OPEN, "/", "/page/page.js"):
        assert guarded.get(path).status_code == 200
    assert guarded.get("/page/nope.js").status_code == 404
    assert guarded.reload().status_code == 200


def test_a_key_is_made_and_only_its_hash_is_to_be_kept(monkeypatch, tmp_path):
    told = CliRunner().invoke(main, ["api-key", "ann"]).output.splitlines()
    key = told[0].removeprefix("X-API-Key: ")
    name, value = told[1].split("=", 1)
    assert key not in value
    monkeypatch.setenv(name, value)
    keys = settings.load(tmp_path).api_keys
    assert security.holder(keys, key) == "ann"
    assert security.holder(keys, key + "x") is None
    assert settings.display(keys) == "ann"
    assert CliRunner().invoke(main, ["api-key", "ann"]).output.splitlines()[0] != told[0]


def test_reloading_wants_the_token(api, tmp_path, city_url, clock):
    assert api.post("/model/reload").status_code == 401
    for token in ("wrong", RELOAD_TOKEN + "x", "é"):
        answer = api.post("/model/reload", headers={"Authorization": f"Bearer {token}".encode()})
        assert answer.status_code == 401
        assert is_a_problem(answer)["type"] == "/problems#token-wrong"
    answer = api.reload()
    assert answer.status_code == 200
    [found] = answer.json()["systems"]
    assert (found["origin_at"], found["model_version"]) == ("2026-05-01T12:00:00Z", "7")
    with running(configured(tmp_path, city_url, serving_reload_token=None), clock) as closed:
        assert closed.reload().status_code == 403


def test_who_asks_too_often_is_told_when_to_ask_again(tmp_path, city_url, clock):
    keys = {"ann": hashed("ann's key"), "bob": hashed("bob's key")}
    given = configured(tmp_path, city_url, serving_rate=5, api_keys=keys)
    with running(given, clock) as api:

        def ask(key, path="/forecast"):
            return api.get(path, headers={"X-API-Key": key})

        assert [ask("ann's key").status_code for _ in range(6)] == [200] * 5 + [429]
        refused = ask("ann's key")
        assert is_a_problem(refused)["type"] == "/problems#too-many-requests"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert ask("bob's key").status_code == 200
        # Guesses are counted by where they come from.
        assert [ask("guess").status_code for _ in range(6)] == [401] * 5 + [429]
        assert ask("bob's key").status_code == 200
        assert ask("", "/health").status_code == ask("", "/ready").status_code == 200


class TestRate:
    """How many requests of a client are answered."""

    @pytest.fixture
    def rate(self):
        self.now = 1000.0
        return Rate(60, lambda: self.now)

    def test_a_minute_s_requests_may_come_at_once_and_then_one_each_second(self, rate):
        assert [rate.wait("a") for _ in range(60)] == [0.0] * 60
        assert rate.wait("a") == pytest.approx(1.0)
        assert rate.wait("b") == 0
        self.now += 0.5
        assert rate.wait("a") == pytest.approx(0.5)
        self.now += 0.5
        assert rate.wait("a") == 0
        assert rate.wait("a") > 0
        self.now += 3600
        assert [rate.wait("a") for _ in range(61)].count(0.0) == 60

    def test_who_is_refused_is_not_counted(self, rate):
        for _ in range(200):
            rate.wait("a")
        self.now += 1
        assert rate.wait("a") == 0

    def test_of_many_clients_the_first_are_forgotten(self, rate, monkeypatch):
        monkeypatch.setattr(security, "CLIENTS", 10)
        for number in range(1000):
            rate.wait(str(number))
        assert len(rate._filled) == 10
        assert "999" in rate._filled

    def test_none_is_no_limit(self):
        rate = Rate(0)
        assert not any(rate.wait("a") for _ in range(10_000))
        assert not rate._filled


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
        ("2001:db8:1:2::7", "2001:0db8:0001:0002::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_is_one_client(host, client):
    assert client_of(host) == client


def test_every_answer_is_guarded_and_named(standing):
    for path in ("/forecast", "/nope", "/forecast?hours=x", "/health", "/openapi.json", "/metrics"):
        answer = standing.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert len(answer.headers["X-Request-ID"]) == 16
        assert "Server" not in answer.headers


def test_who_asks_may_name_the_request_if_the_name_is_harmless(standing):
    def named(given):
        answer = standing.get("/health", headers={"X-Request-ID": given})
        return answer.headers["X-Request-ID"]

    assert named("trace-1.a_B") == "trace-1.a_B"
    for given in ("a b", "é", "x" * 65, '"}', ""):
        assert named(given) != given


def test_tiles_may_come_from_where_they_are_configured_to(tmp_path, city_url, clock):
    given = configured(
        tmp_path,
        city_url,
        tiles_url="https://{s}.tiles.example:8443/{z}/{x}/{y}.png?k=v",
        tiles_attribution="© Tiles",
    )
    with running(given, clock) as api:
        answer = api.get("/page/settings.json")
        assert answer.json() == {
            "tiles_url": "https://{s}.tiles.example:8443/{z}/{x}/{y}.png?k=v",
            "tiles_attribution": "© Tiles",
        }
        policy = answer.headers["Content-Security-Policy"]
        assert "img-src 'self' data: https://*.tiles.example:8443;" in policy
        assert policy.count("tiles.example") == 1


def test_other_sites_may_ask_only_if_they_are_named(tmp_path, city_url, clock):
    one, other = {"Origin": "https://one.example"}, {"Origin": "https://other.example"}
    given = configured(
        tmp_path, city_url, serving_origins=("https://one.example",), api_keys={"a": hashed("k")}
    )
    with running(given, clock) as api:
        allowed = api.get("/forecast", headers=one | {"X-API-Key": "k"})
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://one.example"
        assert "ETag" in allowed.headers["Access-Control-Expose-Headers"]
        assert "Origin" in allowed.headers["Vary"]
        assert "Accept-Encoding" in allowed.headers["Vary"]
        # A browser asks whether it may without the key.
        asks = {"Access-Control-Request-Method": "GET"}
        asks["Access-Control-Request-Headers"] = "X-API-Key"
        before = api.session.options(f"{api.url}/forecast", headers=one | asks, timeout=30)
        assert before.status_code == 200
        refused = api.get("/forecast", headers=one)
        assert refused.status_code == 401
        assert refused.headers["Access-Control-Allow-Origin"] == "https://one.example"
        denied = api.get("/forecast", headers=other | {"X-API-Key": "k"})
        assert "Access-Control-Allow-Origin" not in denied.headers


def test_without_any_named_no_other_site_may_ask(standing):
    answer = standing.get("/forecast", headers={"Origin": "https://one.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
