"""Moving wallets: hold them, look at what is in them, write lines into the ledger. Inside the caller's transaction.

Locks are always taken in one order (docs/adr/0082): wallets in key order, then what many want at once, and last the
ledger's number, which is held until the transaction ends: lines become visible in the order of their numbers, without
gaps. So whoever spends or gives back first prepares it, then takes from stock and budgets, and then posts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import movement, movement_key
from catalogue.store import Store, numbers
from catalogue.store.rows import MovementRow, WalletKey, WalletState
from catalogue.wallets import carried, moves
from catalogue.wallets.moves import Move
from wire.money.lots import Account, OverspentError

HISTORIES_MAX = 500
"""Wallets whose movements are read in one statement."""
FEW_MAX = 10
"""As many movements are posted in one statement, with number, keys and wallets; more are copied."""


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
    newest, posted_at = await numbers.take(conn, campus, count, now=now)
    return Posted(newest - count + 1, posted_at)


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
    if len(wanted) <= FEW_MAX:
        rows, states = moves.number(wanted, held, first_no=-len(wanted), posted_at=0)
        newest = await store.dialect.post_few(conn, campus, rows, moves.as_rows(states), now=now)
        return newest - len(rows) + 1
    posted = await number(conn, campus, len(wanted), now=now)
    await write(store, conn, campus, wanted, held, posted=posted)
    return posted.first_no


class Prepared(NamedTuple):
    """Movements of wallets that are held, ready to be posted."""

    moves: Sequence[Move]
    held: Mapping[WalletKey, WalletState]


class Back(NamedTuple):
    """So much of the spend ``about`` that is to go back into its lots; ``ref`` names it, once."""

    key: WalletKey
    amount: int
    ref: str
    about: str


async def spending(
    store: Store, conn: AsyncConnection, campus: str, key: WalletKey, amount: int, *, ref: str, now: int
) -> Prepared:
    """Hold a wallet and get ready to take ``amount`` out of it; what is over goes before. ``ref`` names it, once.

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
    return Prepared([*gone, Move(*key, "spend", -amount, ref, now)], held)


async def refunding(store: Store, conn: AsyncConnection, campus: str, backs: Sequence[Back], *, now: int) -> Prepared:
    """Hold wallets and get ready to give back into them; what is over goes before: only what comes back lives longer.

    Raises:
        OverspentError: more than was spent and not given back yet.
    """
    found = await hold(store, conn, campus, [back.key for back in backs])
    made, held, known = await opened(conn, campus, found, now)
    for key, amount, ref, about in backs:
        account = known.setdefault(key, Account())
        move = Move(*key, "refund", amount, ref, now, about=about)
        made.append(move._replace(waived=account.move(moves.as_movement(move))))
        held[key] = held[key]._replace(due_at=moves.next_due(account))
    return Prepared(made, held)


async def spend(
    store: Store, conn: AsyncConnection, campus: str, key: WalletKey, amount: int, *, ref: str, now: int
) -> None:
    """Take ``amount`` out of the lots that expire first, at once.

    Raises:
        InsufficientError: there is less than that.
    """
    await post(store, conn, campus, *await spending(store, conn, campus, key, amount, ref=ref, now=now), now=now)


async def refund(
    store: Store, conn: AsyncConnection, campus: str, key: WalletKey, amount: int, *, ref: str, about: str, now: int
) -> None:
    """Give ``amount`` of the spend ``about`` back into its lots, at once.

    Raises:
        OverspentError: that is more than it spent and was not given back yet.
    """
    back = Back(key, amount, ref, about)
    await post(store, conn, campus, *await refunding(store, conn, campus, [back], now=now), now=now)


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
        some = newest[start : start + HISTORIES_MAX]
        rows = await history(conn, campus, some)
        before = await carried.after(conn, campus, ends(rows, some))
        found |= moves.folded(rows, {one.key: one.account for one in before.values()})
    return found


def ends(rows: Iterable[MovementRow], states: Iterable[WalletState]) -> set[int]:
    """The movements before these histories that are not here: what the wallets are carried over from."""
    first: dict[WalletKey, int] = {}
    numbers: set[int] = set()
    for row in rows:
        first.setdefault((row.learner, row.currency), row.prev_no)
        numbers.add(row.no)
    return {no for no in first.values() if no} | {one.last_no for one in states if one.last_no not in numbers}


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
    "Back",
    "InsufficientError",
    "OverspentError",
    "Posted",
    "Prepared",
    "accounts",
    "ends",
    "history",
    "hold",
    "let_expire",
    "number",
    "opened",
    "post",
    "refund",
    "refunding",
    "spend",
    "spending",
    "write",
]
