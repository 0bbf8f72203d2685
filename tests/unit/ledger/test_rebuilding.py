"""A ledger put together from what a catalogue acknowledged: who is who where an account was begun twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.ledger import file
from agent.ledger.delivery import KeptReceipt
from agent.ledger.recovery.persons import Known
from agent.ledger.recovery.rebuilding import Rebuilding
from tests.wire_builders import an_entry
from wire import chain
from wire.receipt import Receipt


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        file.migrate(connection, path)
        yield connection


def known(pseudonym: str, *, created_at: int) -> Known:
    """The same account under this name."""
    secret = pseudonym.encode().ljust(32, b".")
    return Known(site="moodle", lms_user="35", secret=secret, pseudonym=pseudonym, created_at=created_at)


def rebuilt(ledger: sqlite3.Connection, *learners: str) -> tuple[list[str], set[str]]:
    """Whose the account is and who is a stranger, after entries of these learners."""
    people = {one.pseudonym: one for one in (known("first", created_at=1), known("second", created_at=2))}
    made = Rebuilding(ledger, people)
    bodies = [an_entry(seq, learner=learner) for seq, learner in enumerate(learners, 1)]
    receipt = Receipt(
        campus="c", agent="a", epoch=1, first_seq=1, last_seq=len(bodies), digest=b"", head=chain.GENESIS,
        accepted=len(bodies), rejected=(), received_at=1,
    )  # fmt: skip
    if bodies:
        made.add(bodies, KeptReceipt(receipt=receipt, body=b"", signature=""))
    made.finish({}, {}, (), now=3)
    rows = ledger.execute("SELECT pseudonym FROM person ORDER BY person_no").fetchall()
    return [name for (name,) in rows], made.strangers


def test_a_person_whom_an_older_backup_made_anew_gives_way_to_the_one_with_entries(ledger: sqlite3.Connection) -> None:
    assert rebuilt(ledger, "first") == (["first"], set())


def test_of_two_persons_without_entries_the_newest_stands(ledger: sqlite3.Connection) -> None:
    assert rebuilt(ledger) == (["second"], set())


def test_of_two_persons_with_entries_the_one_that_was_begun_anew_stands(ledger: sqlite3.Connection) -> None:
    assert rebuilt(ledger, "first", "second") == (["second"], {"first"})
