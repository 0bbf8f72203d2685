"""Gives log rows their ids and commits them as Moodle does: several at a time, sometimes late, sometimes never.

SQLite hands out no id that it does not store, so the ids are reserved here; what is then committed late by a second
connection, or rolled back, looks to a reader as it does on a busy MariaDB.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from agent.demo.campus import connect
from agent.demo.logrow import LOG_COLUMNS, LogRow, values

INSERT = (
    f"INSERT INTO mdl_logstore_standard_log ({', '.join(LOG_COLUMNS)}) "  # noqa: S608 - constant names
    f"VALUES ({', '.join('?' * len(LOG_COLUMNS))})"
)
PHP_EVERY = 7
"""Each so many-th request writes `other` as PHP `serialize`, as a site that was switched over has both."""


class LogDesk:
    """The log's one counter of ids, used by one thread; late writers have their own connection each."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self._next = db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM mdl_logstore_standard_log").fetchone()[0]
        self._requests = 0
        self._late: list[threading.Timer] = []

    def write(self, rows: Sequence[LogRow]) -> None:
        """One request's rows in one insert, in the transaction that is open or in one of their own."""
        _insert(self._db, self._numbered(rows))

    def write_late(self, rows: Sequence[LogRow], *, after_s: float) -> None:
        """Take the ids now and commit the rows ``after_s`` seconds later, when higher ids have long been visible."""
        numbered = self._numbered(rows)
        timer = threading.Timer(after_s, self._commit_late, (numbered,))
        self._late = [*(late for late in self._late if late.is_alive()), timer]
        timer.start()

    def roll_back(self, rows: Sequence[LogRow]) -> None:
        """Write the rows and take them back: their ids never come."""
        numbered = self._numbered(rows)
        self._db.execute("SAVEPOINT gone")
        self._db.executemany(INSERT, numbered)
        self._db.execute("ROLLBACK TO gone")
        self._db.execute("RELEASE gone")

    def close(self) -> None:
        """Wait until every late row is committed."""
        for late in self._late:
            late.join()
        self._late = []

    def _numbered(self, rows: Sequence[LogRow]) -> list[tuple[int | str | None, ...]]:
        first, self._next = self._next, self._next + len(rows)
        self._requests += 1
        as_php = self._requests % PHP_EVERY == 0
        return [values(row, first + n, as_php=as_php) for n, row in enumerate(rows)]

    def _commit_late(self, numbered: list[tuple[int | str | None, ...]]) -> None:
        db = connect(self._path)
        try:
            _insert(db, numbered)
        finally:
            db.close()


def _insert(db: sqlite3.Connection, numbered: list[tuple[int | str | None, ...]]) -> None:
    if db.in_transaction:
        db.executemany(INSERT, numbered)
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany(INSERT, numbered)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
