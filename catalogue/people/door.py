"""The door of persons: an agent tells what they are known by and called, and asks what they have elsewhere."""

from __future__ import annotations

import structlog
from aiohttp import web

from catalogue.errors import RefusedError
from catalogue.people import elsewhere, links, names
from catalogue.proving import Proves
from catalogue.tenants import Sender
from wire import signing
from wire.canonical import MalformedError
from wire.people import known
from wire.people import names as wire_names
from wire.people.known import Noted, People
from wire.people.names import Named, Names

log = structlog.get_logger()

_DIGITS_MAX = 18


class PeopleDoor:
    """Handlers; every request is signed by an agent, every answer by the catalogue."""

    def __init__(self, door: Proves) -> None:
        self._door = door

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post("/v1/people", self.tell)
        router.add_post(wire_names.PATH, self.names)
        router.add_get("/v1/people/{moved}/{linked}/{after}", self.elsewhere)

    async def tell(self, request: web.Request) -> web.Response:
        """Keep what persons are known by, and link those who are one."""
        body = await request.read()
        sender, proven = await self._door.prove(request, body, tag=signing.KEEP_TAG)
        sender.check()
        message = People.parse(body)
        _require_own(sender, message.campus, message.agent)
        async with self._door.store.writing() as conn:
            others = await links.tell(conn, sender, message, now=self._door.clock())
        if others:
            log.warning("link_keys_differ", campus=sender.campus, agent=sender.agent, others=others)
        noted = Noted(campus=sender.campus, agent=sender.agent, other_keys=tuple(others))
        return self._door.bound(noted.encode(), proven, tag=signing.KEPT_TAG, content_type=known.CONTENT_TYPE)

    async def names(self, request: web.Request) -> web.Response:
        """Keep what learners are called; the answer names none."""
        body = await request.read()
        sender, proven = await self._door.prove(request, body, tag=signing.KEEP_TAG)
        sender.check()
        message = Names.parse(body)
        _require_own(sender, message.campus, message.agent)
        register = ""
        if not (message.names or message.withdrawn):
            async with self._door.store.reading() as conn:
                register = await names.register_of(conn, sender)
        if not register:
            async with self._door.store.writing() as conn:
                register = await names.tell(conn, sender, message, now=self._door.clock())
        if names.takes_back(message):
            await self._door.store.erased()
        if message.withdrawn:
            log.info("names_withdrawn", campus=sender.campus, agent=sender.agent)
        named = Named(campus=sender.campus, agent=sender.agent, register=register)
        return self._door.bound(named.encode(), proven, tag=signing.KEPT_TAG, content_type=wire_names.CONTENT_TYPE)

    async def elsewhere(self, request: web.Request) -> web.Response:
        """What this agent's persons have elsewhere, since it last asked."""
        sender, proven = await self._door.prove(request, await request.read(), tag=signing.ASK_TAG)
        sender.check()
        since = (_whole(request.match_info["moved"]), _whole(request.match_info["linked"]))
        async with self._door.store.reading() as conn:
            found = await elsewhere.page(conn, sender, since, request.match_info["after"], now=self._door.clock())
        return self._door.bound(found.encode(), proven, tag=signing.KEPT_TAG, content_type=known.CONTENT_TYPE)


def _require_own(sender: Sender, campus: str, agent: str) -> None:
    if (campus, agent) != (sender.campus, sender.agent):
        raise RefusedError(403, "not-yours", "the message names another campus or agent than the key that signed it")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise MalformedError("what was heard is told by two whole numbers")
    return int(text)
