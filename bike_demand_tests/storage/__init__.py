"""Tests of Postgres without Dagster."""
