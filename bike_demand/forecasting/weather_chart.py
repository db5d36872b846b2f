"""The weather of the next two days, in a picture."""

import pandas as pd

from bike_demand.forecasting.inline_image import inline_svg

LEFT, TOP, WIDTH, HEIGHT = 34, 14, 430, 70
HEAVY_RAIN_MM_H = 4.0
"""Bars reach the top at this, or at the most that is forecast if it is more."""


def weather_chart(forecast: pd.DataFrame) -> str:
    """Temperature as a line, rain and snow as bars, as Markdown with an SVG image inside.

    Args:
        forecast: Rows of `weather` of one system and one issue, of kind `forecast`.

    Returns:
        The Markdown; without an image where fewer than two temperatures are forecast.
    """
    hours = forecast.sort_values("valid_at")
    known = hours.dropna(subset=["temperature"])
    if len(known) < 2:
        return "No temperatures are forecast."
    start, end = hours["valid_at"].iloc[0], hours["valid_at"].iloc[-1]
    coldest, warmest = float(known["temperature"].min()), float(known["temperature"].max())

    def across(time: pd.Timestamp) -> float:
        return LEFT + WIDTH * float((time - start) / (end - start))

    def up(temperature: float) -> float:
        return TOP + HEIGHT * (1 - (temperature - coldest) / max(warmest - coldest, 1))

    most = max(hours["precipitation"].max(), HEAVY_RAIN_MM_H)
    bars = [
        f'<rect x="{across(time) - 3:.1f}" y="{TOP + HEIGHT * (1 - wet / most):.1f}" width="6" '
        f'height="{HEIGHT * wet / most:.1f}" fill="#7fb3d5"/>'
        for time, wet in zip(hours["valid_at"], hours["precipitation"], strict=True)
        if wet > 0
    ]
    path = " ".join(
        f"{across(time):.1f},{up(temperature):.1f}"
        for time, temperature in zip(known["valid_at"], known["temperature"], strict=True)
    )
    line = f'<polyline points="{path}" fill="none" stroke="#d55e00" stroke-width="1.5"/>'
    degrees = [
        f'<text x="{LEFT - 4}" y="{up(t) + 3:.1f}" text-anchor="end">{t:.0f} °C</text>'
        for t in {coldest, warmest}
    ]
    noons = pd.date_range(start.ceil("12h"), end, freq="12h")
    times = [
        f'<text x="{across(time):.1f}" y="{TOP + HEIGHT + 14}">{time:%a %H:%M}</text>'
        for time in noons
    ]
    edge = f'<text x="{LEFT + WIDTH + 6}" y="{TOP + 3}" text-anchor="start">{most:.0f} mm/h</text>'
    content = "".join([*bars, line, *degrees, edge, *times])
    drawing = inline_svg("weather", LEFT + WIDTH + 50, TOP + HEIGHT + 20, content)
    return f"Forecast of temperature (line) and of rain and snow (bars, UTC).\n\n{drawing}"
