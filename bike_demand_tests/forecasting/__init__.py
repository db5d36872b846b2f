"""Tests of `bike_demand.forecasting`."""
