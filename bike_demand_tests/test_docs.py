"""What the documents say is what happens."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bike_demand import settings
from bike_demand.cli import main
from bike_demand.storage.tables import METADATA

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


COMMANDS = sorted(
    {line for path in DOCUMENTS for block in blocks(path, "sh") for line in block.splitlines()}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_documents_is_one_that_works(command, tmp_path, monkeypatch):
    program, *arguments = command.split()
    if program == "make":  # `demo` and `dev` run in test_newcomer, `test` is running
        subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, check=True, capture_output=True)
        return
    assert program == "bike-demand", f"how is {command!r} tested?"
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    result = CliRunner().invoke(main, arguments)
    stop_servers_under(tmp_path)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_into_the_repository_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_the_test_in_the_readme_passes_as_it_stands(tmp_path):
    [example] = blocks(ROOT / "README.md", "python")
    (tmp_path / "test_rain.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--basetemp", str(tmp_path / "base"), "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    stop_servers_under(tmp_path)
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("number", range(len(blocks(ROOT / "docs" / "io-manager.md", "python"))))
def test_the_examples_for_the_io_manager_run(number):
    example = blocks(ROOT / "docs" / "io-manager.md", "python")[number]
    exec(compile(example, "docs/io-manager.md", "exec"), {})  # noqa: S102  # our own document


def test_the_settings_in_the_documents_are_those_that_exist():
    text = (ROOT / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `(?:BIKE_DEMAND|OPENWEATHER|MLFLOW)_", text, re.MULTILINE)
    assert rows == list(settings.Settings.model_fields)


def test_the_settings_file_in_the_readme_can_be_read(tmp_path):
    [example] = blocks(ROOT / "README.md", "toml")
    (tmp_path / "settings.toml").write_text(example)
    assert [system.system_id for system in settings.load(tmp_path).systems] == ["baywheels"]


def test_the_data_dictionary_is_what_the_tables_declare():
    from bike_demand_tests.data_dictionary import PATH, render

    assert render(METADATA) == PATH.read_text(), "run: python -m bike_demand_tests.data_dictionary"


def stop_servers_under(directory: Path) -> None:
    from bike_demand.storage import embedded

    for found in directory.rglob("postgres"):
        if (found / "data").is_dir():
            embedded.stop(found)
            shutil.rmtree(found)
