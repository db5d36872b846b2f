"""`bike-demand serve`: the process, what it loads, what it says, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
import requests

from bike_demand_tests.processes import ROOT, until
from bike_demand_tests.serving.city import SYSTEM

# At its end, which modules it has loaded.
PROGRAM = """
import sys
from bike_demand.cli import main
try:
    main()
finally:
    print("\\n".join(sys.modules))
"""
FORBIDDEN = {"dagster", "mlflow", "xgboost", "lightgbm", "sklearn", "pandas", "pyarrow", "alembic"}


@pytest.fixture
def environment(tmp_path, city_url):
    url = city_url.render_as_string(hide_password=False)
    return os.environ | {
        "BIKE_DEMAND_HOME": str(tmp_path),
        "BIKE_DEMAND_POSTGRES_URL": url,
        "BIKE_DEMAND_SYSTEMS": json.dumps([{"system_id": SYSTEM}]),
        "BIKE_DEMAND_SERVING_RELOAD_TOKEN": "hidden-token-of-16-signs",
    }


@pytest.fixture
def started(environment, closed_port):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", "--port", str(closed_port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield f"http://127.0.0.1:{closed_port}", process
    process.kill()
    process.communicate()


def asked(url, **arguments):
    try:
        return requests.get(url, timeout=30, **arguments)
    except requests.ConnectionError:
        return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_without_loading_the_pipeline_and_a_signal_ends_it(started, number):
    url, process = started
    until(lambda: asked(f"{url}/health"), "the server")
    for path in ("/forecast", "/risks", "/history/s0017", "/accuracy", "/model", "/metrics"):
        assert asked(f"{url}{path}").status_code == 200
    requests.post(
        f"{url}/model/reload",
        headers={"Authorization": "Bearer hidden-token-of-16-signs"},
        timeout=30,
    )
    process.send_signal(number)
    modules, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    loaded = {name.split(".")[0] for name in modules.split()}
    assert "fastapi" in loaded
    assert not loaded & FORBIDDEN


def test_a_line_of_json_for_each_request_holds_no_secret(started, city_url):
    url, process = started
    until(lambda: asked(f"{url}/health"), "the server")
    answer = asked(f"{url}/stations/s0017?system_id=hidden-query", headers={"X-Request-ID": "me"})
    assert answer.status_code == 404
    asked(f"{url}/a%0A%22b", headers={"X-API-Key": "hidden-key"})
    requests.post(
        f"{url}/model/reload",
        headers={"Authorization": "Bearer hidden-token-of-16-signs"},
        timeout=30,
    )
    process.terminate()
    _, said = process.communicate(timeout=60)
    first, *lines = said.splitlines()
    assert first == f"The API is at {url}/ (Ctrl-C ends it)."
    told = [json.loads(line) for line in lines]
    [mine] = [one for one in told if one.get("request_id") == "me"]
    assert (mine["method"], mine["status"], mine["client"]) == ("GET", 404, "127.0.0.1")
    assert (mine["path"], mine["route"]) == ("/stations/s0017", "/stations/{station_id:path}")
    assert mine["ms"] >= 0
    assert mine["bytes"] == len(answer.content)
    assert any(one.get("path") == '/a\n"b' for one in told)
    for secret in ("hidden", str(city_url.password)):
        assert secret not in said


def test_where_it_is_can_be_followed_of_an_ipv6_address_too(environment, closed_port):
    command = [sys.executable, "-c", PROGRAM, "serve", "--host", "::1", "--port", str(closed_port)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        first = process.stderr.readline()
        if "Cannot assign" not in first:  # there is IPv6 here
            url = f"http://[::1]:{closed_port}/"
            assert first == f"The API is at {url} (Ctrl-C ends it).\n"
            until(lambda: asked(f"{url}health"), "the server")
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_is_told_in_a_line(environment, closed_port):
    with socket.create_server(("127.0.0.1", closed_port)):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "serve", "--port", str(closed_port)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {closed_port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr
