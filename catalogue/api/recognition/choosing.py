"""The door of tags, trends and statistics, and of what a campus and its learners choose."""

from __future__ import annotations

from aiohttp import web

from catalogue.api import reading
from catalogue.api.asked import answer, body_of, only, patient
from catalogue.api.guard import FRESH, Guard
from catalogue.api.recognition.fields import days_of, field, moderator, only_these, viewer_of
from catalogue.recognition import choices, policy, seeing, tags

TAGS, TRENDS, STATS = "/api/kudos_tags", "/api/kudos_trends", "/api/kudos_stats"
POLICY, CHOICES = "/api/kudos_policy", "/api/kudos_choices"
TREND_DAYS, STATS_DAYS = 7, 30


class ChoosingDoor:
    """Handlers."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_get(TAGS, patient(self.tags))
        router.add_put(f"{TAGS}/{{tag}}", patient(self.put_tag))
        router.add_delete(f"{TAGS}/{{tag}}", patient(self.remove_tag))
        router.add_get(TRENDS, patient(self.trends))
        router.add_get(STATS, patient(self.stats))
        router.add_get(POLICY, patient(self.policy))
        router.add_patch(POLICY, patient(self.change_policy))
        router.add_get(f"{CHOICES}/{{user}}", patient(self.choice))
        router.add_put(f"{CHOICES}/{{user}}", patient(self.choose))

    async def tags(self, request: web.Request) -> web.Response:
        """Tags that are offered, and those that are blocked."""
        reader = await self._guard.reader(request, "recognition:read")
        only(request.query, set())
        async with self._guard.store.reading() as conn:
            known = await tags.of_campus(conn, reader.campus)
        return answer({"tags": tags.listed(known)})

    async def put_tag(self, request: web.Request) -> web.Response:
        """Offer or block one."""
        reader = await self._guard.reader(request, "recognition:moderate")
        said = await body_of(request)
        only_these(said, {"title", "state"})
        title = field(said, "title", most=2 * tags.TITLE_CHARS_MAX, default="")
        state = field(said, "state", default=tags.OFFERED)
        await moderator(self._guard, reader).put_tag(request.match_info["tag"], title=title, state=state)
        return web.Response(status=204, headers=FRESH)

    async def remove_tag(self, request: web.Request) -> web.Response:
        """Forget what the campus said of one."""
        reader = await self._guard.reader(request, "recognition:moderate")
        await moderator(self._guard, reader).remove_tag(request.match_info["tag"])
        return web.Response(status=204, headers=FRESH)

    async def trends(self, request: web.Request) -> web.Response:
        """Tags used most lately, and how often before."""
        reader = await self._guard.reader(request, "recognition:read")
        days = days_of(only(request.query, {"days"}), TREND_DAYS)
        async with self._guard.store.reading() as conn:
            found = await seeing.trends(conn, reader.campus, days=days, now=self._guard.now())
        return answer({"days": days, "tags": found})

    async def stats(self, request: web.Request) -> web.Response:
        """What one learner gave and got lately."""
        reader = await self._guard.reader(request, "recognition:read")
        query = only(request.query, {"user", "viewer", "all", "days"})
        user, days, viewer = reading.text_of(query, "user"), days_of(query, STATS_DAYS), viewer_of(reader, query)
        async with self._guard.store.reading() as conn:
            return answer(await seeing.stats(conn, reader.campus, user, viewer, days=days, now=self._guard.now()))

    async def policy(self, request: web.Request) -> web.Response:
        """What the campus lets happen."""
        reader = await self._guard.reader(request, "recognition:read")
        async with self._guard.store.reading() as conn:
            return answer((await policy.of_campus(conn, reader.campus)).told())

    async def change_policy(self, request: web.Request) -> web.Response:
        """Change what is sent of it."""
        reader = await self._guard.reader(request, "recognition:moderate")
        said = await body_of(request)
        return answer((await moderator(self._guard, reader).change_policy(said)).told())

    async def choice(self, request: web.Request) -> web.Response:
        """What a learner chose."""
        reader = await self._guard.reader(request, "recognition:read")
        user = reading.text_of(request.match_info, "user")
        async with self._guard.store.reading() as conn:
            return answer({"user": user, "shown": (await choices.of(conn, reader.campus, [user]))[user]})

    async def choose(self, request: web.Request) -> web.Response:
        """Keep what a learner chose."""
        reader = await self._guard.reader(request, "recognition:write")
        user, said = reading.text_of(request.match_info, "user"), await body_of(request)
        only_these(said, {"shown"})
        shown = field(said, "shown")
        async with self._guard.store.writing() as conn:
            await choices.choose(conn, reader.campus, user, shown, now=self._guard.now())
        return answer({"user": user, "shown": shown})
