"""Tests of `bike_demand.resources`."""
