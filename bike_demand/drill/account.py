"""What came of a drill: partitions, rows, runs, alerts and times, counted from the stores."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
from dagster import DagsterEventType
from dagster._core.storage.tags import PARENT_RUN_ID_TAG
from psycopg import sql

from bike_demand.cadence import CADENCES, Cadence
from bike_demand.drill.scene import Told
from bike_demand.drill.script import Fault
from bike_demand.forecasting.grid import TICK
from bike_demand.freshness import OVER, missing
from bike_demand.made import Made
from bike_demand.storage.declaration import declared_table
from bike_demand.storage.tables import METADATA, WEATHER
from bike_demand.storage.warehouse import Warehouse

_NO_ROWS: Final = dg.IntMetadataValue(0)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

GRACE: Final = timedelta(minutes=20)
"""By how much what is made may be later than the longest outage."""

STORAGE_BAR: Final = 60e6
"""By how much Dagster's database may grow in a day, after its purge [bytes]."""


@dataclass(frozen=True)
class Kept:
    """Of an asset, what a drill has left.

    Attributes:
        asset: Its name.
        due: Partitions that had to be there in the meantime.
        present: Those that are.
        over: Those that a live source tells no more.
        makeable: Those that are missing and could be made.
        again: Partitions that were made more than once.
        rows: That were acknowledged, as the newest materialisation of each partition says.
        lost: Of them, those that are not there.
        duplicates: Rows beyond the first of their key.
        wrong_keys: Rows of a time that is no tick, or of a station that the city does not have.
        late: How long, at most, after it was due nothing as new was there.
    """

    asset: str
    due: int
    present: int
    over: int
    makeable: int
    again: int
    rows: int
    lost: int
    duplicates: int
    wrong_keys: int
    late: timedelta


@dataclass(frozen=True)
class Account:
    """All of it.

    Attributes:
        began: When, UTC.
        ended: When, UTC.
        faults: What was done, and when, UTC.
        kept: Of each asset.
        runs: How many ended how.
        retries: Of runs, and of steps.
        alerts: What was told, and when.
        growth: Of Dagster's database in a day [bytes], before and after its purge.
    """

    began: datetime
    ended: datetime
    faults: Sequence[tuple[Fault, datetime, datetime]]
    kept: Sequence[Kept]
    runs: Mapping[str, int]
    retries: tuple[int, int]
    alerts: Sequence[Told]
    growth: tuple[float, float]

    def misses(self) -> list[str]:
        """What is not as it has to be."""
        outage = max((end - begin for _, begin, end in self.faults), default=timedelta())
        found = [
            f"{one.asset}: {getattr(one, name)} {what}"
            for one in self.kept
            for name, what in (
                ("makeable", "partitions could be made and are missing"),
                ("lost", "acknowledged rows are lost"),
                ("duplicates", "rows are there twice"),
                ("wrong_keys", "rows have a wrong key"),
            )
            if getattr(one, name)
        ]
        found += [
            f"{one.asset}: {_minutes(one.late)} late after an outage of {_minutes(outage)}"
            for one in self.kept
            if one.late > outage + GRACE
        ]
        if self.growth[1] > STORAGE_BAR:
            found.append(f"Dagster's database grows by {self.growth[1] / 1e6:.0f} MB a day")
        return found

    def told(self) -> str:
        """As Markdown."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        hours = (self.ended - self.began) / timedelta(hours=1)
        yield f"From {_moment(self.began)} to {_moment(self.ended)} UTC, {hours:.1f} h.\n"
        yield from _table(
            ["Fault", "From", "Until"],
            [
                [fault.kind, f"{begin:%H:%M:%S}", f"{end:%H:%M:%S}" if fault.lasts else ""]
                for fault, begin, end in self.faults
            ],
        )
        names = [field.name for field in fields(Kept)]
        yield from _table(
            [name.replace("_", " ") for name in names],
            [
                [
                    _minutes(value) if isinstance(value, timedelta) else str(value)
                    for value in (getattr(one, name) for name in names)
                ]
                for one in self.kept
            ],
        )
        yield from _table(
            ["Runs", "Count"],
            [
                *([how.lower(), str(count)] for how, count in sorted(self.runs.items())),
                ["of them tries of a run that was killed", str(self.retries[0])],
                ["steps that were tried again", str(self.retries[1])],
            ],
        )
        yield from _table(
            ["Alert", "At"],
            [[str(told.message["title"]), f"{told.at:%H:%M:%S}"] for told in self.alerts],
        )
        before, after = (bytes_ / 1e6 for bytes_ in self.growth)
        yield (
            f"Dagster's database grew by {before:.0f} MB a day, of which {after:.0f} MB a day stay "
            "when old runs are deleted.\n"
        )
        misses = self.misses()
        yield "Nothing is missing." if not misses else "\n".join(f"- MISSED: {m}" for m in misses)


def kept(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    stations: Collection[str],
    began: datetime,
    ended: datetime,
) -> list[Kept]:
    """Count what a drill has left of each asset of which anything was due.

    Args:
        instance: Where runs are recorded.
        warehouse: Where rows are.
        stations: The ids of all that the city has.
        began: UTC.
        ended: UTC.
    """
    _, lacking = missing(CADENCES, ended, made := Made(instance), made.begun)
    found = []
    for cadence in CADENCES:
        windows = [
            window
            for window in cadence.windows(ended, ended - began)
            if cadence.ready_at(window) >= began
        ]
        due = {cadence.key(window.start): cadence.ready_at(window) for window in windows}
        why = {item.key: item.why_left for item in lacking if item.cadence is cadence}
        for asset in cadence.assets if due else ():
            events = list(_events(instance, asset, began))
            found.append(
                Kept(
                    asset,
                    due=len(due),
                    present=len(made(asset, due)),
                    over=sum(why.get(key) == OVER for key in due),
                    makeable=sum(key in why and why[key] is None for key in due),
                    again=len(events) - len({key for key, _, _ in events}),
                    **_rows(warehouse, asset, cadence, events, stations),
                    late=_late(due, events, ended),
                )
            )
    return found


def runs(instance: dg.DagsterInstance, began: datetime) -> tuple[dict[str, int], tuple[int, int]]:
    """How many runs ended how; tries of runs, and of steps."""
    ended: dict[str, int] = {}
    again = steps = 0
    for run in instance.get_runs(dg.RunsFilter(created_after=began)):
        ended[run.status.value] = ended.get(run.status.value, 0) + 1
        again += PARENT_RUN_ID_TAG in run.tags
        kind = DagsterEventType.STEP_UP_FOR_RETRY
        steps += len(instance.all_logs(run.run_id, of_type=kind))
    return ended, (again, steps)


Event = tuple[str, datetime, int]
"""A partition's key, when it was made, UTC, and of how many rows."""


def _events(instance: dg.DagsterInstance, asset: str, began: datetime) -> Iterator[Event]:
    """The newest first."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), after_timestamp=began.timestamp())
    for record in instance.fetch_materializations(wanted, limit=10_000).records:
        event = record.asset_materialization
        if event is not None and event.partition is not None:
            rows: Any = event.metadata.get("dagster/partition_row_count", _NO_ROWS).value
            yield event.partition, datetime.fromtimestamp(record.timestamp, UTC), int(rows)


def _late(due: Mapping[str, datetime], events: Sequence[Event], ended: datetime) -> timedelta:
    """The longest time that something was due and nothing as new was there."""
    latest = timedelta()
    for key, ready in due.items():
        # Keys are in the order of their times.
        as_new = (at for made, at, _ in events if made >= key)
        latest = max(latest, min(as_new, default=ended) - ready)
    return latest


def _rows(
    warehouse: Warehouse,
    asset: str,
    cadence: Cadence,
    events: Sequence[Event],
    stations: Collection[str],
) -> dict[str, int]:
    """Of the partitions that were made: rows, and what is wrong with them."""
    acknowledged: dict[str, int] = {}
    for key, _, rows in events:
        acknowledged.setdefault(key, rows)
    if asset not in METADATA.tables or not acknowledged:
        return dict.fromkeys(("rows", "lost", "duplicates", "wrong_keys"), 0)
    table = declared_table(asset)
    # The weather's time is when it was told.
    wrong = "extract(epoch FROM {time}) %% %(tick)s <> 0"
    if table is WEATHER:
        wrong = "false"
    if "station_id" in table.key:
        wrong += " OR station_id <> ALL(%(stations)s)"
    names = {
        "key": sql.SQL(", ").join(sql.Identifier(name) for name in table.key),
        "table": sql.Identifier(table.name),
        "time": sql.Identifier(str(table.time)),
    }
    values = {
        "first": cadence.partitions.time_window_for_partition_key(min(acknowledged)).start,
        "tick": int(TICK.total_seconds()),
        "stations": [*stations],
    }
    with warehouse.connection() as connection:
        times = connection.execute(
            sql.SQL(
                "SELECT {time}, count(*) FROM {table} WHERE {time} >= %(first)s GROUP BY 1"
            ).format(**names),
            values,
        ).fetchall()
        [duplicates, strange] = connection.execute(
            sql.SQL(
                "SELECT count(*) - count(DISTINCT ({key})), count(*) FILTER (WHERE {wrong}) "
                "FROM {table} WHERE {time} >= %(first)s"
            ).format(**names, wrong=sql.SQL(wrong).format(**names)),
            values,
        ).fetchone() or (0, 0)
    there = Counter[str]()
    for time, count in times:
        there[cadence.key(time - (time - _EPOCH) % cadence.period)] += count
    return {
        "rows": sum(acknowledged.values()),
        "lost": sum(max(rows - there[key], 0) for key, rows in acknowledged.items()),
        "duplicates": duplicates,
        "wrong_keys": strange,
    }


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (names, ["---"] * len(names), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _minutes(span: timedelta) -> str:
    return f"{span / timedelta(minutes=1):.1f} min"
