"""The HTTP API: what is stored, for people and programs (docs/api.md).

Its process holds the newest forecast of each system in memory and reads the warehouse, which it
cannot write to. It knows neither Dagster nor MLflow nor models nor pandas. What it answers stands
in `answers`, what it refuses in `problems`; the routes in `forecasts`, `stations`, `trust` and
`operation`; what is in memory in `city`, where that comes from in `queries` and `follow`; and what
every request passes in `gate`.
"""
