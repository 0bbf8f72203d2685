"""A private `postgres` and its databases."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.servers.mariadb import USER_COLUMNS
from tests.servers.ports import free_port
from tests.servers.process import (
    ADMIN,
    READER,
    READER_PASSWORD,
    Process,
    ServerError,
    program,
    temporary_directory,
    wait,
)

ANSWERS, REFUSES = 0, 1
"""What `pg_isready` ends with."""

RECOVERS = "entering standby mode"
"""What a server writes that recovers until it is started anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresDatabase:
    """One database of a `Postgres`."""

    server: Postgres
    name: str

    @property
    def dsn(self) -> str:
        """For asyncpg and psql, as the administrator."""
        return f"postgresql://{ADMIN}@127.0.0.1:{self.server.port}/{self.name}"

    @property
    def reader_dsn(self) -> str:
        """For asyncpg and psql, as the read-only account."""
        return f"postgresql://{READER}@127.0.0.1:{self.server.port}/{self.name}"

    @property
    def sqlalchemy_url(self) -> str:
        """For SQLAlchemy over asyncpg."""
        return self.dsn.replace("postgresql://", "postgresql+asyncpg://")

    def execute(self, sql: str) -> str:
        """Run statements as the administrator through psql; unaligned rows as text."""
        return self.server.execute(sql, database=self.name)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement as the administrator, committed; its rows as Python values."""

        async def asked() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as worker:  # a test's own loop may be running here
            return worker.submit(lambda: asyncio.run(asked())).result()

    def grant_reader(self, *, prefix: str = "mdl_", without: Sequence[str] = ()) -> None:
        """Let the read-only account read the tables that there are, all but ``without`` (named without prefix)."""
        kept = {f"{prefix}{name}" for name in without}
        found = self.rows(f"SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE '{prefix}%'")
        told = [
            "GRANT SELECT{} ON {} TO {}".format(
                f" ({', '.join(USER_COLUMNS)})" if t == f"{prefix}user" else "", t, READER
            )
            for (t,) in found
            if t not in kept
        ]
        self.execute(";\n".join(told))

    def revoke_reader(self, table: str) -> None:
        """Take back what the read-only account may do with a table."""
        self.execute(f"REVOKE ALL PRIVILEGES ON {table} FROM {READER}")

    def drop(self) -> None:
        """Remove it, ending the connections that are still open."""
        self.server.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


class Postgres:
    """A private `postgres` in ``directory``; it refuses root, so there it runs as another account.

    ``options`` are settings such as ``fsync=off``; ``durable`` makes every commit wait for the disk.
    """

    host = "127.0.0.1"

    def __init__(self, directory: Path, *, options: Sequence[str] = (), durable: bool = False) -> None:
        self.directory = directory
        self.options = tuple(options)
        self.durable = durable
        self.port = free_port()
        self._account = unprivileged()
        self._process: Process | None = None

    @property
    def datadir(self) -> Path:
        """Where its data lies."""
        return self.directory / "data"

    def install(self) -> None:
        """Make the data directory and the two accounts."""
        if self._account is not None:
            os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
        self._as_account(
            [
                _postgres_program("initdb"),
                f"--pgdata={self.datadir}",
                f"--username={ADMIN}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]
        )
        rules = self.datadir / "pg_hba.conf"
        with rules.open("r+", encoding="utf-8") as file:
            trusting = file.read()
            file.seek(0)
            file.write(f"host all {READER} 127.0.0.1/32 scram-sha-256\n{trusting}")
        self.start()
        self.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}'")

    def follow(self, primary: Postgres) -> None:
        """Make the data directory a copy of ``primary``'s, and start as its streaming replica."""
        if self._account is not None:
            os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
        where = ["-h", primary.host, "-p", str(primary.port), "-U", ADMIN]
        command = [
            _postgres_program("pg_basebackup"),
            *where,
            "-D",
            str(self.datadir),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
        ]
        self._as_account(command)
        self.start()

    def _as_account(self, command: Sequence[str]) -> None:
        who: dict[str, Any] = {}
        if self._account is not None:
            who = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=self.directory, **who)
        if done.returncode:
            message = f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise ServerError(message)

    def start(self, *options: str) -> None:
        """Start it, with the settings ``options`` besides its own, and wait until it answers; nothing if it runs."""
        if self._process is not None:
            return
        wait(self._begin(*options), lambda: self._ready() == ANSWERS)

    def recover(self) -> None:
        """Start it again as after a crash: it refuses everybody until it is restarted."""
        self.stop()
        recovery = self.datadir / "standby.signal"
        recovery.touch()
        begun = self._begin("hot_standby=off")
        try:
            # It refuses already before it has looked at the file; without that it would recover by itself.
            wait(begun, lambda: RECOVERS in begun.last_words() and self._ready() == REFUSES)
        finally:
            recovery.unlink()

    def _begin(self, *options: str) -> Process:
        fast = () if self.durable else ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
        settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self.directory}", *fast)
        self._process = Process(
            [
                _postgres_program("postgres"),
                "-D",
                str(self.datadir),
                "-p",
                str(self.port),
                *(word for setting in (*settings, *self.options, *options) for word in ("-c", setting)),
            ],
            directory=self.directory,
            account=self._account,
        )
        return self._process

    def _ready(self) -> int:
        command = [_postgres_program("pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode

    def stop(self) -> None:
        """Shut it down, ending open connections; the data directory stays."""
        self._end(signal.SIGINT)

    def stop_at_once(self) -> None:
        """End it and its children without writing anything; the data directory stays and is recovered at the start."""
        self._end(signal.SIGQUIT)

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

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """Run statements as the administrator through psql; unaligned rows as text."""
        where = ["-h", self.host, "-p", str(self.port), "-U", ADMIN, "-d", database]
        result = subprocess.run(
            [_postgres_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where],
            input=sql,
            capture_output=True,
            check=False,
            text=True,
        )
        if result.returncode:
            raise ServerError(result.stderr)
        return result.stdout.strip()

    def create_database(
        self, name: str | None = None, *, like: PostgresDatabase | None = None, icu: str = ""
    ) -> PostgresDatabase:
        """A fresh database, empty or a copy of one that nobody uses; a name is made up where none is given.

        With ``icu`` it orders texts as people of that locale do, not by their bytes.
        """
        chosen = name or f"test_{secrets.token_hex(4)}"
        template = f' TEMPLATE "{like.name}"' if like else ""
        order = f" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '{icu}'" if icu else ""
        self.execute(f'CREATE DATABASE "{chosen}"{template}{order}')
        return PostgresDatabase(server=self, name=chosen)


def _postgres_program(name: str) -> str:
    return program(name, "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")


def unprivileged() -> pwd.struct_passwd | None:
    """Whom a server that refuses root runs as; nobody else is needed where we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextlib.contextmanager
def running_postgres(*options: str, durable: bool = False) -> Iterator[Postgres]:
    """A fresh `postgres` with the settings ``options``, running; stopped and removed at the end."""
    with temporary_directory("rewards-postgres-") as directory:
        server = Postgres(directory, options=options, durable=durable)
        try:
            server.install()
            yield server
        finally:
            server.stop_at_once()


@contextlib.contextmanager
def running_replica(primary: Postgres, *options: str) -> Iterator[Postgres]:
    """A streaming replica of ``primary``, running; `promote` it with `pg_promote()`."""
    with temporary_directory("rewards-replica-") as directory:
        server = Postgres(directory, options=options)
        try:
            server.follow(primary)
            yield server
        finally:
            server.stop_at_once()
