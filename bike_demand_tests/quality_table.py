"""Writes the table of rules into `docs/data-quality.md`; a test holds the two together.

Run as `python -m bike_demand_tests.quality_table` after changing a rule.
"""

from pathlib import Path

from bike_demand.quality import RULES

PATH = Path(__file__).parents[1] / "docs" / "data-quality.md"
BEGIN, END = "<!-- written by bike_demand_tests/quality_table.py -->\n", "<!-- end -->\n"


def rendered(document: str) -> str:
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    rows = "".join(f"| `{rule.name}` | {rule.severity} | {rule.finds} |\n" for rule in RULES)
    return f"{before}{BEGIN}\n| rule | severity | finds |\n|---|---|---|\n{rows}\n{END}{after}"


if __name__ == "__main__":
    PATH.write_text(rendered(PATH.read_text()))
