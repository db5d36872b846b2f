"""Tests of `bike_demand.defs`."""
