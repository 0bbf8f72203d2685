"""The door of safe-keeping: an agent leaves its sealed persons, and asks for all that is kept when its disk is lost."""

from __future__ import annotations

from typing import Protocol

import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.proof import keeping, keys, sums
from catalogue.proving import Proves
from catalogue.tenants import Sender
from wire import keys as wire_keys
from wire import receipt, signing
from wire.canonical import MalformedError
from wire.keeping import CONTENT_TYPE, HISTORY_TYPE, Persons, Takeover
from wire.receipt import Stand
from wire.signing import Request

log = structlog.get_logger()

_DIGITS_MAX = 18


class Knows(Proves, Protocol):
    """The door, which also knows where agents stand."""

    async def where(self, conn: AsyncConnection, sender: Sender) -> Stand:
        """Where an agent stands."""
        ...


class KeepingDoor:
    """Handlers; every request is signed by an agent, every answer by the catalogue."""

    def __init__(self, door: Knows) -> None:
        self._door = door

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post("/v1/persons", self.keep)
        router.add_get("/v1/persons/{after}", self.persons)
        router.add_get("/v1/history/{epoch}/{seq}", self.history)
        router.add_post("/v1/agents/epoch", self.take_over)
        router.add_get("/v1/keys", self.keys)
        router.add_get("/v1/sums/{epoch}/{seq}", self.sums)

    async def keys(self, _request: web.Request) -> web.Response:
        """Which key followed which: needs no signature, because each link carries two."""
        async with self._door.store.reading() as conn:
            chain = await keys.links(conn)
        return web.Response(body=wire_keys.encode_links(chain), headers={"Content-Type": CONTENT_TYPE})

    async def keep(self, request: web.Request) -> web.Response:
        """Keep sealed persons; the answer names none."""
        body = await request.read()
        sender, proven = await self._door.prove(request, body, tag=signing.KEEP_TAG)
        sender.check()
        message = Persons.parse(body)
        async with self._door.store.writing() as conn:
            await keeping.keep(conn, sender, message, now=self._door.clock())
        if message.gone:
            await self._door.store.erased()
        nobody = Persons(campus=sender.campus, agent=sender.agent, persons=())
        return self._door.bound(nobody.encode(), proven, tag=signing.KEPT_TAG, content_type=CONTENT_TYPE)

    async def persons(self, request: web.Request) -> web.Response:
        """A page of what is kept."""
        sender, proven = await self._asked(request)
        async with self._door.store.reading() as conn:
            found = await keeping.persons(conn, sender, request.match_info["after"])
        return self._door.bound(found.encode(), proven, tag=signing.KEPT_TAG, content_type=CONTENT_TYPE)

    async def history(self, request: web.Request) -> web.Response:
        """One batch with its receipt."""
        sender, proven = await self._asked(request)
        epoch, seq = (_whole(request.match_info[name]) for name in ("epoch", "seq"))
        async with self._door.store.reading() as conn:
            page = await keeping.history(conn, sender, epoch, seq)
        return self._door.bound(page.encode(), proven, tag=signing.KEPT_TAG, content_type=HISTORY_TYPE)

    async def sums(self, request: web.Request) -> web.Response:
        """What the agent's next batches come to."""
        sender, proven = await self._asked(request)
        epoch, seq = (_whole(request.match_info[name]) for name in ("epoch", "seq"))
        async with self._door.store.reading() as conn:
            found = await sums.after(conn, sender, epoch, seq)
        return self._door.bound(found.encode(), proven, tag=signing.KEPT_TAG, content_type=CONTENT_TYPE)

    async def take_over(self, request: web.Request) -> web.Response:
        """Begin a new epoch where the agent's history ends; answers where it then stands."""
        body = await request.read()
        sender, proven = await self._door.prove(request, body, tag=signing.TAKEOVER_TAG)
        sender.check()
        message = Takeover.parse(body)
        by = f"agent {sender.agent}"
        said = Act(campus=sender.campus, by=by, at=self._door.clock(), act="agent.epoch", about=sender.agent)
        mine = acts.rows(schema.agent, campus=sender.campus, agent=sender.agent)
        async with acts.acting(self._door.store, said, mine) as conn:
            await keeping.take_over(conn, sender, message)
            where = await self._door.where(conn, sender)
        log.info("agent_began_epoch", campus=sender.campus, agent=sender.agent, epoch=message.epoch, seq=message.seq)
        return self._door.bound(receipt.encode_stand(where), proven)

    async def _asked(self, request: web.Request) -> tuple[Sender, Request]:
        sender, proven = await self._door.prove(request, await request.read(), tag=signing.ASK_TAG)
        sender.check()
        return sender, proven


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise MalformedError("an epoch and a seq are whole numbers")
    return int(text)
