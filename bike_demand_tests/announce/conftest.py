"""What tests of announcements share."""

from bike_demand_tests.announce.receiver import receiver

__all__ = ["receiver"]
