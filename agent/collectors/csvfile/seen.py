"""Which keys a file has had already, on disk, so that a million rows need no more memory than a thousand."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b


class Seen:
    """A set of keys in a temporary file that is gone when it is closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY, row INTEGER NOT NULL)")
        self._db.execute("BEGIN")

    def first_rows(self, keys: Sequence[tuple[str, int]]) -> dict[int, int]:
        """For rows whose key was there before: row → the row that had it first. (key, row) pairs go in order."""
        digests = [(int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True), row)
                   for key, row in keys]  # fmt: skip
        before = self._db.total_changes
        self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", digests)
        if self._db.total_changes - before == len(digests):
            return {}
        found = {}
        for digest, row in digests:
            (first,) = self._db.execute("SELECT row FROM seen WHERE key = ?", (digest,)).fetchone()
            if first != row:
                found[row] = first
        return found

    def close(self) -> None:
        """Remove the file."""
        self._db.close()
