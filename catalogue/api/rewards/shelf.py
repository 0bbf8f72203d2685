"""The door of the shelf: a campus's rewards, listed, put, approved and taken away, and what learners redeemed."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from aiohttp import web
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.api import reading
from catalogue.api.asked import answer, body_of, limit_of, only, patient
from catalogue.api.guard import FRESH, Guard
from catalogue.api.tokens import Reader
from catalogue.errors import CatalogueError, RefusedError
from catalogue.rewards import shelf
from catalogue.rewards.model import SLUG
from catalogue.rewards.shelf import Asked, Offered
from catalogue.wallets import purse

REDEEMED = ("redemption", "user", "reward", "title", "currency", "amount", "state", "reserved_at", "ended_at")
SORTED_BY = ("type", "category")
STATES = ("draft", "active", "paused", "retired")
RESERVED = frozenset(("ledger",))
"""Ids that would stand in the way of other paths."""


class ShelfDoor:
    """Handlers. A token sees its campus's rewards and the shared ones, and changes its campus's own."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known; after the paths that begin alike."""
        router.add_get("/api/rewards", patient(self.list))
        router.add_get("/api/users_rewards", patient(self.redeemed))
        router.add_get("/api/rewards/{reward}", patient(self.show))
        router.add_put("/api/rewards/{reward}", patient(self.put))
        router.add_delete("/api/rewards/{reward}", patient(self.remove))
        router.add_put("/api/rewards/{reward}/approval", patient(self.approve))
        router.add_delete("/api/rewards/{reward}/approval", patient(self.withdraw))

    async def list(self, request: web.Request) -> web.Response:
        """A page of what the campus may offer, by id."""
        reader = await self._guard.reader(request, "rewards:read")
        query = only(request.query, {"after", "limit", "state", "type", "category"})
        limit, after = limit_of(query), query.get("after", "")
        if "state" in query and query["state"] not in STATES:
            raise RefusedError(400, "parameter", f"state is one of {', '.join(STATES)}")
        asked = Asked(
            state=query.get("state"), **{name: reading.text_of(query, name) for name in SORTED_BY if name in query}
        )
        name, _, owner = after.partition(" ")
        async with self._guard.store.reading() as conn:
            found = await shelf.page(conn, reader.campus, after=(name, owner), asked=asked, rows=limit + 1)
        more = _place(found[limit - 1]) if len(found) > limit else None
        return answer({"rewards": [_shown(one) for one in found[:limit]], "next": more})

    async def show(self, request: web.Request) -> web.Response:
        """One reward."""
        reader = await self._guard.reader(request, "rewards:read")
        name = _name(request)
        async with self._guard.store.reading() as conn:
            return answer(_shown(await _find(conn, reader.campus, name)))

    async def put(self, request: web.Request) -> web.Response:
        """Keep a reward of the campus's own, in place of the one of its id; the same again changes nothing."""
        reader = await self._guard.reader(request, "rewards:write")
        name = request.match_info["reward"]
        described = _described(await body_of(request) | {"id": name})
        if name in RESERVED:
            raise RefusedError(400, "reward", f"{name} cannot be the id of a reward")
        async with self._acting(reader, "reward.put", name) as conn:
            had = await shelf.find(conn, reader.campus, name)
            if had != described:
                await _kept(shelf.put(conn, reader.campus, described, now=self._guard.now()))
            found = await _find(conn, reader.campus, name)
        return answer(_shown(found), status=200 if had is not None else 201)

    async def remove(self, request: web.Request) -> web.Response:
        """Take a reward of the campus's own away that nobody redeemed."""
        reader = await self._guard.reader(request, "rewards:write")
        name = _name(request)
        async with self._acting(reader, "reward.remove", name) as conn:
            if await shelf.find(conn, reader.campus, name) is None:
                raise _unknown(name)
            await _kept(shelf.remove(conn, reader.campus, name))
        return web.Response(status=204, headers=FRESH)

    async def approve(self, request: web.Request) -> web.Response:
        """Let the campus's learners have a reward."""
        return await self._approve(request, approved=True)

    async def withdraw(self, request: web.Request) -> web.Response:
        """No longer."""
        return await self._approve(request, approved=False)

    async def _approve(self, request: web.Request, *, approved: bool) -> web.Response:
        reader = await self._guard.reader(request, "rewards:write")
        name = _name(request)
        async with self._acting(reader, "reward.approve" if approved else "reward.withdraw", name) as conn:
            found = await _find(conn, reader.campus, name)
            if found.approved != approved:
                owner, now = found.owner, self._guard.now()
                await _kept(shelf.approve(conn, reader.campus, owner, name, approved=approved, now=now))
            found = await _find(conn, reader.campus, name)
        return answer(_shown(found))

    async def redeemed(self, request: web.Request) -> web.Response:
        """A page of redemptions, the oldest first, without their vouchers."""
        reader = await self._guard.reader(request, "rewards:read")
        query = only(request.query, {"after", "limit", "user", "reward"})
        limit = limit_of(query)
        async with self._guard.store.reading() as conn:
            rows = await _redemptions(conn, reader.campus, query, limit + 1)
        more = f"{rows[limit - 1]['reserved_at']}-{rows[limit - 1]['redemption']}" if len(rows) > limit else None
        return answer({"rows": rows[:limit], "next": more})

    def _acting(self, reader: Reader, act: str, name: str) -> Any:
        said = Act(campus=reader.campus, by=f"token {reader.name}", at=self._guard.now(), act=act, about=name)
        return acts.acting(
            self._guard.store,
            said,
            acts.rows(schema.reward, campus=reader.campus, reward=name),
            acts.rows(schema.offer, campus=reader.campus, reward=name),
        )


async def _redemptions(conn: AsyncConnection, campus: str, query: Mapping[str, str], rows: int) -> list[dict[str, Any]]:
    table = schema.redemption.c
    only = [table.campus == campus]
    if "user" in query:
        only.append(table.learner.in_(await purse.names(conn, campus, reading.text_of(query, "user"))))
    only += [table.reward == reading.text_of(query, "reward")] if "reward" in query else []
    if "after" in query:
        at, _, name = query["after"].partition("-")
        if not (at.isascii() and at.isdecimal() and len(at) <= reading.DIGITS_MAX and name.isalnum()):
            raise RefusedError(400, "parameter", "after is `next` of the page before")
        only.append(tuple_(table.reserved_at, table.redemption) > tuple_(int(at), name))
    columns = [table.learner.label("user") if name == "user" else table[name] for name in REDEEMED]
    wanted = select(*columns).where(*only).order_by(table.reserved_at, table.redemption).limit(rows)
    return [dict(row._mapping) for row in await conn.execute(wanted)]  # noqa: SLF001 - SQLAlchemy's public name


async def _find(conn: AsyncConnection, campus: str, name: str) -> Offered:
    found = await shelf.offered(conn, campus, name)
    if found is None:
        raise _unknown(name)
    return found


def _name(request: web.Request) -> str:
    """The id in the path.

    Raises:
        RefusedError: (404) no reward can have it.
    """
    name = request.match_info["reward"]
    if not SLUG.fullmatch(name):
        raise _unknown("of that name")
    return name


def _described(fields: dict[str, Any]) -> Any:
    try:
        return shelf.described(fields)
    except CatalogueError as exc:
        raise RefusedError(400, "reward", exc.message) from None


async def _kept(act: Awaitable[None]) -> None:
    try:
        await act
    except CatalogueError as exc:
        raise RefusedError(409, "reward", exc.message) from None


def _place(one: Offered) -> str:
    """Where a reward stands in the list: by id, an own one after the shared one of its id."""
    return f"{one.reward.id} {one.owner}"


def _shown(one: Offered) -> dict[str, Any]:
    return one.reward.model_dump(mode="json") | {"owner": one.owner, "approved": one.approved, "taken": one.taken}


def _unknown(name: str) -> RefusedError:
    return RefusedError(404, "unknown-reward", f"there is no reward {name[:63]} here that this token may see or change")
