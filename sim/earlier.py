"""A ledger as the program of an earlier schema would have left it: what it had no place for is not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from agent.ledger.file import FILE_NAME, migrations

EARLIEST = 21
"""Ledgers of before knew nothing of vouchers made beforehand or of persons elsewhere, which stories are about."""
_KEEPS_TOLD = 26
"""From this schema on it is kept which pseudonyms the catalogue has forgotten; before they were let go of."""
_TABLES = "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY rowid"
_TRIGGERS = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY rowid"


def schema_of(data_dir: Path) -> int:
    """Which schema the ledger has: one whose upgrade was killed still has its earlier one."""
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def turn_back(data_dir: Path, schema: int) -> None:
    """Put in place of the ledger one of ``schema`` with all of it that had a place there; nobody has it open."""
    path = data_dir / FILE_NAME
    before = path.with_name("earlier.db")
    with closing(sqlite3.connect(before, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        steps = [sql for number, sql in sorted(migrations().items()) if number <= schema]
        db.executescript("\n".join(("BEGIN;", *steps, f"PRAGMA user_version = {schema};", "COMMIT;")))
        db.execute("ATTACH ? AS today", (str(path),))
        _fill(db, schema)
        db.execute("DETACH today")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before.chmod(0o600)
    for name in (before, path):
        for more in ("-wal", "-shm"):
            name.with_name(name.name + more).unlink(missing_ok=True)
    before.replace(path)


def _fill(db: sqlite3.Connection, schema: int) -> None:
    """Copy rows as they are: what triggers would do was done."""
    had = db.execute("PRAGMA today.user_version").fetchone()[0]
    db.execute("BEGIN")
    triggers = db.execute(_TRIGGERS).fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for (table,) in db.execute(_TABLES).fetchall():
        kept = " WHERE NOT told" if table == "forgotten" and schema < _KEEPS_TOLD <= had else ""
        columns = dict(_columns(db, table))
        db.execute(f"DELETE FROM main.{table}")
        db.execute(
            f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
            f" FROM today.{table}{kept}"
        )
    for _, sql in triggers:
        db.execute(sql)
    db.execute("COMMIT")


def _columns(db: sqlite3.Connection, table: str) -> Iterator[tuple[str, str]]:
    """Columns of then, and what is in them: times and counts that are gone today are nought."""
    today = {row[1] for row in db.execute(f"PRAGMA today.table_info({table})")}
    for _, name, _, needed, default, _ in db.execute(f"PRAGMA main.table_info({table})").fetchall():
        if name in today:
            yield f'"{name}"', f'"{name}"'
        elif needed and default is None:
            yield f'"{name}"', "0"
