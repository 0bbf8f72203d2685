"""The door of recognition: a campus's agent gives, likes, looks and moderates for its learners, under pseudonyms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from catalogue.errors import RefusedError
from catalogue.proving import Proves
from catalogue.recognition import choices, giving, remarks, seeing, tags, words
from catalogue.recognition.agents import feed
from catalogue.recognition.giving import Wish
from catalogue.recognition.moderating import Moderator
from catalogue.recognition.records import KUDOS, Recognition
from catalogue.recognition.remarks import Said
from catalogue.recognition.seeing import Viewer, Wanted
from catalogue.tenants import Sender
from wire import canonical, signing
from wire.recognition.deed import CONTENT_TYPE, PATH, Deed
from wire.signing import Request

log = structlog.get_logger()

ROWS_MAX = 200
DAYS_MAX = 366

Doing = Callable[["RecognitionDoor", Deed], Awaitable[dict[str, Any]]]


class RecognitionDoor:
    """Handlers; every request is signed by an agent of the campus, every answer by the catalogue."""

    def __init__(self, door: Proves) -> None:
        self._door = door

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post(PATH, self.done)

    async def done(self, request: web.Request) -> web.Response:
        """What was asked for; a no is signed as well."""
        body = await request.read()
        sender, proven = await self._door.prove(request, body, tag=signing.SPEND_TAG)
        sender.check()
        deed = _own(sender, Deed.parse(body))
        try:
            doing = DOINGS.get(deed.act)
            if doing is None:
                raise RefusedError(400, "act", f"nothing is done that is called {deed.act}: is this catalogue older?")  # noqa: TRY301
            answer, status = await doing(self, deed), 200
        except RefusedError as refused:
            log.warning("request_refused", status=refused.status, code=refused.code, why=refused.message)
            answer, status = {"error": refused.code, "message": refused.message[:300]}, refused.status
        return self._answer(answer, proven, status)

    async def give(self, deed: Deed) -> dict[str, Any]:
        """Kudos from the learner to another of the campus."""
        typed = words.said(_text(deed, "say"))
        wish = Wish(
            campus=deed.campus,
            key=f"{deed.agent}:{_text(deed, 'key')}",
            kind=KUDOS,
            giver=deed.learner,
            receiver=_text(deed, "receiver"),
            about=typed.tag,
            message=typed.text,
            seen=_text(deed, "seen", ""),
            by=_by(deed),
        )
        one, _ = await giving.asked(self._door.store, wish, now=self._now())
        return await self._told(one, Viewer(learner=deed.learner))

    async def take_back(self, deed: Deed) -> dict[str, Any]:
        """The learner's own kudos."""
        said = {"why": "taken back", "by": _by(deed), "now": self._now(), "giver": deed.learner}
        async with self._door.store.writing() as conn:
            await giving.revoke(conn, deed.campus, _whole(deed, "id"), **said)  # type: ignore[arg-type]
        return {}

    async def like(self, deed: Deed) -> dict[str, Any]:
        """The learner likes one."""
        async with self._door.store.writing() as conn:
            await remarks.like(conn, deed.campus, _whole(deed, "id"), deed.learner, now=self._now())
        return {}

    async def unlike(self, deed: Deed) -> dict[str, Any]:
        """No longer."""
        async with self._door.store.writing() as conn:
            await remarks.unlike(conn, deed.campus, _whole(deed, "id"), deed.learner)
        return {}

    async def comment(self, deed: Deed) -> dict[str, Any]:
        """The learner says something of one."""
        key, typed = f"{deed.agent}:{_text(deed, 'key')}", _text(deed, "text")
        said = Said(campus=deed.campus, no=_whole(deed, "id"), learner=deed.learner, key=key, typed=typed)
        told, _ = await remarks.asked(self._door.store, said, now=self._now())
        return told

    async def withdraw(self, deed: Deed) -> dict[str, Any]:
        """The learner's own comment."""
        async with self._door.store.writing() as conn:
            await remarks.withdraw(conn, deed.campus, _whole(deed, "id"), _whole(deed, "comment"), deed.learner)
        return {}

    async def choose(self, deed: Deed) -> dict[str, Any]:
        """Who may see what the learner gets, or that the learner takes no part."""
        async with self._door.store.writing() as conn:
            await choices.choose(conn, deed.campus, deed.learner, _text(deed, "shown"), now=self._now())
        return {}

    async def listed(self, deed: Deed) -> dict[str, Any]:
        """The newest kudos that the learner may see; of nobody: all, for who looks after the campus."""
        viewer = _viewer(deed)
        user = _text(deed, "user", "") or None
        before = _whole(deed, "before", 0) or None
        rows = min(max(_whole(deed, "rows", ROWS_MAX), 1), ROWS_MAX)
        wanted = Wanted(kind=_text(deed, "kind", KUDOS), user=user, before=before, rows=rows)
        async with self._door.store.reading() as conn:
            return {"rows": await seeing.listed(conn, deed.campus, wanted, viewer)}

    async def shown(self, deed: Deed) -> dict[str, Any]:
        """One, with what was said of it."""
        viewer, no = _viewer(deed), _whole(deed, "id")
        async with self._door.store.reading() as conn:
            one = await seeing.need(conn, deed.campus, no, viewer)
            said = await remarks.comments(conn, deed.campus, no, viewer, after=0, rows=ROWS_MAX)
            return (await seeing.shown(conn, deed.campus, [one], viewer))[0] | {"said": said}

    async def stats(self, deed: Deed) -> dict[str, Any]:
        """What the learner gave and got."""
        days = min(max(_whole(deed, "days", 30), 1), DAYS_MAX)
        viewer = Viewer(learner=deed.learner)
        async with self._door.store.reading() as conn:
            return await seeing.stats(conn, deed.campus, deed.learner, viewer, days=days, now=self._now())

    async def trends(self, deed: Deed) -> dict[str, Any]:
        """Tags that are used most, and those that are offered."""
        days, now = min(max(_whole(deed, "days", 7), 1), DAYS_MAX), self._now()
        async with self._door.store.reading() as conn:
            used = await seeing.trends(conn, deed.campus, days=days, now=now)
            offered = tags.listed(await tags.of_campus(conn, deed.campus))
        return {"days": days, "used": used, "offered": offered}

    async def lines(self, deed: Deed) -> dict[str, Any]:
        """What was given and taken back after a number, for rules of the campus."""
        async with self._door.store.reading() as conn:
            found, upto, more = await feed.lines(conn, deed.campus, _whole(deed, "after"), ROWS_MAX)
        return {"lines": found, "next": upto, "more": more}

    async def moderate(self, deed: Deed) -> dict[str, Any]:
        """Hide one, show it again, or revoke it; with a number of a comment, hide or show that."""
        who = Moderator(store=self._door.store, campus=deed.campus, by=_by(deed), now=self._now())
        no, do, why = _whole(deed, "id"), _text(deed, "do"), _text(deed, "why")
        if "comment" in deed.fields:
            await who.moderate_comment(no, _whole(deed, "comment"), do, why=why)
            return {}
        return await self._told(await who.moderate(no, do, why=why), Viewer(all=True))

    async def _told(self, one: Recognition, viewer: Viewer) -> dict[str, Any]:
        async with self._door.store.reading() as conn:
            return (await seeing.shown(conn, one.campus, [one], viewer))[0]

    def _now(self) -> int:
        return self._door.clock()

    def _answer(self, fields: dict[str, Any], proven: Request, status: int) -> web.Response:
        body = canonical.dump(fields)
        return self._door.bound(body, proven, status=status, tag=signing.SPENT_TAG, content_type=CONTENT_TYPE)


DOINGS: dict[str, Doing] = {
    "give": RecognitionDoor.give,
    "back": RecognitionDoor.take_back,
    "like": RecognitionDoor.like,
    "unlike": RecognitionDoor.unlike,
    "comment": RecognitionDoor.comment,
    "withdraw": RecognitionDoor.withdraw,
    "choose": RecognitionDoor.choose,
    "list": RecognitionDoor.listed,
    "show": RecognitionDoor.shown,
    "stats": RecognitionDoor.stats,
    "trends": RecognitionDoor.trends,
    "lines": RecognitionDoor.lines,
    "moderate": RecognitionDoor.moderate,
}
"""What an agent can ask for, by the name of its act."""


def _viewer(deed: Deed) -> Viewer:
    return Viewer(learner=deed.learner, all=not deed.learner)


def _by(deed: Deed) -> str:
    return f"agent {deed.agent}"


def _text(deed: Deed, name: str, default: str | None = None) -> str:
    value = deed.fields.get(name, default)
    if not isinstance(value, str):
        raise RefusedError(400, "field", f"{deed.act} needs the text {name}")
    return value


def _whole(deed: Deed, name: str, default: int | None = None) -> int:
    value = deed.fields.get(name, default)
    if not isinstance(value, int):
        raise RefusedError(400, "field", f"{deed.act} needs the number {name}")
    return value


def _own(sender: Sender, deed: Deed) -> Deed:
    """What was asked, which must name who signed it."""
    if (deed.campus, deed.agent) != (sender.campus, sender.agent):
        raise RefusedError(403, "not-yours", "the message names another campus or agent than the key that signed it")
    return deed
