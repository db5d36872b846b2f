"""What Dagster loads, and that it imports nothing heavy to do so."""

import subprocess
import sys
from textwrap import dedent

import dagster as dg
import pytest

from bike_demand.definitions import build_definitions, defs
from bike_demand.resources import PostgresIOManager

HEAVY = ["mlflow", "xgboost", "lightgbm", "sklearn", "dagster_mlflow", "alembic", "matplotlib"]


def test_loading_imports_no_heavy_library_and_needs_no_environment(tmp_path):
    program = dedent(f"""
        import sys
        import bike_demand.definitions
        print([name for name in {HEAVY} if name in sys.modules])
    """)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_every_asset_says_what_it_is_where_it_is_kept_and_what_its_columns_mean():
    for asset in defs.resolve_asset_graph().asset_nodes:
        spec = asset.to_asset_spec()
        assert spec.description, spec.key
        assert spec.group_name != "default", spec.key
        assert spec.kinds, spec.key
        assert spec.code_version, spec.key
        if spec.group_name == "monitoring":
            continue  # it is its checks
        assert "dagster/table_name" in spec.metadata, spec.key
        assert "dagster/column_schema" in spec.metadata, spec.key


def test_a_resource_is_replaced_by_the_one_a_test_gives():
    given = PostgresIOManager(url="postgresql://me@host/db")
    assert build_definitions({"io_manager": given}).resources["io_manager"] is given


@pytest.mark.parametrize("check", [dg.Definitions.validate_loadable])
def test_all_definitions_fit_together(check):
    check(defs)
