"""Vendors' servers for tests: real HTTP, with moods, answering what a test gives them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

Mood = Literal["", "half", "slow", "hang up", "endless"]


@dataclass(slots=True, kw_only=True)
class Vendor:
    """A server that answers by ``answers`` unless it is in a mood; it keeps what was asked."""

    answers: Callable[[web.Request], web.StreamResponse]
    mood: Mood = ""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.asked.append(str(request.rel_url))
        self.headers.append(dict(request.headers))
        moods: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "half": self._half,
            "slow": self._slow,
            "hang up": self._hang_up,
            "endless": self._endless,
        }
        if self.mood:
            return await moods[self.mood](request)
        return self.answers(request)

    async def _half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"statements": [')
        return await self._hang_up(request)

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        await self.let_go.wait()
        return self.answers(request)

    async def _hang_up(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b" " * 65_536)
        return response


@asynccontextmanager
async def vendor(answers: Callable[[web.Request], web.StreamResponse]) -> AsyncIterator[Vendor]:
    """A vendor that listens on a free port."""
    one = Vendor(answers=answers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = int(runner.addresses[0][1])
    try:
        yield one
    finally:
        one.let_go.set()
        await runner.cleanup()
