"""The page about features says what they declare."""

from bike_demand.forecasting.features import FEATURES, TARGET_FEATURES
from bike_demand_tests.feature_table import PATH, START, render


def test_the_tables_in_the_documents_are_what_the_features_declare():
    _, start, tables = PATH.read_text().partition(START)
    assert start + tables == render(), "run: python -m bike_demand_tests.feature_table"


def test_each_feature_has_a_unit_unless_it_is_a_flag():
    features = (*FEATURES, *TARGET_FEATURES)
    assert [one.name for one in features if bool(one.unit) == (one.dtype == "bool")] == []
