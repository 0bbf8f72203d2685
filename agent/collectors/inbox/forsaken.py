"""What the inbox still has of sources that are no longer configured: nobody reads it, and it goes in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import orjson

from agent.collectors.inbox.file import BUSY_S, told
from agent.collectors.inbox.store import FILE_NAME

_NO_LONGER = "source NOT IN (SELECT value FROM json_each(?1))"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
_POSTS = f"DELETE FROM post WHERE received_at < ?2 AND {_NO_LONGER}"  # noqa: S608 - our own words
_REFUSED = "DELETE FROM refused WHERE received_at < ?"
_MARKS = f"DELETE FROM pulled WHERE seen_at < ?2 AND {_NO_LONGER}"  # noqa: S608 - our own words
_ROUNDS = f"DELETE FROM pull WHERE tried_at < ?2 AND {_NO_LONGER}"  # noqa: S608 - our own words


def forget(data_dir: Path, posting: Collection[str], *, before: int) -> int:
    """Remove what came before a time (seconds UTC) from sources other than ``posting``; how many posts.

    With them go posts of that time that were refused, whoever sent them, and where the asking of such a source stood.

    Raises:
        TransientError: nothing is removed: the disk is full, the file locked.
        IntegrityError: the file is damaged.
    """
    path = data_dir / FILE_NAME
    if not path.exists():
        return 0
    names = orjson.dumps(sorted(posting)).decode()
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            tables = {name for (name,) in connection.execute(_TABLES)}
            connection.execute("BEGIN IMMEDIATE")
            count = connection.execute(_POSTS, (names, before)).rowcount
            connection.execute(_REFUSED, (before,))
            if "pull" in tables:  # a file that nobody opens is not brought up to date
                connection.execute(_MARKS, (names, before))
                connection.execute(_ROUNDS, (names, before))
            connection.execute("COMMIT")
            if count:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise told(path, error) from error
    return count
