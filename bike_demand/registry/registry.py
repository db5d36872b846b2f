"""The models of each system: published as versions, one of them its champion, loaded once.

The champion is whichever version MLflow's alias names; nobody else remembers it. Which model
deserves it is decided elsewhere.
"""

import subprocess
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Literal

from bike_demand.forecasting.examples import Examples
from bike_demand.forecasting.features import FEATURE_VERSION
from bike_demand.forecasting.model import Model
from bike_demand.registry import pyfunc, stored_model
from bike_demand.registry.errors import RegistryError
from bike_demand.registry.store import Store, tolerated
from bike_demand.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

CHAMPION: Final = "champion"
"""MLflow's alias of the version that serves."""

CHALLENGER: Final = "challenger"
"""Alias of the version that was refused last, and forecasts in the shadow."""

PINNED: Final = "pinned"
"""Tag of a registered model: the champion stays, whatever is decided."""

PROBATION: Final = timedelta(hours=48)
"""After its promotion a champion is watched beside its predecessor, and nobody is promoted."""

APPOINTED_AT: Final = "appointed_at"
"""Tag: when it was promoted to champion, ISO, UTC."""

RESTORED_AT: Final = "restored_at"
"""Tag: when it became champion again, its successor having been taken back, ISO, UTC."""

TAKEN_BACK_AT: Final = "taken_back_at"
"""Tag: when it was sent from the throne, ISO, UTC; not there if it was not."""

REPLACED: Final = "replaced"
"""Tag: the version that was champion before it; empty if there was none."""

Candidate = Literal["daily", "recency"]
"""Why a model was trained: each day, or of fewer days since the champion is not what it was."""

_FILE: Final = f"data/{stored_model.FILE_NAME}"
_REMEDY: Final = "Materialise the models and champion_model of a newer day, or appoint another."
_LOADED: Final = 8
_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Version:
    """A model in the registry.

    Attributes:
        name: The registered model's, one per system.
        version: Its number.
        system_id: Whose stations it knows.
        algorithm: What has learnt it.
        trained_for: The day that it was trained for, UTC.
        data_until: The last target that was looked at in learning, UTC.
        feature_version: Of the features that it expects.
        run_id: The MLflow run that it comes from.
        candidate: Why it was trained.
        tags: All that is noted on it, those attributes included.
    """

    name: str
    version: str
    system_id: str
    algorithm: str
    trained_for: date
    data_until: datetime
    feature_version: str
    run_id: str
    candidate: Candidate
    tags: Mapping[str, str] = field(hash=False)

    def __str__(self) -> str:
        return f"version {self.version} of {self.name}"


def on_probation(champion: Version, now: datetime) -> bool:
    """Whether a champion was promoted after another one within `PROBATION`, and not since then.

    Args:
        champion: That serves.
        now: UTC.
    """
    at = champion.tags.get(APPOINTED_AT)
    if not at or not champion.tags.get(REPLACED) or champion.tags.get(RESTORED_AT, "") > at:
        return False
    return datetime.fromisoformat(at) <= now < datetime.fromisoformat(at) + PROBATION


def unfit(version: Version, origin: datetime) -> str | None:
    """Why a version must not be asked what comes after an origin; None if it may be.

    Args:
        version: Whichever.
        origin: That is forecast from, UTC.
    """
    if version.data_until > origin:
        return f"{version} has seen what came until {version.data_until:%Y-%m-%d %H:%M} UTC"
    if version.feature_version != FEATURE_VERSION:
        return f"{version} expects features of version {version.feature_version}"
    return None


class Registry:
    """What is known of models. Nothing is asked of MLflow before a method is called.

    Each method raises `RegistryUnavailableError` where MLflow does not answer, and `RegistryError`
    where it refuses. May be used by several threads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loading = threading.Lock()
        self._loaded = lru_cache(maxsize=_LOADED)(self._read)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """MLflow's own functions record in the project's experiment, as `Store.in_use` says."""
        with self._store.in_use("Recording a run"):
            yield

    def publish(
        self,
        model: Model,
        *,
        system_id: str,
        trained_for: date,
        examples: Examples,
        run_id: str,
        candidate: Candidate = "daily",
    ) -> Version:
        """Store a model with its run, and register it as the newest version of its system.

        Args:
            model: What was learnt.
            system_id: Of what.
            trained_for: The day that it was trained for, UTC.
            examples: Any rows: the first few show in MLflow what the model is asked.
            run_id: The MLflow run that it comes from.
            candidate: Why it was trained.
        """
        name = _name(system_id)
        with self._store.client(f"Publishing a model of {system_id}") as client:
            run = client.get_run(run_id)
            for key, value in _git_revision().items():
                client.set_tag(run_id, key, value)
            model_id, source = _log(client, model, examples, run)
            with tolerated("RESOURCE_ALREADY_EXISTS"):
                client.create_registered_model(name)
            tags = {
                "system_id": system_id,
                "algorithm": model.algorithm,
                "trained_for": trained_for.isoformat(),
                "data_until": model.data_until.astimezone(UTC).isoformat(),
                "feature_version": model.feature_version,
                "candidate": candidate,
                "packages": " ".join(stored_model.requirements(model.algorithm)),
                **_git_revision(),
            }
            found = client.create_model_version(
                name, source, run_id=run_id, tags=tags, model_id=model_id
            )
            return _ours(found)

    def versions(self, system_id: str) -> list[Version]:
        """All that were published of a system, newest first."""
        name = _name(system_id)
        with self._store.client(f"Looking for versions of {name}") as client:
            page = client.search_model_versions(f"name='{name}'")
            found = [*page]
            while page.token:
                page = client.search_model_versions(f"name='{name}'", page_token=page.token)
                found += page
        ours = [version for version in map(_version, found) if version is not None]
        return sorted(ours, key=lambda version: int(version.version), reverse=True)

    def newest_trained_for(self, system_id: str) -> date | None:
        """The last day that a model of a system was trained for, UTC; None if there is no model."""
        return max((version.trained_for for version in self.versions(system_id)), default=None)

    def version(self, system_id: str, number: str) -> Version:
        """One version of a system.

        Raises:
            RegistryError: There is none of that number, or somebody else has made it.
        """
        name = _name(system_id)
        with self._store.client(f"Looking for version {number} of {name}") as client:
            return _ours(client.get_model_version(name, number))

    def champion(self, system_id: str) -> Version | None:
        """The version that serves a system; None as long as none was appointed.

        Raises:
            RegistryError: The alias names a version that is not there or not ours.
        """
        return self._named(system_id, CHAMPION)

    def challenger(self, system_id: str) -> Version | None:
        """The version that was refused last, if `challenge` was told so; else None.

        Raises:
            RegistryError: The alias names a version that is not there or not ours.
        """
        return self._named(system_id, CHALLENGER)

    def _named(self, system_id: str, alias: str) -> Version | None:
        name = _name(system_id)
        with self._store.client(f"Looking for the {alias} of {name}") as client:
            number = None
            with tolerated("RESOURCE_DOES_NOT_EXIST"):  # nothing was published
                number = client.get_registered_model(name).aliases.get(alias)
        return None if number is None else self.version(system_id, str(number))

    def challenge(self, system_id: str, version: Version | None) -> None:
        """Let a version forecast beside the champion; None ends it."""
        name = _name(system_id)
        with self._store.client(f"Naming the challenger of {name}") as client:
            if version is not None:
                client.set_registered_model_alias(name, CHALLENGER, version.version)
            elif CHALLENGER in client.get_registered_model(name).aliases:
                client.delete_registered_model_alias(name, CHALLENGER)

    def is_pinned(self, system_id: str) -> bool:
        """Whether the champion of a system stays, whatever is decided."""
        name = _name(system_id)
        with self._store.client(f"Looking whether {name} is pinned") as client:
            tags: Mapping[str, str] = {}
            with tolerated("RESOURCE_DOES_NOT_EXIST"):
                tags = client.get_registered_model(name).tags
        return PINNED in tags

    def pin(self, version: Version, replaced: str | None) -> Version:
        """Make a version champion until `unpin`; arguments and result as of `appoint`."""
        with self._store.client(f"Pinning {version}") as client:
            client.set_registered_model_tag(version.name, PINNED, version.version)
            now = datetime.now(UTC).isoformat()
            if replaced != version.version:
                client.set_model_version_tag(version.name, version.version, RESTORED_AT, now)
            client.set_registered_model_alias(version.name, CHAMPION, version.version)
            return _ours(client.get_model_version(version.name, version.version))

    def unpin(self, system_id: str) -> None:
        """Let the next decision count again."""
        name = _name(system_id)
        with self._store.client(f"Unpinning {name}") as client:
            client.delete_registered_model_tag(name, PINNED)

    def appoint(self, version: Version, replaced: str | None) -> Version:
        """Make a version the champion of its system.

        Args:
            version: Which.
            replaced: The version that was champion before, noted on the new one; None if there was
                none.

        Returns:
            The same with its tags as they are now.
        """
        # What is noted without being so is mended by the next try; a champion without its
        # predecessor could not be taken back.
        with self._store.client(f"Making {version} champion") as client:
            tags = {APPOINTED_AT: datetime.now(UTC).isoformat(), REPLACED: replaced or ""}
            for key, value in tags.items():
                client.set_model_version_tag(version.name, version.version, key, value)
            client.set_registered_model_alias(version.name, CHAMPION, version.version)
            if CHALLENGER in client.get_registered_model(version.name).aliases:
                client.delete_registered_model_alias(version.name, CHALLENGER)
            return _ours(client.get_model_version(version.name, version.version))

    def take_back(self, champion: Version) -> Version | None:
        """Make the version that a champion has replaced champion again.

        Args:
            champion: It is noted on it, so that it is not promoted again.

        Returns:
            The champion now, its own predecessor still noted on it; None if there is none, and
            nothing was done.
        """
        replaced = champion.tags.get(REPLACED)
        if not replaced:
            return None
        before = self.version(champion.system_id, replaced)
        with self._store.client(f"Taking back {champion}") as client:
            now = datetime.now(UTC).isoformat()
            client.set_model_version_tag(champion.name, champion.version, TAKEN_BACK_AT, now)
            client.set_model_version_tag(before.name, before.version, RESTORED_AT, now)
            client.set_registered_model_alias(before.name, CHAMPION, before.version)
            return _ours(client.get_model_version(before.name, before.version))

    def load(self, version: Version) -> Model:
        """The model itself. The last few that were asked for are kept in memory.

        Raises:
            RegistryError: Its file is missing or damaged, or it was made by a `bike_demand` or by
                packages that do not fit those that are here.
        """
        with self._loading:
            return self._loaded(version.name, version.version)

    def describe(self, version: Version, text: str) -> None:
        """Say what a version is, in Markdown of at most 5,000 characters."""
        with self._store.client(f"Describing {version}") as client:
            client.update_model_version(version.name, version.version, text)

    def file(self, version: Version, name: str) -> str | None:
        """The text of a file of the run that a version comes from; None if there is none."""
        with (
            self._store.client(f"Reading {name} of {version}") as client,
            TemporaryDirectory() as folder,
            suppress(FileNotFoundError),
        ):
            place = client.get_run(version.run_id).info.artifact_uri
            return self._store.download(f"{place}/{name}", Path(folder)).read_text("utf-8")
        return None

    def _read(self, name: str, number: str) -> Model:
        doing = f"Loading version {number} of {name}"
        with self._store.client(doing) as client, TemporaryDirectory() as folder:
            made_with = client.get_model_version(name, number).tags.get("packages", "what?")
            place = client.get_model_version_download_uri(name, number)
            try:
                file = self._store.download(f"{place}/{_FILE}", Path(folder))
                return stored_model.read(file)
            except FileNotFoundError:
                trouble = f"{place}/{_FILE} is missing"
            except RegistryError as error:
                trouble = f"{error}. It was made with {made_with}"
        raise RegistryError(f"{doing}: {trouble}. {_REMEDY}")


@cache
def _open(server: str | None, postgres_url: str | None, home: Path) -> Registry:
    return Registry(Store(server, postgres_url, home))


def open_registry(settings: Settings) -> Registry:
    """The process's one `Registry` for where these settings put MLflow."""
    return _open(
        settings.revealed_mlflow_tracking_uri(), settings.revealed_postgres_url(), settings.home
    )


def _name(system_id: str) -> str:
    return f"bike_demand.{system_id}"


def _version(found: "ModelVersion") -> Version | None:
    """As it is noted in MLflow; None if `publish` has not made it."""
    tags = dict(found.tags)
    try:
        return Version(
            name=found.name,
            version=str(found.version),
            system_id=tags["system_id"],
            algorithm=tags["algorithm"],
            trained_for=date.fromisoformat(tags["trained_for"]),
            data_until=datetime.fromisoformat(tags["data_until"]),
            feature_version=tags["feature_version"],
            run_id=str(found.run_id),
            candidate="recency" if tags.get("candidate") == "recency" else "daily",
            tags=tags,
        )
    except (KeyError, ValueError):
        return None


def _ours(found: "ModelVersion") -> Version:
    version = _version(found)
    if version is None:
        raise RegistryError(
            f"Version {found.version} of {found.name} was not published by bike_demand: it lacks "
            "tags. Let the alias name another version, or delete this one."
        )
    return version


def _log(client: "MlflowClient", model: Model, examples: Examples, run: "Run") -> tuple[str, str]:
    """Store a model in MLflow's own form, as an output of the run; gives its id and its place."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Any type hint", UserWarning)  # in classes of its own
        import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput

    logged = client.create_logged_model(
        run.info.experiment_id, name=model.algorithm, source_run_id=run.info.run_id
    )
    status: Literal["READY", "FAILED"] = "FAILED"
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "mlflow"
            mlflow.pyfunc.save_model(
                path,
                loader_module=pyfunc.__name__,
                data_path=stored_model.write(model, Path(folder)),
                mlflow_model=mlflow.models.Model(
                    artifact_path=logged.artifact_location,
                    run_id=run.info.run_id,
                    model_id=logged.model_id,
                ),
                signature=pyfunc.signature(),
                input_example=pyfunc.to_frame(examples.part(slice(_EXAMPLES))),
                pip_requirements=stored_model.requirements(model.algorithm),
            )
            client.log_model_artifacts(logged.model_id, str(path))
        status = "READY"
    finally:
        client.finalize_logged_model(logged.model_id, status)
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return logged.model_id, logged.artifact_location


@cache
def _git_revision() -> dict[str, str]:
    """Of this code, as a tag, where it lies in a repository of its own."""
    ask = ("git", "rev-parse", "HEAD", "HEAD:./__init__.py")  # fails where that is not its file
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(  # noqa: S603  # nothing in it comes from outside
            ask,
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return {"git_revision": told.stdout.split()[0]}
    return {}
