"""Terms of currencies as they come into force, and letting lots go whose time is over. Units of the writer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import aiosqlite

from agent.ledger.money import accounts
from agent.ledger.money.accounts import Terms

LOOK_AT = 2_000
"""Entries that one unit looks at."""

_NEWEST = "SELECT coalesce(max(seq), 0) FROM entry"
_ENTRIES = """
SELECT seq, person_no, CAST(body AS TEXT) ->> 'currency', CAST(body AS TEXT) ->> 'amount',
       CAST(body AS TEXT) ->> 'recorded_at'
FROM entry WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?
"""
_INSERT = """
INSERT INTO statement (after_seq, person_no, currency, kind, amount, of, occurred_at, recorded_at)
VALUES (?, ?, ?, 'expiry', ?, ?, ?, ?)
"""


class Wanted(NamedTuple):
    """What the rules now say of a currency."""

    expires_after: int | None
    overdraw: str


async def keep_terms(connection: aiosqlite.Connection, wanted: Mapping[str, Wanted]) -> None:
    """Let these terms hold for entries to come; a currency's first ones hold for all that there are."""
    rows = [Terms(*row) for row in await connection.execute_fetchall(accounts.TERMS)]
    newest = {one.currency: one for one in rows}
    ((seq,),) = await connection.execute_fetchall(_NEWEST)
    changed = []
    for name, terms in sorted(wanted.items()):
        last = newest.get(name)
        if last is None or (last.expires_after, last.overdraw) != terms:
            since = 0 if last is None else seq
            changed.append((name, since, terms.expires_after, terms.overdraw, since, since))
    await connection.executemany(
        "INSERT INTO currency_terms VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (currency, since_seq) DO UPDATE"
        " SET expires_after = excluded.expires_after, overdraw = excluded.overdraw",
        changed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What a unit of the pass came to: lots and their amount, of how many persons; ``more`` where it did not end."""

    lots: int = 0
    amount: int = 0
    people: int = 0
    more: bool = False


async def stretches(connection: aiosqlite.Connection) -> list[tuple[tuple[Terms, ...], Terms, int]]:
    """Each stretch of entries under one expiry: all terms of the currency, these, and the last seq."""
    ((newest,),) = await connection.execute_fetchall(_NEWEST)
    found = []
    rows = (Terms(*row) for row in await connection.execute_fetchall(accounts.TERMS))
    for _, group in groupby(rows, key=lambda one: one.currency):
        terms = tuple(group)
        ends = (*(one.since_seq for one in terms[1:]), newest)
        found += [(terms, one, end) for one, end in zip(terms, ends, strict=True) if one.expires_after is not None]
    return found


async def expire(connection: aiosqlite.Connection, terms: tuple[Terms, ...], one: Terms, end: int, now: int) -> Passed:
    """Let lots go that were opened under ``one`` and are over at ``now``, into the statement."""
    people, upto, more = await _opened(connection, one, one.done_seq, end, now)
    ((newest,),) = await connection.execute_fetchall(_NEWEST)
    held = await accounts.of_people(connection, people, one.currency, terms) if people else {}
    gone = [(person, lot) for person, account in sorted(held.items()) for lot in account.due(now)]
    await connection.executemany(
        _INSERT, [(newest, person, one.currency, -lot.left, lot.ref, lot.expires_at, now) for person, lot in gone]
    )
    await _reached(connection, "done_seq", one, upto)
    return Passed(
        lots=len(gone), amount=sum(lot.left for _, lot in gone), people=len({person for person, _ in gone}), more=more
    )


async def tell(connection: aiosqlite.Connection, terms: tuple[Terms, ...], one: Terms, end: int, at: int) -> Passed:
    """What was opened under ``one``, is over by ``at`` and was not told yet."""
    people, upto, more = await _opened(connection, one, one.told_seq, end, at)
    held = await accounts.of_people(connection, people, one.currency, terms) if people else {}
    soon = [(person, lot.left) for person, account in held.items() for lot in account.due(at)]
    await _reached(connection, "told_seq", one, upto)
    return Passed(
        lots=len(soon), amount=sum(left for _, left in soon), people=len({person for person, _ in soon}), more=more
    )


async def _opened(
    connection: aiosqlite.Connection, one: Terms, after: int, end: int, at: int
) -> tuple[Iterable[int], int, bool]:
    """Who got lots that are over by ``at``, the seq up to which was looked, and whether there is more to look at."""
    rows = list(await connection.execute_fetchall(_ENTRIES, (after, end, LOOK_AT)))
    people: set[int] = set()
    upto = after
    for seq, person_no, currency, amount, recorded_at in rows:
        if recorded_at + (one.expires_after or 0) > at:
            return people, upto, False
        upto = seq
        if currency == one.currency and amount > 0:
            people.add(person_no)
    return people, upto, len(rows) == LOOK_AT


async def _reached(connection: aiosqlite.Connection, column: str, one: Terms, upto: int) -> None:
    await connection.execute(
        f"UPDATE currency_terms SET {column} = ? WHERE currency = ? AND since_seq = ?",  # noqa: S608 - one of two names
        (upto, one.currency, one.since_seq),
    )
