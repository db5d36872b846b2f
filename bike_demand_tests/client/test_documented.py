"""What docs/client.md shows runs, and names what there is."""

import inspect
import re
from pathlib import Path

import pytest

from bike_demand.client import Client
from bike_demand_tests.test_docs import blocks

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = blocks(DOCUMENT, "python")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_runs(standing, number, capsys):
    example = EXAMPLES[number].replace("http://127.0.0.1:8000", standing.url)
    exec(compile(example, str(DOCUMENT), "exec"), {})  # noqa: S102  # our own document
    assert capsys.readouterr().out


def test_every_method_is_in_the_table():
    methods = {
        name
        for name, _ in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name != "close"
    }
    assert set(re.findall(r"^\| `(\w+)\(", DOCUMENT.read_text(), re.MULTILINE)) == methods
