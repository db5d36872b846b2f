"""The page about data quality says what the rules do."""

from bike_demand.quality import RULES
from bike_demand_tests.quality_table import PATH, rendered


def test_the_table_in_the_document_is_what_the_rules_declare():
    text = PATH.read_text()
    assert text == rendered(text), "run: python -m bike_demand_tests.quality_table"


def test_each_rule_is_named_once_and_says_what_it_finds():
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(rule.finds[0].isupper() and not rule.finds.endswith(".") for rule in RULES)
