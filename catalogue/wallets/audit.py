"""Wallets worked out again from the ledger: to see whether they agree, and to build them anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.store import Store
from catalogue.store.rows import MovementRow, WalletKey, WalletState
from catalogue.wallets import book, carried, moves
from wire.money.lots import OverspentError

PAGE_ROWS = 5000
HELD_MAX = 500
"""Wallets that are held and looked into at once."""

Fault = Callable[[str], None]


class Walk:
    """The ledger of one campus from its first line that is here: what wallets must be, and what cannot be true."""

    def __init__(self, campus: str, fault: Fault, states: Mapping[WalletKey, WalletState], no: int) -> None:
        self.campus = campus
        self.states = dict(states)
        self.earned: defaultdict[WalletKey, int] = defaultdict(int)
        self.no = no
        self._posted_at = 0
        self._fault = fault

    def step(self, row: MovementRow) -> None:
        """One more line."""
        key = row.learner, row.currency
        where = f"{self.campus} movement {row.no}"
        if row.no != self.no + 1:
            self._fault(f"{where}: follows {self.no}")
        if row.posted_at < self._posted_at:
            self._fault(f"{where}: dated before the one before")
        before = self.states.get(key, WalletState())
        if (row.prev_no, row.prev_at) != (before.last_no, before.last_at):
            self._fault(f"{where}: names {row.prev_no} as its wallet's one before, which is {before.last_no}")
        state = self.states[key] = moves.after(before, row, row.no, row.posted_at)
        if row.kind == "spend" and state.balance < 0:
            self._fault(f"{where}: {row.learner} spent more {row.currency} than there were")
        if row.kind in moves.EARNED:
            self.earned[key] += row.amount
        self.no, self._posted_at = row.no, max(row.posted_at, self._posted_at)


async def check(conn: AsyncConnection, campus: str, entries: Mapping[WalletKey, int], fault: Fault) -> int:
    """Hold the ledger against the sums of the entries, and the wallets against the ledger; how many wallets."""
    walk = await _walked(conn, campus, fault)
    head = await conn.scalar(select(schema.ledger.c.no).where(schema.ledger.c.campus == campus)) or 0
    if head != walk.no:
        fault(f"{campus}: the ledger stands at {head}, its movements end at {walk.no}")
    for key in sorted({*entries, *walk.earned}):
        given, wanted = walk.earned.get(key, 0), entries.get(key, 0)
        if given != wanted:
            fault(f"{campus}: the ledger gave {key[0]} {given} {key[1]}, its entries say {wanted}")
    there = await _wallets(conn, campus)
    for key in sorted({*there, *walk.states}):
        _compare(campus, key, there.get(key), walk.states.get(key, WalletState()), fault)
    for keys in _chunks(sorted(walk.states)):
        await _lots(conn, campus, {key: walk.states[key] for key in keys}, there, fault)
    return len(there)


async def _walked(conn: AsyncConnection, campus: str, fault: Fault) -> Walk:
    start = (await carried.begins(conn, campus)).no
    walk = Walk(campus, fault, await carried.states(conn, campus, start) if start else {}, start)
    async for row in lines(conn, campus, start):
        walk.step(row)
    return walk


def _compare(campus: str, key: WalletKey, there: WalletState | None, wanted: WalletState, fault: Fault) -> None:
    learner, currency = key
    if there is None:
        fault(f"{campus}: wallet of {learner} is missing, its movements say {wanted.balance} {currency}")
    elif there._replace(due_at=None) != wanted._replace(due_at=None):
        told = f"has {_told(there)} {currency}, its movements say {_told(wanted)}"
        fault(f"{campus}: wallet of {learner} {told}")


def _told(state: WalletState) -> str:
    return f"{state.balance} ({state.earned} earned, to movement {state.last_no})"


async def _lots(
    conn: AsyncConnection,
    campus: str,
    wanted: Mapping[WalletKey, WalletState],
    there: Mapping[WalletKey, WalletState],
    fault: Fault,
) -> None:
    """The lots add up to the balance, and no wallet will be looked at too late for them."""
    try:
        accounts = await book.accounts(conn, campus, wanted)
    except OverspentError as exc:
        fault(f"{campus}: a spend or a refund of more than there was: {exc}")
        return
    for key, account in sorted(accounts.items(), key=lambda item: item[0]):
        if account.balance != wanted[key].balance:
            fault(f"{campus}: lots of {key[0]} hold {account.balance} {key[1]}, not {wanted[key].balance}")
        due, looked = moves.next_due(account), there.get(key, WalletState()).due_at
        if _too_late(looked, due):
            fault(f"{campus}: a lot of {key[0]} is over at {due}, its wallet is looked at {looked or 'never'}")


class Astray(NamedTuple):
    """Wallets that say something else than their ledger, and the walk that found them."""

    walk: Walk
    keys: Sequence[WalletKey]


async def astray(conn: AsyncConnection, campus: str) -> Astray:
    """Look for the wallets of a campus that are not what the ledger says; locks nothing.

    ``conn`` must see one moment (`Store.reading`): a wallet that was born while it looked is not astray.
    """
    walk = await _walked(conn, campus, lambda _: None)
    there = await _wallets(conn, campus)
    found: list[WalletKey] = []
    for keys in _chunks(sorted({*there, *walk.states})):
        wanted = await _dated(conn, campus, walk, keys)
        found += [key for key in keys if not _same(there.get(key), wanted[key])]
    return Astray(walk, found)


async def rebuild(store: Store, conn: AsyncConnection, campus: str, found: Astray) -> int:
    """Make the wallets that were found astray what the ledger says; how many still were something else.

    Only those are held and touched: what happened to them since they were looked at is walked through under the lock,
    and everybody else goes on, learners who are new among them.
    """
    held: dict[WalletKey, WalletState] = {}
    for keys in _chunks(found.keys):
        held |= await book.hold(store, conn, campus, keys)
    async for row in lines(conn, campus, found.walk.no):
        found.walk.step(row)
    changed = 0
    for keys in _chunks(found.keys):
        wanted = await _dated(conn, campus, found.walk, keys)
        wrong = {key: state for key, state in wanted.items() if not _same(held.get(key), state)}
        if wrong:
            await store.dialect.set_wallets(conn, campus, moves.as_rows(wrong))
        changed += len(wrong)
    return changed


async def _dated(
    conn: AsyncConnection, campus: str, walk: Walk, keys: Sequence[WalletKey]
) -> dict[WalletKey, WalletState]:
    """Where these wallets must stand, each with the day of its next expiry."""
    wanted = {key: walk.states.get(key, WalletState()) for key in keys}
    for key, account in (await book.accounts(conn, campus, wanted)).items():
        wanted[key] = wanted[key]._replace(due_at=moves.next_due(account))
    return wanted


async def lines(conn: AsyncConnection, campus: str, after: int = 0) -> AsyncIterator[MovementRow]:
    """Every movement of a campus after a number, in order."""
    table = schema.movement
    columns = [table.c[name] for name in MovementRow._fields]
    while True:
        page = select(*columns).where(table.c.campus == campus, table.c.no > after)
        rows = (await conn.execute(page.order_by(table.c.no).limit(PAGE_ROWS))).all()
        for row in rows:
            yield MovementRow(*row)
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].no


def _same(there: WalletState | None, wanted: WalletState) -> bool:
    """Whether a wallet says what the ledger does; that it will be looked at too early does no harm."""
    if there is None or there._replace(due_at=None) != wanted._replace(due_at=None):
        return False
    return not _too_late(there.due_at, wanted.due_at)


def _too_late(looked: int | None, due: int | None) -> bool:
    return due is not None and (looked is None or looked > due)


async def _wallets(conn: AsyncConnection, campus: str) -> dict[WalletKey, WalletState]:
    table = schema.wallet
    columns = [table.c[name] for name in WalletState._fields]
    rows = await conn.execute(select(table.c.learner, table.c.currency, *columns).where(table.c.campus == campus))
    return {(learner, currency): WalletState(*state) for learner, currency, *state in rows}


def _chunks(keys: Sequence[WalletKey]) -> Iterator[Sequence[WalletKey]]:
    return (keys[start : start + HELD_MAX] for start in range(0, len(keys), HELD_MAX))
