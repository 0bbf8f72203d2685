"""The door of kudos and awards: given, listed, shown, taken back, hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.api import reading
from catalogue.api.asked import Answer, answer, body_of, limit_of, only, patient
from catalogue.api.guard import FRESH, Guard
from catalogue.api.recognition.fields import field, moderator, need_known, number, only_these, viewer_of
from catalogue.api.tokens import Reader
from catalogue.recognition import answers, giving, seeing, words
from catalogue.recognition.giving import Wish
from catalogue.recognition.records import AWARD, KUDOS, Recognition
from catalogue.recognition.seeing import Viewer, Wanted

PATHS = {KUDOS: "/api/user_kudos", AWARD: "/api/awards"}
ABOUT = {KUDOS: "tag", AWARD: "badge"}
FILTERS = ("user", "giver", "receiver")


class GivenDoor:
    """Handlers. A token speaks for its campus: it says who gives, and for whom it looks."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        for kind, path in PATHS.items():
            router.add_get(path, patient(self._list(kind)))
            router.add_get(f"{path}/{{id}}", patient(self._show(kind)))
            router.add_post(f"{path}/{{id}}/moderation", patient(self._moderate(kind)))
        router.add_post(PATHS[KUDOS], patient(self.give))
        router.add_delete(f"{PATHS[KUDOS]}/{{id}}", patient(self.take_back))
        router.add_post(PATHS[AWARD], patient(self.award))

    async def give(self, request: web.Request) -> web.Response:
        """Kudos from learner to learner; 201 where they are new, 200 where they came before under this key."""
        reader = await self._guard.reader(request, "recognition:write")
        wish = _wish(reader, KUDOS, await body_of(request))
        store = self._guard.store
        one, new = await giving.asked(
            store,
            wish,
            now=self._guard.now(),
            need=lambda conn: need_known(conn, reader.campus, wish.giver, wish.receiver),
        )
        async with store.reading() as conn:
            told = await _told(conn, one, Viewer(learner=one.giver))
        return answer(told, status=201 if new else 200)

    async def award(self, request: web.Request) -> web.Response:
        """An award by hand; without a giver it is the campus that gives it."""
        reader = await self._guard.reader(request, "recognition:moderate")
        wish = _wish(reader, AWARD, await body_of(request))
        async with self._guard.store.reading() as conn:
            await need_known(conn, reader.campus, wish.giver, wish.receiver)
        one, new = await moderator(self._guard, reader).give(wish)
        async with self._guard.store.reading() as conn:
            told = await _told(conn, one, Viewer(all=True))
        return answer(told, status=201 if new else 200)

    async def take_back(self, request: web.Request) -> web.Response:
        """Who gave them takes them back."""
        reader = await self._guard.reader(request, "recognition:write")
        giver = reading.text_of(only(request.query, {"user"}), "user")
        no = number(request.match_info["id"])
        async with self._guard.store.writing() as conn:
            by, now = f"token {reader.name}", self._guard.now()
            await giving.revoke(conn, reader.campus, no, why="taken back", by=by, now=now, giver=giver)
        return web.Response(status=204, headers=FRESH)

    def _list(self, kind: str) -> Answer:
        async def listed(request: web.Request) -> web.Response:
            """A page, the newest first."""
            reader = await self._guard.reader(request, "recognition:read")
            known = {*FILTERS, ABOUT[kind], "viewer", "all", "from", "until", "after", "limit"}
            query = only(request.query, known)
            wanted, rows = _wanted(kind, query), limit_of(query)
            viewer = viewer_of(reader, query)
            async with self._guard.store.reading() as conn:
                found = await seeing.listed(conn, reader.campus, wanted, viewer)
            return answer({"rows": found[:rows], "next": found[rows - 1]["id"] if len(found) > rows else None})

        return listed

    def _show(self, kind: str) -> Answer:
        async def shown(request: web.Request) -> web.Response:
            """One of them."""
            reader = await self._guard.reader(request, "recognition:read")
            viewer = viewer_of(reader, only(request.query, {"viewer", "all"}))
            no = number(request.match_info["id"])
            async with self._guard.store.reading() as conn:
                return answer(await _told(conn, await seeing.need(conn, reader.campus, no, viewer, kind=kind), viewer))

        return shown

    def _moderate(self, kind: str) -> Answer:
        async def moderated(request: web.Request) -> web.Response:
            """Hide one, show it again, or revoke it for good, with a reason that is written down."""
            reader = await self._guard.reader(request, "recognition:moderate")
            said, no = await body_of(request), number(request.match_info["id"])
            do, why = field(said, "do"), field(said, "why", most=giving.WHY_CHARS_MAX)
            one = await moderator(self._guard, reader).moderate(no, do, why=why, kind=kind)
            async with self._guard.store.reading() as conn:
                return answer(await _told(conn, one, Viewer(all=True)))

        return moderated


def _wish(reader: Reader, kind: str, said: Mapping[str, Any]) -> Wish:
    """What a body asks for; ``say`` is a tag and a message in one, as people type them."""
    known = {"key", "giver", "receiver", "message", "seen", ABOUT[kind]} | ({"say"} if kind == KUDOS else set())
    only_these(said, known)
    typed = words.said(field(said, "say", most=2 * words.SAID_CHARS_MAX)) if "say" in said else None
    message = field(said, "message", most=2 * words.MESSAGE_CHARS_MAX, default="")
    return Wish(
        campus=reader.campus,
        key=f"{reader.name}:{field(said, 'key', most=answers.KEY_CHARS_MAX)}",
        kind=kind,
        giver=field(said, "giver", default="" if kind == AWARD else None),
        receiver=field(said, "receiver"),
        about=typed.tag if typed else field(said, ABOUT[kind]),
        message=typed.text if typed else message,
        seen=field(said, "seen", default=""),
        by=f"token {reader.name}",
    )


def _wanted(kind: str, query: Mapping[str, str]) -> Wanted:
    until = reading.day_of(query, "until")
    about = query.get(ABOUT[kind])
    return Wanted(
        kind=kind,
        **{name: query.get(name) for name in FILTERS},
        about=words.tag(about) if kind == KUDOS and about is not None else about,
        since=reading.day_of(query, "from"),
        until=None if until is None else until + reading.DAY_S,
        before=number(query["after"]) if "after" in query else None,
        rows=limit_of(query) + 1,
    )


async def _told(conn: AsyncConnection, one: Recognition, viewer: Viewer) -> dict[str, Any]:
    return (await seeing.shown(conn, one.campus, [one], viewer))[0]
