"""Where words about somebody stand in files, exactly: not where hashes, signatures or times happen to have them.

Random hexadecimals, base64 and seconds since 1970 come to a word of letters and digits alone (`S35`, `35010`) now and
then, so it counts where it stands by itself. A file of SQLite has columns with nothing between them: there it is looked
for in every value, and in the bytes besides, which have what was deleted.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

DRAWN_OF = rb"0-9A-Za-z+/"
"""What hexadecimals and base64 are made of."""
SQLITE = b"SQLite format 3\0"


def standing_in(files: Iterable[Path], words: Collection[bytes], *, below: Path) -> list[tuple[str, bytes]]:
    """(file, seen from ``below``, and word) for each word that stands in a file."""
    return [(str(path.relative_to(below)), word) for path in files for word in standing(path, words)]


def standing(path: Path, words: Collection[bytes]) -> list[bytes]:
    """The words that stand in a file."""
    held = path.read_bytes()
    found = {word for word in words if _pattern(word).search(held)}
    if held.startswith(SQLITE) and (plain := [word for word in words if word.isalnum() and word not in found]):
        for value in _values(path):
            found |= {word for word in plain if _pattern(word).search(value)}
    return [word for word in words if word in found]


def _pattern(word: bytes) -> re.Pattern[bytes]:
    beside = rb"(?<![%b])%b(?![%b])" if word.isalnum() else rb"%.0b%b%.0b"
    return re.compile(beside % (DRAWN_OF, re.escape(word), DRAWN_OF))


def _values(path: Path) -> Iterator[bytes]:
    """Every value of every table, as text."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield from (one if isinstance(one, bytes) else str(one).encode() for one in row if one is not None)
