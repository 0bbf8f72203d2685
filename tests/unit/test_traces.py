"""The tests of erasures find what stands in a file, and not what chance put there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.traces import standing, standing_in

WORDS = (b"S35", b"35010", b'"35"', b"ann@")


def test_what_hashes_signatures_and_times_happen_to_have_is_nobodys(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    drawn.write_bytes(b'{"head": "0a35010ff", "signature": "kQ/S35+x", "at": 1795350102, "who": "annabel"}')
    assert standing(drawn, WORDS) == []
    drawn.write_bytes(drawn.read_bytes() + b'{"o":"35010"} S35, ann@example.org')
    assert standing_in([drawn], WORDS, below=tmp_path) == [("drawn", b"S35"), ("drawn", b"35010"), ("drawn", b"ann@")]


def test_in_a_database_it_is_found_in_a_column_between_others_and_after_it_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE person (site TEXT, idnumber TEXT, name TEXT, no INTEGER)")
        db.execute("INSERT INTO person VALUES ('moodle', 'S35', 'Ann', 35010)")
    assert standing(path, WORDS) == [b"S35", b"35010"]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("""UPDATE person SET idnumber = '{"35"}', no = 0""")
        db.execute("DELETE FROM person")
    assert standing(path, WORDS) == [b'"35"']
