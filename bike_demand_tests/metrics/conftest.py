"""A pipeline with something in every table that numbers are read from."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bike_demand import settings
from bike_demand.metrics.collector import PipelineCollector

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def hour(now):
    return now.replace(minute=0, second=0)


@pytest.fixture
def put(warehouse):
    """Store a row; columns that have to be there and are not told are of no interest."""

    def row(table, **columns):
        with warehouse.connection() as connection:
            wanted = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_name = %s AND is_nullable = 'NO'",
                [table],
            ).fetchall()
            filler = {"text": "", "boolean": False, "timestamp with time zone": datetime.now(UTC)}
            filled = {name: filler.get(kind, 0) for name, kind in wanted}
            filled |= {"system_id": "a", **columns}
            names = ", ".join(f'"{name}"' for name in filled)
            places = ", ".join(f"%({name})s" for name in filled)
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", filled)  # noqa: S608

    return row


@pytest.fixture
def pipeline(tmp_path, monkeypatch, postgres_url):
    """Two systems, one of them followed live; what a scrape of them says."""
    (tmp_path / "settings.toml").write_text(
        '[[systems]]\nsystem_id = "a"\nurl = "http://127.0.0.1:9/gbfs.json"\n'
        '[[systems]]\nsystem_id = "recorded"\n'
    )
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    opened = SimpleNamespace(instance=instance, open=lambda: instance)

    def scrape():
        registry = CollectorRegistry()
        registry.register(PipelineCollector(settings.load(), opened.open))
        return numbers(generate_latest(registry).decode())

    opened.scrape = scrape
    return opened


def numbers(text):
    """What was scraped: by name without the prefix, by the values of labels in alphabetic order."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("bike_demand_"), {})[labels] = sample.value
    return found


@pytest.fixture
def filled(put, pipeline, now, hour):
    """At least a number of every metric."""
    put("station_status", station_id="s1", observed_at=hour, last_reported=now)
    put("station_status", station_id="s2", observed_at=hour, last_reported=hour)
    put("station_status", station_id="s1", observed_at=hour - HOUR)
    for polled, status in ((now, 200), (now - HOUR, 200), (now - 2 * HOUR, None)):
        told = status and 2
        put("feed_poll", polled_at=polled, http_status=status, records=told, rejected=told)
    put("feed_poll", polled_at=now - 2 * DAY, http_status=200, records=9)
    for ordinal, at in enumerate((now, now - HOUR, now - 2 * DAY)):
        put(
            "rejected_record",
            source="station_status",
            window_start=at,
            ordinal=ordinal,
            reason="negative",
        )
    for horizon in (1, 2):
        for role, version in (("champion", "7"), ("challenger", "8")):
            for origin in (hour, hour - HOUR):
                put(
                    "station_forecast",
                    origin_at=origin,
                    station_id="s1",
                    target_at=origin + horizon * HOUR,
                    role=role,
                    model_version=version if origin == hour else "6",
                )
    midnight = hour.replace(hour=0)
    events = [("promotion", "6", 5), ("promotion", "7", 3), ("refusal", "8", 2)]
    for kind, version, days in events:
        put(
            "model_event",
            at=now - days * DAY,
            kind=kind,
            model_version=version,
            trained_for=midnight - (days + 1) * DAY,
        )
    for days in (1, 2):
        put(
            "model_evaluation",
            trained_for=midnight - days * DAY,
            algorithm="lightgbm",
            split="test",
            horizon=1,
        )
    for at, error in ((hour, 4.0), (hour - 2 * DAY, 12.0), (hour - 8 * DAY, 1e6)):
        put(
            "forecast_accuracy",
            target_at=at,
            horizon=3,
            role="champion",
            model_version="7",
            rows=4,
            squared_error=error,
            persistence_squared_error=16,
            inside=3.2,
            brier_empty=1,
            persistence_brier_empty=2,
        )
    for at, psi, band in ((hour, 0.3, "critical"), (hour - HOUR, 9.0, "critical")):
        put("feature_drift", hour=at, feature="bikes", psi=psi, band=band)
    put("feature_drift", hour=hour, feature="target", psi=None, band="unknown")
    put("data_quality", window_start=hour, rule="gaps", severity="critical", count=5)
    put("data_quality", window_start=hour, rule="ranges", severity="warning", count=0)
    put("data_quality", window_start=hour - 4 * HOUR, rule="gaps", severity="critical", count=8)
    run(pipeline.instance)
    pipeline.instance.create_run_for_job(sleeper)
    return pipeline


@dg.op
def _work(context):
    if context.run.tags.get("fails"):
        raise dg.Failure("It is to fail.", allow_retries=False)


@dg.job
def sleeper():
    _work()


def run(instance, **tags):
    """A run of an asset's, to its end."""
    sleeper.execute_in_process(instance=instance, run_config=QUIET, tags=tags, raise_on_error=False)
