"""The ledger's numbers. Movements count back from the newest until they have theirs: -1 is the last of them.

So everything about them is worked out before the number is taken, which is held until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.store.rows import MovementRow, WalletRow

GOING_ON = (
    "ON CONFLICT (campus) DO UPDATE SET no = ledger.no + excluded.no, posted_at ="
    " CASE WHEN ledger.posted_at > excluded.posted_at THEN ledger.posted_at ELSE excluded.posted_at END"
    " RETURNING no, posted_at"
)
"""How the ledger's row is moved by so many numbers, dated never before the last one."""
SQL = f"INSERT INTO ledger (campus, no, posted_at) VALUES (:campus, :count, :now) {GOING_ON}"  # noqa: S608 - own words
CENTRAL = frozenset(("spend", "expiry", "refund"))
"""The kinds of movements that are the centre's own; each has a key, so that what happens once is posted once."""
_TAKE = text(SQL)


async def take(conn: AsyncConnection, campus: str, count: int, *, now: int) -> tuple[int, int]:
    """(newest, posted_at) for ``count`` more movements: dated ``now``, never before the last one."""
    newest, posted_at = (await conn.execute(_TAKE, {"campus": campus, "count": count, "now": now})).one()
    return newest, posted_at


def movements(rows: Sequence[MovementRow], newest: int, posted_at: int) -> list[MovementRow]:
    """These movements with their numbers and dates."""
    placed = [row._replace(no=newest + 1 + row.no, posted_at=posted_at) for row in rows]
    return [
        row._replace(prev_no=newest + 1 + row.prev_no, prev_at=posted_at) if row.prev_no < 0 else row for row in placed
    ]


def wallets(rows: Sequence[WalletRow], newest: int, posted_at: int) -> list[WalletRow]:
    """Where wallets stand after movements that have their numbers."""
    return [
        row._replace(state=row.state._replace(last_no=newest + 1 + row.state.last_no, last_at=posted_at))
        for row in rows
    ]
