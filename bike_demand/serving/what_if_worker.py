"""The process that answers what-if questions: a line of JSON in, a line of JSON out.

It is started by `what_if_process` and ends when nobody holds its input any more. Models, pandas and
MLflow are in its memory alone, never in that of the server.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TextIO

NICENESS: Final = 5
"""Whoever asks for what is stored does not wait for this."""


def main() -> None:
    """Answer until the input ends."""
    # What a library prints is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.nice(NICENESS)
    questions = _questions(sys.stdin)
    answer: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    for question in questions:
        try:
            answer = answer or _answerer()
            told = answer(question)
        except Exception as error:  # noqa: BLE001  # the next question may be answered
            # Messages of errors may hold what is secret; where it happened does not.
            frames = traceback.format_tb(error.__traceback__)
            sys.stderr.write(f"What-if failed: {type(error).__name__}\n{''.join(frames)}")
            sys.stderr.flush()
            told = _problem("what-if-failed", "It failed; the server's log says where.")
        answers.write(json.dumps(told, allow_nan=False) + "\n")
        answers.flush()


def _questions(lines: TextIO) -> Iterator[dict[str, Any]]:
    """Each as it comes. The process ends with the input, whatever it is at."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            waiting.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def _answerer() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What answers, with all that it needs."""
    from bike_demand import demo_city, settings
    from bike_demand.registry import RegistryUnavailableError, open_registry
    from bike_demand.storage import databases
    from bike_demand.storage.embedded import EmbeddedPostgresError
    from bike_demand.storage.errors import StorageError
    from bike_demand.storage.warehouse import Warehouse
    from bike_demand.what_if import Oracle, Posted, UnanswerableError, hours

    configured = settings.load()
    readable = configured.revealed_serving_url()

    def locate() -> Any:
        url = databases.locate(readable, configured.home)
        options = f"{url.query.get('options', '')} -c default_transaction_read_only=on"
        return url.update_query_dict({"options": options.strip()})

    place = configured
    if not (configured.home / "postgres" / "data").is_dir():
        # Where MLflow is beside the warehouse, and only one way there is known.
        way = configured.postgres_url or configured.serving_postgres_url
        place = configured.model_copy(update={"postgres_url": way})
    registry = open_registry(place)
    oracle: Oracle | None = None

    def followed(system_id: str) -> tuple[settings.System, ...]:
        if any(system.system_id == system_id for system in configured.systems):
            return configured.systems
        # The simulated city is in no settings.
        with databases.connect(locate()) as connection:
            return demo_city.seen_from_elsewhere(configured, connection).systems

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        nonlocal oracle
        issued = datetime.now(UTC)
        posted = [
            Posted(
                datetime.fromisoformat(one["observed_at"]),
                one["num_bikes_available"],
                one["num_ebikes_available"],
                one["num_docks_available"],
            )
            for one in question["observations"]
        ]
        try:
            if oracle is None:
                systems = followed(question["system_id"])
                oracle = Oracle(systems, Warehouse(locate), registry, time.monotonic)
            found = oracle.forecast(question["system_id"], question["station_id"], posted)
        except UnanswerableError as error:
            return _problem(error.kind, str(error), error.location)
        except (StorageError, EmbeddedPostgresError):
            return _problem("database-unavailable", "Ask again in a moment.")
        except RegistryUnavailableError:
            return _problem("model-unavailable", "Where models are kept does not answer.")
        version, name, origin, rows = found
        return {
            "answer": {
                "origin_at": f"{origin:%Y-%m-%dT%H:%M:%SZ}",
                "issued_at": f"{issued:%Y-%m-%dT%H:%M:%SZ}",
                "model_version": version.version,
                "name": name,
                "forecast": hours(rows, origin, question["hours"]),
            }
        }

    return answer


def _problem(kind: str, detail: str, location: str | None = None) -> dict[str, Any]:
    return {"problem": {"kind": kind, "detail": detail, "location": location}}


if __name__ == "__main__":
    main()
