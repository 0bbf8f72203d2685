"""Accounts with their lots, folded from the entries and the statement in the order in which they were written."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import aiosqlite
import orjson

from wire.money.lots import Account, Movement

TERMS = "SELECT currency, since_seq, expires_after, overdraw FROM currency_terms ORDER BY 1, 2"
_ENTRIES = """
SELECT e.person_no, e.seq, 0 AS no, CAST(e.body AS TEXT) ->> 'kind', CAST(e.body AS TEXT) ->> 'amount',
       CAST(e.body AS TEXT) ->> 'entry_id', CAST(e.body AS TEXT) ->> 'reverses',
       CAST(e.body AS TEXT) ->> 'occurred_at', coalesce(m.of_seq, e.seq)
FROM entry e LEFT JOIN lot_moved m ON m.seq = e.seq
WHERE e.person_no IN (SELECT value FROM json_each(:people)) AND CAST(e.body AS TEXT) ->> 'currency' = :currency
UNION ALL
SELECT person_no, after_seq, no, kind, amount, CAST(no AS TEXT), of, occurred_at, after_seq
FROM statement WHERE person_no IN (SELECT value FROM json_each(:people)) AND currency = :currency
ORDER BY 2, 3
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
    for person_no, seq, _, kind, amount, ref, of, at, under_seq in rows:
        under = in_force(terms, seq)
        owe = under is None or under.overdraw == "owe"
        accounts[person_no].move(Movement(kind, amount, ref, of, at, ends_at(terms, under_seq, at), owe))
    return dict(accounts)


def of_learner(connection: sqlite3.Connection, learner: str, currency: str) -> Account:
    """One account, for who only reads; an empty one of who is no person."""
    person = connection.execute("SELECT person_no FROM person WHERE site || ':' || lms_user = ?", (learner,)).fetchone()
    if person is None:
        return Account()
    (person_no,) = person
    terms = [Terms(*row) for row in connection.execute(TERMS) if row[0] == currency]
    rows = connection.execute(_ENTRIES, {"people": f"[{person_no}]", "currency": currency})
    return folded(rows, terms).get(person_no, Account())


async def of_people(
    connection: aiosqlite.Connection, people: Iterable[int], currency: str, terms: Sequence[Terms]
) -> Mapping[int, Account]:
    """The accounts of these persons, inside one of the writer's units."""
    asked = {"people": orjson.dumps(sorted(set(people))).decode(), "currency": currency}
    return folded([tuple(row) for row in await connection.execute_fetchall(_ENTRIES, asked)], terms)
