"""The weather at a place, from Open-Meteo or OpenWeatherMap: clients and parsers.

The outside world as typed frames, without Dagster and without SQL. Import from the modules:
`report` (a place, and what comes back), `open_meteo` and `openweathermap` (ask one of them),
`errors`. What is asked and how it is converted stands in `docs/weather.md`.
"""
