"""Accounts with their lots, folded from the entries and the statement in the order in which they were written.

Where a catalogue keeps the wallets it writes the statement (`ledger.centre`), and what it set aside counts for nothing;
the agent's own expiries hold until it was heard for the first time.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import aiosqlite
import orjson

from agent.ledger.record.people import split_learner
from wire.money.lots import Account, Movement, OverspentError

TERMS = "SELECT currency, since_seq, expires_after, overdraw FROM currency_terms ORDER BY 1, 2"
_ENTRIES = """
SELECT e.person_no, coalesce(r.accepted_after, e.seq), coalesce(r.accepted_no, 0) AS no,
       CAST(e.body AS TEXT) ->> 'kind', CAST(e.body AS TEXT) ->> 'amount',
       CAST(e.body AS TEXT) ->> 'entry_id', CAST(e.body AS TEXT) ->> 'reverses',
       CAST(e.body AS TEXT) ->> 'occurred_at', coalesce(m.of_seq, e.seq), m.seq IS NOT NULL
FROM entry e LEFT JOIN lot_moved m ON m.seq = e.seq
LEFT JOIN rejected_entry r ON r.reader = 'catalogue' AND r.seq = e.seq
WHERE e.person_no IN (SELECT value FROM json_each(:people)) AND CAST(e.body AS TEXT) ->> 'currency' = :currency
  AND (r.seq IS NULL OR r.accepted_no IS NOT NULL)
UNION ALL
SELECT person_no, after_seq, no, kind, amount, CAST(no AS TEXT), of, occurred_at, after_seq, 0
FROM statement WHERE person_no IN (SELECT value FROM json_each(:people)) AND currency = :currency
  AND (SELECT at FROM centre_stand) = 0
UNION ALL
SELECT p.person_no, l.after_seq, l.no, l.kind, l.amount, l.ref, l.about, l.occurred_at, l.after_seq, 0
FROM json_each(:people) w JOIN person p ON p.person_no = w.value
JOIN centre_live l ON l.pseudonym = p.pseudonym AND l.currency = :currency
WHERE l.kind NOT IN ('accepted', 'waiver')
ORDER BY 2, 3
"""
_PERSON = "SELECT person_no FROM person WHERE site = ? AND lms_user = ?"
_HEARD = "SELECT at FROM centre_stand"
_WAIVED = """
SELECT coalesce(sum(l.waived), 0) FROM person p JOIN centre_live l ON l.pseudonym = p.pseudonym
WHERE p.person_no = ? AND l.currency = ?
"""


class Terms(NamedTuple):
    """The terms of a currency for entries after ``since_seq``; ``expires_after`` seconds, None is never."""

    currency: str
    since_seq: int
    expires_after: int | None
    overdraw: str


def in_force(terms: Sequence[Terms], seq: int) -> Terms | None:
    """Of one currency's terms in order those that an entry was written under."""
    place = bisect_left(terms, seq, key=lambda one: one.since_seq)
    return terms[max(place, 1) - 1] if terms else None


def ends_at(terms: Sequence[Terms], seq: int, occurred_at: int) -> int | None:
    """When a lot is over that an act at ``occurred_at`` opened under the terms of entry ``seq``; None is never."""
    under = in_force(terms, seq)
    return None if under is None or under.expires_after is None else occurred_at + under.expires_after


def folded(rows: Iterable[tuple[Any, ...]], terms: Sequence[Terms]) -> dict[int, Account]:
    """Accounts by person, from the rows of entries and statement of one currency in order."""
    accounts: defaultdict[int, Account] = defaultdict(Account)
    for person_no, _, _, kind, amount, ref, of, at, under_seq, moved in rows:
        under = in_force(terms, under_seq)
        owe = moved or under is None or under.overdraw == "owe"
        accounts[person_no].move(Movement(kind, amount, ref, of, at, ends_at(terms, under_seq, at), owe))
    return dict(accounts)


class Holding(NamedTuple):
    """What somebody has of a currency, and the account that it is made of.

    Where a catalogue keeps the wallet, ``balance`` is the sum of what both ends booked; ``account`` is None where its
    lots do not come to that, because the two ends dated or priced them by other terms.
    """

    balance: int
    account: Account | None


def of_learner(connection: sqlite3.Connection, learner: str, currency: str) -> Account:
    """One account, for who only reads; an empty one of who is no person.

    Raises:
        OverspentError: more was spent at the catalogue than there was by the terms that are known here.
    """
    person_no, rows = _rows(connection, learner, currency)
    return folded(rows, _terms(connection, currency)).get(person_no, Account())


def held(connection: sqlite3.Connection, learner: str, currency: str) -> Holding:
    """What a learner has, for who only reads."""
    person_no, rows = _rows(connection, learner, currency)
    ((heard_at,),) = connection.execute(_HEARD)
    ((waived,),) = connection.execute(_WAIVED, (person_no, currency))
    return _holding(rows, _terms(connection, currency), waived if heard_at else None)


async def balance_in(connection: aiosqlite.Connection, learner: str, currency: str) -> int:
    """What a learner has, inside one of the writer's units; of who is no person 0, below zero is owed."""
    people = list(await connection.execute_fetchall(_PERSON, split_learner(learner)))
    if not people:
        return 0
    ((person_no,),) = people
    asked = {"people": f"[{person_no}]", "currency": currency}
    rows = [tuple(row) for row in await connection.execute_fetchall(_ENTRIES, asked)]
    terms = [Terms(*row) for row in await connection.execute_fetchall(TERMS) if row[0] == currency]
    ((heard_at,),) = await connection.execute_fetchall(_HEARD)
    ((waived,),) = await connection.execute_fetchall(_WAIVED, (person_no, currency))
    return _holding(rows, terms, waived if heard_at else None).balance


def _holding(rows: Sequence[tuple[Any, ...]], terms: Sequence[Terms], waived: int | None) -> Holding:
    """Of one person's rows; ``waived`` is what the centre says that nobody owes, None where it was never heard."""
    try:
        account = next(iter(folded(rows, terms).values()), Account())
    except OverspentError:
        account = None
    if account is not None and waived is None:
        return Holding(account.balance, account)
    balance = sum(amount for _, _, _, _, amount, *_ in rows) + (waived or 0)
    return Holding(balance, account if account is not None and account.balance == balance else None)


def _rows(connection: sqlite3.Connection, learner: str, currency: str) -> tuple[int, list[Any]]:
    person = connection.execute(_PERSON, split_learner(learner)).fetchone()
    if person is None:
        return 0, []
    asked = {"people": f"[{person[0]}]", "currency": currency}
    return person[0], connection.execute(_ENTRIES, asked).fetchall()


def _terms(connection: sqlite3.Connection, currency: str) -> list[Terms]:
    return [Terms(*row) for row in connection.execute(TERMS) if row[0] == currency]


async def of_people(
    connection: aiosqlite.Connection, people: Iterable[int], currency: str, terms: Sequence[Terms]
) -> Mapping[int, Account]:
    """The accounts of these persons, inside one of the writer's units."""
    asked = {"people": orjson.dumps(sorted(set(people))).decode(), "currency": currency}
    return folded([tuple(row) for row in await connection.execute_fetchall(_ENTRIES, asked)], terms)
