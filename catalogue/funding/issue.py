"""How much a campus may issue in a day: a campus is not a mint.

What an agent gives beyond it stands in the chain and moves nothing until somebody releases it. Every function works
inside the caller's transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import CatalogueError
from catalogue.funding import policy
from catalogue.funding.months import day_of, day_start, next_day
from catalogue.store.sums import KEPT_MAX, halves, whole
from catalogue.wallets import dates
from catalogue.wallets.moves import EARNED
from wire.entry import AMOUNT_MAX
from wire.money import amounts

OVER = "over the issue limit"
"""How the reason begins for which an entry is set aside."""
DAYS_MAX = 92

_KEEP = text(
    "INSERT INTO issue_limit (campus, currency, per_day, day, issued) VALUES (:campus, :currency, :per_day, '', 0)"
    " ON CONFLICT (campus, currency) DO UPDATE SET per_day = excluded.per_day"
)

_SAME = and_(
    schema.currency.c.campus == schema.issue_limit.c.campus, schema.currency.c.currency == schema.issue_limit.c.currency
)
_LIMITS = (
    select(schema.issue_limit, schema.policy.c.timezone, schema.currency.c.decimals)
    .select_from(
        schema.issue_limit.outerjoin(schema.policy, schema.policy.c.campus == schema.issue_limit.c.campus).outerjoin(
            schema.currency, _SAME
        )
    )
    .where(schema.issue_limit.c.campus == bindparam("campus"))
    .order_by(schema.issue_limit.c.currency)
    .with_for_update(of=schema.issue_limit)
)


class Room(NamedTuple):
    """What may still be issued today of ``per_day``; ``decimals`` are the currency's."""

    per_day: int
    issued: int
    day: str
    decimals: int = 0

    @property
    def left(self) -> int:
        """Smallest units."""
        return max(self.per_day - self.issued, 0)


def refusal(room: Room, currency: str) -> str:
    """Why an entry is set aside."""
    much = amounts.number(room.per_day, room.decimals)
    return f"{OVER}: the catalogue takes {much} {currency} a day from this campus"


async def hold(conn: AsyncConnection, campus: str, *, now: int) -> dict[str, Room]:
    """What a campus may still issue today, by currency; held until the transaction ends. No limit, no entry."""
    rooms = {}
    for row in await conn.execute(_LIMITS, {"campus": campus}):
        zone = row.timezone or policy.TIMEZONE
        today = day_of(now, zone)
        if row.day == next_day(today):
            today = row.day  # who came after midnight was faster: one day's count is never begun twice
        issued = row.issued if row.day == today else 0
        rooms[row.currency] = Room(row.per_day, issued, today, row.decimals or 0)
    return rooms


async def count(conn: AsyncConnection, campus: str, rooms: Mapping[str, Room], given: Mapping[str, int]) -> None:
    """Keep what was given of currencies whose rooms are held."""
    table = schema.issue_limit
    for currency, amount in sorted(given.items()):
        room = rooms.get(currency)
        if room is None:
            continue
        mine = (table.c.campus == campus, table.c.currency == currency)
        await conn.execute(update(table).where(*mine).values(day=room.day, issued=room.issued + amount))


async def put(conn: AsyncConnection, campus: str, currency: str, per_day: int, *, now: int) -> Room:
    """Limit what a campus may issue of a currency in a day; what it issued today counts already, but for releases.

    Raises:
        CatalogueError: the limit cannot be.
    """
    if not 0 <= per_day <= AMOUNT_MAX:
        raise CatalogueError(f"a limit of {per_day} a day", hint=f"from 0 to {AMOUNT_MAX}")
    await conn.execute(_KEEP, {"campus": campus, "currency": currency, "per_day": per_day})
    zone = (await policy.of_campus(conn, campus)).timezone
    first = await dates.last_before(conn, campus, day_start(now, zone))
    table, later = schema.movement.c, schema.accepted_entry.c
    released = select(later.no).where(later.campus == campus, later.no > first)
    given = select(*halves(table.amount)).where(table.campus == campus, table.no > first, table.no.not_in(released))
    mine = given.where(table.currency == currency, table.kind.in_(EARNED), table.amount > 0)
    issued = min(whole(*(await conn.execute(mine)).one()), KEPT_MAX)
    room = Room(per_day, issued, day_of(now, zone))
    await count(conn, campus, {currency: room}, {currency: 0})
    return room


async def remove(conn: AsyncConnection, campus: str, currency: str) -> None:
    """Limit a currency no longer.

    Raises:
        CatalogueError: it is not limited.
    """
    table = schema.issue_limit.c
    gone = delete(schema.issue_limit).where(table.campus == campus, table.currency == currency)
    if not (await conn.execute(gone)).rowcount:
        hint = f"see: rewards-catalogue issue show {campus}"
        raise CatalogueError(f"{campus} has no limit for {currency}", hint=hint)


async def by_day(conn: AsyncConnection, campus: str, *, days: int, now: int) -> list[dict[str, Any]]:
    """{day, currency, awarded, adjusted, by_hand, limit} of the last days, the newest first.

    ``adjusted`` is what hands gave, ``by_hand`` its share of all that was given, in per cent; ``limit`` is today's.
    """
    zone = (await policy.of_campus(conn, campus)).timezone
    first = await dates.last_before(conn, campus, day_start(now, zone, back=min(days, DAYS_MAX) - 1))
    table = schema.movement.c
    columns = (table.posted_at, table.currency, table.kind)
    mine = select(*columns, *halves(table.amount)).where(table.campus == campus, table.no > first, table.amount > 0)
    given: dict[tuple[str, str], Counter[str]] = {}
    for at, currency, kind, *amount in await conn.execute(mine.where(table.kind.in_(EARNED)).group_by(*columns)):
        given.setdefault((day_of(at, zone), currency), Counter())[kind] += whole(*amount)
    limits = select(schema.issue_limit.c.currency, schema.issue_limit.c.per_day)
    rows = await conn.execute(limits.where(schema.issue_limit.c.campus == campus))
    limited = {row.currency: row.per_day for row in rows}
    return [
        {
            "day": day,
            "currency": currency,
            "awarded": counts["award"] + counts["reversal"],
            "adjusted": counts["adjustment"],
            "by_hand": counts["adjustment"] * 100 // counts.total(),
            "limit": limited.get(currency),
        }
        for (day, currency), counts in sorted(given.items(), reverse=True)
    ]
