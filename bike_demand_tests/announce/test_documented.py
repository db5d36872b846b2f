"""What docs/webhook.md says is what a receiver sees."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bike_demand import settings
from bike_demand.announce import Receiver
from bike_demand.announce.events import CHANGED, SKIPPED, STORED, Event
from bike_demand_tests.announce.receiver import KEY, SECRET
from bike_demand_tests.test_docs import blocks

DOCUMENT = Path(__file__).parents[2] / "docs" / "webhook.md"
MAKES_KEY, VERIFIES = blocks(DOCUMENT, "python")
EVENT = Event("forecast.stored", datetime(2026, 5, 1, tzinfo=UTC), {"reason": "ünd"}, ("a",))


@pytest.fixture(scope="module")
def verified():
    """The function of the document."""
    names = {}
    exec(compile(VERIFIES, str(DOCUMENT), "exec"), names)  # noqa: S102  # our own document
    return names["verified"]


@pytest.fixture
def request_sent(receiver):
    Receiver(f"{receiver.base}/hook", KEY).deliver(EVENT, datetime.now(UTC))
    [(_, headers, body)] = receiver.requests
    return headers, body


def test_the_function_in_the_document_knows_what_is_ours(verified, request_sent):
    assert verified(SECRET, *request_sent)


def test_it_knows_among_the_signatures_of_two_keys(verified, request_sent):
    headers, body = request_sent
    both = {**headers, "webhook-signature": f"v1,b3RoZXI= {headers['webhook-signature']}"}
    assert verified(SECRET, both, body)


def test_it_takes_nothing_that_was_changed_or_kept(verified, request_sent):
    headers, body = request_sent
    old = {**headers, "webhook-timestamp": str(int(time.time()) - 3600)}
    for wrong in (
        (SECRET, headers, body + b" "),
        (SECRET, {**headers, "webhook-id": "evt_other"}, body),
        (SECRET, old, body),
        ("whsec_b3RoZXI=", headers, body),
        (SECRET, {**headers, "webhook-signature": "v1,"}, body),
    ):
        assert not verified(*wrong)


def test_the_key_that_the_document_makes_can_be_set(capsys, monkeypatch, tmp_path):
    exec(compile(MAKES_KEY, str(DOCUMENT), "exec"), {})  # noqa: S102
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK", "https://example.org/hook")
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET", capsys.readouterr().out.strip())
    assert Receiver.of(settings.load(tmp_path)) is not None


def test_the_document_names_each_type_of_event():
    text = DOCUMENT.read_text()
    assert all(f"| `{name}` |" in text for name in (STORED, CHANGED, SKIPPED))
