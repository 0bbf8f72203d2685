"""A private `mysqld` of MySQL, where this machine has one: `MYSQLD` names it, or it is found by its name.

MariaDB installs a `mysqld` too, so whoever is found is asked who it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.servers.mariadb import MariaDB, as_root
from tests.servers.process import (
    ADMIN,
    ADMIN_PASSWORD,
    READER,
    READER_PASSWORD,
    Process,
    ServerError,
    temporary_directory,
    wait,
)

ABSENT = "MySQL is not on this machine (MariaDB is): set MYSQLD to a mysqld of MySQL 8 or later to run this too"


@cache
def mysqld() -> str | None:
    """Path of a `mysqld` that is MySQL's; None where there is none."""
    named = os.environ.get("MYSQLD")
    path = named or shutil.which("mysqld", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/libexec")
    if path is None:
        return None
    told = subprocess.run([path, "--version"], capture_output=True, check=False, text=True).stdout
    return path if "Ver" in told and "mariadb" not in told.lower() else None


class MySQL(MariaDB):
    """A private `mysqld` in ``directory``, with what a `MariaDB` has. Its accounts have MySQL's own authentication."""

    def install(self) -> None:
        """Make the data directory and the two accounts."""
        result = subprocess.run(
            [self._program, "--no-defaults", "--initialize-insecure", f"--datadir={self.datadir}", *self._common],
            capture_output=True,
            check=False,
            text=True,
        )
        if result.returncode:
            message = f"mysqld --initialize failed: {result.stdout[-2000:]}{result.stderr[-2000:]}"
            raise ServerError(message)
        (self.directory / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS '{ADMIN}'@'127.0.0.1' IDENTIFIED BY '{ADMIN_PASSWORD}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'127.0.0.1' WITH GRANT OPTION;\n"
            f"CREATE USER IF NOT EXISTS '{READER}'@'127.0.0.1' IDENTIFIED BY '{READER_PASSWORD}';\n"
        )

    @property
    def _program(self) -> str:
        found = mysqld()
        assert found is not None, ABSENT
        return found

    @property
    def _common(self) -> tuple[str, ...]:
        return (*as_root("--user=root"), "--secure-file-priv=", f"--tmpdir={self._scratch_made()}")

    def _scratch_made(self) -> Path:
        self._scratch.mkdir(exist_ok=True)
        return self._scratch

    def _command(self, *options: str) -> Sequence[str]:
        return [
            self._program,
            "--no-defaults",
            f"--datadir={self.datadir}",
            *self._common,
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--mysqlx=OFF",
            "--skip-name-resolve",
            f"--socket={self.directory / 's'}",
            f"--pid-file={self.directory / 'pid'}",
            f"--init-file={self.directory / 'init.sql'}",
            "--skip-log-bin",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
            *self.options,
            *options,
        ]

    def start(self, *options: str) -> None:
        """Start it on its data directory and its port, and wait until it answers."""
        assert self._process is None, "already started"
        self._process = Process(self._command(*options), directory=self.directory, account=None)
        wait(self._process, self._answers)


@contextlib.contextmanager
def running_mysql(*options: str) -> Iterator[MySQL]:
    """A fresh `mysqld` with ``options``, running; stopped and removed at the end."""
    with temporary_directory("rewards-mysql-") as directory:
        server = MySQL(directory, options=options)
        server.install()
        server.start()
        try:
            yield server
        finally:
            server.kill()
