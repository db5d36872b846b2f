"""Numbers of the server, as Prometheus reads them."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bike_demand_tests.prometheus import promtool
from bike_demand_tests.serving.city import HOUR, NOW


def numbers(api):
    text = api.get("/metrics", headers={"Accept": "text/plain"}).text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(api):
    for path in ("/stations/s0001/forecast", "/stations/s0002/forecast", "/stations/x/forecast"):
        api.get(path)
    api.get("/nope/x")
    found = numbers(api)
    name, route = "bike_demand_serving_requests_total", "/stations/{station_id:path}/forecast"
    assert found[name, "GET", route, "200"] == 2
    assert found[name, "GET", route, "404"] == 1
    assert found[name, "GET", "none", "404"] == 1
    assert found["bike_demand_serving_request_seconds_count", route] == 3
    assert found["bike_demand_serving_request_seconds_bucket", "+Inf", route] == 3


def test_what_is_served_has_an_age(api, clock):
    name = "bike_demand_serving_forecast_age_seconds"
    assert numbers(api)[name, "citibike_nyc"] == 720
    assert numbers(api)["bike_demand_serving_stale", "citibike_nyc"] == 0
    clock.now = NOW + 2 * HOUR + timedelta(minutes=1)
    assert numbers(api)["bike_demand_serving_stale", "citibike_nyc"] == 1


def test_numbers_of_tables_are_the_pipeline_s(api):
    found = numbers(api)
    assert found["bike_demand_champion_info", "citibike_nyc", "7"] == 1
    assert found["bike_demand_feed_polls", "200", "citibike_nyc"] == 1
    rmse = found["bike_demand_forecast_rmse", "3", "champion", "citibike_nyc", "7d"]
    assert rmse == pytest.approx(1.75)
    sources = {key[1] for key, value in found.items() if key[0] == "bike_demand_up" and value}
    assert sources == {"accuracy", "champions", "drift", "feeds", "quality"}


def test_a_scrape_is_as_promtool_wants_it(api):
    promtool("check", "metrics", told=api.get("/metrics", headers={"Accept": "text/plain"}).text)
