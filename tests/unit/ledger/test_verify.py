"""Every kind of tampering is found and named; an honest ledger has nothing to find."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.ledger import corrections, file, verify
from agent.ledger.corrections import Correction
from agent.ledger.record import movements
from agent.ledger.record.people import Person
from tests.builders import NOW, an_award, an_event, points, some_events
from tests.ledgers import behind_its_back, found, opened, rows
from wire import chain

ANN, BEN = {"subject": "35", "actor": "35"}, {"subject": "36", "actor": "36"}
ENTRIES = 7


@pytest.fixture
async def ledger_dir(tmp_path: Path) -> Path:
    """A closed ledger: awards of two learners, one in two currencies, an adjustment, a reversal: seven entries."""
    async with opened(tmp_path) as ledger:
        first, second = some_events(2)
        third, fourth = an_event(3, people=BEN), an_event(4, people=BEN)
        awards = [
            an_award(first),
            an_award(second),
            an_award(third),
            an_award(fourth, postings=points(10, reputation=5)),
        ]
        await ledger.take([first, second, third, fourth], awards)
        why = Correction(reason="was ill", by="dean")
        await ledger.run(
            lambda connection: corrections.adjust(
                connection,
                ledger.recorder,
                learner="moodle:35",
                currency="points",
                amount=3,
                correction=why,
                now=NOW,
            )
        )
        await ledger.run(
            lambda connection: corrections.reverse(connection, ledger.recorder, seq=2, correction=why, now=NOW)
        )
    return tmp_path


def test_an_honest_ledger_has_nothing_to_find(ledger_dir: Path) -> None:
    with file.reading(ledger_dir) as connection:
        report = verify.verify(connection)
    bodies = [body for (body,) in rows(ledger_dir, "SELECT body FROM entry ORDER BY seq")]
    assert (report.entries, report.findings) == (ENTRIES, ())
    assert report.head == chain.head(chain.GENESIS, bodies).hex()


def test_an_empty_ledger_has_nothing_to_find(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as connection, connection:
        file.migrate(connection, tmp_path)
        report = verify.verify(connection)
    assert (report.entries, report.head, report.findings) == (0, chain.GENESIS.hex(), ())


def changed_body(connection: sqlite3.Connection) -> None:
    (body,) = connection.execute("SELECT body FROM entry WHERE seq = 3").fetchone()
    connection.execute("UPDATE entry SET body = ? WHERE seq = 3", (body.replace(b'"amount":10', b'"amount":90'),))


def unreadable_body(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET body = substr(body, 1, length(body) - 1) WHERE seq = 3")


def changed_hash(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET hash = zeroblob(32) WHERE seq = 3")


def removed_entry(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM entry WHERE seq = 3")


def removed_tail(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM entry WHERE seq > 3")


def inserted_entry(connection: sqlite3.Connection) -> None:
    """By somebody who knows how the chain is made, at its end, with the balance put right."""
    body, head = connection.execute("SELECT body, hash FROM entry WHERE seq = 7").fetchone()
    body = body.replace(b'"seq":7', b'"seq":8').replace(b'"1-7"', b'"1-8"').replace(b"-10", b"10")
    body = body.replace(b'"reversal"', b'"award"').replace(b'"reverses":"1-2"', b'"reverses":""')
    body = body.replace(b'"scope_ref":""', b'"scope_ref":"' + b"ab" * 16 + b'"')
    connection.execute("INSERT INTO entry VALUES (8, ?, ?, 1, 1, NULL)", (body, chain.step(head, body)))
    connection.execute("UPDATE balance SET amount = amount + 10, lifetime = lifetime + 10 WHERE person_no = 1")


def paid_again(connection: sqlite3.Connection) -> None:
    """The last award once more right behind itself, chained as it should be."""
    for seq in (7, 6):
        connection.execute("DELETE FROM entry WHERE seq = ?", (seq,))
    body, head, person, event, decision = connection.execute(
        "SELECT body, hash, person_no, event_no, decision_no FROM entry WHERE seq = 5"
    ).fetchone()
    body = body.replace(b'"seq":5', b'"seq":6').replace(b'"1-5"', b'"1-6"')
    connection.execute(
        "INSERT INTO entry VALUES (6, ?, ?, ?, ?, ?)", (body, chain.step(head, body), person, event, decision)
    )


def swapped_person(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET person_no = 2 WHERE seq = 1")


def person_that_is_nobody(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET person_no = 99 WHERE seq = 1")


def swapped_event(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET event_no = 2, decision_no = NULL WHERE seq = 1")


def forgotten_event(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET event_no = NULL, decision_no = NULL WHERE seq = 1")


def swapped_decision(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entry SET decision_no = 2 WHERE seq = 1")


def changed_balance(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE balance SET amount = amount + 1 WHERE person_no = 2 AND currency = 'points'")


def changed_lifetime(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE balance SET lifetime = lifetime + 1 WHERE person_no = 2 AND currency = 'points'")


def removed_balance(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM balance WHERE person_no = 2 AND currency = 'reputation'")


def invented_balance(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO balance VALUES (2, 'gold', 1, 1)")


ONCE = "meter_no = (SELECT no FROM name WHERE text = 'once:lesson-completed')"


def removed_once_key(connection: sqlite3.Connection) -> None:
    connection.execute(f"DELETE FROM quota_use WHERE {ONCE} AND seq = 3")


def added_once_key(connection: sqlite3.Connection) -> None:
    connection.execute(
        f"INSERT INTO quota_use SELECT meter_no, 'moodle:99', person_no, slot, at, amount, seq, 0 FROM quota_use"
        f" WHERE {ONCE} AND seq = 3"
    )


def moved_once_key(connection: sqlite3.Connection) -> None:
    connection.execute(f"UPDATE quota_use SET bucket = 'moodle:99' WHERE {ONCE} AND seq = 3")


def once_key_of_no_entry(connection: sqlite3.Connection) -> None:
    connection.execute(f"UPDATE quota_use SET seq = 77 WHERE {ONCE} AND seq = 3")


def confirmed_beyond_the_end(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO reader (name, acked_seq) VALUES ('catalogue', 12)")


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (changed_body, "3: its hash does not follow from the entries before it"),
        (unreadable_body, "3: not JSON"),
        (changed_hash, "3: its hash does not follow from the entries before it"),
        (removed_entry, "4: entry 3 is missing before it"),
        (removed_tail, "4: rule lesson-completed has taken a scope for an entry that is not there"),
        (inserted_entry, "8: its scope is not taken: the same act could be paid again"),
        (paid_again, "6: its scope is not taken: the same act could be paid again"),
        (swapped_person, "1: it belongs to "),
        (person_that_is_nobody, "None: person 99, points: the entries add up to 10 (lifetime 10), the balance says 0"),
        (swapped_event, "1: it was made by another event than the pointer beside it says"),
        (forgotten_event, "1: it was made by an event, and nothing beside it says by which"),
        (swapped_decision, "1: it was made by another decision than 2, to which it points"),
        (changed_balance, "None: person 2, points: the entries add up to 20 (lifetime 20), the balance says 21 (20)"),
        (changed_lifetime, "None: person 2, points: the entries add up to 20 (lifetime 20), the balance says 20 (21)"),
        (removed_balance, "None: person 2, reputation: the entries add up to 5 (lifetime 5), the balance says 0 (0)"),
        (invented_balance, "None: person 2, gold: the entries add up to 0 (lifetime 0), the balance says 1 (1)"),
        (removed_once_key, "3: its scope is not taken: the same act could be paid again"),
        (added_once_key, "3: rule lesson-completed has taken moodle:99 (generation 0), its entry another"),
        (moved_once_key, "3: rule lesson-completed has taken moodle:99 (generation 0), its entry another"),
        (once_key_of_no_entry, "77: rule lesson-completed has taken a scope for an entry that is not there"),
        (confirmed_beyond_the_end, "None: catalogue has confirmed entries up to 12, the ledger ends at 7"),
    ],
)
def test_tampering_is_found_and_named(
    ledger_dir: Path, tamper: Callable[[sqlite3.Connection], None], named: str
) -> None:
    with behind_its_back(ledger_dir) as connection:
        tamper(connection)
    assert any(finding.startswith(named) for finding in found(ledger_dir)), found(ledger_dir)


def test_a_body_changed_with_every_hash_after_it_is_found_by_the_balances(ledger_dir: Path) -> None:
    with behind_its_back(ledger_dir) as connection:
        changed_body(connection)
        head = chain.GENESIS
        for seq, body in connection.execute("SELECT seq, body FROM entry ORDER BY seq").fetchall():
            head = chain.step(head, body)
            connection.execute("UPDATE entry SET hash = ? WHERE seq = ?", (head, seq))
    told = "None: person 2, points: the entries add up to 100 (lifetime 100), the balance says 20 (20);"
    assert found(ledger_dir) == [f"{told} run: rewards-agent ledger rebuild"]


@pytest.mark.parametrize(
    ("reverses", "amount", "named"),
    [
        ("1-2", -10, "8: it reverses 1-2, which entry 7 reversed"),
        ("1-1", -90, "8: it does not undo what it says it reverses, 1-1"),
        ("1-99", -10, "8: it does not undo what it says it reverses, 1-99"),
        ("2-1", -10, "8: it does not undo what it says it reverses, 2-1"),
    ],
)
def test_a_reversal_that_undoes_nothing_is_named(ledger_dir: Path, reverses: str, amount: int, named: str) -> None:
    with behind_its_back(ledger_dir) as connection:
        site, user, secret, pseudonym = connection.execute(
            "SELECT site, lms_user, secret, pseudonym FROM person WHERE person_no = 1"
        ).fetchone()
        (head,) = connection.execute("SELECT hash FROM entry WHERE seq = 7").fetchone()
        movement = movements.Movement(
            kind="reversal",
            person=Person(person_no=1, learner=f"{site}:{user}", secret=secret, pseudonym=pseudonym),
            currency="points",
            amount=amount,
            rule_id="lesson-completed",
            rules_version="",
            source="moodle",
            trust="server_verified",
            occurred_at=NOW,
            reverses=reverses,
        )
        body = movements.Bodies(epoch=1, now=NOW).of(movement, 8)
        connection.execute("INSERT INTO entry VALUES (8, ?, ?, 1, NULL, NULL)", (body, chain.step(head, body)))
        connection.execute("UPDATE balance SET amount = amount + ? WHERE person_no = 1", (amount,))
    assert found(ledger_dir) == [named]


def test_a_ledger_full_of_faults_is_told_in_a_hundred_findings(ledger_dir: Path) -> None:
    with behind_its_back(ledger_dir) as connection:
        connection.executemany("INSERT INTO balance VALUES (?, 'gold', 1, 1)", [(n,) for n in range(10, 1_000)])
    assert len(found(ledger_dir)) == verify.FINDINGS_MAX


def test_verify_leaves_no_transaction_open(ledger_dir: Path) -> None:
    with file.reading(ledger_dir) as connection:
        verify.verify(connection)
        assert not connection.in_transaction
