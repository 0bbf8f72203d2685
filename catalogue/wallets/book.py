"""Moving wallets: hold them, look at what is in them, write lines into the ledger. Inside the caller's transaction.

Locks are always taken in this order: the agent, rewards and budgets, wallets in key order, and last the ledger's
number, which is held until the transaction ends: lines become visible in the order of their numbers, without gaps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import movement, movement_key
from catalogue.store import Store
from catalogue.store.rows import MovementRow, WalletKey, WalletState
from catalogue.wallets import moves
from catalogue.wallets.moves import Move
from wire.money.lots import Account, OverspentError

HISTORIES_MAX = 500
"""Wallets whose movements are read in one statement."""

_NUMBER = text(
    "INSERT INTO ledger (campus, no, posted_at) VALUES (:campus, :count, :now)"
    " ON CONFLICT (campus) DO UPDATE SET no = ledger.no + excluded.no, posted_at ="
    " CASE WHEN ledger.posted_at > excluded.posted_at THEN ledger.posted_at ELSE excluded.posted_at END"
    " RETURNING no, posted_at"
)


class Posted(NamedTuple):
    """Numbers of the ledger that are ours until the transaction ends: from ``first_no`` on, dated ``posted_at``."""

    first_no: int
    posted_at: int


class InsufficientError(Exception):
    """A spend of more than ``available``."""

    def __init__(self, available: int) -> None:
        super().__init__(f"there are {available}")
        self.available = available


async def hold(
    store: Store, conn: AsyncConnection, campus: str, keys: Iterable[WalletKey], *, opening: bool = True
) -> dict[WalletKey, WalletState]:
    """Lock wallets until the transaction ends; those that are not there are opened, or left out."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    holding = store.dialect.open_wallets if opening else store.dialect.hold_wallets
    return await holding(conn, campus, wanted)


async def number(conn: AsyncConnection, campus: str, count: int, *, now: int) -> Posted:
    """Take the next ``count`` numbers of the ledger, dated ``now`` and never before the last one."""
    numbered = await conn.execute(_NUMBER, {"campus": campus, "count": count, "now": now})
    last_no, posted_at = numbered.one()
    return Posted(last_no - count + 1, posted_at)


async def write(
    store: Store,
    conn: AsyncConnection,
    campus: str,
    wanted: Sequence[Move],
    held: Mapping[WalletKey, WalletState],
    *,
    posted: Posted,
) -> None:
    """Post movements of wallets that are held under the numbers that were taken for them."""
    if not wanted:
        return
    rows, states = moves.number(wanted, held, first_no=posted.first_no, posted_at=posted.posted_at)
    await store.dialect.add_movements(conn, campus, rows)
    own = [{"campus": campus, "ref": row.ref, "no": row.no} for row in rows if row.kind not in moves.EARNED]
    if own:
        await conn.execute(insert(movement_key), own)
    await store.dialect.set_wallets(conn, campus, moves.as_rows(states))


async def post(
    store: Store,
    conn: AsyncConnection,
    campus: str,
    wanted: Sequence[Move],
    held: Mapping[WalletKey, WalletState],
    *,
    now: int,
) -> int:
    """Number and write movements of wallets that are held; the number of the first."""
    if not wanted:
        return 0
    posted = await number(conn, campus, len(wanted), now=now)
    await write(store, conn, campus, wanted, held, posted=posted)
    return posted.first_no


async def spend(
    store: Store, conn: AsyncConnection, campus: str, key: WalletKey, amount: int, *, ref: str, now: int
) -> None:
    """Take ``amount`` out of the lots that expire first; what is over goes before. ``ref`` names it, once.

    Raises:
        InsufficientError: there is less than that.
    """
    found = await hold(store, conn, campus, [key], opening=False)
    if not found:
        raise InsufficientError(0)
    gone, held = await _let_go(conn, campus, found, now)
    available = max(held[key].balance + sum(move.amount for move in gone), 0)
    if amount > available:
        raise InsufficientError(available)
    await post(store, conn, campus, [*gone, Move(*key, "spend", -amount, ref, now)], held, now=now)


async def refund(
    store: Store, conn: AsyncConnection, campus: str, key: WalletKey, amount: int, *, ref: str, about: str, now: int
) -> None:
    """Give ``amount`` of the spend ``about`` back into its lots. ``ref`` names it, once.

    Raises:
        OverspentError: that is more than it spent and was not given back yet.
    """
    held = await hold(store, conn, campus, [key])
    account = (await accounts(conn, campus, held)).get(key, Account())
    made = Move(*key, "refund", amount, ref, now, about=about)
    made = made._replace(waived=account.move(moves.as_movement(made)))
    held[key] = held[key]._replace(due_at=moves.next_due(account))
    await post(store, conn, campus, [made], held, now=now)


async def let_expire(store: Store, conn: AsyncConnection, campus: str, keys: Iterable[WalletKey], *, now: int) -> int:
    """Let go of the lots of these wallets that are over; how many. Again does nothing."""
    found = await hold(store, conn, campus, keys)
    gone, held = await _let_go(conn, campus, found, now)
    looked_at = {key: state for key, state in held.items() if _is_due(found[key], now)}
    if looked_at:
        await store.dialect.set_wallets(conn, campus, moves.as_rows(looked_at))
    await post(store, conn, campus, gone, held, now=now)
    return len(gone)


async def accounts(
    conn: AsyncConnection, campus: str, held: Mapping[WalletKey, WalletState]
) -> dict[WalletKey, Account]:
    """What is in these wallets, lot by lot; those that nothing ever moved are left out."""
    found: dict[WalletKey, Account] = {}
    newest = [state for _, state in sorted(held.items()) if state.last_no]
    for start in range(0, len(newest), HISTORIES_MAX):
        found |= moves.folded(await history(conn, campus, newest[start : start + HISTORIES_MAX]))
    return found


async def history(conn: AsyncConnection, campus: str, states: Collection[WalletState]) -> list[MovementRow]:
    """Every movement of the wallets that stand so, in order: each line names the one before, and its month."""
    table = movement
    columns = [table.c[name] for name in MovementRow._fields]
    newest = (table.c.no.in_({one.last_no for one in states}), table.c.posted_at.in_({one.last_at for one in states}))
    chain = select(*columns).where(table.c.campus == campus, *newest).cte("chain", recursive=True)
    link = (table.c.no == chain.c.prev_no, table.c.posted_at == chain.c.prev_at)
    before = select(*columns).where(table.c.campus == campus, *link)
    chain = chain.union_all(before)
    rows = await conn.execute(select(chain).order_by(chain.c.no))
    return [MovementRow(*row) for row in rows]


async def opened(
    conn: AsyncConnection, campus: str, held: Mapping[WalletKey, WalletState], now: int
) -> tuple[list[Move], dict[WalletKey, WalletState], dict[WalletKey, Account]]:
    """(the expiries that are due in held wallets, the wallets with the days of their next ones, what is then in each).

    Wallets that nothing ever moved are left out of the last.
    """
    gone: list[Move] = []
    dated = dict(held)
    inside = await accounts(conn, campus, held)
    for key, account in sorted(inside.items(), key=lambda item: item[0]):
        gone += moves.expiries(key, account, now)
        dated[key] = held[key]._replace(due_at=moves.next_due(account))
    return gone, dated, inside


def _is_due(state: WalletState, now: int) -> bool:
    return state.due_at is not None and state.due_at <= now


async def _let_go(
    conn: AsyncConnection, campus: str, held: Mapping[WalletKey, WalletState], now: int
) -> tuple[list[Move], dict[WalletKey, WalletState]]:
    """The expiries that are due in held wallets, and the wallets with the days of their next ones."""
    due = {key: state for key, state in held.items() if _is_due(state, now)}
    gone, dated, _ = await opened(conn, campus, due, now)
    return gone, dict(held) | dated


__all__ = [
    "InsufficientError",
    "OverspentError",
    "Posted",
    "accounts",
    "history",
    "hold",
    "let_expire",
    "number",
    "opened",
    "post",
    "refund",
    "spend",
    "write",
]
