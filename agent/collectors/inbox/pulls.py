"""What the inbox remembers of systems that are asked: how far each was read, which facts came before, how it goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

TABLES = """
CREATE TABLE pull (
  source   TEXT PRIMARY KEY,
  place    BLOB NOT NULL,
  began_at INTEGER NOT NULL,
  tried_at INTEGER NOT NULL,
  ok_at    INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  facts    INTEGER NOT NULL,
  trouble  TEXT NOT NULL
) STRICT;
CREATE TABLE pulled (
  source  TEXT NOT NULL,
  mark    BLOB NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (source, mark)
) STRICT, WITHOUT ROWID;
"""
_BEGIN = "INSERT INTO pull VALUES (?, x'', ?, 0, 0, 0, 0, '') ON CONFLICT (source) DO NOTHING"
_PLACE = "SELECT place, began_at FROM pull WHERE source = ?"
_SAVE = """
UPDATE pull SET place = ?2, tried_at = ?3, attempts = 0, trouble = '', facts = facts + ?4,
  ok_at = CASE WHEN ?5 THEN ?3 ELSE ok_at END
WHERE source = ?1
"""
_FAILED = "UPDATE pull SET tried_at = ?2, attempts = attempts + 1, trouble = ?3 WHERE source = ?1"
_SEEN = """
INSERT INTO pulled VALUES (?1, ?2, ?3)
ON CONFLICT (source, mark) DO UPDATE SET seen_at = excluded.seen_at WHERE seen_at < excluded.seen_at - 86400
"""
_KNOWN = "SELECT 1 FROM pulled WHERE source = ? AND mark = ?"
_FORGET = "DELETE FROM pulled WHERE source = ? AND seen_at < ?"
_STANDING = "SELECT source, began_at, tried_at, ok_at, attempts, facts, trouble FROM pull ORDER BY source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One fact that a system told when it was asked, in the words of its posts.

    ``mark`` is the same however often the fact is told (at most 32 bytes); ``body`` None is a fact that is only
    remembered. ``recorded_at`` is when the system itself took note of it, seconds UTC.
    """

    body: bytes | None
    mark: bytes
    recorded_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStanding:
    """How the asking of one source goes; times are seconds UTC, 0 where there was none."""

    source: str
    began_at: int
    tried_at: int
    ok_at: int
    attempts: int
    facts: int
    trouble: str


def began(connection: sqlite3.Connection, source: str, now: int) -> tuple[bytes, int]:
    """Where a source stands (empty: at its beginning), and when it was asked first."""
    with connection:
        connection.execute(_BEGIN, (source, now))
    place, began_at = connection.execute(_PLACE, (source,)).fetchone()
    return place, began_at


def keep_new(
    connection: sqlite3.Connection,
    source: str,
    fetched: Sequence[Fetched],
    now: int,
    append: Callable[[Sequence[Fetched]], None],
) -> int:
    """Append what did not come before; how many. Inside the caller's transaction."""
    new: dict[bytes, Fetched] = {}
    for each in fetched:
        if connection.execute(_KNOWN, (source, each.mark)).fetchone() is None:
            new.setdefault(each.mark, each)
        connection.execute(_SEEN, (source, each.mark, now))
    kept = [each for each in new.values() if each.body is not None]
    append(kept)
    return len(kept)


def save(connection: sqlite3.Connection, source: str, place: bytes, now: int, new: int, *, done: bool) -> None:
    """Remember how far a source was read; inside the caller's transaction. ``done`` is whether a round is over."""
    connection.execute(_SAVE, (source, place, now, new, done))


def failed(connection: sqlite3.Connection, source: str, now: int, trouble: str) -> None:
    """Remember why a source cannot be read now."""
    with connection:
        connection.execute(_FAILED, (source, now, trouble))


def forget(connection: sqlite3.Connection, source: str, before: int) -> None:
    """Let go of the marks of facts that were not told again since a time."""
    with connection:
        connection.execute(_FORGET, (source, before))


def standings(path: Path) -> list[PullStanding]:
    """How the asking of each source goes, read beside a running agent; none where there is nothing to read."""
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            rows = connection.execute(_STANDING).fetchall()
    except sqlite3.Error:
        return []
    names = ("source", "began_at", "tried_at", "ok_at", "attempts", "facts", "trouble")
    return [PullStanding(**dict(zip(names, row, strict=True))) for row in rows]
