"""Settings: where they come from, what is refused, what stays hidden."""

import pytest

from bike_demand import settings
from bike_demand.settings import InvalidSettingsError, Origin


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    return tmp_path


def write_file(home, text):
    (home / "settings.toml").write_text(text)


def test_without_anything_set_the_defaults_hold(home):
    loaded = settings.load()
    assert loaded.home == home
    assert loaded.postgres_url is None
    assert [system.system_id for system in loaded.systems] == ["citibike_nyc"]


def test_the_data_directory_is_made_absolute_and_made_by_nobody(monkeypatch, home):
    monkeypatch.chdir(home)
    monkeypatch.delenv("BIKE_DEMAND_HOME")
    assert settings.load().home == home / ".bike_demand"
    assert not (home / ".bike_demand").exists()


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(home, monkeypatch):
    write_file(home, 'first_partition = 2020-02-02\npostgres_url = "postgresql://file@h/d"\n')
    monkeypatch.setenv("BIKE_DEMAND_FIRST_PARTITION", "2021-03-03")
    loaded = settings.load()
    assert loaded.first_partition.isoformat() == "2021-03-03"
    origins = settings.origins(loaded)
    assert origins["first_partition"] is Origin.ENVIRONMENT
    assert origins["postgres_url"] is Origin.FILE
    assert origins["last_partition"] is Origin.DEFAULT


def test_several_systems_are_read_from_the_file(home):
    write_file(
        home,
        '[[systems]]\nsystem_id = "a"\ntimezone = "Europe/Paris"\n'
        '[[systems]]\nsystem_id = "b"\ntimezone = "UTC"\n',
    )
    assert [system.system_id for system in settings.load().systems] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mood = 1", "mood: Extra inputs"),
        ("first_partition = 'soon'", "first_partition:"),
        ("first_partition = 2024-01-02\nlast_partition = 2024-01-01", "lies before"),
        ("systems = []", "systems:"),
        ('[[systems]]\nsystem_id = "a"\ntimezone = "Mars/Olympus"', "IANA time zone"),
        ('[[systems]]\nsystem_id = "a b"\ntimezone = "UTC"', "systems.0.system_id:"),
        ('[[systems]]\nsystem_id = "a"\ntimezone = "UTC"\n' * 2, "stands twice"),
        ("first_partition =", "cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_file(home, text, message):
    write_file(home, text)
    with pytest.raises(InvalidSettingsError, match=message) as failure:
        settings.load()
    assert str(home / "settings.toml") in str(failure.value)


def test_a_url_of_another_database_is_refused_without_repeating_it(monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", "mysql://me:hidden-word@host/db")
    with pytest.raises(InvalidSettingsError, match="postgresql://USER") as failure:
        settings.load()
    assert "hidden-word" not in str(failure.value)


@pytest.mark.parametrize("key", ["short", "with&ampersand=1", "ümläute-und-mehr"])
def test_a_key_of_openweathermap_that_can_be_none_is_refused_and_not_shown(monkeypatch, key):
    monkeypatch.setenv("OPENWEATHER_API_KEY", key)
    with pytest.raises(settings.InvalidSettingsError, match="OPENWEATHER_API_KEY") as error:
        settings.load()
    assert key not in str(error.value)


def test_a_key_of_openweathermap_comes_from_the_environment_under_its_usual_name(monkeypatch):
    monkeypatch.setenv("OPENWEATHER_API_KEY", "0123456789abcdef")
    loaded = settings.load()
    assert loaded.openweather_api_key.get_secret_value() == "0123456789abcdef"
    assert "0123" not in str(loaded)
    assert settings.origins(loaded)["openweather_api_key"] is Origin.ENVIRONMENT


def test_a_key_of_openweathermap_under_the_prefix_of_others_is_told_to_be_none():
    assert settings.unknown_variables({"BIKE_DEMAND_OPENWEATHER_API_KEY": "x"}) == [
        "BIKE_DEMAND_OPENWEATHER_API_KEY"
    ]


def test_a_key_of_openweathermap_in_the_file_is_said_to_come_from_there(home):
    write_file(home, 'openweather_api_key = "0123456789abcdef"\n')
    loaded = settings.load(home)
    assert settings.origins(loaded)["openweather_api_key"] is Origin.FILE


def test_an_mlflow_server_comes_from_the_environment_under_its_usual_name(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hidden-word@mlflow.example")
    loaded = settings.load()
    assert loaded.revealed_mlflow_tracking_uri() == "https://me:hidden-word@mlflow.example"
    assert "hidden-word" not in repr(loaded)
    assert settings.display(loaded.mlflow_tracking_uri) == "(set, hidden)"
    assert settings.origins(loaded)["mlflow_tracking_uri"] is Origin.ENVIRONMENT
    assert settings.unknown_variables({"BIKE_DEMAND_MLFLOW_TRACKING_URI": "x"})


@pytest.mark.parametrize(
    "uri", ["sqlite:///hidden-word.db", "hidden-word", "databricks", "http://me:hidden-word@h:x/"]
)
def test_an_mlflow_that_is_no_server_is_refused_and_not_shown(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InvalidSettingsError, match=r"MLFLOW_TRACKING_URI: .*MLflow server") as told:
        settings.load()
    assert "hidden-word" not in str(told.value)


def test_without_a_server_mlflow_is_in_postgres(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert settings.load().revealed_mlflow_tracking_uri() is None


def test_an_address_is_shown_without_user_and_query():
    assert settings.display("https://me:word@city.example/gbfs.json?key=word") == (
        "https://city.example/gbfs.json?…"
    )


def test_an_address_of_weather_has_no_query(home):
    write_file(home, '[[systems]]\nsystem_id = "a"\nweather_url = "https://w.example?apikey=k"\n')
    with pytest.raises(settings.InvalidSettingsError, match="without '\\?'"):
        settings.load(home)


def test_a_place_has_both_coordinates(home):
    write_file(home, '[[systems]]\nsystem_id = "nyc"\nlat = 40.0\n')
    with pytest.raises(settings.InvalidSettingsError, match="lat and lon, or neither"):
        settings.load(home)


def test_a_secret_is_shown_neither_by_the_settings_nor_to_people(monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", "postgresql://me:hidden-word@host/db")
    loaded = settings.load()
    assert "hidden-word" not in repr(loaded)
    assert settings.display(loaded.postgres_url) == "(set, hidden)"


def test_a_misspelt_variable_is_noticed():
    names = {"BIKE_DEMAND_POSTGRES_ULR": "x", "BIKE_DEMAND_HOME": "y", "PATH": "z"}
    assert settings.unknown_variables(names) == ["BIKE_DEMAND_POSTGRES_ULR"]


def test_one_system_may_be_given_by_its_address_alone(monkeypatch):
    url = "https://gbfs.example.org/gbfs/2.3/gbfs.json"
    monkeypatch.setenv("BIKE_DEMAND_GBFS_URL", url)
    [system] = settings.load().systems
    assert (system.system_id, system.url) == ("gbfs.example.org", url)


@pytest.mark.parametrize("url", ["ftp://example.org/gbfs.json", "gbfs.json", "https://"])
def test_an_address_that_is_none_is_refused(monkeypatch, url):
    monkeypatch.setenv("BIKE_DEMAND_GBFS_URL", url)
    with pytest.raises(InvalidSettingsError, match="gbfs_url"):
        settings.load()


def test_one_system_and_several_cannot_both_be_set(home, monkeypatch):
    write_file(home, '[[systems]]\nsystem_id = "a"\n')
    monkeypatch.setenv("BIKE_DEMAND_GBFS_URL", "https://example.org/gbfs.json")
    with pytest.raises(InvalidSettingsError, match="gbfs_url or systems, not both"):
        settings.load()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SERVING_ORIGINS", '["https://a.example/"]', "without a path"),
        ("SERVING_ORIGINS", '["a.example"]', "without a path"),
        ("SERVING_RELOAD_TOKEN", "short", "16 to 256"),
        ("SERVING_RATE", "-1", "serving_rate"),
        ("API_KEYS", '{"ann": "the key itself, hidden-word"}', "api_keys.ann"),
        ("TILES_URL", "https://tiles.example/{z}/{x}", "must look like"),
        ("TILES_URL", "https://tiles.example; script-src *//{z}/{x}/{y}", "must look like"),
        ("TILES_URL", "https://tiles.example/{z}/{x}/{y}", "go together"),
        ("SERVING_POSTGRES_URL", "mysql://me:hidden-word@host/db", "postgresql://USER"),
    ],
)
def test_a_setting_of_the_api_that_cannot_be_used_is_refused(monkeypatch, name, value, message):
    monkeypatch.setenv(f"BIKE_DEMAND_{name}", value)
    with pytest.raises(InvalidSettingsError, match=message) as failure:
        settings.load()
    assert "hidden-word" not in str(failure.value)


def test_the_api_reads_as_the_warehouse_is_read_unless_it_has_a_role_of_its_own(monkeypatch):
    assert settings.load().revealed_serving_url() is None
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", "postgresql://owner@h/d")
    assert settings.load().revealed_serving_url() == "postgresql://owner@h/d"
    monkeypatch.setenv("BIKE_DEMAND_SERVING_POSTGRES_URL", "postgresql://reader@h/d")
    assert settings.load().revealed_serving_url() == "postgresql://reader@h/d"
    assert settings.load().revealed_postgres_url() == "postgresql://owner@h/d"
