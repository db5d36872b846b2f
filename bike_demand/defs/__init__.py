"""Dagster wiring, by stage. Nothing imports from here but `bike_demand.definitions`."""

import warnings

import dagster as dg

# Beta since 1.3, pinned with Dagster, and the first thing a newcomer would read.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)
