"""What the catalogue is told of currencies: their names and worth as the rules have them, their terms by entry."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aiosqlite
import orjson

from agent.ledger.money.accounts import TERMS, ends_at
from agent.ledger.money.accounts import Terms as Since
from wire.money import terms, tiers
from wire.money.terms import Change, Currency, Level, Terms
from wire.money.tiers import Tier

_ABOUT = "currencies"
"""The setting that holds what has no history."""
_KEEP = "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_KEPT = "SELECT value FROM setting WHERE key = ?"
_MOVED = """
SELECT m.seq, CAST(e.body AS TEXT) ->> 'currency', CAST(e.body AS TEXT) ->> 'occurred_at', m.of_seq
FROM lot_moved m JOIN entry e ON e.seq = m.seq WHERE m.seq BETWEEN ? AND ?
"""


async def keep(
    connection: aiosqlite.Connection,
    currencies: Mapping[str, Currency],
    levels: Sequence[Level],
    climbed: Sequence[Tier] = (),
) -> None:
    """Keep what the rules in force say of currencies, levels and tiers, without the terms; part of a unit.

    What was given of a currency that they have no more goes on being counted as it was.
    """
    before = (await _about(connection)).currencies
    gone = {name: before[name] for name in await _given(connection, before.keys() - currencies.keys())}
    about = terms.encode(Terms(currencies=gone | dict(currencies), levels=tuple(levels), tiers=tuple(climbed)))
    await connection.execute(_KEEP, (_ABOUT, orjson.dumps(about, option=orjson.OPT_SORT_KEYS).decode()))


def currencies(connection: sqlite3.Connection) -> Mapping[str, Currency]:
    """The currencies of the rules that were adopted last, and those of before of which something was given."""
    kept = connection.execute(_KEPT, (_ABOUT,)).fetchone()
    return _stored(orjson.loads(kept[0])).currencies if kept is not None else {}


async def within(connection: aiosqlite.Connection, first_seq: int, last_seq: int) -> Terms:
    """What is to be said of the entries from ``first_seq`` to ``last_seq``."""
    since: defaultdict[str, list[Since]] = defaultdict(list)
    for row in await connection.execute_fetchall(TERMS):
        since[row[0]].append(Since(*row))
    about = await _about(connection)
    currencies = {}
    for name in {*about.currencies, *since}:
        changes = [Change(one.since_seq, one.expires_after, one.overdraw) for one in since[name]]
        known = about.currencies.get(name, Currency())
        currencies[name] = Currency(
            title=known.title,
            decimals=known.decimals,
            spendable=known.spendable,
            worth=known.worth,
            changes=terms.within(changes, first_seq, last_seq),
        )
    moved = await connection.execute_fetchall(_MOVED, (first_seq, last_seq))
    lots = {seq: ends_at(since[currency], of_seq, at) for seq, currency, at, of_seq in moved}
    return terms.fitting(Terms(currencies=currencies, levels=about.levels, tiers=about.tiers, lots=lots))


async def _given(connection: aiosqlite.Connection, currencies: Collection[str]) -> set[str]:
    """Those of these currencies of which anybody was ever given anything."""
    if not currencies:
        return set()
    return {
        name
        for (name,) in await connection.execute_fetchall("SELECT DISTINCT currency FROM balance")
        if name in currencies
    }


async def _about(connection: aiosqlite.Connection) -> Terms:
    """What `keep` kept last."""
    kept = list(await connection.execute_fetchall(_KEPT, (_ABOUT,)))
    return _stored(orjson.loads(kept[0][0])) if kept else Terms()


def _stored(fields: Mapping[str, Any]) -> Terms:
    """What `keep` wrote, however long its names are."""
    currencies = {
        name: Currency(title=one["title"], decimals=one["decimals"], spendable=one["spendable"], worth=one["worth"])
        for name, one in fields["currencies"].items()
    }
    kept = fields.get("tiers")  # a ledger of before has none
    return Terms(
        currencies=currencies,
        levels=tuple(Level(*one) for one in fields["levels"]),
        tiers=None if kept is None else tuple(tiers.parse(one) for one in kept),
    )
