"""`bike-demand champion`, `rollback`, `pin` and `unpin`: which model serves, why, and by hand."""

from datetime import UTC, datetime
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from bike_demand import model_events, settings
from bike_demand.registry import (
    APPOINTED_AT,
    REPLACED,
    RESTORED_AT,
    Registry,
    Version,
    open_registry,
)
from bike_demand.settings import Settings
from bike_demand.storage.replace import replace
from bike_demand.storage.tables import MODEL_EVENT
from bike_demand.storage.warehouse import Warehouse, open_warehouse

DECISIONS: Final = 7
"""That are shown, the newest."""

_SCORES = """
SELECT horizon, rmse, best_simple, skill_rmse, skill_crps, pit_coverage_80
FROM model_evaluation
WHERE system_id = %(system)s AND model_version = %(version)s AND split = 'test' ORDER BY horizon
"""
_DECISIONS = """
SELECT trained_for, challenger, algorithm, decision, applied, detail FROM champion_decision
WHERE system_id = %(system)s ORDER BY trained_for DESC LIMIT %(most)s
"""


def show(system_id: str | None) -> None:
    """Print the champion of each system, how good it was, and the last decisions.

    Raises:
        click.ClickException: The system is not followed.
        RegistryUnavailableError: MLflow does not answer.
    """
    configured = settings.load()
    warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
    registry, console = open_registry(configured), Console(highlight=False, soft_wrap=True)
    for system in _asked(configured, system_id):
        champion = registry.champion(system)
        if champion is None:
            console.print(f"{system} has no champion: simple forecasts serve it.")
        else:
            console.print(_told(champion))
            console.print(_scores(warehouse, champion))
        console.print(_decisions(warehouse, system))


def roll_back(system_id: str | None) -> None:
    """Make the champion's predecessor champion again, and note it.

    Raises:
        click.ClickException: There is none, the champion is pinned, or several systems are followed
            and none is named.
        RegistryUnavailableError: MLflow does not answer.
    """
    configured, system, registry = _of_one(system_id)
    champion = registry.champion(system)
    if champion is None:
        raise click.ClickException(f"{system} has no champion.")
    if registry.is_pinned(system):
        raise click.ClickException(f"{champion} is pinned: 'bike-demand unpin' first.")
    if REPLACED not in champion.tags:
        raise click.ClickException(
            f"{champion} was made champion by hand, and after whom is not noted: move the alias "
            "'champion' in MLflow."
        )
    # A rollback that is repeated because it could not be noted goes too far.
    warehouse = _answering(configured)
    before = registry.take_back(champion)
    if before is None:
        raise click.ClickException(f"{champion} is the first champion: there is none to return to.")
    click.echo(f"{before} is champion again; {champion} is not promoted any more.")
    at = before.tags[RESTORED_AT]
    event = model_events.event("rollback", at, before, champion.version, "By hand.")
    replace(warehouse, MODEL_EVENT, None, model_events.rows([event]))


def pin(number: str, system_id: str | None) -> None:
    """Make a version champion, and let it stay whatever is decided.

    Raises:
        click.ClickException: Several systems are followed and none is named.
        RegistryError: There is no such version.
        RegistryUnavailableError: MLflow does not answer.
    """
    configured, system, registry = _of_one(system_id)
    version, champion = registry.version(system, number), registry.champion(system)
    warehouse = _answering(configured)
    replaced = None if champion is None else champion.version
    version = registry.pin(version, replaced)
    click.echo(f"{version} is champion, and stays until 'bike-demand unpin'.")
    _note(warehouse, "pin", version, replaced)


def unpin(system_id: str | None) -> None:
    """Let the next decision count again.

    Raises:
        click.ClickException: No version is pinned, or several systems are followed and none is
            named.
        RegistryUnavailableError: MLflow does not answer.
    """
    configured, system, registry = _of_one(system_id)
    champion = registry.champion(system)
    if champion is None or not registry.is_pinned(system):
        raise click.ClickException(f"No version of {system} is pinned.")
    warehouse = _answering(configured)
    registry.unpin(system)
    click.echo(f"{champion} is champion until a better one is trained.")
    _note(warehouse, "unpin", champion, None)


def _of_one(system_id: str | None) -> tuple[Settings, str, Registry]:
    """The one system that is meant."""
    configured = settings.load()
    systems = _asked(configured, system_id)
    if len(systems) > 1:
        raise click.ClickException(f"Say of which system: --system {' or '.join(systems)}.")
    return configured, systems[0], open_registry(configured)


def _answering(configured: Settings) -> Warehouse:
    """Where events are noted, asked before anything moves."""
    warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
    warehouse.connection().close()
    return warehouse


def _note(
    warehouse: Warehouse, kind: model_events.Kind, version: Version, replaced: str | None
) -> None:
    now = datetime.now(UTC).isoformat()
    event = model_events.event(kind, now, version, replaced, "By hand.")
    replace(warehouse, MODEL_EVENT, None, model_events.rows([event]))


def _asked(configured: Settings, system_id: str | None) -> list[str]:
    followed = [system.system_id for system in configured.systems]
    if system_id is None:
        return followed
    if system_id not in followed:
        raise click.ClickException(
            f"{system_id} is not followed: the settings have {', '.join(followed)}."
        )
    return [system_id]


def _told(champion: Version) -> str:
    at = champion.tags.get(RESTORED_AT) or champion.tags.get(APPOINTED_AT)
    since = f"since {datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC" if at else "by hand"
    replaced = champion.tags.get(REPLACED)
    after = f", after version {replaced}." if replaced else ", the first." if at else "."
    return (
        f"{champion.system_id}: version {champion.version}, {champion.algorithm}, trained for "
        f"{champion.trained_for}, knows data until {champion.data_until:%Y-%m-%d %H:%M} UTC; "
        f"champion {since}{after}"
    )


def _scores(warehouse: Warehouse, champion: Version) -> Table:
    values = {"system": champion.system_id, "version": champion.version}
    table = Table("ahead", "RMSE", "best simple", "skill", "CRPS skill", "in 80 %", box=None)
    for row in warehouse.frame(_SCORES, values).to_dict("records"):
        table.add_row(
            f"{row['horizon']} h",
            f"{row['rmse']:.3f}",
            f"{row['rmse'] / (1 - row['skill_rmse']):.3f} ({row['best_simple']})",
            f"{row['skill_rmse']:+.1%}",
            f"{row['skill_crps']:+.1%}",
            f"{row['pit_coverage_80']:.1%}",
        )
    return table


def _decisions(warehouse: Warehouse, system_id: str) -> Table:
    table = Table("day", "challenger", "decision", "why", box=None, title_justify="left")
    for row in warehouse.frame(_DECISIONS, {"system": system_id, "most": DECISIONS}).to_dict(
        "records"
    ):
        decision = row["decision"] if row["applied"] or row["decision"] == "kept" else "not applied"
        challenger = f"{row['challenger']} ({row['algorithm']})"
        table.add_row(f"{row['trained_for']:%Y-%m-%d}", challenger, decision, row["detail"])
    return table
