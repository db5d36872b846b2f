"""The house: what may know what. Dependencies run downward only."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

import bike_demand

PACKAGE = Path(bike_demand.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# What the modules of each part must not import, beside what follows from the layers.
FORBIDDEN = {
    "announce": {"dagster"},
    "client": {"dagster", "sqlalchemy", "psycopg", "pandas"},
    "forecasting": {"dagster", "sqlalchemy", "psycopg", "requests"},
    "download": {"dagster", "sqlalchemy", "psycopg", "pandas"},
    "gbfs": {"dagster", "sqlalchemy", "psycopg"},
    "history": {"dagster", "sqlalchemy", "psycopg"},
    "model_card": {"dagster", "sqlalchemy", "psycopg", "pandas"},
    "quality": {"dagster"},
    "registry": {"dagster"},
    "storage": {"dagster"},
    "simulation": {"dagster", "sqlalchemy", "psycopg"},
    "weather": {"dagster", "sqlalchemy", "psycopg"},
    "serving": {"dagster", "mlflow", "xgboost", "lightgbm"},
    "settings": {"dagster", "sqlalchemy", "psycopg", "pandas"},
    "what_if": {"dagster"},
}

# From the top floor down; a part imports only from floors below its own.
FLOORS = [
    {"cli"},
    {"drill"},
    {
        "backtest",
        "backup",
        "demonstration",
        "deployment",
        "development",
        "export",
        "serving",
        "status",
    },
    {"main_job", "metrics", "present"},
    {"import_history"},
    {"definitions"},
    {"defs"},
    {"demo_city"},
    {"automation", "failing", "instance", "purge", "resources", "stale", "unheard"},
    {"made"},
    {"data_times", "freshness"},
    {"cadence"},
    {"partitions"},
    {
        "demo_picture",
        "forecast_view",
        "history",
        "mlflow_page",
        "quality",
        "reign",
        "retention",
        "services",
    },
    {"model_alerts"},
    {"accuracy", "alerts", "announce", "model_events", "watch", "what_if"},
    {"registry"},
    {"gbfs", "settings", "storage", "weather"},
    {"client", "download", "failures", "forecasting", "model_card", "simulation"},
    {"parent"},
]
HEAVY = {"mlflow", "xgboost", "lightgbm", "sklearn", "dagster_mlflow", "matplotlib", "alembic"}


def part(module: str) -> str:
    """`bike_demand.storage.read` belongs to `storage`."""
    return [*module.split("."), ""][1]


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int | None:
    return next((number for number, names in enumerate(FLOORS) if name in names), None)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_floors_below(path):
    own = own_part(path)
    if own == "__init__":
        return
    assert floor(own) is not None, f"{own} stands on no floor: add it to FLOORS"
    for name in imports(path):
        if name.startswith("bike_demand.") and part(name) not in {own, "__init__"}:
            assert floor(part(name)) > floor(own), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_part_does_not_know_what_it_must_not(path):
    libraries = {name.split(".")[0] for name in imports(path)}
    assert not libraries & FORBIDDEN.get(own_part(path), set())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_only_where_they_are_used(path):
    if path.is_relative_to(PACKAGE / "storage" / "migrations"):
        return  # run by Alembic itself
    libraries = {name.split(".")[0] for name in imports(path, top_level_only=True)}
    assert not libraries & HEAVY


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_opens_with_what_belongs_in_it(path):
    assert ast.get_docstring(ast.parse(path.read_text())), path


def test_floors_name_each_part_once():
    named = [name for names in FLOORS for name in sorted(names)]
    assert len(named) == len(set(named))
    assert all(not above & below for above, below in pairwise(FLOORS))
