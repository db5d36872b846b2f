"""`bike-demand drill`: the pipeline by itself for hours, with faults on purpose; what came of it.

`script` says what happens when, `scene` has the processes and does it to them, `account` counts
what came of it, and `play` puts them together.
"""
