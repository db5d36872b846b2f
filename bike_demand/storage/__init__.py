"""Postgres without Dagster: server, URLs, tables, migrations, windows, COPY and locks."""
