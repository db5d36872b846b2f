"""The API is what its OpenAPI document says, and the document is the one in the repository."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bike_demand_tests.serving.city import RELOAD_TOKEN
from bike_demand_tests.serving.openapi import PATH, render

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def document(standing):
    return standing.get("/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def schemas(document):
    for name, schema in document["components"]["schemas"].items():
        for field, told in schema.get("properties", {}).items():
            yield f"{name}.{field}", told


def test_the_document_in_the_repository_is_the_app_s():
    assert render() == PATH.read_text(), "run: python -m bike_demand_tests.serving.openapi"


def test_the_server_gives_the_same_document(standing):
    assert json.loads(PATH.read_text()) == standing.get("/openapi.json").json()


def test_every_operation_says_what_it_may_answer(document):
    for name, operation in operations(document):
        assert operation["summary"], name
        for status, answer in operation["responses"].items():
            if status == "304" or (name, status) == ("get /ready", "503"):
                continue
            [*media] = answer["content"]
            if status == "200":
                assert media[0] in {"application/json", "text/plain"}, name
            else:
                assert media == ["application/problem+json"], (name, status)
                assert answer["content"][media[0]]["schema"] == {
                    "$ref": "#/components/schemas/ProblemAnswer"
                }
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (name, parameter["name"])


def test_every_field_is_explained_and_numbers_have_a_unit(document):
    for name, told in schemas(document):
        if "$ref" in told or "$ref" in str(told.get("items")) or told.get("enum"):
            continue
        kinds = {told.get("type"), *(one.get("type") for one in told.get("anyOf", []))}
        if kinds & {"integer", "number"} and name != "ProblemAnswer.status":
            unit = "[" in told["description"] or "skill" in name
            assert unit, name
        if not kinds & {"boolean", "null", "array"}:
            assert "examples" in told or "const" in told, name
        assert told.get("description") or "const" in told, name


def test_nothing_that_is_generated_breaks_the_document(standing, tmp_path):
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("st")), f"--config-file={CONFIG}", "run"),
            *("--no-color", "--checks=all", "--max-examples=25", "--seed=1"),
            "--continue-on-failure",
            f"{standing.url}/openapi.json",
        ],
        cwd=tmp_path,
        env={"PATH": "", "RELOAD_TOKEN": RELOAD_TOKEN, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15/15" in done.stdout, done.stdout
