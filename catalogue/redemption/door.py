"""The door of spending: a campus asks what there is for a learner, and redeems. The centre knows pseudonyms only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from aiohttp import web

from catalogue import books
from catalogue.errors import RefusedError
from catalogue.proving import Proves
from catalogue.redemption import facts, records, tokens, voucher
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.records import Redemption
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.tenants import Sender
from wire import canonical, signing
from wire.money import spending
from wire.signing import Request

log = structlog.get_logger()

Asking = TypeVar("Asking", bound=spending.Asker)

LISTED_MAX = 1000
"""Rewards that one answer lists."""


class SpendingDoor:
    """Handlers; every request is signed by an agent of the campus, every answer by the catalogue."""

    def __init__(self, door: Proves, safe: Vault) -> None:
        self._door = door
        self.desk = Desk(door.store, safe)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post("/v1/shelf", self.shelf)
        router.add_post("/v1/shelf/cohorts", self.cohorts)
        router.add_post("/v1/redemptions", self.redeem)
        router.add_get("/v1/redemptions/{redemption}", self.show)
        router.add_post("/v1/redemptions/cancel", self.cancel)
        router.add_get("/v1/wishes/{key}", self.wished)
        router.add_post("/v1/vouchers/look", self.look)
        router.add_post("/v1/vouchers/use", self.use)

    async def shelf(self, request: web.Request) -> web.Response:
        """What is offered to a learner, what stands against each, and what the learner has."""
        body = await request.read()
        sender, proven = await self.proven(request, body)
        asker = own(sender, spending.Asker.parse(body))
        now, whose = self._door.clock(), frozenset(asker.cohorts)
        found: list[dict[str, Any]] = []
        async with self._door.store.reading() as conn:
            wallets = await books.purse(conn, sender.campus, asker.learner)
            who = await facts.about(conn, sender.campus, asker.learner)
            async for one in shelf.shelf(conn, sender.campus, shelf.Asked(state="active")):
                if not one.approved:
                    continue
                if len(found) >= LISTED_MAX:
                    break
                against, left = await facts.seen(conn, who, one, whose, asker.country, now=now)
                told = {"owner": one.owner, "against": against, "left": left}
                found.append(one.reward.model_dump(mode="json") | told)
        return self.answer({"rewards": found, "wallets": wallets}, proven)

    async def cohorts(self, request: web.Request) -> web.Response:
        """Which cohorts and countries a reward asks for, or all that is on offer: the campus says no more than that."""
        body = await request.read()
        sender, proven = await self.proven(request, body)
        asked = own(sender, spending.Gated.parse(body))
        async with self._door.store.reading() as conn:
            if asked.reward:
                meant = await shelf.offered(conn, sender.campus, asked.reward)
                found = [meant.reward] if meant is not None else []
            else:
                offered = shelf.shelf(conn, sender.campus, shelf.Asked(state="active"))
                found = [one.reward async for one in offered if one.approved]
        cohorts = sorted({name for one in found for name in one.cohorts})
        countries = sorted({name for one in found for name in one.countries})
        return self.answer({"cohorts": cohorts, "countries": countries}, proven)

    async def redeem(self, request: web.Request) -> web.Response:
        """Spend a learner's points; the same key gives the same answer, voucher and all."""
        body = await request.read()
        sender, proven = await self.proven(request, body)
        asked = own(sender, spending.Wish.parse(body))
        try:
            made = await self.granted(sender, asked)
        except RefusedError as refused:
            return self.refused(refused, proven)
        return self.answer(voucher.shown(self.desk, made), proven)

    async def granted(self, sender: Sender, asked: spending.Wish) -> Redemption:
        """What a wish came to.

        Raises:
            RefusedError: something stands against it.
        """
        return await self.desk.redeem(_meant(sender, asked), now=self._door.clock(), by=sender.agent)

    async def refuse(self, sender: Sender, asked: spending.Wish, refused: RefusedError) -> None:
        """Keep a no that was said before the desk was asked."""
        await self.desk.refuse(_meant(sender, asked), refused, now=self._door.clock())

    async def wished(self, request: web.Request) -> web.Response:
        """What became of a wish that this agent sent under a key; asking makes nothing."""
        sender, proven = await self.proven(request, await request.read(), tag=signing.ASK_TAG)
        key = _key(sender, request.match_info["key"])
        async with self._door.store.reading() as conn:
            known = await records.by_key(conn, sender.campus, key)
            against = await records.refused(conn, sender.campus, key)
        if known is None:
            return self.refused(against or RefusedError(404, "unknown-wish", "no wish came under this key"), proven)
        return self.answer(voucher.shown(self.desk, known), proven)

    async def show(self, request: web.Request) -> web.Response:
        """Where a redemption is, with its voucher."""
        sender, proven = await self.proven(request, await request.read(), tag=signing.ASK_TAG)
        try:
            one = await self._find(sender, request.match_info["redemption"])
        except RefusedError as refused:
            return self.refused(refused, proven)
        return self.answer(voucher.shown(self.desk, one), proven)

    async def cancel(self, request: web.Request) -> web.Response:
        """Give a reservation back that nothing was sent for."""
        body = await request.read()
        sender, proven = await self.proven(request, body)
        asked = own(sender, spending.Cancel.parse(body))
        try:
            one = await self._find(sender, asked.redemption, learner=asked.learner)
            now = self._door.clock()
            back = await self.desk.cancel(sender.campus, one.redemption, now=now, by=sender.agent, why=asked.why)
        except RefusedError as refused:
            return self.refused(refused, proven)
        return self.answer(voucher.shown(self.desk, back), proven)

    async def look(self, request: web.Request) -> web.Response:
        """What a voucher of the campus is good for, which a learner shows there."""

        async def looked(sender: Sender, asked: spending.Till, now: int) -> Redemption:
            return await tokens.look(self._door.store, asked.token, now=now, campus=sender.campus)

        return await self._at_the_till(request, looked)

    async def use(self, request: web.Request) -> web.Response:
        """Use it, once; the same key again is the same use."""

        async def used(sender: Sender, asked: spending.Till, now: int) -> Redemption:
            who = {"campus": sender.campus, "by": f"agent {sender.agent}", "key": asked.key, "why": asked.by}
            return await tokens.use(self._door.store, asked.token, now=now, **who)

        return await self._at_the_till(request, used)

    async def _at_the_till(
        self, request: web.Request, doing: Callable[[Sender, spending.Till, int], Awaitable[Redemption]]
    ) -> web.Response:
        body = await request.read()
        sender, proven = await self.proven(request, body)
        asked = own(sender, spending.Till.parse(body))
        try:
            found = await doing(sender, asked, self._door.clock())
        except RefusedError as refused:
            return self.refused(refused, proven)
        return self.answer(voucher.good_for(found), proven)

    async def _find(self, sender: Sender, name: str, *, learner: str | None = None) -> Redemption:
        async with self._door.store.reading() as conn:
            one = await records.find(conn, sender.campus, name)
        if one is not None and learner not in {None, one.learner}:
            raise RefusedError(404, "unknown-redemption", f"this learner has no redemption {name}")
        if one is None:
            raise RefusedError(404, "unknown-redemption", "this campus has no such redemption")
        return one

    async def proven(self, request: web.Request, body: bytes, tag: str = signing.SPEND_TAG) -> tuple[Sender, Request]:
        """Who asks, and may."""
        sender, proven = await self._door.prove(request, body, tag=tag)
        sender.check()
        return sender, proven

    def refused(self, refused: RefusedError, proven: Request) -> web.Response:
        """A no that the agent can prove: a wish that was refused is settled by it."""
        log.warning("request_refused", status=refused.status, code=refused.code, why=refused.message)
        body = canonical.dump({"error": refused.code, "message": refused.message})
        content_type = spending.CONTENT_TYPE
        tag = signing.SPENT_TAG
        return self._door.bound(body, proven, status=refused.status, tag=tag, content_type=content_type)

    def answer(self, fields: dict[str, Any], proven: Request) -> web.Response:
        """A yes that the agent can prove."""
        body = canonical.dump(fields)
        return self._door.bound(body, proven, tag=signing.SPENT_TAG, content_type=spending.CONTENT_TYPE)


def _key(sender: Sender, key: str) -> str:
    """An agent's own name for a wish, as the campus's redemptions are named by."""
    return f"{sender.agent}:{key}"


def _meant(sender: Sender, asked: spending.Wish) -> Wish:
    return Wish(
        campus=sender.campus,
        learner=asked.learner,
        reward=asked.reward,
        key=_key(sender, asked.key),
        currency=asked.currency,
        cohorts=frozenset(asked.cohorts),
        country=asked.country,
    )


def own(sender: Sender, asked: Asking) -> Asking:
    """What was asked, which must name who signed it."""
    if (asked.campus, asked.agent) != (sender.campus, sender.agent):
        raise RefusedError(403, "not-yours", "the message names another campus or agent than the key that signed it")
    return asked
