"""The file of the inbox: its tables, how older ones are brought up to date, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from agent.collectors.inbox import pulls
from agent.config.document import readable_to_us
from agent.errors import ConfigError, IntegrityError, TransientError
from agent.ledger.file import looked_through, read_only

BUSY_S = 5.0
LAST = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'post'), 0)"
"""The highest number that a post ever had."""

_POSTS = """
CREATE TABLE post (
  no          INTEGER PRIMARY KEY AUTOINCREMENT,
  source      TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  evidence    TEXT NOT NULL,
  body        BLOB NOT NULL
) STRICT;
CREATE INDEX post_of_source ON post (source, no);
CREATE TABLE refused (
  no          INTEGER PRIMARY KEY AUTOINCREMENT,
  source      TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  told        TEXT NOT NULL,
  body        BLOB NOT NULL
) STRICT;
CREATE INDEX refused_of_source ON refused (source, no);
"""
_REQUEUED = """
ALTER TABLE post ADD COLUMN was INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refused ADD COLUMN evidence TEXT NOT NULL DEFAULT 'nothing';
ALTER TABLE refused ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;
UPDATE refused SET whole = 1 WHERE length(body) < 4000;
"""
"""``was`` is the number that a post had first, 0 where it still has it. What refused posts had shown was not kept."""

_LEAVING = """
ALTER TABLE post ADD COLUMN leaves INTEGER NOT NULL DEFAULT 0;
CREATE INDEX post_leaving ON post (source, no) WHERE leaves;
"""
"""``leaves`` is 1 where somebody is named who was erased: the post goes as soon as nothing of it is needed any more."""

STEPS = (_POSTS, pulls.TABLES, _REQUEUED)
"""From each schema to the next, the first from an empty file. Another one would shut out every release before it, and
with that the way back: what they may leave alone is in `ADDED`."""
ADDED = {"leaves": _LEAVING}
"""Columns of posts, each with its step, that an older release need not know: it goes on with the file and its posts."""

_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON")


def opened(path: Path, floor: int) -> sqlite3.Connection:
    """Open or make the file, up to date; the next post gets a number above ``floor``.

    Raises:
        TransientError: the disk is full, the file locked.
        IntegrityError: the file is damaged, or newer than this program.
    """
    with contextlib.ExitStack() as undo:
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
            undo.callback(connection.close)
            path.chmod(0o600)
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            _check(path, version)
            if version < len(STEPS):
                steps = "".join(STEPS[version:])
                connection.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version = {len(STEPS)};COMMIT;")
            there = {name for _, name, *_ in connection.execute("PRAGMA table_info(post)")}
            if added := "".join(step for name, step in ADDED.items() if name not in there):
                connection.executescript(f"BEGIN IMMEDIATE;{added}COMMIT;")
            # An inbox that was lost must not hand out numbers again that the ledger has passed already.
            (last,) = connection.execute(LAST).fetchone()
            if last < floor:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'post'")
                    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('post', ?)", (floor,))
        except sqlite3.Error as error:
            raise told(path, error) from error
        undo.pop_all()  # whoever asked for it closes it
    return connection


def look_at(path: Path, *, within_s: float) -> None:
    """See that the file, where there is one, can be read and is whole as far as that is seen in time; change nothing.

    Raises:
        ConfigError: this user may not read it.
        TransientError: it is locked, or the disk is in trouble.
        IntegrityError: the file is damaged, or newer than this program.
    """
    if not path.exists():
        return
    if not os.access(path, os.R_OK, effective_ids=True):
        raise ConfigError(
            f"{path}: this user may not read it",
            hint=readable_to_us(path.parent, whole=True),
            fault="data-directory-unusable",
        )
    try:
        with contextlib.closing(sqlite3.connect(read_only(path), uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            damage, _ = looked_through(connection, within_s=within_s)
    except sqlite3.Error as error:
        raise told(path, error) from error
    _check(path, version)
    if damage:
        raise told(path, sqlite3.DatabaseError(f"malformed: {damage}"))


def _check(path: Path, version: int) -> None:
    if version > len(STEPS):
        raise IntegrityError(
            f"{path} was written by a newer version (schema {version} of {len(STEPS)})",
            hint="install that version again",
            fault="ledger-newer",
        )


def told(path: Path, error: sqlite3.Error) -> TransientError | IntegrityError:
    """What an error of SQLite means for whoever runs the agent."""
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    if (damaged and "malformed" in str(error)) or "not a database" in str(error):
        return IntegrityError(
            f"{path} is damaged: {error}", hint="stop the agent, move the file away, and let the systems post again"
        )
    return TransientError(f"{path}: {error}", hint="free disk space, or see who holds the file; it is tried again")
