"""The door of likes and comments."""

from __future__ import annotations

from aiohttp import web

from catalogue.api import reading
from catalogue.api.asked import answer, body_of, limit_of, only, patient
from catalogue.api.guard import FRESH, Guard
from catalogue.api.recognition.fields import field, moderator, need_known, number, only_these, viewer_of
from catalogue.errors import RefusedError
from catalogue.recognition import answers, giving, remarks
from catalogue.recognition.remarks import Said

LIKES, COMMENTS = "/api/rewards_likes", "/api/rewards_comments"


class RemarksDoor:
    """Handlers. A token speaks for its campus: it says who likes and who comments."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_get(LIKES, patient(self.likes))
        router.add_put(f"{LIKES}/{{id}}/{{user}}", patient(self.like))
        router.add_delete(f"{LIKES}/{{id}}/{{user}}", patient(self.unlike))
        router.add_get(COMMENTS, patient(self.comments))
        router.add_post(COMMENTS, patient(self.comment))
        router.add_delete(f"{COMMENTS}/{{id}}/{{comment}}", patient(self.withdraw))
        router.add_post(f"{COMMENTS}/{{id}}/{{comment}}/moderation", patient(self.moderate))

    async def likes(self, request: web.Request) -> web.Response:
        """Who likes one."""
        reader = await self._guard.reader(request, "recognition:read")
        query = only(request.query, {"recognition", "viewer", "all", "after", "limit"})
        no, rows = number(reading.text_of(query, "recognition")), limit_of(query)
        viewer, after = viewer_of(reader, query), query.get("after", "")
        async with self._guard.store.reading() as conn:
            found = await remarks.likes(conn, reader.campus, no, viewer, after=after, rows=rows + 1)
        return answer({"rows": found[:rows], "next": found[rows - 1]["user"] if len(found) > rows else None})

    async def like(self, request: web.Request) -> web.Response:
        """A learner likes one."""
        reader = await self._guard.reader(request, "recognition:write")
        no, user = number(request.match_info["id"]), reading.text_of(request.match_info, "user")
        async with self._guard.store.writing() as conn:
            await need_known(conn, reader.campus, user)
            await remarks.like(conn, reader.campus, no, user, now=self._guard.now())
        return web.Response(status=204, headers=FRESH)

    async def unlike(self, request: web.Request) -> web.Response:
        """No longer."""
        reader = await self._guard.reader(request, "recognition:write")
        no, user = number(request.match_info["id"]), reading.text_of(request.match_info, "user")
        async with self._guard.store.writing() as conn:
            await remarks.unlike(conn, reader.campus, no, user)
        return web.Response(status=204, headers=FRESH)

    async def comments(self, request: web.Request) -> web.Response:
        """What was said of one, in its order."""
        reader = await self._guard.reader(request, "recognition:read")
        query = only(request.query, {"recognition", "viewer", "all", "after", "limit"})
        no, rows = number(reading.text_of(query, "recognition")), limit_of(query)
        viewer, after = viewer_of(reader, query), reading.whole(query, "after", 0)
        async with self._guard.store.reading() as conn:
            found = await remarks.comments(conn, reader.campus, no, viewer, after=after, rows=rows + 1)
        return answer({"rows": found[:rows], "next": found[rows - 1]["id"] if len(found) > rows else None})

    async def comment(self, request: web.Request) -> web.Response:
        """A learner says something of one; 201 where it is new, 200 where it came before under this key."""
        reader = await self._guard.reader(request, "recognition:write")
        said = await body_of(request)
        only_these(said, {"recognition", "user", "key", "text"})
        no, user, typed = said.get("recognition"), field(said, "user"), field(said, "text", most=1000)
        key = f"{reader.name}:{field(said, 'key', most=answers.KEY_CHARS_MAX)}"
        if type(no) is not int or not 0 <= no < 10**reading.DIGITS_MAX:
            raise RefusedError(400, "body", "recognition is the id of kudos or of an award")
        wanted = Said(campus=reader.campus, no=no, learner=user, key=key, typed=typed)
        told, new = await remarks.asked(
            self._guard.store, wanted, now=self._guard.now(), need=lambda conn: need_known(conn, reader.campus, user)
        )
        return answer(told, status=201 if new else 200)

    async def withdraw(self, request: web.Request) -> web.Response:
        """Who wrote it takes it away."""
        reader = await self._guard.reader(request, "recognition:write")
        user = reading.text_of(only(request.query, {"user"}), "user")
        no, comment = number(request.match_info["id"]), number(request.match_info["comment"])
        async with self._guard.store.writing() as conn:
            await remarks.withdraw(conn, reader.campus, no, comment, user)
        return web.Response(status=204, headers=FRESH)

    async def moderate(self, request: web.Request) -> web.Response:
        """Hide one (0: the message), or show it again, with a reason that is written down."""
        reader = await self._guard.reader(request, "recognition:moderate")
        said = await body_of(request)
        do, why = field(said, "do"), field(said, "why", most=giving.WHY_CHARS_MAX)
        no, comment = number(request.match_info["id"]), number(request.match_info["comment"])
        await moderator(self._guard, reader).moderate_comment(no, comment, do, why=why)
        return web.Response(status=204, headers=FRESH)
