"""What can be said of docker-compose.yml and the Dockerfile without Docker."""

import re

import dagster as dg
import pytest
import yaml

from bike_demand.settings import HOME_VARIABLE, PREFIX, Settings
from bike_demand.storage import databases
from bike_demand_tests.deployment.compose import (
    IMAGE,
    ROOT,
    MissingVariableError,
    in_order,
    services,
)

SECRETS = (
    "POSTGRES_PASSWORD",
    "BIKE_DEMAND_DB_PASSWORD",
    "DAGSTER_DB_PASSWORD",
    "MLFLOW_DB_PASSWORD",
    "BIKE_DEMAND_SERVING_DB_PASSWORD",
)
GIVEN = {name: f"given{number}" for number, name in enumerate(SECRETS)}


@pytest.fixture
def declared():
    return services(GIVEN)


@pytest.mark.parametrize("missing", SECRETS)
def test_without_a_secret_nothing_starts_and_its_name_is_told(missing):
    with pytest.raises(MissingVariableError, match=f"variable {missing} is missing.*env.example"):
        services({name: value for name, value in GIVEN.items() if name != missing})


def test_the_example_of_env_names_each_secret_and_gives_none():
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=") for line in lines if line and not line.startswith("#"))
    assert given == dict.fromkeys(SECRETS, "")
    with pytest.raises(MissingVariableError):
        services(given)


def test_an_env_file_is_never_committed():
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_pages_are_for_this_machine_only(declared):
    published = [port for service in declared.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_each_service_has_a_limit_a_restart_policy_and_stays(declared):
    for name, service in declared.items():
        assert re.fullmatch(r"\d+g", service["mem_limit"]), name
        assert service["restart"] in {"unless-stopped", "on-failure:3"}, name
        assert service["logging"] == {"driver": "local"}, name  # which is bounded
        if name != "migrate":
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_images_are_of_one_version(declared):
    for service in declared.values():
        assert re.search(r":\d+\.\d+", service["image"])
    assert re.search(r"ARG PYTHON=3\.\d+\.\d+-slim", (ROOT / "Dockerfile").read_text())


def test_the_migration_comes_before_all_that_need_tables(declared):
    order = in_order(declared)
    assert order[0] == "postgres"
    after = {*order[order.index("migrate") + 1 :]}
    assert after == {"code", "webserver", "daemon", "metrics", "serve"}
    condition = declared["code"]["depends_on"]["migrate"]["condition"]
    assert condition == "service_completed_successfully"


def test_no_secret_is_among_a_commands_words(declared):
    for service in declared.values():
        words = [*service["command"], *service.get("healthcheck", {}).get("test", [])]
        assert not any(secret in word for word in words for secret in GIVEN.values())


def test_each_role_knows_its_own_database_only(declared):
    def secrets(service):
        told = " ".join(str(value) for value in declared[service].get("environment", {}).values())
        return {name for name, value in GIVEN.items() if value in told}

    assert secrets("postgres") == {*SECRETS}
    assert secrets("mlflow") == {"MLFLOW_DB_PASSWORD"}
    assert secrets("code") == {"BIKE_DEMAND_DB_PASSWORD", "DAGSTER_DB_PASSWORD"}
    assert secrets("serve") == {"BIKE_DEMAND_SERVING_DB_PASSWORD"}


def test_what_is_set_in_the_env_file_reaches_a_service(declared):
    told = {name for service in declared.values() for name in service.get("environment", {})}
    variables = {
        str(field.validation_alias or f"{PREFIX}{name}".upper())
        for name, field in Settings.model_fields.items()
    }
    assert variables - told == {HOME_VARIABLE}  # the image has it


def test_the_image_has_the_files_that_its_services_read():
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for source in IMAGE:
        assert source in dockerfile
        assert f"!{source}" in ignored
    assert "USER bike_demand" in dockerfile


def test_the_workspace_names_the_code_service_and_its_port(declared):
    [entry] = yaml.safe_load((ROOT / "deploy" / "workspace.yaml").read_text())["load_from"]
    server = entry["grpc_server"]
    assert server["host"] in declared
    assert str(server["port"]) in declared["code"]["command"]


def test_on_kubernetes_the_server_is_that_of_the_compose_file():
    folder = ROOT / "deploy" / "kubernetes"
    deployment, service = yaml.safe_load_all((folder / "serve.yaml").read_text())
    values = yaml.safe_load((folder / "values.yaml").read_text())
    ours = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["serve"]
    pod = deployment["spec"]["template"]
    [container] = pod["spec"]["containers"]
    [chart] = values["dagster-user-deployments"]["deployments"]
    assert container["command"] == ours["command"]
    assert container["image"] == "{repository}:{tag}".format(**chart["image"])
    assert container["resources"]["limits"]["memory"].lower() == f"{ours['mem_limit']}i"
    assert container["livenessProbe"]["httpGet"]["path"] in ours["healthcheck"]["test"][-1]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert given["MLFLOW_TRACKING_URI"] == chart["env"]["MLFLOW_TRACKING_URI"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
    assert pod["metadata"]["labels"] == service["spec"]["selector"]
    [port] = container["ports"]
    assert str(port["containerPort"]) == ours["command"][-1]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]


def test_on_kubernetes_a_run_is_recorded_by_what_the_image_has(server, tmp_path):
    values = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "values.yaml").read_text())
    url = server.url("on_kubernetes")
    databases.create_if_missing(url)
    place = {
        "username": url.username,
        "password": url.password,
        "hostname": url.host,
        "port": url.port,
        "db_name": url.database,
        "scheme": values["postgresql"]["postgresqlScheme"],
    }
    own = {"storage": {"postgres": {"postgres_db": place}}, "telemetry": {"enabled": False}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(own))

    @dg.asset
    def made():
        return None

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert dg.materialize([made], instance=instance).success


def test_kubernetes_has_the_limits_and_retries_of_dagster_yaml():
    values = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "values.yaml").read_text())
    ours = yaml.safe_load((ROOT / "dagster.yaml").read_text())

    def in_snake_case(told):
        if isinstance(told, dict):
            return {
                re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", key): in_snake_case(inner)
                for key, inner in told.items()
            }
        return [in_snake_case(inner) for inner in told] if isinstance(told, list) else told

    theirs = in_snake_case({"concurrency": values["concurrency"], **values["dagsterDaemon"]})
    [ours_per_asset, _] = ours["concurrency"]["runs"]["tag_concurrency_limits"]
    ours_per_asset["value"] = in_snake_case(ours_per_asset["value"])
    assert theirs["concurrency"] == {"enabled": True, **ours["concurrency"]}
    assert theirs["run_monitoring"] == {**ours["run_monitoring"], "poll_interval_seconds": 60}
    assert theirs["run_retries"] == ours["run_retries"]
    assert in_snake_case(values["retention"]) == {"enabled": True, **ours["retention"]}
    queue = theirs["run_coordinator"]["config"]["queued_run_coordinator"]
    assert queue == ours["run_queue"]
    assert in_snake_case(values["scheduler"]["config"]["daemonScheduler"]) == {
        "max_catchup_runs": ours["scheduler"]["config"]["max_catchup_runs"]
    }
    version = re.search(r"--version (\S+)", (ROOT / "deploy/kubernetes/values.yaml").read_text())
    assert version
    assert f"dagster=={version[1]}" in (ROOT / "pyproject.toml").read_text()
