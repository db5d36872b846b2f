"""GBFS, the General Bikeshare Feed Specification, from 1.0 to 3.0: clients and parsers.

The outside world as typed frames, without Dagster and without SQL. Import from the modules:
`client` (ask a system), `feeds` (configure one), `parse` (what a feed's bytes mean), `errors`.
What becomes of untidy feeds is listed in `docs/gbfs.md`.
"""
