"""Badges from before badges were awards on record are put there once, in the order in which their entries came.

A learner is left out whose agent keeps sealed persons and no longer this one: that is what an erasure leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.recognition import records
from catalogue.recognition.agents import badges
from catalogue.recognition.agents.badges import ACCOUNT, ASKED_AT_ONCE, KEY
from catalogue.schema import ledger, movement, recognition, sealed_person
from catalogue.wallets.moves import EARNED, Move, author

_WAYS = (("award", True), ("reversal", False))

SCANNED_MAX = 5_000
"""Movements of a campus that are looked at in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What a look at some movements came to: up to which, and whether there are more."""

    upto: int
    more: bool
    made: int
    left_out: int


async def some(conn: AsyncConnection, campus: str, after: int) -> Caught:
    """Put on record what the next movements gave and took back, where it is not there; again changes nothing."""
    await records.hold(conn, campus)
    head = await conn.scalar(select(ledger.c.no).where(ledger.c.campus == campus)) or 0
    upto = min(after + SCANNED_MAX, head)
    moves = await _badges(conn, campus, after, upto)
    given = [move for move in moves if move.amount > 0]
    there = await _on_record(conn, campus, {KEY + move.ref for move in given})
    missing = [move for move in given if KEY + move.ref not in there]
    gone = await _gone(conn, campus, missing)
    made = {move.ref for move in missing if (author(move.ref), move.learner) not in gone}
    for agent in sorted({author(move.ref) for move in moves}):
        theirs = [move for move in moves if author(move.ref) == agent]
        await badges.follow(conn, campus, agent, [move for move in theirs if move.amount < 0 or move.ref in made])
    return Caught(upto=upto, more=upto < head, made=len(made), left_out=len(missing) - len(made))


async def _badges(conn: AsyncConnection, campus: str, after: int, upto: int) -> list[Move]:
    """The awards of badges and what took such back, in order."""
    table = movement.c
    mine = (table.campus == campus, table.no > after, table.no <= upto, table.kind.in_(EARNED))
    columns = [table[name] for name in Move._fields]
    wanted = select(*columns).where(*mine, table.currency.startswith(ACCOUNT, autoescape=True)).order_by(table.no)
    made = [Move(*row) for row in await conn.execute(wanted)]
    return [move for move in made if (move.kind, move.amount > 0) in _WAYS]


async def _on_record(conn: AsyncConnection, campus: str, keys: Iterable[str]) -> set[str]:
    found: set[str] = set()
    wanted = sorted(keys)
    for start in range(0, len(wanted), ASKED_AT_ONCE):
        same = recognition.c.key.in_(wanted[start : start + ASKED_AT_ONCE])
        found |= set(await conn.scalars(select(recognition.c.key).where(recognition.c.campus == campus, same)))
    return found


async def _gone(conn: AsyncConnection, campus: str, moves: Collection[Move]) -> set[tuple[str, str]]:
    """(agent, pseudonym) of who is sealed no more, of agents that keep sealed persons here."""
    table = sealed_person.c
    asked = {(author(move.ref), move.learner) for move in moves}
    gone: set[tuple[str, str]] = set()
    for agent in sorted({agent for agent, _ in asked}):
        mine = (table.campus == campus, table.agent == agent)
        if await conn.scalar(select(table.name).where(*mine).limit(1)) is None:
            continue
        names = sorted(name for of, name in asked if of == agent)
        for start in range(0, len(names), ASKED_AT_ONCE):
            some_of = names[start : start + ASKED_AT_ONCE]
            there = set(await conn.scalars(select(table.name).where(*mine, table.name.in_(some_of))))
            gone |= {(agent, name) for name in some_of if name not in there}
    return gone
