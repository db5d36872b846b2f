"""The quality of what is stored: rules, what they find, and how it is told. No Dagster here."""

from bike_demand.quality.findings import Finding, findings, frame
from bike_demand.quality.incidents import incidents
from bike_demand.quality.rules import RULES, Rule, Severity

__all__ = ["RULES", "Finding", "Rule", "Severity", "findings", "frame", "incidents"]
