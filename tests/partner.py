"""A partner that makes vouchers, over real HTTP, with moods: all that a partner and a network may do to an order."""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from typing import Any

from aiohttp import web

from wire import signing
from wire.signing import Headers, Request


class Mood(StrEnum):
    """How orders are treated."""

    normal = "normal"
    declining = "declining"  # says no, in JSON
    hanging_up = "hanging up"  # takes nothing, closes the connection
    mute = "mute"  # makes the voucher, closes the connection
    slow = "slow"  # makes the voucher, answers after everybody has gone
    error = "error"  # makes nothing, 500
    late_error = "late error"  # makes the voucher, 500
    busy = "busy"  # 429
    moved = "moved"  # a redirect


class Partner:
    """`start` and `stop` it. ``repeatable``: the same order is the same voucher, else each post makes another."""

    def __init__(self, catalogue_public: bytes, fingerprint: str, *, now: Any, repeatable: bool = True) -> None:
        self.mood = Mood.normal
        self.repeatable = repeatable
        self.made: dict[str, list[str]] = {}
        self.declined: set[str] = set()
        self.posts: Counter[str] = Counter()
        self.orders: list[dict[str, Any]] = []
        self.url = ""
        self._public = catalogue_public
        self._fingerprint = fingerprint
        self._now = now
        self._gone = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/orders", self._order)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/orders"

    async def stop(self) -> None:
        self._gone.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def statement(self) -> str:
        """All that was made and declined, as a partner would send it."""
        lines = [f"{name},issued,{codes[0]}" for name, codes in sorted(self.made.items())]
        lines += [f"{name},declined," for name in sorted(self.declined - self.made.keys())]
        return "\n".join(["redemption,status,code", *lines, ""])

    async def _order(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen = Request(method="POST", url=self.url, headers=Headers(request.headers.items()))
        signing.verify_request(
            seen, body, public=self._public, key_id=self._fingerprint, now=self._now(), tag="rewards-order"
        )
        order = await request.json()
        name = order["redemption"]
        assert request.headers["Idempotency-Key"] == name
        self.posts[name] += 1
        self.orders.append(order)
        if self.mood is Mood.hanging_up:
            return self._hang_up(request)
        if self.mood is Mood.error:
            return web.Response(status=500)
        if self.mood is Mood.busy:
            return web.Response(status=429, headers={"Retry-After": "600"})
        if self.mood is Mood.moved:
            return web.Response(status=302, headers={"Location": self.url})
        if self.mood is Mood.declining and name not in self.made:
            self.declined.add(name)
            return web.json_response({"status": "declined", "reason": "sold out"}, status=409)
        return await self._answer(request, self._make(name))

    async def _answer(self, request: web.Request, code: str) -> web.StreamResponse:
        if self.mood is Mood.mute:
            return self._hang_up(request)
        if self.mood is Mood.late_error:
            return web.Response(status=500)
        if self.mood is Mood.slow:
            await self._gone.wait()
        return web.json_response({"status": "issued", "code": code})

    def _make(self, name: str) -> str:
        made = self.made.setdefault(name, [])
        if not made or not self.repeatable:
            made.append(f"CODE-{sum(map(len, self.made.values()))}-{name[-4:]}")
        return made[0] if self.repeatable else made[-1]

    def _hang_up(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
