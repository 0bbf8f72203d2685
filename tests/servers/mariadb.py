"""A private `mariadbd` and its databases."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection

from tests.servers.ports import free_port
from tests.servers.process import (
    ADMIN,
    ADMIN_PASSWORD,
    READER,
    READER_PASSWORD,
    START_TIMEOUT_S,
    Process,
    ServerError,
    program,
    temporary_directory,
    wait,
)

USER_COLUMNS = (
    "id", "username", "idnumber", "firstname", "lastname", "email", "lang", "timezone", "deleted", "suspended",
    "confirmed", "auth", "mnethostid", "timecreated", "timemodified",
)  # fmt: skip
"""The only columns of the user table that an agent may read: never the password, never the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MariaDatabase:
    """One database of a `MariaDB`."""

    server: MariaDB
    name: str

    @property
    def reader_dsn(self) -> str:
        """For an agent's configuration, as the read-only account."""
        return f"mysql://{READER}@127.0.0.1:{self.server.port}/{self.name}"

    def connect(self, *, reader: bool = False, **options: Any) -> Connection[Any]:
        """A connection into it, autocommit on; as the administrator, or as the read-only account."""
        return self.server.connect(self.name, reader=reader, **options)

    def execute(self, sql: str, arguments: Sequence[object] | None = None) -> tuple[tuple[Any, ...], ...]:
        """Run one statement as the administrator, committed; its rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return tuple(cursor.fetchall())

    def grant_reader(self, *, prefix: str = "mdl_", without: Sequence[str] = ()) -> None:
        """Let the read-only account read every table but ``without``, and of the user table its named columns."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            tables = [str(row[0]) for row in cursor.fetchall()]
            for table in tables:
                if table in without:
                    continue
                columns = f" ({', '.join(USER_COLUMNS)})" if table == f"{prefix}user" else ""
                cursor.execute(f"GRANT SELECT{columns} ON `{self.name}`.`{table}` TO '{READER}'@'127.0.0.1'")

    def revoke_reader(self, table: str) -> None:
        """Take one table away from the read-only account."""
        self.execute(f"REVOKE ALL PRIVILEGES ON `{self.name}`.`{table}` FROM '{READER}'@'127.0.0.1'")

    def drop(self) -> None:
        """Remove it with everything in it."""
        self.server.execute(f"DROP DATABASE IF EXISTS `{self.name}`")


class MariaDB:
    """A private `mariadbd` in ``directory``.

    ``options`` are further server options such as ``--auto-increment-increment=3``; ``durable`` makes every commit
    wait for the disk.
    """

    host = "127.0.0.1"

    def __init__(self, directory: Path, *, options: Sequence[str] = (), durable: bool = False) -> None:
        self.directory = directory
        self.options = tuple(options)
        self.durable = durable
        self.port = free_port()
        self._process: Process | None = None

    @property
    def datadir(self) -> Path:
        """Where its data lies; copy it while the server is stopped to have yesterday's backup."""
        return self.directory / "data"

    @property
    def socket(self) -> Path:
        """Where it listens besides its port."""
        return self.directory / "s"

    @property
    def _scratch(self) -> Path:
        return self.directory / "tmp"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "not started"
        return self._process.child.pid

    def install(self) -> None:
        """Make the data directory and the two accounts.

        Its temporary files lie apart too: two servers that begin at once have taken each other's away in /tmp.
        """
        self._scratch.mkdir(exist_ok=True)
        result = subprocess.run(
            [
                program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={self.datadir}",
                f"--tmpdir={self._scratch}",
                *as_root("--user=root"),
                "--skip-test-db",
                "--skip-name-resolve",
                "--auth-root-authentication-method=normal",
                "--innodb-log-file-size=64M",
                "--innodb-flush-log-at-trx-commit=0",
            ],
            capture_output=True,
            check=False,
            text=True,
        )
        if result.returncode:
            message = f"mariadb-install-db failed: {result.stdout[-2000:]}{result.stderr[-2000:]}"
            raise ServerError(message)
        self.datadir.chmod(0o700)
        (self.directory / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS '{ADMIN}'@'127.0.0.1' IDENTIFIED BY '{ADMIN_PASSWORD}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'127.0.0.1' WITH GRANT OPTION;\n"
            f"CREATE USER IF NOT EXISTS '{READER}'@'127.0.0.1' IDENTIFIED BY '{READER_PASSWORD}';\n"
        )

    def start(self, *options: str) -> None:
        """Start it on its data directory and its port, with ``options`` besides its own, and wait until it answers."""
        assert self._process is None, "already started"
        self._process = Process(
            [
                program("mariadbd"),
                "--no-defaults",
                f"--datadir={self.datadir}",
                f"--tmpdir={self._scratch}",
                *as_root("--user=root"),
                "--bind-address=127.0.0.1",
                f"--port={self.port}",
                "--skip-networking=0",
                "--skip-name-resolve",
                f"--socket={self.socket}",
                f"--pid-file={self.directory / 'pid'}",
                f"--init-file={self.directory / 'init.sql'}",
                "--character-set-server=utf8mb4",
                "--collation-server=utf8mb4_unicode_ci",
                "--innodb-buffer-pool-size=256M",
                "--innodb-log-file-size=64M",
                f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
                *self.options,
                *options,
            ],
            directory=self.directory,
            account=None,
        )
        wait(self._process, self._answers)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Shut it down in order; the data directory stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; the data directory stays."""
        self._end(signal.SIGKILL)

    def restart(self, *options: str) -> None:
        """Stop it if it runs and start it again on the same data directory and port."""
        self.stop()
        self.start(*options)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.end(how)
            self._process = None

    def connect(self, database: str | None = None, *, reader: bool = False, **options: Any) -> Connection[Any]:
        """A connection, autocommit on unless ``options`` say otherwise."""
        account = (
            {"user": READER, "password": READER_PASSWORD} if reader else {"user": ADMIN, "password": ADMIN_PASSWORD}
        )
        # Without TLS, whose trusted certificates take 25 ms to load for each connection.
        defaults: dict[str, Any] = {
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": 5,
            "ssl_disabled": True,
        }
        return pymysql.connect(host=self.host, port=self.port, database=database, **(defaults | account | options))

    def execute(self, sql: str, arguments: Sequence[object] | None = None) -> tuple[tuple[Any, ...], ...]:
        """Run one statement as the administrator, committed; its rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return tuple(cursor.fetchall())

    def create_database(self, name: str | None = None) -> MariaDatabase:
        """A fresh, empty database; a name is made up where none is given."""
        chosen = name or f"moodle_{secrets.token_hex(4)}"
        self.execute(f"CREATE DATABASE `{chosen}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        return MariaDatabase(server=self, name=chosen)


def as_root(*options: str) -> tuple[str, ...]:
    """Options that a server wants where root starts it."""
    return options if os.geteuid() == 0 else ()


@contextlib.contextmanager
def running_mariadb(*options: str, durable: bool = False) -> Iterator[MariaDB]:
    """A fresh `mariadbd` with ``options``, running; stopped and removed at the end."""
    with temporary_directory("rewards-mariadb-") as directory:
        server = MariaDB(directory, options=options, durable=durable)
        server.install()
        server.start()
        try:
            yield server
        finally:
            server.kill()


class Replication:
    """How a database follows one of the same name on another server, which keeps a binary log."""

    def __init__(self, primary: MariaDatabase, replica: MariaDatabase) -> None:
        self._primary, self._replica = primary.server, replica.server
        file, position, *_ = self._primary.execute("SHOW MASTER STATUS")[0]
        self._replica.execute(f"SET GLOBAL replicate_do_db = '{replica.name}'")
        self._replica.execute(
            f"CHANGE MASTER TO MASTER_HOST = '{primary.server.host}', MASTER_PORT = {primary.server.port}, "
            f"MASTER_USER = '{ADMIN}', MASTER_PASSWORD = '{ADMIN_PASSWORD}', MASTER_USE_GTID = no, "
            f"MASTER_LOG_FILE = '{file}', MASTER_LOG_POS = {position}"
        )
        self.go_on()

    def go_on(self) -> None:
        """Let it follow, from where it stands."""
        self._replica.execute("START SLAVE")

    def stand_still(self) -> None:
        """Keep it from writing what comes: it lags."""
        self._replica.execute("STOP SLAVE SQL_THREAD")

    def catch_up(self) -> None:
        """Wait until it has everything that was written so far."""
        file, position, *_ = self._primary.execute("SHOW MASTER STATUS")[0]
        ((waited,),) = self._replica.execute(f"SELECT MASTER_POS_WAIT('{file}', {position}, {int(START_TIMEOUT_S)})")
        if waited is None or waited < 0:
            raise ServerError(f"the replica does not follow: {self._replica.execute('SHOW SLAVE STATUS')}")

    def promote(self) -> None:
        """Let it follow nobody any more."""
        for statement in ("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL replicate_do_db = ''"):
            self._replica.execute(statement)


@contextlib.contextmanager
def replicating(primary: MariaDatabase, replica: MariaDatabase) -> Iterator[Replication]:
    """``replica`` follows ``primary`` from now on."""
    made = Replication(primary, replica)
    try:
        yield made
    finally:
        made.promote()
