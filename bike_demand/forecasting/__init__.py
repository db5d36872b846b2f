"""Pure functions on frames. No Dagster, no SQL, no clock: what comes in decides what comes out."""
