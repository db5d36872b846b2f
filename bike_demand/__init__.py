"""Forecasts of bike-share availability, as Dagster assets over Postgres.

Nothing happens on import: no network, no database, no environment is read.
"""
