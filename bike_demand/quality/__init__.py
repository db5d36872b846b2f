"""The quality of what is stored: rules, what they find, and how it is told. No Dagster here."""

from bike_demand.quality.findings import Finding, findings
from bike_demand.quality.rules import RULES, Rule, Severity

__all__ = ["RULES", "Finding", "Rule", "Severity", "findings"]
