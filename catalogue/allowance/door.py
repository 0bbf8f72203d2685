"""The door of allowances: an agent has vouchers made beforehand, and says later what became of them."""

from __future__ import annotations

from aiohttp import web

from catalogue.allowance import book
from catalogue.errors import RefusedError
from catalogue.proving import Proves
from catalogue.redemption import voucher
from catalogue.redemption.door import SpendingDoor, own
from catalogue.tenants import Sender
from wire.money import spending


class AllowanceDoor:
    """Handlers; every request is signed by an agent, every answer by the catalogue."""

    def __init__(self, door: Proves, counter: SpendingDoor) -> None:
        self._door = door
        self._counter = counter

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post("/v1/allowances", self.draw)
        router.add_post("/v1/allowances/settle", self.settle)

    async def draw(self, request: web.Request) -> web.Response:
        """Make one voucher beforehand for a learner, with every check of a redemption; the same key is the same one."""
        body = await request.read()
        sender, proven = await self._counter.proven(request, body)
        asked = own(sender, spending.Draw.parse(body))
        try:
            await self._may_draw(sender, asked)
            made = await self._counter.granted(sender, asked)
            async with self._door.store.writing() as conn:
                await book.keep(conn, sender, asked.epoch, made, now=self._door.clock())
        except RefusedError as refused:
            return self._counter.refused(refused, proven)
        return self._counter.answer(voucher.shown(self._counter.desk, made), proven)

    async def _may_draw(self, sender: Sender, asked: spending.Draw) -> None:
        try:
            async with self._door.store.reading() as conn:
                await book.may_draw(conn, sender, asked.epoch, asked.reward)
        except RefusedError as refused:
            await self._counter.refuse(sender, asked, refused)
            raise

    async def settle(self, request: web.Request) -> web.Response:
        """Take note of what was spent, and take back what was not; each for itself, and again changes nothing."""
        body = await request.read()
        sender, proven = await self._counter.proven(request, body)
        asked = own(sender, spending.Settle.parse(body))
        against: dict[str, str] = {}
        now = self._door.clock()
        try:
            async with self._door.store.reading() as conn:
                await book.alive(conn, sender, asked.epoch)
        except RefusedError as refused:
            return self._counter.refused(refused, proven)
        for name in asked.spent:
            async with self._door.store.writing() as conn:
                against[name] = await book.spent(conn, sender, name, now=now)
        for name in asked.returned:
            async with self._door.store.writing() as conn:
                against[name] = await book.returned(conn, self._counter.desk, sender, asked.epoch, name, now=now)
        return self._counter.answer({"against": {name: why for name, why in against.items() if why}}, proven)
