"""Terms of currencies as they come into force, and letting lots go whose time is over. Units of the writer.

What an act earned lives from the time of the act, and acts are recorded in any order. So each stretch of new entries
becomes a block that knows when the next of its lots is over: only blocks in which something is due are read again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiosqlite

from agent.ledger.money import accounts
from agent.ledger.money.accounts import Terms, ends_at
from wire.money.lots import Lot

BLOCK_ENTRIES = 2_000
"""Entries that one block covers, and that one unit looks at."""

NOTICES_KEPT_S = 30 * 86_400
"""How long a notice is kept after what it told of was over: a receiver that was away for longer is not told it."""

_NEWEST = "SELECT coalesce(max(seq), 0) FROM entry"
_LOTS = """
SELECT e.seq, e.person_no, CAST(e.body AS TEXT) ->> 'entry_id', CAST(e.body AS TEXT) ->> 'currency',
       CAST(e.body AS TEXT) ->> 'amount', CAST(e.body AS TEXT) ->> 'occurred_at', coalesce(m.of_seq, e.seq)
FROM entry e LEFT JOIN lot_moved m ON m.seq = e.seq
"""
_NEW = _LOTS + "WHERE e.seq > ? ORDER BY e.seq LIMIT ?"
_OF_BLOCK = _LOTS + "WHERE e.seq BETWEEN ? AND ? ORDER BY e.seq"
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
    newest = {one.currency: one for one in await _all_terms(connection)}
    ((seq,),) = await connection.execute_fetchall(_NEWEST)
    changed = []
    for name, terms in sorted(wanted.items()):
        last = newest.get(name)
        if last is None or (last.expires_after, last.overdraw) != terms:
            changed.append((name, 0 if last is None else seq, terms.expires_after, terms.overdraw))
    await connection.executemany(
        "INSERT INTO currency_terms VALUES (?, ?, ?, ?) ON CONFLICT (currency, since_seq) DO UPDATE"
        " SET expires_after = excluded.expires_after, overdraw = excluded.overdraw",
        changed,
    )
    if any(since < seq for _, since, _, _ in changed):  # entries that are in blocks already have other terms now
        await connection.execute("DELETE FROM lot_block")
        await connection.execute("UPDATE lot_listed SET seq = 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What a look came to in one currency: lots and their amount, of which persons."""

    lots: int = 0
    amount: int = 0
    people: frozenset[int] = frozenset()

    def __add__(self, other: Passed) -> Passed:
        """Both."""
        return Passed(lots=self.lots + other.lots, amount=self.amount + other.amount, people=self.people | other.people)


class Block(NamedTuple):
    """A stretch of entries that opened lots of ``currency``. ``tell_at`` is when the next untold one is over."""

    currency: str
    first_seq: int
    last_seq: int
    next_at: int | None
    tell_at: int | None


async def list_new(connection: aiosqlite.Connection) -> bool:
    """Make blocks of the entries that are in none yet; whether there are more."""
    ((listed,),) = await connection.execute_fetchall("SELECT seq FROM lot_listed")
    terms = await _by_currency(connection)
    rows = list(await connection.execute_fetchall(_NEW, (listed, BLOCK_ENTRIES)))
    if not rows:
        return False
    upto = rows[-1][0]
    due: dict[str, int] = {}
    for currency, _, _, at in _lots(rows, terms):
        due[currency] = min(at, due.get(currency, at))
    await connection.executemany(
        "INSERT INTO lot_block VALUES (?, ?, ?, ?, ?)",
        [(currency, listed + 1, upto, at, at) for currency, at in sorted(due.items())],
    )
    await connection.execute("UPDATE lot_listed SET seq = ?", (upto,))
    return True


async def due_blocks(connection: aiosqlite.Connection, now: int) -> Sequence[Block]:
    """The blocks in which a lot is over at ``now``."""
    rows = await connection.execute_fetchall("SELECT * FROM lot_block WHERE next_at <= ? ORDER BY 2, 1", (now,))
    return [Block(*row) for row in rows]


async def untold_blocks(connection: aiosqlite.Connection, currency: str, at: int) -> Sequence[Block]:
    """The blocks in which a lot is over by ``at`` and was not told."""
    rows = await connection.execute_fetchall(
        "SELECT * FROM lot_block WHERE tell_at <= ? AND currency = ? ORDER BY 2", (at, currency)
    )
    return [Block(*row) for row in rows]


async def expire(connection: aiosqlite.Connection, block: Block, now: int) -> Passed:
    """Let the lots of a block go that are over at ``now``, into the statement."""
    lots, terms = await _of_block(connection, block)
    people = {person for person, _, at in lots if at <= now}
    held = await accounts.of_people(connection, people, block.currency, terms)
    ((newest,),) = await connection.execute_fetchall(_NEWEST)
    gone = [(person, lot) for person, account in sorted(held.items()) for lot in account.due(now)]
    await connection.executemany(
        _INSERT, [(newest, person, block.currency, -lot.left, lot.ref, lot.expires_at, now) for person, lot in gone]
    )
    await connection.execute(
        "UPDATE lot_block SET next_at = ? WHERE currency = ? AND first_seq = ?",
        (_after(lots, now), block.currency, block.first_seq),
    )
    return Passed(lots=len(gone), amount=sum(lot.left for _, lot in gone), people=frozenset(p for p, _ in gone))


async def tell(connection: aiosqlite.Connection, block: Block, at: int, now: int) -> Passed:
    """The lots of a block that are over by ``at`` and were not told yet; a notice is kept for each account."""
    lots, terms = await _of_block(connection, block)
    asked = {ref: person for person, ref, ends in lots if (block.tell_at or 0) <= ends <= at}
    held = await accounts.of_people(connection, set(asked.values()), block.currency, terms)
    soon = [(person, lot) for person, account in held.items() for lot in account.lots if lot.ref in asked]
    await _keep_notices(connection, block.currency, soon, now)
    await connection.execute(
        "UPDATE lot_block SET tell_at = ? WHERE currency = ? AND first_seq = ?",
        (_after(lots, at), block.currency, block.first_seq),
    )
    return Passed(lots=len(soon), amount=sum(lot.left for _, lot in soon), people=frozenset(p for p, _ in soon))


async def _keep_notices(
    connection: aiosqlite.Connection, currency: str, soon: Iterable[tuple[int, Lot]], now: int
) -> None:
    """One notice for each person: all that expires, and when the first of it does. Old ones go."""
    left: defaultdict[int, int] = defaultdict(int)
    ends: dict[int, int] = {}
    for person, lot in soon:
        if lot.left > 0 and lot.expires_at is not None:
            left[person] += lot.left
            ends[person] = min(lot.expires_at, ends.get(person, lot.expires_at))
    await connection.execute("DELETE FROM lot_notice WHERE ends_at < ?", (now - NOTICES_KEPT_S,))
    await connection.executemany(
        "INSERT INTO lot_notice (person_no, currency, amount, ends_at, told_at) VALUES (?, ?, ?, ?, ?)",
        [(person, currency, amount, ends[person], now) for person, amount in sorted(left.items())],
    )


def _after(lots: Iterable[tuple[int, str, int]], at: int) -> int | None:
    return min((ends for _, _, ends in lots if ends > at), default=None)


async def _of_block(
    connection: aiosqlite.Connection, block: Block
) -> tuple[list[tuple[int, str, int]], tuple[Terms, ...]]:
    """(person, entry id, when it is over) of each lot of a block that ends, and its currency's terms."""
    terms = await _by_currency(connection)
    rows = await connection.execute_fetchall(_OF_BLOCK, (block.first_seq, block.last_seq))
    found = [(person, ref, at) for name, person, ref, at in _lots(rows, terms) if name == block.currency]
    return found, terms.get(block.currency, ())


def _lots(rows: Iterable[Any], terms: Mapping[str, Sequence[Terms]]) -> Iterable[tuple[str, int, str, int]]:
    """(currency, person, entry id, when it is over) of each lot that ends."""
    for _, person, ref, currency, amount, occurred_at, under_seq in rows:
        if amount > 0 and (at := ends_at(terms.get(currency, ()), under_seq, occurred_at)) is not None:
            yield currency, person, ref, at


async def _all_terms(connection: aiosqlite.Connection) -> list[Terms]:
    return [Terms(*row) for row in await connection.execute_fetchall(accounts.TERMS)]


async def _by_currency(connection: aiosqlite.Connection) -> Mapping[str, tuple[Terms, ...]]:
    found: defaultdict[str, tuple[Terms, ...]] = defaultdict(tuple)
    for one in await _all_terms(connection):
        found[one.currency] += (one,)
    return found
