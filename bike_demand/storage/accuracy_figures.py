"""What sums over rows of `forecast_accuracy` amount to, as SQL: the formulas stand here only.

They are of whatever a query groups by: hours, horizons and roles add up.
"""

from typing import Final

FIGURES: Final = {
    "rows": "sum(rows)",
    "rmse": "sqrt(sum(squared_error) / nullif(sum(rows), 0))",
    "mae": "sum(absolute_error) / nullif(sum(rows), 0)",
    "persistence_rmse": "sqrt(sum(persistence_squared_error) / nullif(sum(rows), 0))",
    "persistence_mae": "sum(persistence_absolute_error) / nullif(sum(rows), 0)",
    "skill_rmse": "1 - sqrt(sum(squared_error) / nullif(sum(persistence_squared_error), 0))",
    "quantile_loss": "sum(quantile_loss) / nullif(sum(rows), 0)",
    # Of those that told it.
    "coverage_80": "sum(inside) / nullif(sum(rows) FILTER (WHERE inside IS NOT NULL), 0)",
    "brier_empty": "sum(brier_empty) / nullif(sum(rows), 0)",
    "brier_full": "sum(brier_full) / nullif(sum(rows_full), 0)",
    "skill_brier_empty": "1 - sum(brier_empty) / nullif(sum(persistence_brier_empty), 0)",
    "skill_brier_full": "1 - sum(brier_full) / nullif(sum(persistence_brier_full), 0)",
    "observed_empty": "sum(empty) / nullif(sum(rows), 0)",
    "forecast_empty": "sum(p_empty) / nullif(sum(rows), 0)",
}
"""By name; null where there is nothing to divide by. Units are the table's, skills are shares."""


def figures(*names: str) -> str:
    """Columns of a SELECT."""
    return ", ".join(f"{FIGURES[name]} AS {name}" for name in names)
