"""Whose each site is: exactly one active agent of its campus reads it, so nothing is paid twice by two of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.errors import CatalogueError
from catalogue.schema import agent, site
from wire import canonical
from wire.batch import SOURCES_MAX, Header
from wire.canonical import MalformedError

FIELD = "sites"
"""The field of a batch's header that names the sites its agent reads; an agent of before names none."""
TOLD_S = 7 * 86_400
"""How long the owner of a site is told that another agent wanted it, in seconds."""


# Asked with every batch, and so put together once.
_OWNED = (
    select(site.c.site, site.c.agent, agent.c.state)
    .join(agent, (agent.c.campus == site.c.campus) & (agent.c.agent == site.c.agent))
    .where(site.c.campus == bindparam("campus"), site.c.site.in_(bindparam("wanted", expanding=True)))
    .with_for_update(of=site)
)


class TakenError(Exception):
    """A site is another active agent's."""

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(name)
        self.name = name
        self.owner = owner


def named(header: Header) -> tuple[str, ...]:
    """The sites that a batch's agent says are its own.

    Raises:
        MalformedError: the field says nothing sensible.
    """
    names = header.extra.get(FIELD, [])
    if not isinstance(names, list) or len(names) > SOURCES_MAX:
        raise MalformedError(f"field {FIELD!r} must be a list of at most {SOURCES_MAX} names")
    return tuple(sorted({canonical.text({"site": name}, "site") for name in names}))


async def claim(conn: AsyncConnection, campus: str, name: str, wanted: Sequence[str], *, now: int) -> None:
    """Note that these sites are read by agent ``name``; those of an agent that was revoked change hands.

    Raises:
        TakenError: one is another active agent's.
    """
    if not wanted:
        return
    found = {row.site: row for row in await _owned(conn, campus, wanted)}
    for one in wanted:
        row = found.get(one)
        if row is None:
            await conn.execute(insert(site), {"campus": campus, "site": one, "agent": name, "since": now})
        elif row.agent != name:
            if row.state == "active":
                raise TakenError(one, row.agent)
            await _give(conn, campus, one, name, now)


async def note(conn: AsyncConnection, campus: str, one: str, name: str, *, now: int) -> None:
    """Remember who was refused, so that the owner is told."""
    mine = (site.c.campus == campus, site.c.site == one)
    await conn.execute(update(site).where(*mine).values(claimed_by=name, claimed_at=now))


async def notice(conn: AsyncConnection, campus: str, name: str, *, now: int) -> str:
    """What the owner of sites must know, or nothing."""
    mine = (site.c.campus == campus, site.c.agent == name, site.c.claimed_at > now - TOLD_S)
    rows = (await conn.execute(select(site).where(*mine).order_by(site.c.site).limit(1))).all()
    return "".join(
        f"agent {row.claimed_by} of this campus reads site {row.site} too and was refused: stop one of the two"
        for row in rows
    )


async def listed(conn: AsyncConnection, campus: str) -> list[dict[str, Any]]:
    """Every site of a campus, whose it is, and who wanted it besides."""
    rows = await conn.execute(select(site).where(site.c.campus == campus).order_by(site.c.site))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


async def move(conn: AsyncConnection, campus: str, one: str, name: str, *, now: int) -> None:
    """Give a site to another agent of its campus, because the operator says so.

    Raises:
        CatalogueError: there is no such site or no such active agent.
    """
    known = select(agent.c.agent).where(agent.c.campus == campus, agent.c.agent == name, agent.c.state == "active")
    if (await conn.execute(known)).first() is None:
        raise CatalogueError(
            f"campus {campus} has no active agent {name}", hint=f"see: rewards-catalogue agent list {campus}"
        )
    if not await _give(conn, campus, one, name, now):
        raise CatalogueError(f"campus {campus} has no site {one}", hint=f"see: rewards-catalogue site list {campus}")


async def _owned(conn: AsyncConnection, campus: str, wanted: Sequence[str]) -> Sequence[Any]:
    return (await conn.execute(_OWNED, {"campus": campus, "wanted": list(wanted)})).all()


async def _give(conn: AsyncConnection, campus: str, one: str, name: str, now: int) -> int:
    mine = (site.c.campus == campus, site.c.site == one)
    values = {"agent": name, "since": now, "claimed_by": None, "claimed_at": None}
    return (await conn.execute(update(site).where(*mine).values(values))).rowcount
