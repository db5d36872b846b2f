"""Dagster wiring, by stage. Nothing imports from here but `bike_demand.definitions`."""
