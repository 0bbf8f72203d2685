"""Moving wallets: hold them, look at what is in them, write lines into the ledger. Inside the caller's transaction.

Locks are always taken in this order: the agent, rewards and budgets, wallets in key order, and last the ledger's
number, which is held until the transaction ends: lines become visible in the order of their numbers, without gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import movement
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
    if wanted and opening:
        await store.dialect.open_wallets(conn, campus, wanted)
    return await store.dialect.hold_wallets(conn, campus, wanted) if wanted else {}


async def write(
    store: Store,
    conn: AsyncConnection,
    campus: str,
    wanted: Sequence[Move],
    held: Mapping[WalletKey, WalletState],
    *,
    now: int,
) -> int:
    """Post movements of wallets that are held; the number of the first. Dated ``now``, never before the last one."""
    if not wanted:
        return 0
    numbered = await conn.execute(_NUMBER, {"campus": campus, "count": len(wanted), "now": now})
    last_no, posted_at = numbered.one()
    first_no: int = last_no - len(wanted) + 1
    rows, states = moves.number(wanted, held, first_no=first_no, posted_at=posted_at)
    await store.dialect.add_movements(conn, campus, rows)
    await store.dialect.set_wallets(conn, campus, moves.as_rows(states))
    return first_no


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
    await write(store, conn, campus, [*gone, Move(*key, "spend", -amount, ref, now)], held, now=now)


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
    await write(store, conn, campus, [made], held, now=now)


async def let_expire(store: Store, conn: AsyncConnection, campus: str, keys: Iterable[WalletKey], *, now: int) -> int:
    """Let go of the lots of these wallets that are over; how many. Again does nothing."""
    found = await hold(store, conn, campus, keys)
    gone, held = await _let_go(conn, campus, found, now)
    looked_at = {key: state for key, state in held.items() if _is_due(found[key], now)}
    if looked_at:
        await store.dialect.set_wallets(conn, campus, moves.as_rows(looked_at))
    await write(store, conn, campus, gone, held, now=now)
    return len(gone)


async def accounts(
    conn: AsyncConnection, campus: str, held: Mapping[WalletKey, WalletState]
) -> dict[WalletKey, Account]:
    """What is in these wallets, lot by lot; those that nothing ever moved are left out."""
    found: dict[WalletKey, Account] = {}
    newest = [state.last_no for _, state in sorted(held.items()) if state.last_no]
    for start in range(0, len(newest), HISTORIES_MAX):
        found |= moves.folded(await history(conn, campus, newest[start : start + HISTORIES_MAX]))
    return found


async def history(conn: AsyncConnection, campus: str, newest: Sequence[int]) -> list[MovementRow]:
    """Every movement of the wallets whose newest are these, in order: each line names the one before."""
    table = movement
    columns = [table.c[name] for name in MovementRow._fields]
    chain = select(*columns).where(table.c.campus == campus, table.c.no.in_(newest)).cte("chain", recursive=True)
    before = select(*columns).where(table.c.campus == campus, table.c.no == chain.c.prev_no)
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
    "accounts",
    "history",
    "hold",
    "let_expire",
    "opened",
    "refund",
    "spend",
    "write",
]
