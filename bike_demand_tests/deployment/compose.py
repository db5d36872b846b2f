"""What docker-compose.yml says: its services with what `.env` gives, and their order."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
IMAGE = {  # what the Dockerfile copies into its folder
    "dagster.yaml": "dagster.yaml",
    "deploy/workspace.yaml": "workspace.yaml",
}


class MissingVariableError(ValueError):
    """As `docker compose` says it."""


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Put in what `.env` says, as `docker compose` does.

    Raises:
        MissingVariableError: A variable that has to be set is not, or is empty.
    """

    def value(found: re.Match[str]) -> str:
        name, operator, word = found["name"], found["operator"], found["word"]
        given = variables.get(name, "")
        if not given and operator == ":?":
            raise MissingVariableError(f"required variable {name} is missing a value: {word}")
        return given or (word or "" if operator == ":-" else "")

    return re.sub(r"\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<word>[^}]*))?\}", value, text)


def services(variables: Mapping[str, str]) -> dict[str, Any]:
    """The services by name."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        return interpolated(value, variables) if isinstance(value, str) else value

    found: dict[str, Any] = filled(yaml.safe_load(FILE.read_text())["services"])
    return found


def in_order(declared: Mapping[str, Any]) -> list[str]:
    """Each after those that it depends on."""
    ordered: list[str] = []
    while len(ordered) < len(declared):
        ordered += [
            name
            for name, service in declared.items()
            if name not in ordered and set(service.get("depends_on", {})) <= set(ordered)
        ]
    return ordered
