"""A process in the place of the one that asks champions: quick, and it says what it was asked."""

import sys

from bike_demand.serving.what_if_process import Worker

# Of some numbers of hours there is a problem, or no answer.
_PROGRAM = """
import json, os, sys
for line in sys.stdin:
    question = json.loads(line)
    hour = {
        "target_at": "2026-05-01T13:00:00Z", "horizon": 1, "capacity": 22, "bikes": 3.25, "p10": 1,
        "p50": 3, "p90": 6, "p_empty": 0.01, "p_full": None,
    }
    kinds = {
        20: {"kind": "no-champion", "detail": "It has none.", "location": None},
        21: {"kind": "invalid-request", "detail": "too many", "location": "body.observations.0"},
        22: {"kind": "database-unavailable", "detail": "Ask again.", "location": None},
    }
    if question["hours"] == 23:
        os._exit(1)
    if question["hours"] in kinds:
        print(json.dumps({"problem": kinds[question["hours"]]}), flush=True)
        continue
    print(json.dumps({"answer": {
        "origin_at": "2026-05-01T12:00:00Z", "issued_at": "2026-05-01T12:12:00Z",
        "model_version": "7", "name": json.dumps(question), "forecast": [hour],
    }}), flush=True)
"""


def stand_in() -> Worker:
    """Not started before it is asked."""
    return Worker([sys.executable, "-c", _PROGRAM])
