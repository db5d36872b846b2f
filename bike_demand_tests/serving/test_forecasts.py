"""Forecasts as they are asked for."""

import pytest

ROUTES = (
    "/systems",
    "/stations?limit=2",
    "/stations/s0001",
    "/stations/s0001/forecast?hours=2",
    "/forecast?limit=2",
    "/risks?limit=2",
    "/history/s0007",
    "/accuracy",
    "/model",
    "/health",
    "/ready",
    "/metrics",
)


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_answers(api, path):
    assert api.get(path).status_code == 200
