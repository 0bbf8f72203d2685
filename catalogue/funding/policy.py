"""What a campus says of its money: where its months are counted, and what only a budget may pay for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import CatalogueError
from catalogue.rewards import times

EVERY_TYPE = "*"
TIMEZONE = "UTC"

_KEEP = text(
    "INSERT INTO policy (campus, timezone, funded_only) VALUES (:campus, :timezone, :funded_only)"
    " ON CONFLICT (campus) DO UPDATE SET timezone = excluded.timezone, funded_only = excluded.funded_only"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``funded_only`` are types of rewards that a budget must pay for; `EVERY_TYPE` is all of them."""

    timezone: str = TIMEZONE
    funded_only: frozenset[str] = frozenset()

    def needs_a_budget(self, kind: str) -> bool:
        """Whether rewards of a type are to be had only where a budget pays for them."""
        return bool(self.funded_only & {EVERY_TYPE, kind})


async def of_campus(conn: AsyncConnection, campus: str) -> Policy:
    """A campus's policy; one that said nothing counts in UTC and limits nothing."""
    table = schema.policy.c
    found = select(table.timezone, table.funded_only).where(table.campus == campus)
    row = (await conn.execute(found)).first()
    return Policy() if row is None else read(row.timezone, row.funded_only)


def read(timezone: str | None, funded_only: str | None) -> Policy:
    """A policy as it is kept."""
    return Policy(timezone=timezone or TIMEZONE, funded_only=frozenset((funded_only or "").split()))


async def put(conn: AsyncConnection, campus: str, *, timezone: str, funded_only: Iterable[str]) -> None:
    """Keep a campus's policy.

    Raises:
        CatalogueError: there is no such time zone, or months are closed by another.
    """
    try:
        zone = times.zone_name(timezone)
    except ValueError as exc:
        raise CatalogueError(str(exc)) from None
    closed = select(schema.closed_month.c.month).where(schema.closed_month.c.campus == campus).limit(1)
    if zone != (await of_campus(conn, campus)).timezone and await conn.scalar(closed) is not None:
        raise CatalogueError(
            f"months of {campus} are closed", hint="where months begin can be changed before the first"
        )
    said = {"campus": campus, "timezone": zone, "funded_only": " ".join(sorted(set(funded_only)))}
    await conn.execute(_KEEP, said)
