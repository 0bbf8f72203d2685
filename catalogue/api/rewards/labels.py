"""The door of the names that rewards are sorted by: types, categories, groups, brands, tiers."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.api.asked import Answer, answer, body_of, limit_of, only, patient
from catalogue.api.guard import FRESH, Guard
from catalogue.api.reading import PAGE_ROWS_MAX
from catalogue.errors import CatalogueError, RefusedError
from catalogue.rewards import shelf
from catalogue.rewards.model import SLUG, Label
from catalogue.rewards.shelf import TIER, Owned

PATHS = {
    "/api/reward_types": "type",
    "/api/reward_categories": "category",
    "/api/reward_groups": "group",
    "/api/reward_brands": "brand",
    "/api/reward_tiers": "tier",
}
"""What each kind of names is called here."""

OF_TIERS = ("gate", "current", "on_campus")
"""What tiers say besides; a program says no more than their gate."""


class LabelsDoor:
    """Handlers. A token sees its campus's names, the shared and the usual ones, and changes its campus's own."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        for path, kind in PATHS.items():
            router.add_get(path, patient(self._listed(kind)))
            router.add_get(f"{path}/{{name}}", patient(self._show(kind)))
            router.add_put(f"{path}/{{name}}", patient(self._put(kind)))
            router.add_delete(f"{path}/{{name}}", patient(self._remove(kind)))

    def _listed(self, kind: str) -> Answer:
        async def listed(request: web.Request) -> web.Response:
            """A page of the names of one kind."""
            reader = await self._guard.reader(request, "rewards:read")
            query = only(request.query, {"after", "limit"})
            most, after = limit_of(query) if "limit" in query else PAGE_ROWS_MAX, query.get("after", "")
            async with self._guard.store.reading() as conn:
                known = await shelf.owned(conn, reader.campus)
            found = [one for (of_kind, name), one in sorted(known.items()) if of_kind == kind and name > after]
            more = found[most - 1].label.name if len(found) > most else None
            return answer({"names": [_shown(one) for one in found[:most]], "next": more})

        return listed

    def _show(self, kind: str) -> Answer:
        async def shown(request: web.Request) -> web.Response:
            """One name."""
            reader = await self._guard.reader(request, "rewards:read")
            only(request.query, set())
            async with self._guard.store.reading() as conn:
                return answer(_shown(await _find(conn, reader.campus, kind, request.match_info["name"])))

        return shown

    def _put(self, kind: str) -> Answer:
        async def put(request: web.Request) -> web.Response:
            """Keep a name of the campus's own, in place of the one that is there; the same again changes nothing."""
            reader = await self._guard.reader(request, "rewards:write")
            only(request.query, set())
            label = _described(kind, request.match_info["name"], await body_of(request))
            said = self._said(reader.campus, reader.name, "label.put", label.kind, label.name)
            async with acts.acting(self._guard.store, said, _rows(reader.campus, kind, label.name)) as conn:
                had = (await shelf.owned(conn, reader.campus)).get((kind, label.name))
                own = had is not None and had.owner == reader.campus
                await _kept(conn, reader.campus, label)
                found = await _find(conn, reader.campus, kind, label.name)
            return answer(_shown(found), status=200 if own else 201)

        return put

    def _remove(self, kind: str) -> Answer:
        async def remove(request: web.Request) -> web.Response:
            """Forget a name of the campus's own that no reward needs; a shared one of its name is there again."""
            reader = await self._guard.reader(request, "rewards:write")
            only(request.query, set())
            name = request.match_info["name"]
            said = self._said(reader.campus, reader.name, "label.remove", kind, name)
            async with acts.acting(self._guard.store, said, _rows(reader.campus, kind, name)) as conn:
                if (await _find(conn, reader.campus, kind, name)).owner != reader.campus:
                    raise _unknown(kind)
                try:
                    await shelf.remove_label(conn, reader.campus, kind, name)
                except CatalogueError as exc:
                    raise RefusedError(409, "label", exc.message) from None
            return web.Response(status=204, headers=FRESH)

        return remove

    def _said(self, campus: str, token: str, act: str, kind: str, name: str) -> Act:
        return Act(campus=campus, by=f"token {token}", at=self._guard.now(), act=act, about=f"{kind} {name}")


def _rows(campus: str, kind: str, name: str) -> acts.Rows:
    return acts.rows(schema.label, campus=campus, kind=kind, name=name)


def _described(kind: str, name: str, said: dict[str, Any]) -> Label:
    known = {"title", "description"} | ({"gate"} if kind == TIER else set())
    if unknown := set(said) - known:
        raise RefusedError(400, "body", f"{len(unknown)} of the fields sent are not known: {', '.join(sorted(known))}")
    try:
        return shelf.named(said | {"kind": kind, "name": name})
    except CatalogueError as exc:
        raise RefusedError(400, "label", exc.message) from None


async def _kept(conn: AsyncConnection, campus: str, label: Label) -> None:
    try:
        await shelf.put_label(conn, campus, label)
    except CatalogueError as exc:
        raise RefusedError(409, "label", exc.message) from None


async def _find(conn: AsyncConnection, campus: str, kind: str, name: str) -> Owned:
    found = (await shelf.owned(conn, campus)).get((kind, name)) if SLUG.fullmatch(name) else None
    if found is None:
        raise _unknown(kind)
    return found


def _shown(one: Owned) -> dict[str, Any]:
    label = one.label
    told = {"name": label.name, "title": label.title, "description": label.description, "owner": one.owner}
    return told | (label.model_dump(mode="json", include=set(OF_TIERS)) if label.kind == TIER else {})


def _unknown(kind: str) -> RefusedError:
    return RefusedError(404, "unknown-name", f"there is no {kind} of that name here that this token may see or change")
