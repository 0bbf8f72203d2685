"""A Moodle database of a test's own, in any dialect that the log-table collector speaks, and rows to put into it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from agent.clock import Clock
from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.options import LogstoreOptions
from agent.config.facts import FACTS
from agent.config.kinds import MOODLE
from agent.demo.schema import mariadb_ddl, postgres_ddl, sqlite_ddl
from agent.model import Demand, Observation, Page, SourceState
from tests import servers

NOW = 1_795_300_000
"""The test clock's wall time: later than every row that tests write."""

VIEWED = r"\core\event\course_viewed"
LOGGED_IN = r"\core\event\user_loggedin"
UNWANTED = r"\core\event\dashboard_viewed"

LOG_DEFAULTS: Mapping[str, Any] = {
    "eventname": VIEWED, "component": "core", "action": "viewed", "target": "course", "objecttable": None,
    "objectid": None, "crud": "r", "edulevel": 2, "contextid": 84, "contextlevel": 50, "contextinstanceid": 3,
    "userid": 35, "courseid": 3, "relateduserid": None, "anonymous": 0, "other": "null", "timecreated": NOW - 3_600,
    "origin": "web", "ip": None, "realuserid": None,
}  # fmt: skip


class HandClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.wall = NOW
        self.ran = 0.0

    def now(self) -> int:
        return self.wall

    def running(self) -> float:
        return self.ran

    def pass_s(self, seconds: float) -> None:
        """Let time go by, on both clocks."""
        self.ran += seconds
        self.wall += int(seconds)


class Site(Protocol):
    """A database with Moodle's tables, empty at first."""

    def options(self) -> LogstoreOptions:
        """A source that reads it from its beginning."""
        ...

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement as its owner, committed; `?` stands for a parameter."""
        ...


class SqliteSite:
    """The tables in an SQLite file, made where it has none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = OFF")  # a test's site need not outlive the machine
            founded = db.execute("SELECT EXISTS (SELECT 1 FROM sqlite_master)").fetchone() == (1,)
            for statement in () if founded else sqlite_ddl():
                db.execute(statement)
        db.close()

    def options(self) -> LogstoreOptions:
        return _options(f"sqlite:///{self.path}", None)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.path)
        try:
            with db:
                db.execute("PRAGMA synchronous = OFF")
                return db.execute(sql, tuple(parameters)).fetchall()
        finally:
            db.close()


class MariaSite:
    """The tables in a MariaDB database, read by an account that can read and nothing else; `reset` empties them."""

    def __init__(self, database: servers.MariaDatabase) -> None:
        self.database = database
        self._touched: set[str] = set()
        for statement in mariadb_ddl():
            self.execute(statement)
        database.grant_reader()
        self._touched.clear()

    def options(self) -> LogstoreOptions:
        return options_for(self.database)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self._touched.update(_TABLE.findall(sql))
        # Moodle names every column; tests leave out long texts, which have no default here.
        with self.database.connect(init_command="SET sql_mode = ''") as connection, connection.cursor() as cursor:
            cursor.execute(sql.replace("%", "%%").replace("?", "%s"), tuple(parameters))
            return list(cursor.fetchall())

    def reset(self) -> None:
        """Empty what was written to, make again what was dropped."""
        touched, self._touched = self._touched, set()
        there = {str(row[0]) for row in self.database.execute("SHOW TABLES")}
        for table in touched & there:
            self.database.execute(f"DELETE FROM `{table}`")
        for statement in mariadb_ddl():
            if not there.issuperset(_TABLE.findall(statement)):
                self.database.execute(statement)
        self._touched.clear()


class PostgresSite:
    """The tables in a PostgreSQL database, read by an account that can read and nothing else; `reset` empties them."""

    def __init__(self, database: servers.PostgresDatabase) -> None:
        self.database = database
        self._touched: set[str] = set()
        self._ddl = tuple(postgres_ddl())
        database.execute(";\n".join(self._ddl))
        database.grant_reader()

    def options(self) -> LogstoreOptions:
        return postgres_options_for(self.database)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self._touched.update(_TABLE.findall(sql))
        values = iter(parameters)
        return self.database.rows("".join(_literal(next(values)) if sign == "?" else sign for sign in sql))

    def reset(self) -> None:
        """Empty what was written to, make again what was dropped."""
        touched, self._touched = self._touched, set()
        there = {str(row[0]) for row in self.database.rows("SELECT tablename FROM pg_tables")}
        wanted = [statement for statement in self._ddl if not there.issuperset(_TABLE.findall(statement)[-1:])]
        emptied = [f"TRUNCATE {table} RESTART IDENTITY" for table in touched & there]
        self.database.execute(";\n".join([*emptied, *wanted]))
        if wanted:
            self.database.grant_reader()


def _literal(value: object) -> str:
    """A value as PostgreSQL reads it."""
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, (int, Decimal)) else "'{}'".format(str(value).replace("'", "''"))


_TABLE = re.compile(r"\bmdl_\w+")


def options_for(database: servers.MariaDatabase) -> LogstoreOptions:
    """A source that reads a MariaDB database from its beginning."""
    return _options(database.reader_dsn, servers.READER_PASSWORD)


def postgres_options_for(database: servers.PostgresDatabase) -> LogstoreOptions:
    """A source that reads a PostgreSQL database from its beginning."""
    return _options(database.reader_dsn, servers.READER_PASSWORD)


def _options(url: str, password: str | None) -> LogstoreOptions:
    return LogstoreOptions(name="moodle", url=url, password=password, start_at="beginning", poll_interval_s=0.01)


def log(site: Site, *ids: int, **columns: object) -> None:
    """Write log rows with these ids, alike but for the id."""
    row = {**LOG_DEFAULTS, **columns}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    places = ", ".join([f"(?, {marks})"] * len(ids))
    values = [value for position in ids for value in (position, *row.values())]
    site.execute(f"INSERT INTO mdl_logstore_standard_log (id, {names}) VALUES {places}", values)


def put(site: Site, table: str, **columns: object) -> None:
    """Write one row into a table named without prefix."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    site.execute(f"INSERT INTO mdl_{table} ({names}) VALUES ({marks})", tuple(columns.values()))


def wanting(
    *names: str,
    facts: Sequence[str] = (),
    suffixes: Sequence[str] = (),
    placed: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> Demand:
    """Rules that want these events and facts, some of them in some courses alone."""
    return Demand(
        rules_version="v1",
        names=frozenset(names),
        suffixes=frozenset(suffixes),
        facts=frozenset(facts),
        placed=placed,
    )


EVERYTHING = Demand(
    rules_version="all",
    names=frozenset(entry.lms_event for entry in MOODLE if not entry.suffix),
    suffixes=frozenset(entry.lms_event for entry in MOODLE if entry.suffix),
    facts=frozenset(entry.name for entry in FACTS),
)
"""Rules that want every kind and every fact."""


@asynccontextmanager
async def collecting(options: LogstoreOptions, clock: Clock, **changes: Any) -> AsyncIterator[LogstoreCollector]:
    """A collector, closed at the end."""
    collector = LogstoreCollector(replace(options, **changes), clock)
    try:
        yield collector
    finally:
        await collector.close()


async def pages_of(
    collector: LogstoreCollector, state: SourceState | None = None, demand: Demand | None = None
) -> list[Page]:
    """Every page up to the newest row there is."""
    wanted = demand or wanting(VIEWED)
    return [page async for page in collector.pages(state or SourceState(), lambda: wanted, follow=False)]


async def read(
    collector: LogstoreCollector, state: SourceState | None = None, demand: Demand | None = None
) -> tuple[list[Observation], SourceState]:
    """Every observation up to the newest row there is, and where the source then stands."""
    pages = await pages_of(collector, state, demand)
    return [seen for page in pages for seen in page.observations], pages[-1].state
