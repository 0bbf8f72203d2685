"""The door of spending: a campus asks what there is for a learner, and redeems. The centre knows pseudonyms only."""

from __future__ import annotations

from typing import Any, TypeVar

from aiohttp import web

from catalogue import books
from catalogue.errors import RefusedError
from catalogue.proving import Proves
from catalogue.redemption import facts, records, voucher
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.records import Redemption
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.tenants import Sender
from wire import canonical, signing
from wire.money import spending
from wire.signing import Request

Asking = TypeVar("Asking", bound=spending.Asker)

LISTED_MAX = 1000
"""Rewards that one answer lists."""


class SpendingDoor:
    """Handlers; every request is signed by an agent of the campus, every answer by the catalogue."""

    def __init__(self, door: Proves, safe: Vault) -> None:
        self._door = door
        self._desk = Desk(door.store, safe)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post("/v1/shelf", self.shelf)
        router.add_post("/v1/redemptions", self.redeem)
        router.add_get("/v1/redemptions/{redemption}", self.show)
        router.add_post("/v1/redemptions/cancel", self.cancel)

    async def shelf(self, request: web.Request) -> web.Response:
        """What is offered to a learner, what stands against each, and what the learner has."""
        body = await request.read()
        sender, proven = await self._proven(request, body)
        asker = _own(sender, spending.Asker.parse(body))
        now, whose = self._door.clock(), frozenset(asker.cohorts)
        found: list[dict[str, Any]] = []
        async with self._door.store.reading() as conn:
            wallets = [row async for row in books.wallets(conn, sender.campus, learner=asker.learner)]
            who = await facts.about(conn, sender.campus, asker.learner)
            async for one in shelf.shelf(conn, sender.campus):
                if not one.approved or one.reward.state != "active" or len(found) >= LISTED_MAX:
                    continue
                against = await facts.against(conn, who, one, whose, asker.country, now=now)
                found.append(one.reward.model_dump(mode="json") | {"owner": one.owner, "against": against})
        return self._answer({"rewards": found, "wallets": wallets}, proven)

    async def redeem(self, request: web.Request) -> web.Response:
        """Spend a learner's points; the same key gives the same redemption, voucher and all."""
        body = await request.read()
        sender, proven = await self._proven(request, body)
        asked = _own(sender, spending.Wish.parse(body))
        wish = Wish(
            campus=sender.campus,
            learner=asked.learner,
            reward=asked.reward,
            key=f"{sender.agent}:{asked.key}",
            currency=asked.currency,
            cohorts=frozenset(asked.cohorts),
            country=asked.country,
        )
        made = await self._desk.redeem(wish, now=self._door.clock(), by=sender.agent)
        return self._answer(voucher.shown(self._desk, made), proven)

    async def show(self, request: web.Request) -> web.Response:
        """Where a redemption is, with its voucher."""
        sender, proven = await self._proven(request, await request.read(), tag=signing.ASK_TAG)
        one = await self._find(sender, request.match_info["redemption"])
        return self._answer(voucher.shown(self._desk, one), proven)

    async def cancel(self, request: web.Request) -> web.Response:
        """Give a reservation back that nothing was sent for."""
        body = await request.read()
        sender, proven = await self._proven(request, body)
        asked = _own(sender, spending.Cancel.parse(body))
        one = await self._find(sender, asked.redemption)
        if one.learner != asked.learner:
            raise RefusedError(404, "unknown-redemption", f"this learner has no redemption {one.redemption}")
        now = self._door.clock()
        back = await self._desk.cancel(sender.campus, one.redemption, now=now, by=sender.agent, why=asked.why)
        return self._answer(voucher.shown(self._desk, back), proven)

    async def _find(self, sender: Sender, name: str) -> Redemption:
        async with self._door.store.reading() as conn:
            one = await records.find(conn, sender.campus, name)
        if one is None:
            raise RefusedError(404, "unknown-redemption", "this campus has no such redemption")
        return one

    async def _proven(self, request: web.Request, body: bytes, tag: str = signing.SPEND_TAG) -> tuple[Sender, Request]:
        sender, proven = await self._door.prove(request, body, tag=tag)
        sender.check()
        return sender, proven

    def _answer(self, fields: dict[str, Any], proven: Request) -> web.Response:
        body = canonical.dump(fields)
        return self._door.bound(body, proven, tag=signing.SPENT_TAG, content_type=spending.CONTENT_TYPE)


def _own(sender: Sender, asked: Asking) -> Asking:
    """What was asked, which must name who signed it."""
    if (asked.campus, asked.agent) != (sender.campus, sender.agent):
        raise RefusedError(403, "not-yours", "the message names another campus or agent than the key that signed it")
    return asked
