"""What OpenAPI says of the API, as the file in the repository has it.

Run as `python -m bike_demand_tests.serving.openapi` to write it anew.
"""

import json
import tempfile
from pathlib import Path

from bike_demand.serving.app import create_app
from bike_demand.settings import Settings

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"


def render() -> str:
    """The file, as it should be."""
    with tempfile.TemporaryDirectory() as home:
        schema = create_app(Settings(home=Path(home))).openapi()
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(render())
