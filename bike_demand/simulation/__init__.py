"""A bike-share city of our own: its riders, its weather, and the feeds it serves.

For demos, drills and tests, where a real feed would be out of reach or too well behaved. Nothing
of it knows Dagster, SQL or the rest of the package.
"""
