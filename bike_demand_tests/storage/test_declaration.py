"""What may be declared as a table, and what may not."""

import pytest
import sqlalchemy as sa

from bike_demand.storage.declaration import (
    InvalidDeclarationError,
    Upsert,
    declare_table,
    declared_table,
)
from bike_demand.storage.tables import STATION_STATUS


def text(name, **kwargs):
    return sa.Column(name, sa.Text, **kwargs)


def instant(name, **kwargs):
    return sa.Column(name, sa.DateTime(timezone=True), **kwargs)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ([text("id")], {}, "no primary key"),
        ([sa.Column("at", sa.DateTime(), primary_key=True)], {}, "without a zone"),
        ([text("id", primary_key=True), sa.Column("v", sa.Numeric)], {}, "'v'.*is none of"),
        ([text("id", primary_key=True), sa.Column("v", sa.String(3))], {}, "is none of"),
        (
            [text("id", primary_key=True), instant("at")],
            {"time": "at"},
            "belong to the primary key",
        ),
        ([text("id", primary_key=True)], {"scope": ("system",)}, "belong to the primary key"),
        ([text("at", primary_key=True)], {"time": "at"}, "is not DateTime"),
        (
            [text("id", primary_key=True), instant("at", primary_key=True)],
            {"time": "at"},
            r"\['id'\] before the time",
        ),
        (
            [instant("at", primary_key=True)],
            {"time": "at", "upsert": Upsert()},
            "not upserted",
        ),
        ([text("x" * 64, primary_key=True)], {}, "63 bytes"),
        ([text("%s", primary_key=True)], {}, "holds '%'"),
        ([text("id", primary_key=True)], {"scope": "id"}, "a list of columns"),
        ([text("id", primary_key=True)], {"upsert": Upsert(keep=("gone",))}, r"\['gone'\]"),
        ([text("id", primary_key=True)], {"upsert": Upsert(absent={"id": 1})}, r"\['id'\]"),
    ],
)
def test_a_table_that_cannot_be_written_safely_is_refused(columns, options, message):
    with pytest.raises(InvalidDeclarationError, match=message):
        declare_table("refused", *columns, **options)


def test_a_table_of_the_project_cannot_be_declared_again():
    with pytest.raises(InvalidDeclarationError, match="the project's own"):
        declare_table("station_status", text("id", primary_key=True))
    assert declared_table("station_status") is STATION_STATUS


def test_a_module_that_is_loaded_again_declares_its_table_again():
    declare_table("loaded_twice", text("id", primary_key=True))
    newer = declare_table("loaded_twice", text("key", primary_key=True))
    assert declared_table("loaded_twice") is newer


def test_a_table_that_nobody_declared_is_told_with_those_that_are():
    with pytest.raises(InvalidDeclarationError, match=r"no table 'nowhere'.*station_status"):
        declared_table("nowhere")
