"""Where the ledger begins that is here: what lies before is in the archive, and each wallet is carried over from it.

A carried wallet is what folding all its movements up to one of them gives; it is as true while they are still here.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import archived_month, carried_wallet
from catalogue.store.rows import MovementRow, WalletKey, WalletState
from catalogue.wallets import moves
from wire.money.lots import Account

READ_MAX = 500
"""Carried wallets that are read in one statement."""


class Begins(NamedTuple):
    """The ledger here begins after movement ``no``; ``month`` is the newest that is in the archive alone, if any."""

    no: int
    month: str

    def told(self, campus: str) -> str:
        """What is not here, and how to get it, in a sentence."""
        return (
            f"the books of {campus} up to {self.month} are in the archive"
            f" (rewards-catalogue archive load {self.month} brings them back)"
        )


class Whose(NamedTuple):
    """The newest ``entry`` that moved a wallet in its turn, and the ``agent`` whose learner it is."""

    entry: str
    agent: str


NOBODY = Whose("", "")


class Carried(NamedTuple):
    """A wallet as it was carried over, what was in it, and whose it was."""

    key: WalletKey
    state: WalletState
    account: Account
    whose: Whose


async def begins(conn: AsyncConnection, campus: str) -> Begins:
    """Where a campus's ledger begins that is here."""
    table = archived_month.c
    gone = select(func.max(table.last_no), func.max(table.month)).where(
        table.campus == campus, table.gone_at.is_not(None)
    )
    no, month = (await conn.execute(gone)).one()
    return Begins(no or 0, month or "")


async def after(conn: AsyncConnection, campus: str, numbers: Collection[int]) -> dict[int, Carried]:
    """By number: the wallets that were carried over as they stood after these movements."""
    found: dict[int, Carried] = {}
    wanted = sorted(numbers)
    table = carried_wallet
    for start in range(0, len(wanted), READ_MAX):
        some = table.c.no.in_(wanted[start : start + READ_MAX])
        for row in await conn.execute(select(table).where(table.c.campus == campus, some)):
            account = Account.load(json.loads(zlib.decompress(bytes(row.account))))
            whose = Whose(row.entry, row.agent)
            found[row.no] = Carried((row.learner, row.currency), _state(row, account), account, whose)
    return found


async def whose(conn: AsyncConnection, campus: str, numbers: Collection[int]) -> dict[int, Whose]:
    """By number: whose the wallets were that were carried over as they stood after these movements."""
    found: dict[int, Whose] = {}
    wanted = sorted(numbers)
    table = carried_wallet.c
    for start in range(0, len(wanted), READ_MAX):
        some = select(table.no, table.entry, table.agent).where(
            table.campus == campus, table.no.in_(wanted[start : start + READ_MAX])
        )
        found |= {row.no: Whose(row.entry, row.agent) for row in await conn.execute(some)}
    return found


async def states(conn: AsyncConnection, campus: str, no: int) -> dict[WalletKey, WalletState]:
    """Every wallet that anything moved up to ``no``, where an archived month ends: as it stood there."""
    table = carried_wallet.c
    newest = select(func.max(table.no)).where(table.campus == campus, table.no <= no)
    numbers = newest.group_by(table.learner, table.currency)
    columns = (table.learner, table.currency, table.balance, table.earned, table.no, table.posted_at)
    rows = await conn.execute(select(*columns).where(table.campus == campus, table.no.in_(numbers)))
    return {
        (learner, currency): WalletState(balance, earned, last_no, None, posted_at)
        for learner, currency, balance, earned, last_no, posted_at in rows
    }


class Folding:
    """Wallets as movements in order make them, from what was carried over before.

    ``late`` are the movements of entries that were accepted out of their turn.
    """

    def __init__(self, late: Collection[int]) -> None:
        self._late = late
        self._states: dict[WalletKey, WalletState] = {}
        self._accounts: dict[WalletKey, Account] = {}
        self._whose: dict[WalletKey, Whose] = {}

    def missing(self, rows: Iterable[MovementRow]) -> set[int]:
        """After which movements wallets must be known before these can be folded."""
        first: dict[WalletKey, int] = {}
        for row in rows:
            first.setdefault((row.learner, row.currency), row.prev_no)
        return {no for key, no in first.items() if no and key not in self._states}

    def begin(self, found: Mapping[int, Carried]) -> None:
        """Go on from these."""
        for one in found.values():
            self._states[one.key], self._accounts[one.key] = one.state, one.account
            self._whose[one.key] = one.whose

    def fold(self, rows: Iterable[MovementRow]) -> None:
        """The next movements."""
        for row in rows:
            key = row.learner, row.currency
            self._states[key] = moves.after(self._states.get(key, WalletState()), row, row.no, row.posted_at)
            self._accounts.setdefault(key, Account()).move(moves.as_movement(row))
            if row.kind in moves.EARNED:
                before = self._whose.get(key, NOBODY).entry
                self._whose[key] = Whose(before if row.no in self._late else row.ref, moves.author(row.ref))

    async def keep(self, conn: AsyncConnection, campus: str, first_no: int) -> None:
        """Keep the wallets that were moved from ``first_no`` on; what is kept already is the same."""
        moved = {key: state for key, state in self._states.items() if state.last_no >= first_no}
        table = carried_wallet.c
        there = set(await conn.scalars(select(table.no).where(table.campus == campus, table.no >= first_no)))
        rows = [
            {
                "campus": campus,
                "no": state.last_no,
                "learner": key[0],
                "currency": key[1],
                "balance": state.balance,
                "earned": state.earned,
                "posted_at": state.last_at,
                **self._whose.get(key, NOBODY)._asdict(),
                "account": zlib.compress(json.dumps(self._accounts[key].dump(), separators=(",", ":")).encode()),
            }
            for key, state in sorted(moved.items())
            if state.last_no not in there
        ]
        for start in range(0, len(rows), READ_MAX):
            await conn.execute(insert(carried_wallet), rows[start : start + READ_MAX])


def _state(row: Row[tuple[int]], account: Account) -> WalletState:
    return WalletState(row.balance, row.earned, row.no, moves.next_due(account), row.posted_at)
