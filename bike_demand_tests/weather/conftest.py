"""Services are played on loopback here."""

from bike_demand_tests.feed_server import no_proxy, server

__all__ = ["no_proxy", "server"]
