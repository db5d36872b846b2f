import copy
import gzip
import pickle
import socket
import ssl
import time
import tracemalloc
import zlib
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
import requests

from bike_demand.download.downloader import Downloader, Limits
from bike_demand.download.errors import Advice, FeedError, PermanentFeedError, TransientFeedError
from bike_demand_tests.gbfs.payloads import NOW

ADVICE = Advice(
    address="Correct the configured address.",
    credentials="Check the configured headers.",
    missing="Look up where it has moved to.",
)
BODY = b'{"data": {}}'
QUICK = Limits(connect_seconds=2, read_seconds=2, total_seconds=5, max_body_bytes=2**20)
HEADERS = {"X-Api-Key": "s3cret"}


class Waits(list):
    """Stands in for sleeping, and moves the clock."""

    def __init__(self):
        self.now = NOW

    def __call__(self, seconds):
        self.append(seconds)
        self.now += timedelta(seconds=seconds)

    def clock(self):
        return self.now


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def downloader(waits):
    return make(waits)


def make(waits, limits=QUICK, *, jitter=1.0, **options):
    return Downloader(
        ADVICE, limits=limits, clock=waits.clock, sleep=waits, jitter=lambda: jitter, **options
    )


def failure(downloader, url, kind):
    """The error of a download, checked for what every error owes."""
    with pytest.raises(kind) as caught:
        downloader.get(url + "?key=s3cret")
    message = str(caught.value)
    assert message.startswith(f"{url}?…: ")
    assert len(caught.value.remedy) > 20
    assert "s3cret" not in message
    shown = caught.value
    while shown is not None:
        assert "s3cret" not in repr(shown)
        shown = shown.__cause__ or shown.__context__
    return caught.value


def test_a_body_comes_with_its_status_and_the_time_we_asked(server, downloader):
    got = downloader.get(server.serve("/f", BODY))
    assert (got.body, got.http_status, got.fetched_at) == (BODY, 200, NOW)


def test_the_user_agent_names_the_project(server, downloader):
    downloader.get(server.serve("/f", BODY))
    agent = server.seen["/f"][0]["user-agent"]
    assert agent.startswith("bike_demand/")
    assert "bike-share" in agent


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_a_compressed_body_is_unpacked(server, downloader, encoding, pack):
    url = server.serve("/f", server.answer(200, pack(BODY), content_encoding=encoding))
    assert downloader.get(url).body == BODY


def test_a_body_without_a_stated_length_is_read_to_its_end(server, downloader):
    url = server.serve("/f", server.answer(200, BODY, content_length=None))
    assert downloader.get(url).body == BODY


# headers


def test_headers_are_sent_to_the_origins_the_configuration_names_and_to_no_other(server, waits):
    url = server.serve("/f", BODY)
    make(waits, headers=HEADERS, origins=frozenset({server.base})).get(url)
    make(waits, headers=HEADERS, origins=frozenset({"https://elsewhere:443"})).get(url)
    assert [seen.get("x-api-key") for seen in server.seen["/f"]] == ["s3cret", None]


def test_headers_do_not_follow_a_redirect_to_another_host(server, waits):
    away = server.serve("/away", BODY).replace("127.0.0.1", "localhost")
    url = server.serve("/f", server.answer(302, location=away))
    make(waits, headers=HEADERS, origins=frozenset({server.base})).get(url)
    assert server.seen["/f"][0]["x-api-key"] == "s3cret"
    assert "x-api-key" not in server.seen["/away"][0]


def test_a_configured_user_agent_and_authorization_win(server, waits, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    headers = {"user-agent": "me", "authorization": "Bearer s3cret"}
    make(waits, headers=headers, origins=frozenset({server.base})).get(server.serve("/f", BODY))
    assert server.seen["/f"][0]["user-agent"] == "me"
    assert server.seen["/f"][0]["authorization"] == "Bearer s3cret"


def test_passwords_of_the_machine_are_not_sent(server, downloader, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    downloader.get(server.serve("/f", BODY))
    assert "authorization" not in server.seen["/f"][0]


# statuses, retries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418])
def test_a_refusal_is_permanent_and_not_retried(server, downloader, waits, status):
    error = failure(downloader, server.serve("/f", server.answer(status)), PermanentFeedError)
    assert error.http_status == status
    assert f"HTTP {status}" in error.problem
    assert len(server.seen["/f"]) == 1
    assert waits == []


@pytest.mark.parametrize("status", [204, 206, 304])
def test_an_answer_without_the_whole_body_is_none(server, downloader, status):
    url = server.serve("/f", server.answer(status))
    assert failure(downloader, url, PermanentFeedError).http_status == status


def test_a_refused_key_says_where_headers_were_not_sent(server, waits):
    url = server.serve("/f", server.answer(401))
    known = make(waits, headers=HEADERS, origins=frozenset({server.base}))
    assert "not sent" not in failure(known, url, PermanentFeedError).remedy
    unknown = make(waits, headers=HEADERS)
    assert "not sent to this host" in failure(unknown, url, PermanentFeedError).remedy


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_retried_three_times_with_growing_waits(
    server, downloader, waits, status
):
    error = failure(downloader, server.serve("/f", server.answer(status)), TransientFeedError)
    assert error.http_status == status
    assert len(server.seen["/f"]) == 4
    assert waits == [1, 2, 4]


def test_waits_are_spread_by_jitter_down_to_a_half(server, waits):
    failure(make(waits, jitter=0.0), server.serve("/f", server.answer(500)), TransientFeedError)
    assert waits == [0.5, 1, 2]


def test_no_wait_is_longer_than_the_limit(server, waits):
    limits = Limits(retries=5, backoff_seconds=10, max_wait_seconds=25)
    failure(make(waits, limits), server.serve("/f", server.answer(500)), TransientFeedError)
    assert waits == [10, 20, 25, 25, 25]


def test_a_success_after_failures_counts_from_its_own_attempt(server, downloader, waits):
    url = server.serve("/f", server.answer(503), server.answer(500), BODY)
    got = downloader.get(url)
    assert (got.body, got.fetched_at) == (BODY, NOW + timedelta(seconds=3))
    assert waits == [1, 2]


def test_retries_can_be_forgone(server, downloader, waits):
    url = server.serve("/f", server.answer(500))
    with pytest.raises(TransientFeedError):
        downloader.get(url, retries=0)
    assert waits == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", [7]),
        ("0", [1]),
        (" 7 ", [7]),
        (format_datetime(NOW + timedelta(seconds=9), usegmt=True), [9]),
        (format_datetime(NOW - timedelta(seconds=9), usegmt=True), [1]),
        ("soon", [1]),
        ("-7", [1]),
        ("Wed, 32 Oct 2024 19:05:00 GMT", [1]),
    ],
)
def test_retry_after_is_honoured_as_seconds_and_as_date(server, downloader, waits, value, expected):
    url = server.serve("/f", server.answer(429, retry_after=value), BODY)
    assert downloader.get(url).body == BODY
    assert waits == expected


def test_a_server_that_wants_a_longer_pause_than_we_wait_is_not_asked_again(
    server, downloader, waits
):
    url = server.serve("/f", server.answer(429, retry_after="3600"))
    error = failure(downloader, url, TransientFeedError)
    assert error.retry_after == 3600
    assert "asks to wait 3600 seconds" in error.problem
    assert len(server.seen["/f"]) == 1
    assert waits == []


# addresses and redirects


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://h/x", "h/x", "", "https://", "http://[::1/", "http://h:99999/"],
)
def test_nothing_but_http_and_https_is_opened(downloader, waits, url):
    with pytest.raises(PermanentFeedError, match="http or https"):
        downloader.get(url)
    assert waits == []


@pytest.mark.parametrize(
    "url", ["http://a..b/", "http://.a/", f"http://{'a' * 70}.example/", "http://h\0/"]
)
def test_an_address_that_cannot_be_one_is_permanent(downloader, url):
    with pytest.raises(PermanentFeedError, match="address cannot be used"):
        downloader.get(url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_also_a_relative_one(server, downloader, status):
    server.serve("/there", BODY)
    assert downloader.get(server.serve("/f", server.answer(status, location="/there"))).body == BODY


def test_a_redirect_loop_ends(server, downloader, waits):
    server.serve("/b", server.answer(302, location="/a?key=s3cret"))
    url = server.serve("/a", server.answer(302, location="/b"))
    assert "loop" in failure(downloader, url, PermanentFeedError).problem
    assert len(server.seen["/a"]) == 1
    assert waits == []


def test_redirects_without_end_end(server, downloader):
    for n in range(10):
        server.serve(f"/{n}", server.answer(302, location=f"/{n + 1}"))
    error = failure(downloader, server.base + "/0", PermanentFeedError)
    assert "more than 5 times" in error.problem
    assert sum(map(len, server.seen.values())) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://h/x", "http://[::1/"])
def test_a_redirect_to_anything_but_http_is_refused(server, downloader, target):
    url = server.serve("/f", server.answer(302, location=target))
    assert "redirects to" in failure(downloader, url, PermanentFeedError).problem


def test_the_body_of_a_redirect_is_not_read(server, waits):
    server.serve("/there", BODY)
    endless = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 1000000\r\n\r\n"
    assert make(waits).get(server.serve("/f", server.stall(endless))).body == BODY
    assert waits == []


def test_a_redirect_to_nowhere_is_refused(server, downloader):
    url = server.serve("/f", server.answer(302))
    assert "where to" in failure(downloader, url, PermanentFeedError).problem


def test_an_error_after_a_redirect_names_both_addresses(server, downloader):
    url = server.serve("/f", server.answer(302, location="/gone?key=s3cret"))
    assert (
        f"redirected to {server.base}/gone?…"
        in failure(downloader, url, PermanentFeedError).problem
    )


def test_a_proxy_of_the_machine_is_used(server, waits, monkeypatch):
    monkeypatch.setenv("http_proxy", server.base)
    server.serve("http://city.example/f", BODY)
    assert make(waits).get("http://city.example/f").body == BODY


# size


def test_a_body_over_the_cap_is_refused(server, downloader, waits):
    url = server.serve("/f", b"x" * (2**20 + 1))
    assert "larger than 1 MiB" in failure(downloader, url, PermanentFeedError).problem
    assert waits == []
    assert downloader.get(server.serve("/g", b"x" * 2**20)).body == b"x" * 2**20


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(server, downloader):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    url = server.serve("/f", server.answer(200, bomb, content_encoding="gzip"))
    tracemalloc.start()
    error = failure(downloader, url, PermanentFeedError)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "larger than 1 MiB" in error.problem
    assert peak < 20 * 2**20


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd"])
def test_an_encoding_we_did_not_offer_is_refused(server, downloader, encoding):
    url = server.serve("/f", server.answer(200, BODY, content_encoding=encoding))
    assert "encoding" in failure(downloader, url, PermanentFeedError).problem


def test_a_body_that_cannot_be_unpacked_is_refused(server, downloader):
    url = server.serve("/f", server.answer(200, BODY, content_encoding="gzip"))
    assert "unpacked" in failure(downloader, url, PermanentFeedError).problem


# connections that fail, stall and drip

HASTY = Limits(connect_seconds=1, read_seconds=0.2, total_seconds=5, retries=1)
BRIEF = Limits(connect_seconds=1, read_seconds=2, total_seconds=0.3, retries=0)
HEAD = b"HTTP/1.1 200 OK\r\n"
SOON_S = 15  # what drips here does so for ever; a busy machine is none of its faults


@pytest.mark.parametrize(
    "before",
    [b"", HEAD, HEAD + b"Content-Length: 10\r\n\r\n12345"],
    ids=["at once", "in the headers", "in the body"],
)
def test_a_stalled_connection_is_given_up_and_tried_again(server, waits, before):
    url = server.serve("/f", server.stall(before))
    error = failure(make(waits, HASTY), url, TransientFeedError)
    assert "stalled" in error.problem
    assert len(server.seen["/f"]) == 2


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (HEAD, b"X-Drop: 1\r\n"),
        (HEAD + b"X-Long: ", b"x"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
        (HEAD + b"\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["headers", "one header", "body", "body without length", "chunks"],
)
def test_a_dripping_connection_is_cut_off_in_time(server, waits, before, drop):
    url = server.serve("/f", server.drip(before, drop))
    began = time.monotonic()
    error = failure(make(waits, BRIEF), url, TransientFeedError)
    assert time.monotonic() - began < SOON_S
    assert "longer than 0.3 seconds" in error.problem


def test_a_body_cut_off_by_us_is_not_remembered(server, waits):
    head = HEAD + b'ETag: "1"\r\n\r\n{'
    url = server.serve("/f", server.drip(head, b" "), BODY)
    brief = make(waits, replace(BRIEF, total_seconds=2))
    with pytest.raises(TransientFeedError):
        brief.get(url)
    assert brief.get(url).body == BODY
    assert "if-none-match" not in server.seen["/f"][1]


def test_a_refused_connection_is_passing(downloader, waits):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/f"
        error = failure(downloader, url, TransientFeedError)
    assert "refused" in error.problem
    assert error.http_status is None
    assert len(waits) == 3


def test_a_connection_that_breaks_off_is_passing(server, downloader):
    url = server.serve("/f", server.answer(200, BODY, content_length="1000"), BODY)
    assert downloader.get(url).body == BODY


def test_an_answer_that_is_no_http_is_passing(server, downloader):
    url = server.serve("/f", lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"))
    assert "connection failed" in failure(downloader, url, TransientFeedError).problem


def test_a_server_without_tls_at_an_https_address_is_passing(server, downloader):
    url = server.serve("/f", BODY).replace("http://", "https://")
    assert "encrypted connection failed" in failure(downloader, url, TransientFeedError).problem


@pytest.mark.parametrize(
    ("cause", "kind", "problem"),
    [
        (ssl.SSLCertVerificationError("expired"), PermanentFeedError, "certificate"),
        (socket.gaierror(-2, "unknown"), TransientFeedError, "resolved"),
        (TimeoutError("s3cret"), TransientFeedError, "stalled"),
        (OSError("s3cret"), TransientFeedError, "ConnectionError"),
    ],
)
def test_what_a_test_cannot_bring_about_is_told_by_its_cause(downloader, cause, kind, problem):
    wrapped = requests.ConnectionError("s3cret", cause)
    error = downloader._translate("https://city.example/f?key=s3cret", wrapped)
    assert type(error) is kind
    assert problem in error.problem
    assert "s3cret" not in str(error)


# conditional requests


def test_an_unchanged_feed_is_the_body_before_and_says_304(server, downloader):
    url = server.serve(
        "/f",
        server.answer(200, BODY, etag='"1"', last_modified="Wed, 02 Oct 2024 19:00:00 GMT"),
        server.answer(304),
    )
    first, second = downloader.get(url), downloader.get(url)
    assert (first.http_status, second.http_status) == (200, 304)
    assert first.body == second.body == BODY
    assert "if-none-match" not in server.seen["/f"][0]
    assert server.seen["/f"][1]["if-none-match"] == '"1"'
    assert server.seen["/f"][1]["if-modified-since"] == "Wed, 02 Oct 2024 19:00:00 GMT"


def test_a_feed_that_offers_nothing_is_asked_plainly(server, downloader):
    url = server.serve("/f", BODY)
    downloader.get(url)
    downloader.get(url)
    assert "if-none-match" not in server.seen["/f"][1]
    assert "if-modified-since" not in server.seen["/f"][1]


def test_a_changed_feed_replaces_what_was_remembered(server, downloader):
    url = server.serve(
        "/f",
        server.answer(200, b"1", etag='"1"'),
        server.answer(200, b"2", etag='"2"'),
        server.answer(304),
    )
    assert [downloader.get(url).body for _ in range(3)] == [b"1", b"2", b"2"]
    assert server.seen["/f"][2]["if-none-match"] == '"2"'


def test_what_was_forgotten_is_asked_for_whole(server, downloader):
    url = server.serve("/f", server.answer(200, BODY, etag='"1"'))
    downloader.get(url)
    downloader.forget(url)
    downloader.get(url)
    assert "if-none-match" not in server.seen["/f"][1]


def test_an_error_keeps_its_fields_when_it_is_copied():
    error = TransientFeedError("https://h/f", "it stalled", "Wait.", http_status=503, retry_after=7)
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301
        assert (str(twin), twin.http_status, twin.retry_after) == (str(error), 503, 7)
    assert isinstance(error, FeedError)


def test_the_beginning_of_a_refusal_is_kept_for_who_can_read_it(server, downloader):
    url = server.serve("/f", server.answer(400, b'{"reason": "no such place"}'))
    assert failure(downloader, url, PermanentFeedError).answer == b'{"reason": "no such place"}'
