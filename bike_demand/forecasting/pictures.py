"""Figures for people: of a model, of a decision between two, of a forecast, of findings.

Each is a Matplotlib figure; `inline_image.inline_figure` puts one on a page. Colours are those
of Okabe and Ito, which the colour-blind can tell apart.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from bike_demand.forecasting.promotion import CALIBRATED, GATED, MARGIN, Decision

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"
SHOWN: Final = 12
"""Features that a picture has room for."""


def of_model(title: str, evaluation: pd.DataFrame, importance: "pd.Series[float]") -> "Figure":
    """Error and skill by horizon, and what the model looks at most.

    Args:
        title: What was trained.
        evaluation: As `evaluation.evaluation` gives it.
        importance: Shares by feature, largest first.
    """
    figure, (error, looks) = _figure(title, (8.6, 3.1), [1, 1])
    test = evaluation[evaluation["split"] == "test"]
    held = evaluation[evaluation["split"] == "validation"]
    simple = test["rmse"] / (1 - test["skill_rmse"])
    error.plot(held["horizon"], held["rmse"], color=GREY, lw=1, label="model, validation")
    error.plot(test["horizon"], simple, color=BLUE, marker="s", ls="--", label="best simple, test")
    error.plot(test["horizon"], test["rmse"], color=ORANGE, marker="o", label="model, test")
    error.set_title("RMSE [bikes] by hours ahead", fontsize=9)
    error.set_xticks([*GATED], [str(hours) for hours in GATED])
    error.set_ylim(bottom=0)
    error.legend(frameon=False, fontsize=8, loc="lower right")
    most = importance.head(SHOWN)[::-1]
    looks.barh(range(len(most)), most, color=GREEN)
    looks.set_yticks(range(len(most)), [str(name) for name in most.index], fontsize=7)
    looks.set_title("Share of what lowered the loss", fontsize=9)
    return figure


def of_decision(
    title: str, decision: Decision, skill: Mapping[int, float], coverage: Mapping[int, float]
) -> "Figure":
    """What a challenger was asked for at each gated horizon, and its gain over the champion.

    Args:
        title: Between whom it was.
        decision: What came of it.
        skill: As `promotion.gates` takes it.
        coverage: Likewise.
    """
    figure, (ahead, middle, gains) = _figure(title, (8.6, 2.8), [1, 1, 0.8])
    places, names = range(len(GATED)), [f"{hours} h" for hours in GATED]
    values = [100 * skill[hours] for hours in GATED]
    ahead.bar(places, values, color=[GREEN if value > 0 else ORANGE for value in values])
    ahead.axhline(0, color="#444444", lw=1)
    ahead.set_title("RMSE below the best simple [%]", fontsize=9)
    held = [100 * coverage[hours] for hours in GATED]
    low, high = (100 * share for share in CALIBRATED)
    middle.axhspan(low, high, color=GREEN, alpha=0.15)
    inside = [GREEN if low <= value <= high else ORANGE for value in held]
    middle.scatter(places, held, color=inside, zorder=3)
    middle.set_ylim(min(70, *held) - 2, max(90, *held) + 2)
    middle.set_title("In the middle 80 % [%]", fontsize=9)
    for axes in (ahead, middle):
        axes.set_xticks(places, names)
    gains.set_title("CRPS below the champion's [%]", fontsize=9)
    gains.set_xticks([])
    if decision.gain is None:
        gains.text(0.5, 0.5, "not compared", ha="center", va="center", color="#777777")
        gains.set_yticks([])
    else:
        gain, low, high = (
            100 * each for each in (decision.gain.gain, decision.gain.low, decision.gain.high)
        )
        colour = GREEN if decision.promoted else ORANGE
        gains.errorbar([0], [gain], [[gain - low], [high - gain]], fmt="o", color=colour, capsize=6)
        gains.axhline(100 * MARGIN, color=GREY, ls="--", lw=1)
        gains.axhline(0, color="#444444", lw=1)
        gains.set_xlim(-1, 1)
    return figure


def of_forecast(
    title: str, origin: datetime, past: pd.DataFrame, forecast: pd.DataFrame
) -> "Figure":
    """How much of a city is empty and full: in the day before an origin, and in the day after.

    Args:
        title: Whose forecast it is.
        origin: UTC.
        past: `empty` and `full`, shares of stations, by tick (UTC) up to the origin.
        forecast: As `outlook.outlook` gives it.
    """
    figure, (axes,) = _figure(title, (8.6, 2.6), [1])
    ahead = forecast[forecast["in_service"]].groupby("horizon")[["p_empty", "p_full"]].mean()
    before = (pd.DatetimeIndex(past.index) - pd.Timestamp(origin)) / pd.Timedelta(hours=1)
    for name, colour in (("empty", ORANGE), ("full", BLUE)):
        axes.plot(before, 100 * past[name], color=colour, lw=1.5, label=name)
        axes.plot(ahead.index, 100 * ahead[f"p_{name}"], color=colour, lw=1.5, ls="--")
    axes.axvline(0, color="#444444", lw=1)
    axes.set_ylim(bottom=0)
    axes.set_xticks(range(-24, 25, 6))
    axes.set_xlabel(f"hours from {origin:%Y-%m-%d %H:%M} UTC; dashed: expected", fontsize=8)
    axes.set_title("Stations empty and full [%]", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def of_accuracy(title: str, rows: pd.DataFrame) -> "Figure":
    """How forecasts fared live, by hours ahead.

    Args:
        title: Of what.
        rows: `role`, `model_version`, `horizon` [h], `skill_rmse` over persistence,
            `skill_brier_empty` likewise of the Brier score, and `coverage_80`, the PIT's.
    """
    figure, panels = _figure(title, (8.6, 2.8), [1, 1, 1])
    columns = {
        "skill_rmse": "RMSE below persistence's [%]",
        "skill_brier_empty": "Brier of empty below [%]",
        "coverage_80": "In the middle 80 % [%]",
    }
    colours = {"champion": ORANGE, "simple": GREY, "challenger": BLUE, "predecessor": GREEN}
    for axes, (column, told) in zip(panels, columns.items(), strict=True):
        for (role, version), part in rows.groupby(["role", "model_version"]):
            label = f"{role} {version}".strip()
            values = 100 * part[column].astype(float)
            axes.plot(part["horizon"], values, color=colours[str(role)], marker=".", label=label)
        axes.axhline(80 if column == "coverage_80" else 0, color="#444444", lw=1)
        axes.set_title(told, fontsize=9)
        axes.set_xticks([*GATED], [str(hours) for hours in GATED])
    panels[1].set_xlabel("hours ahead", fontsize=8)
    panels[0].legend(frameon=False, fontsize=7)
    return figure


def of_drift(title: str, days: pd.DataFrame, bands: Collection[float]) -> "Figure":
    """A heat map of what has moved most.

    Args:
        title: Of what.
        days: `feature`, `day`, `psi`.
        bands: From which index on it is how bad.
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap

    table = days.pivot_table(index="feature", columns="day", values="psi", aggfunc="max")
    table = table.loc[table.max(axis=1).sort_values(ascending=False).index[:SHOWN]]
    figure, (axes,) = _figure(title, (8.6, 3.2), [1])
    edges = [0, *sorted(bands), 10]
    colours = ListedColormap(["#f2f2f2", "#f0e442", "#e69f00", ORANGE])
    shown = axes.pcolormesh(
        table.to_numpy(float), cmap=colours, norm=BoundaryNorm(edges, 4), edgecolors="white", lw=1
    )
    axes.set_yticks([row + 0.5 for row in range(len(table))], table.index, fontsize=7)
    axes.set_xticks(
        [column + 0.5 for column in range(table.shape[1])],
        [f"{day:%m-%d}" for day in table.columns],
    )
    axes.invert_yaxis()
    bar = figure.colorbar(shown, ax=axes, ticks=edges[:-1], shrink=0.8)
    bar.ax.tick_params(labelsize=7)
    return figure


def of_quality(title: str, found: pd.DataFrame, past: pd.DataFrame) -> "Figure":
    """How many rules are broken, window by window, and how much of what was asked breaks them now.

    Args:
        title: Whose findings they are.
        found: Of one window: `window_start`, `rule`, `severity`, `count` and `share` of each rule.
        past: `window_start`, `severity` and `count` of those of the windows before.
    """
    figure, (windows, shares) = _figure(title, (8.6, 2.6), [1, 1])
    both = pd.concat([each for each in (past, found[[*past.columns]]) if len(each)])
    broken = both.assign(broken=both["count"] > 0).pivot_table(
        index="window_start", columns="severity", values="broken", aggfunc="sum", fill_value=0
    )
    colours, below = {"critical": ORANGE, "error": BLUE, "warning": GREY}, np.zeros(len(broken))
    starts = pd.DatetimeIndex(broken.index).strftime("%m-%d %H:%M")
    for severity, colour in colours.items():
        if severity in broken:
            windows.bar(
                range(len(broken)), broken[severity], bottom=below, color=colour, label=severity
            )
            below = below + broken[severity].to_numpy()
    places = sorted({0, len(broken) // 2, len(broken) - 1})
    windows.set_xticks(places, [starts[place] for place in places], fontsize=7)
    windows.yaxis.get_major_locator().set_params(integer=True)
    windows.set_ylim(0, 1.5 * max(1, float(broken.sum(axis=1).max())))
    windows.legend(frameon=False, fontsize=7, loc="upper left")
    windows.set_title("Rules that are broken, by window", fontsize=9)
    now = found[found["count"] > 0].sort_values("share").tail(SHOWN)
    shares.barh(
        range(len(now)), 100 * now["share"], color=[colours[each] for each in now["severity"]]
    )
    shares.set_yticks(range(len(now)), [str(rule) for rule in now["rule"]], fontsize=7)
    shares.set_title("Rows that break them in this window [%]", fontsize=9)
    if now.empty:
        shares.set_visible(False)
    return figure


def _figure(title: str, size: tuple[float, float], widths: Sequence[float]) -> tuple["Figure", Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    for axes in panels:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels
