"""The IO manager under Dagster itself: `materialize()`, partitions, backfills, retries."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa
from dagster._core.definitions.partitions.mapping.partition_mapping import (
    UpstreamPartitionsResult,
)

from bike_demand.resources import (
    PostgresIOManager,
    Reach,
    Rows,
    declare_table,
    read_metadata,
    table_metadata,
)
from bike_demand.storage import embedded
from bike_demand.storage.read import read

HOURS = dg.HourlyPartitionsDefinition("2024-03-10-00:00")
QUARTERS = dg.TimeWindowPartitionsDefinition(
    start="2024-03-10-00:00", cron_schedule="*/15 * * * *", fmt="%Y-%m-%d-%H:%M"
)
SNAPSHOT = declare_table(
    "snapshot",
    sa.Column("system_id", sa.Text, primary_key=True),
    sa.Column(
        "observed_at", sa.DateTime(timezone=True), primary_key=True, comment="The tick [UTC]"
    ),
    sa.Column("bikes", sa.Integer, nullable=False),
    time="observed_at",
    scope=("system_id",),
)
TOTAL = declare_table(
    "total",
    sa.Column("hour", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("bikes", sa.BigInteger, nullable=False),
    time="hour",
)


def at_ticks(context) -> pd.DataFrame:
    window = context.partition_time_window
    instants = pd.date_range(window.start, window.end, freq="15min", inclusive="left")
    return pd.DataFrame({"system_id": "nyc", "observed_at": instants, "bikes": instants.minute})


@dg.asset(
    partitions_def=QUARTERS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    metadata=table_metadata(SNAPSHOT),
)
def snapshot(context: dg.AssetExecutionContext) -> Rows:
    return Rows(at_ticks(context), {"system_id": ["nyc"]})


@dg.asset(partitions_def=HOURS, backfill_policy=dg.BackfillPolicy.single_run())
def total(context: dg.AssetExecutionContext, snapshot: pd.DataFrame) -> pd.DataFrame:
    hours = snapshot.groupby(snapshot["observed_at"].dt.floor("h"))["bikes"].sum()
    return hours.astype("int64").rename_axis("hour").reset_index()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def run(postgres_url, instance):
    """Materialize one partition, or a range in a single run."""

    def materialize(asset, first=None, last=None, *, upstream=(), **kwargs):
        partition = (
            {"partition_key": first}
            if last is None
            else {
                "tags": {
                    "dagster/asset_partition_range_start": first,
                    "dagster/asset_partition_range_end": last,
                }
            }
        )
        return dg.materialize(
            [asset, *upstream],
            selection=[asset],
            instance=instance,
            resources={"io_manager": PostgresIOManager(url=postgres_url)},
            **partition,
            **kwargs,
        )

    return materialize


def metadata_of(result) -> dict[str | None, dict]:
    return {
        event.partition: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


def test_an_hour_loads_the_four_quarters_in_it(run, warehouse):
    run(snapshot, "2024-03-10-00:00", "2024-03-10-05:45")
    run(total, "2024-03-10-02:00", upstream=[snapshot])
    assert read(warehouse, TOTAL)["bikes"].tolist() == [0 + 15 + 30 + 45]


def test_each_partition_of_a_range_reports_its_own_rows_window_and_events(run):
    found = metadata_of(run(snapshot, "2024-03-10-00:00", "2024-03-10-00:30"))
    assert list(found) == ["2024-03-10-00:00", "2024-03-10-00:15", "2024-03-10-00:30"]
    second = found["2024-03-10-00:15"]
    assert second["dagster/partition_row_count"] == 1
    assert second["dagster/table_name"] == "snapshot"
    assert second["window"] == "[2024-03-10T00:15:00Z, 2024-03-10T00:30:00Z)"
    assert second["first_event"] == second["last_event"] == 1710029700.0
    assert second["bytes"] > 0
    assert second["seconds"] >= 0


def test_an_empty_partition_reports_no_events(run):
    @dg.asset(partitions_def=QUARTERS, metadata=table_metadata(SNAPSHOT))
    def snapshot(context) -> Rows:
        return Rows(at_ticks(context).iloc[:0], {"system_id": ["nyc"]})

    found = metadata_of(run(snapshot, "2024-03-10-00:00"))["2024-03-10-00:00"]
    assert found["dagster/partition_row_count"] == 0
    assert "first_event" not in found


def test_an_asset_may_return_frames_one_after_another(run, warehouse):
    @dg.asset(partitions_def=HOURS, name="total")
    def streamed(context) -> Rows:
        start = context.partition_time_window.start
        instants = [start, start + timedelta(minutes=30)]
        return Rows(pd.DataFrame({"hour": [at], "bikes": [7]}) for at in instants)

    found = metadata_of(run(streamed, "2024-03-10-02:00"))["2024-03-10-02:00"]
    assert found["dagster/partition_row_count"] == 2
    assert read(warehouse, TOTAL)["bikes"].tolist() == [7, 7]


@pytest.mark.filterwarnings("ignore:Non-built-in PartitionMappings:DeprecationWarning")
def test_partitions_that_do_not_touch_are_loaded_without_what_lies_between(run):
    class EveryOtherQuarter(dg.PartitionMapping):
        @property
        def description(self) -> str:
            return "quarters 0 and 30 of the hour"

        def validate_partition_mapping(self, *args) -> None: ...

        def get_downstream_partitions_for_partitions(self, *args, **kwargs):
            raise NotImplementedError

        def get_upstream_mapped_partitions_result_for_partitions(
            self,
            downstream_partitions_subset,
            downstream_partitions_def,
            upstream_partitions_def,
            *_,
            **__,
        ):
            hours = downstream_partitions_subset.get_partition_keys()
            keys = [f"{hour[:-2]}{minute}" for hour in hours for minute in ("00", "30")]
            return UpstreamPartitionsResult(
                partitions_subset=upstream_partitions_def.subset_with_partition_keys(keys),
                required_but_nonexistent_subset=upstream_partitions_def.empty_subset(),
            )

    seen = []

    @dg.asset(
        partitions_def=HOURS,
        ins={"snapshot": dg.AssetIn(partition_mapping=EveryOtherQuarter())},
    )
    def halves(snapshot: pd.DataFrame) -> None:
        seen.extend(snapshot["bikes"])

    run(snapshot, "2024-03-10-00:00", "2024-03-10-03:45")
    run(halves, "2024-03-10-02:00", upstream=[snapshot])
    assert sorted(seen) == [0, 30]


@pytest.mark.filterwarnings("ignore:Parameter `allow_nonexistent:dagster.BetaWarning")
def test_an_input_that_asks_for_no_partitions_is_an_empty_frame(run):
    seen = []

    @dg.asset(
        partitions_def=HOURS,
        ins={
            "snapshot": dg.AssetIn(
                partition_mapping=dg.TimeWindowPartitionMapping(
                    start_offset=-2, end_offset=-2, allow_nonexistent_upstream_partitions=True
                )
            )
        },
    )
    def before(snapshot: pd.DataFrame) -> None:
        seen.append(snapshot)

    run(snapshot, "2024-03-10-00:00")
    run(before, "2024-03-10-00:00", upstream=[snapshot])
    assert seen[0].empty
    assert list(seen[0].columns) == list(SNAPSHOT.columns)


def test_an_input_reads_the_columns_systems_and_reach_it_asks_for(run):
    seen = []

    @dg.asset(
        partitions_def=HOURS,
        ins={
            "snapshot": dg.AssetIn(
                metadata=read_metadata(
                    columns=["observed_at", "bikes"],
                    scope={"system_id": ["nyc"]},
                    reach=Reach(
                        lookback=((timedelta(minutes=15), timedelta(0)), (timedelta(hours=2),) * 2),
                        lookahead=timedelta(minutes=15),
                    ),
                )
            )
        },
    )
    def reaching(snapshot: pd.DataFrame) -> None:
        seen.append(snapshot)

    run(snapshot, "2024-03-10-00:00", "2024-03-10-05:45")
    run(reaching, "2024-03-10-03:00", upstream=[snapshot])
    frame = seen[0]
    assert list(frame.columns) == ["observed_at", "bikes"]
    assert sorted(frame["observed_at"].dt.strftime("%H:%M")) == [
        "01:00",
        "01:15",
        "01:30",
        "01:45",
        "02:45",
        "03:00",
        "03:15",
        "03:30",
        "03:45",
        "04:00",
    ]


def test_an_asset_without_partitions_reads_all_of_one_with_them(run):
    seen = []

    @dg.asset
    def everything(snapshot: pd.DataFrame) -> None:
        seen.append(len(snapshot))

    run(snapshot, "2024-03-10-00:00", "2024-03-10-00:45")
    run(everything, upstream=[snapshot])
    assert seen == [4]


def test_an_asset_without_partitions_replaces_its_table(run, warehouse):
    table = declare_table("names", sa.Column("name", sa.Text, primary_key=True))

    @dg.asset
    def names() -> pd.DataFrame:
        return pd.DataFrame({"name": ["a", "b"]})

    run(names)
    found = metadata_of(run(names))[None]
    assert found["dagster/row_count"] == 2
    assert sorted(read(warehouse, table)["name"]) == ["a", "b"]


def test_a_frame_that_does_not_fit_fails_for_good_and_is_not_retried(run):
    attempts = []

    @dg.asset(
        partitions_def=HOURS, name="total", retry_policy=dg.RetryPolicy(max_retries=3, delay=0)
    )
    def wrong(context) -> pd.DataFrame:
        attempts.append(context.retry_number)
        return pd.DataFrame({"hour": [context.partition_time_window.start], "bikes": ["many"]})

    with pytest.raises(dg.Failure, match="Asset total: table 'total', column 'bikes'"):
        run(wrong, "2024-03-10-02:00")
    assert attempts == [0]


def test_a_lost_connection_is_retried_and_succeeds(run, database_url, warehouse):
    from bike_demand_tests.storage.test_replace import terminate_other_connections

    attempts = []

    @dg.asset(
        partitions_def=HOURS, name="total", retry_policy=dg.RetryPolicy(max_retries=3, delay=0)
    )
    def unlucky(context):
        attempts.append(context.retry_number)
        start = context.partition_time_window.start
        yield dg.Output(breaking_frames(start) if len(attempts) == 1 else whole_frame(start))

    def breaking_frames(start):
        yield whole_frame(start).iloc[:10]
        terminate_other_connections(database_url)
        for _ in range(100):
            yield whole_frame(start).iloc[10:]

    def whole_frame(start):
        instants = [start + timedelta(milliseconds=n) for n in range(20_000)]
        return pd.DataFrame({"hour": instants, "bikes": 1})

    result = run(unlucky, "2024-03-10-02:00")
    assert result.success
    assert attempts == [0, 1]
    assert len(read(warehouse, TOTAL)) == 20_000


def test_an_asset_that_returns_something_else_is_told_what_to_return(run):
    @dg.asset(partitions_def=HOURS, name="total")
    def nothing(context):
        return "done"

    with pytest.raises(dg.Failure, match=r"a DataFrame, an iterator of DataFrames or Rows.* str"):
        run(nothing, "2024-03-10-02:00")


def test_an_asset_without_a_declared_table_is_told_how_to_declare_one(run):
    @dg.asset
    def homeless() -> pd.DataFrame:
        return pd.DataFrame({"a": [1]})

    with pytest.raises(dg.Failure, match=r"declare_table\('homeless'"):
        run(homeless)


def test_an_asset_without_partitions_does_not_empty_a_table_with_time(run):
    @dg.asset(name="total")
    def forgetful() -> pd.DataFrame:
        return pd.DataFrame({"hour": [], "bikes": []})

    with pytest.raises(dg.Failure, match="Nothing was deleted"):
        run(forgetful)


def test_an_asset_whose_key_has_a_prefix_names_its_table(run):
    @dg.asset(key_prefix="other", name="total", partitions_def=HOURS)
    def prefixed() -> pd.DataFrame:
        return pd.DataFrame({"hour": [], "bikes": []})

    with pytest.raises(dg.Failure, match="names its table"):
        run(prefixed, "2024-03-10-02:00")


def test_an_op_inside_a_graph_is_told_to_bring_its_own_io_manager(run):
    @dg.op
    def first():
        return 1

    @dg.op
    def second(number):
        return pd.DataFrame({"hour": [], "bikes": []})

    @dg.graph_asset(name="total", partitions_def=HOURS)
    def graph():
        return second(first())

    with pytest.raises(dg.Failure, match="io_manager_key of their own"):
        run(graph, "2024-03-10-02:00")


def test_partitions_that_are_no_windows_are_refused(run):
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a"]), name="total")
    def static() -> pd.DataFrame:
        return pd.DataFrame({"hour": [], "bikes": []})

    with pytest.raises(dg.Failure, match="StaticPartitionsDefinition"):
        run(static, "a")


def test_the_column_schema_of_the_page_tells_types_comments_and_the_key():
    schema = table_metadata(SNAPSHOT)["dagster/column_schema"]
    column = next(column for column in schema.columns if column.name == "observed_at")
    assert column.type == "timestamp with time zone"
    assert column.description == "The tick [UTC]"
    assert not column.constraints.nullable
    assert "primary_key" in column.tags


def test_an_io_manager_given_nothing_but_a_home_starts_its_own_server(tmp_path, instance):
    @dg.asset(partitions_def=HOURS, name="total")
    def one(context) -> pd.DataFrame:
        return pd.DataFrame({"hour": [context.partition_time_window.start], "bikes": [1]})

    try:
        result = dg.materialize(
            [one],
            partition_key="2024-03-10-02:00",
            instance=instance,
            resources={"io_manager": PostgresIOManager(home=str(tmp_path))},
        )
        assert result.success
        assert embedded.running(tmp_path / "postgres") is not None
    finally:
        embedded.stop(tmp_path / "postgres")


def test_a_url_with_a_password_is_not_in_the_representation():
    assert "hidden-word" not in repr(PostgresIOManager(url="postgresql://u:hidden-word@h/d"))
