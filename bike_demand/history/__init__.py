"""Recorded history: a file of snapshots, or of changes, read as if somebody had polled.

Pure of Dagster and SQL. `recording.py` is what others use; `source.py` opens files,
`columns.py` checks and converts what is in them, `ticks.py` holds the rules of the grid.
"""
