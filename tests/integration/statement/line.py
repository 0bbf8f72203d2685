"""The line between an agent and its catalogue, with moods: requests arrive late or never, answers are lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

import aiohttp
from aiohttp import web
from yarl import URL


class Mood(StrEnum):
    """What becomes of a request, where its path begins with `Line.on`."""

    clear = "clear"
    down = "down"  # it never arrives
    mute = "mute"  # it arrives, and the answer is lost
    late = "late"  # it arrives when `Line.let_through` says so, long after everybody has gone
    forged = "forged"  # it never arrives, and somebody else says no


class Line:
    """Forwards to ``target``; `moods` are used up one by one, then it is clear."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.on = "/v1/redemptions"
        self.moods: list[Mood] = []
        self.kept: list[tuple[str, str, dict[str, str], bytes]] = []
        self.seen: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        mood = Mood.clear
        if request.path.startswith(self.on):
            self.seen.append(request.path)
            mood = self.moods.pop(0) if self.moods else Mood.clear
        asked = request.method, request.rel_url.raw_path_qs, dict(request.headers), body
        if mood is Mood.forged:
            return web.json_response({"error": "balance", "message": "there are 0"}, status=409)
        if mood is Mood.late:
            self.kept.append(asked)
        if mood in {Mood.clear, Mood.mute}:
            status, headers, came = await self._forward(*asked)
            if mood is Mood.clear:
                return web.Response(status=status, headers=headers, body=came)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def let_through(self) -> list[int]:
        """What was held up arrives now; how it was answered."""
        kept, self.kept = self.kept, []
        return [(await self._forward(*each))[0] for each in kept]

    async def _forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {name: value for name, value in headers.items() if name.lower() not in {"host", "content-length"}}
        url = URL(self.target + path, encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers=sent, data=body or None) as answer,
        ):
            told = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
            return answer.status, told, await answer.read()


@asynccontextmanager
async def a_line(target: str) -> AsyncIterator[Line]:
    """A line on a free port."""
    line = Line(target)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{rest:.*}", line.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    line.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield line
    finally:
        await runner.cleanup()
