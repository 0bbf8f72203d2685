"""A ledger put together from what a catalogue acknowledged: who is who where an account was begun twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
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


def merged(user: str, *aliases: tuple[str, int]) -> Known:
    """An account of whom others are said to be, since when."""
    said = [(other, at, "a desk", "one person", "moodle") for other, at in aliases]
    secret = user.encode().ljust(32, b".")
    return Known(site="moodle", lms_user=user, secret=secret, pseudonym=f"p{user}", created_at=1, aliases=said)


def links(ledger: sqlite3.Connection, people: Iterable[Known], bodies: list[bytes]) -> tuple[object, object, list[str]]:
    """(aliases, links that wait, who is named as merged in vain) after these entries."""
    made = Rebuilding(ledger, {one.pseudonym: one for one in people})
    made.add(bodies, received(len(bodies)))
    made.finish({}, {}, (), now=3)
    aliases = ledger.execute("SELECT lms_user, into_user FROM alias ORDER BY lms_user").fetchall()
    return aliases, ledger.execute("SELECT lms_user, others FROM link_held").fetchall(), made.unmerged


def received(entries: int) -> KeptReceipt:
    """What the catalogue said of so many entries."""
    receipt = Receipt(
        campus="c", agent="a", epoch=1, first_seq=1, last_seq=entries, digest=b"", head=chain.GENESIS,
        accepted=entries, rejected=(), received_at=1,
    )  # fmt: skip
    return KeptReceipt(receipt=receipt, body=b"", signature="")


def rebuilt(ledger: sqlite3.Connection, *learners: str) -> tuple[list[str], set[str]]:
    """Whose the account is and who is a stranger, after entries of these learners."""
    people = {one.pseudonym: one for one in (known("first", created_at=1), known("second", created_at=2))}
    made = Rebuilding(ledger, people)
    bodies = [an_entry(seq, learner=learner) for seq, learner in enumerate(learners, 1)]
    if bodies:
        made.add(bodies, received(len(bodies)))
    made.finish({}, {}, (), now=3)
    rows = ledger.execute("SELECT pseudonym FROM person ORDER BY person_no").fetchall()
    return [name for (name,) in rows], made.strangers


def test_a_person_whom_an_older_backup_made_anew_gives_way_to_the_one_with_entries(ledger: sqlite3.Connection) -> None:
    assert rebuilt(ledger, "first") == (["first"], set())


def test_of_two_persons_without_entries_the_newest_stands(ledger: sqlite3.Connection) -> None:
    assert rebuilt(ledger) == (["second"], set())


def test_of_two_persons_with_entries_the_one_that_was_begun_anew_stands(ledger: sqlite3.Connection) -> None:
    assert rebuilt(ledger, "first", "second") == (["second"], {"first"})


def test_an_account_whose_merge_was_never_delivered_is_its_own_and_waits_for_a_person(
    ledger: sqlite3.Connection,
) -> None:
    """The sealed copy of the other came before the entries: what is read again was paid to the other once more."""
    people = [merged("35", ("36", 2)), merged("36")]
    told = links(ledger, people, [an_entry(1, learner="p35"), an_entry(2, learner="p36")])
    assert told == ([], [("36", '["moodle:35"]')], ["moodle:36"])
    assert ledger.execute("SELECT lms_user, must FROM link_untold").fetchall() == [("36", 2)]


def test_an_account_whose_entries_were_all_answered_is_the_others(ledger: sqlite3.Connection) -> None:
    answer = an_entry(2, learner="p36", kind="reversal", amount=-10, reverses="1-1")
    bodies = [an_entry(1, learner="p36"), answer, an_entry(3, learner="p35")]
    assert links(ledger, [merged("35", ("36", 2)), merged("36")], bodies) == ([("36", "35")], [], [])


def test_of_accounts_that_are_said_to_be_each_others_the_newest_word_counts(ledger: sqlite3.Connection) -> None:
    """Copies of two histories can say that; whoever followed them would never come to an end."""
    people = [merged("35", ("36", 2)), merged("36", ("35", 5)), merged("37", ("36", 9), ("35", 1))]
    assert links(ledger, people, [an_entry(1, learner="p37")]) == ([("35", "36"), ("36", "37")], [], [])
