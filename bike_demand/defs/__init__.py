"""Dagster wiring, by stage. Nothing imports from here but `bike_demand.definitions`."""

import warnings

import dagster as dg

# Beta, pinned with Dagster, and the first thing a newcomer would read.
for parameter in ("backfill_policy", "allow_nonexistent_upstream_partitions"):
    warnings.filterwarnings("ignore", f"Parameter `{parameter}`", dg.BetaWarning)
