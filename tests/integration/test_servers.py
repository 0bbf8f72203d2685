"""The private servers do what the tests above them rely on."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pymysql
import pytest

from tests import servers


def test_a_private_mariadb_answers_its_administrator(mariadb_database: servers.MariaDatabase) -> None:
    mariadb_database.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    mariadb_database.execute("INSERT INTO t VALUES (%s)", (7,))
    assert mariadb_database.execute("SELECT id FROM t") == ((7,),)


def test_a_private_mariadb_stores_tables_as_moodle_does(mariadb_database: servers.MariaDatabase) -> None:
    mariadb_database.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    rows = mariadb_database.execute(
        "SELECT engine, table_collation FROM information_schema.tables WHERE table_schema = %s",
        (mariadb_database.name,),
    )
    assert rows == (("InnoDB", "utf8mb4_unicode_ci"),)


def test_a_killed_mariadb_keeps_what_it_committed_and_takes_new_options() -> None:
    with servers.running_mariadb() as server:
        database = server.create_database()
        database.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)")
        database.execute("INSERT INTO t VALUES ()")
        server.kill()
        with pytest.raises(pymysql.err.OperationalError):
            server.connect()
        server.start("--auto-increment-increment=3")
        database.execute("INSERT INTO t VALUES (), ()")
        ids = [row[0] for row in database.execute("SELECT id FROM t ORDER BY id")]
        assert ids[0] == 1
        assert ids[2] - ids[1] == 3


def test_a_private_postgres_does_not_run_as_root(postgres_database: servers.PostgresDatabase) -> None:
    assert postgres_database.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (7); SELECT id FROM t") == "7"
    assert postgres_database.server.datadir.stat().st_uid != 0


def test_the_reader_sees_the_log_and_no_password(shared_capture: servers.MariaDatabase) -> None:
    with shared_capture.connect(reader=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM mdl_logstore_standard_log")
        assert cursor.fetchall() == ((3430,),)
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("SELECT password FROM mdl_user")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("DELETE FROM mdl_logstore_standard_log")


def test_a_revoked_table_can_be_read_no_longer(captured_moodle: servers.MariaDatabase) -> None:
    captured_moodle.revoke_reader("mdl_grade_grades")
    with (
        captured_moodle.connect(reader=True) as connection,
        connection.cursor() as cursor,
        pytest.raises(pymysql.err.OperationalError, match="denied"),
    ):
        cursor.execute("SELECT COUNT(*) FROM mdl_grade_grades")


def test_every_captured_row_is_loaded_as_it_was(shared_capture: servers.MariaDatabase) -> None:
    files = (servers.CAPTURE / "mariadb" / "rows").glob("*.jsonl")
    expected = {f"mdl_{file.stem}": len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    found = {table: shared_capture.execute(f"SELECT COUNT(*) FROM `{table}`")[0][0] for table in expected}
    assert found == expected


def test_a_server_dies_with_a_session_that_was_killed(tmp_path: Path) -> None:
    story = (
        "import sys, time\n"
        "from tests import servers\n"
        "with servers.running_mariadb() as server:\n"
        "    print(server.pid, server.directory, flush=True)\n"
        "    time.sleep(60)\n"
    )
    session = subprocess.Popen(
        [sys.executable, "-c", story], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert session.stdout is not None
    pid, directory = session.stdout.readline().split()
    session.kill()
    session.communicate()
    deadline = time.monotonic() + 60
    while (_runs(int(pid)) or Path(directory).exists()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(int(pid))
    assert not Path(directory).exists()


def _runs(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def test_no_two_processes_of_tests_are_given_the_same_port_and_the_system_gives_none_of_theirs() -> None:
    asked = "from tests.servers import free_port\nprint([free_port() for _ in range(50)], flush=True)\ninput()"
    ours = {servers.free_port() for _ in range(50)}
    others = subprocess.Popen(
        [sys.executable, "-c", asked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert others.stdout is not None
    theirs = set(json.loads(others.stdout.readline()))
    others.communicate("\n")
    low, high = (int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert (len(ours), len(theirs), ours & theirs) == (50, 50, set())
    assert low <= 20_100 or not [port for port in ours | theirs if low <= port <= high]
