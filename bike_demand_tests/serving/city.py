"""A believable city in a database, and the real API over it: for every test that asks the API.

    fill(database_url, now, stations=40)              # what the pipeline would have stored by `now`
    clock = Clock(now)
    with running(configured(tmp_path, database_url), clock) as api:
        api.get("/forecast").json()                   # real HTTP; `api.url` for a browser
        clock.now += timedelta(hours=2)               # it becomes stale
        forecast_again(database_url, now + HOUR)      # a new forecast is stored: `api.until(...)`

`NOW` is a good `now`: twelve minutes after an hour. Station `s0001` runs empty, `s0002` full,
`s0003` is out of service, `s0004` has left, `s0005` has no place and no docks told.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
import uvicorn

from bike_demand.serving.app import create_app
from bike_demand.settings import Settings
from bike_demand.storage import databases

NOW = datetime(2026, 5, 1, 12, 12, tzinfo=UTC)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
SYSTEM = "citibike_nyc"
TIMEZONE = "America/New_York"
RELOAD_TOKEN = "a-token-for-those-who-reload"  # noqa: S105
EMPTY, FULL, CLOSED, GONE, UNPLACED = "s0001", "s0002", "s0003", "s0004", "s0005"

STREETS = ("Broadway", "Lafayette St", "Bowery", "Hudson St", "Greene St", "Allen St", "1 Ave")
CORNERS = ("E 22 St", "Spring St", "Canal St", "W 4 St", "Houston St", "Grand St", "E 72 St")


class Clock:
    """The present, as the server sees it; set `now` to move it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def capacity(number: int) -> int:
    """Docks of a station."""
    return 15 + number * 7 % 25


def share(number: int, at: datetime) -> float:
    """How full a station is: offices fill by day, homes by night; one is empty, one full."""
    if number in (1, 2):
        return 0.02 if number == 1 else 0.98
    hour = at.timestamp() / 3600 % 24
    swing = 0.15 + 0.4 * (number * 37 % 100) / 100
    return 0.5 + swing * math.sin(2 * math.pi * (hour / 24 + number % 2 / 2))


def bikes(number: int, at: datetime) -> int:
    """Bikes at a station, with some noise that is always the same."""
    noise = (hash((number, int(at.timestamp()))) % 5 - 2) if number > 2 else 0
    return min(max(round(capacity(number) * share(number, at)) + noise, 0), capacity(number))


def fill(
    url: sa.URL,
    now: datetime,
    *,
    stations: int = 40,
    system: str = SYSTEM,
    past: timedelta = DAY,
    forecast: bool = True,
) -> None:
    """Store what the pipeline would have: stations, the past, a forecast, accuracy, models.

    Args:
        url: A migrated database.
        now: The present; the newest snapshot is of its quarter, the forecast of its hour.
        stations: How many.
        system: Of which system.
        past: How long there have been snapshots.
        forecast: Whether there is a forecast, and what follows from it.
    """
    tick = now - (now - datetime.min.replace(tzinfo=UTC)) % TICK
    with databases.connect(url) as connection:
        with connection.cursor().copy(
            "COPY station_information (system_id, station_id, name, short_name, lat, lon, capacity,"
            " is_virtual_station, is_active, first_seen, last_seen) FROM STDIN"
        ) as copy:
            for number in range(1, stations + 1):
                copy.write_row(_information(system, number, now))
        with connection.cursor().copy(
            "COPY station_status (system_id, observed_at, station_id, fetched_at, last_reported,"
            " num_bikes_available, num_ebikes_available, num_docks_available, is_installed,"
            " is_renting, is_returning) FROM STDIN"
        ) as copy:
            at = tick - past
            while at <= tick:
                for number in range(1, stations + 1):
                    if number != 4:
                        copy.write_row(_status(system, number, at))
                at += TICK
        connection.execute(
            "INSERT INTO feed_poll VALUES (%s, %s, %s, 200, %s, 0)", [system, now, now, stations]
        )
    if forecast:
        watch(url, now, system=system)
        forecast_again(url, now, system=system)
    with databases.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def snapshot_again(
    url: sa.URL, at: datetime, *, system: str = SYSTEM, bikes_everywhere: int | None = None
) -> None:
    """Store another snapshot, of the quarter that a time lies in.

    Args:
        url: The database.
        at: The time.
        system: Of which system.
        bikes_everywhere: What every station has; else what is usual.
    """
    tick = at - (at - datetime.min.replace(tzinfo=UTC)) % TICK
    with databases.connect(url) as connection:
        numbers = _numbers(connection, system)
        with connection.cursor().copy(
            "COPY station_status (system_id, observed_at, station_id, fetched_at, last_reported,"
            " num_bikes_available, num_ebikes_available, num_docks_available, is_installed,"
            " is_renting, is_returning) FROM STDIN"
        ) as copy:
            for number in numbers:
                row = _status(system, number, tick)
                copy.write_row(
                    row if bikes_everywhere is None else (*row[:5], bikes_everywhere, *row[6:])
                )


def forecast_again(
    url: sa.URL,
    at: datetime,
    *,
    system: str = SYSTEM,
    version: str | None = "7",
    late: bool = False,
) -> None:
    """Store the forecast of the hour that a time lies in, as of a champion; in one transaction.

    Args:
        url: The database.
        at: When it is made.
        system: Of which system.
        version: Of the champion; None for a simple forecast.
        late: Whether it is noted as late.
    """
    origin = at.replace(minute=0, second=0, microsecond=0)
    role = "simple" if version is None else "champion"
    issue = (role, at, late, version)
    with databases.connect(url) as connection:
        for table in ("station_forecast", "station_risk"):
            connection.execute(
                f"DELETE FROM {table} WHERE system_id = %s AND origin_at = %s",  # noqa: S608
                [system, origin],
            )
        numbers = _numbers(connection, system)
        with connection.cursor().copy(
            "COPY station_forecast (system_id, origin_at, station_id, target_at, role, issued_at,"
            " late, model_version, horizon, in_service, capacity, bikes, p10, p50, p90, p_empty,"
            " p_full, p10_inside, p90_inside) FROM STDIN"
        ) as copy:
            for number in numbers:
                for horizon in range(1, 25):
                    copy.write_row(_hour(system, number, origin, horizon, issue))
        with connection.cursor().copy(
            "COPY station_risk (system_id, origin_at, station_id, role, issued_at, late,"
            " model_version, in_service, p_empty_hour, p_full_hour, neighbour_id,"
            " neighbour_distance, empty_shared, full_shared) FROM STDIN"
        ) as copy:
            for number in numbers:
                copy.write_row(_risk(system, number, origin, issue))


def watch(url: sa.URL, now: datetime, *, system: str = SYSTEM) -> None:
    """Store accuracy of a week, the champion's evaluation, and what was done about models.

    Args:
        url: The database.
        now: The present.
        system: Of which system.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    midnight = hour.replace(hour=0)
    with databases.connect(url) as connection:
        with connection.cursor().copy(
            "COPY forecast_accuracy (system_id, target_at, horizon, role, model_version, rows,"
            " bikes, squared_error, absolute_error, quantile_loss, inside, empty, p_empty,"
            ' brier_empty, rows_full, "full", p_full, brier_full, persistence_squared_error,'
            " persistence_absolute_error, persistence_brier_empty, persistence_brier_full)"
            " FROM STDIN"
        ) as copy:
            for past in range(7 * 24):
                for horizon in range(1, 25):
                    copy.write_row(_accuracy(system, hour - past * HOUR, horizon))
        for days, kind, version, replaced, reason in (
            (12, "promotion", "5", None, "There was no champion."),
            (5, "promotion", "7", "5", "Its CRPS is lower by 2.1 %."),
            (1, "refusal", "8", None, "Its CRPS is lower by 0.1 % only."),
        ):
            note(url, now - days * DAY, kind, version, replaced, reason, system=system)
        for horizon in range(1, 25):
            for split in ("validation", "test"):
                connection.execute(
                    "INSERT INTO model_evaluation (system_id, trained_for, algorithm, split,"
                    " horizon, model_version, run_id, feature_version, data_until, pairs, rows,"
                    " rmse, skill_rmse, skill_crps, pit_coverage_80)"
                    " VALUES (%s, %s, 'lightgbm', %s, %s, '7', 'run', '1', %s, 9000, 900,"
                    " %s, 0.21, 0.24, 0.803)",
                    [
                        system,
                        midnight - 6 * DAY,
                        split,
                        horizon,
                        midnight - 5 * DAY,
                        2 + horizon / 12,
                    ],
                )


def note(
    url: sa.URL,
    at: datetime,
    kind: str,
    version: str,
    replaced: str | None = None,
    reason: str = "By hand.",
    *,
    system: str = SYSTEM,
) -> None:
    """Store what was done about a model, as `bike_demand.model_events` would."""
    day = (at - DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    with databases.connect(url) as connection:
        connection.execute(
            "INSERT INTO model_event (system_id, at, kind, model_version, replaced, trained_for,"
            " reason) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [system, at, kind, version, replaced, day, reason],
        )


def configured(home: Path, url: sa.URL, **changes: Any) -> Settings:
    """Settings of a server of the city: reading it, following `SYSTEM`.

    Args:
        home: A data directory; it stays empty.
        url: The database.
        changes: Other fields of `Settings`.
    """
    given = {
        "postgres_url": url.render_as_string(hide_password=False),
        "systems": ({"system_id": SYSTEM, "timezone": TIMEZONE},),
        "serving_reload_token": RELOAD_TOKEN,
        "serving_rate": 0,
    }
    return Settings(home=home, **(given | changes))


class Api:
    """A server that runs.

    Attributes:
        url: Where, without a slash at its end.
        clock: Its present.
        app: What it runs, in this process.
    """

    def __init__(self, url: str, clock: Clock, app: Any) -> None:
        self.url = url
        self.clock = clock
        self.app = app
        self.session = requests.Session()

    def get(self, path: str, **arguments: Any) -> requests.Response:
        """What it answers, whatever that is."""
        return self.session.get(f"{self.url}{path}", timeout=30, **arguments)

    def post(self, path: str, **arguments: Any) -> requests.Response:
        """Likewise."""
        return self.session.post(f"{self.url}{path}", timeout=30, **arguments)

    def reload(self) -> requests.Response:
        """Have it read everything anew."""
        return self.post("/model/reload", headers={"Authorization": f"Bearer {RELOAD_TOKEN}"})

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Poll until something holds, and give it."""
        deadline = time.monotonic() + 60
        while not (held := condition()):
            assert time.monotonic() < deadline, f"in vain: {what}"
            time.sleep(0.02)
        return held


@contextmanager
def running(
    given: Settings, clock: Clock, *, every_s: float = 0.1, app: Any = None
) -> Iterator[Api]:
    """The real app on a real port, in a thread of this process.

    Args:
        given: The settings, as of `configured`.
        clock: Its present.
        every_s: How often it looks for what is new [s].
        app: Another app than `create_app` makes.
    """
    app = app or create_app(given, now=clock, every_s=every_s)
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        api = Api(f"http://127.0.0.1:{listening.getsockname()[1]}", clock, app)
        with api.session:
            yield api
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _numbers(connection: Any, system: str) -> list[int]:
    rows = connection.execute(
        "SELECT station_id FROM station_information WHERE system_id = %s AND is_active ORDER BY 1",
        [system],
    ).fetchall()
    return [int(station_id[1:]) for (station_id,) in rows]


def _information(system: str, number: int, now: datetime) -> tuple[Any, ...]:
    # Along a spiral, so that every size of a city is as dense.
    angle, radius = number * 2.4, 0.002 * math.sqrt(number)
    placed = number != 5
    return (
        system,
        f"s{number:04}",
        f"{STREETS[number % 7]} & {CORNERS[number // 7 % 7]}" + (f" {number}" * (number > 49)),
        f"{number}.01",
        round(40.73 + radius * math.sin(angle), 6) if placed else None,
        round(-73.99 + radius * math.cos(angle), 6) if placed else None,
        capacity(number),
        False,
        number != 4,
        now - 30 * DAY,
        now - 9 * DAY if number == 4 else now,
    )


def _status(system: str, number: int, at: datetime) -> tuple[Any, ...]:
    there = bikes(number, at)
    docks = None if number == 5 else capacity(number) - there
    in_service = number != 3
    reported = at - timedelta(seconds=40)
    head = (system, at, f"s{number:04}", at + timedelta(seconds=5), reported)
    return (*head, there, there // 4, docks, in_service, in_service, in_service)


def _hour(
    system: str, number: int, origin: datetime, horizon: int, issue: tuple[Any, ...]
) -> tuple[Any, ...]:
    role, at, late, version = issue
    target, room = origin + horizon * HOUR, capacity(number)
    mean = min(max(room * share(number, target), 0.05), room - 0.05)
    spread = 0.8 + 0.35 * math.sqrt(horizon)
    low, high = (min(max(round(mean + by * spread), 0), room) for by in (-1.28, 1.28))
    near = 2.5 if number < 3 else 0.5  # those that run empty and full do so for certain
    p_empty, p_full = (_tail((gap - near) / spread) for gap in (mean, room - mean))
    return (
        *(system, origin, f"s{number:04}", target, role, at, late, version, horizon),
        *(number != 3, room, mean, low, round(mean), high, p_empty),
        *(None if number == 5 else p_full, 0.6, 0.6),
    )


def _risk(system: str, number: int, origin: datetime, issue: tuple[Any, ...]) -> tuple[Any, ...]:
    role, at, late, version = issue
    worst = [_hour(system, number, origin, horizon, issue) for horizon in range(1, 7)]
    empty = max(row[15] for row in worst)
    full = None if number == 5 else max(row[16] for row in worst)
    neighbour = None if number == 5 else f"s{max(number - 1, 1) + 2 * (number == 1):04}"
    head = (system, origin, f"s{number:04}", role, at, late, version, number != 3)
    shared = None if neighbour is None else number % 3 == 0
    return (
        *(*head, empty * 0.9, full and full * 0.9),
        *(neighbour, neighbour and 180.0 + number % 90, shared, shared and number != 5),
    )


def _tail(z: float) -> float:
    return round(0.5 * math.erfc(z / math.sqrt(2)), 6)


def _accuracy(system: str, target: datetime, horizon: int) -> tuple[Any, ...]:
    rows = 1000
    error, persisted = 1.5 + horizon / 12, 1.6 + horizon / 6
    return (
        *(system, target, horizon, "champion", "7", rows, rows * 9.0),
        *(rows * error**2, rows * error * 0.7, rows * error * 0.5, rows * 0.806),
        *(rows * 0.08, rows * 0.078, rows * 0.05, rows - 25, rows * 0.04, rows * 0.041),
        *(rows * 0.02, rows * persisted**2, rows * persisted * 0.7, rows * 0.09, rows * 0.05),
    )
