"""A receiver of callbacks for tests: a real HTTP server that keeps what it took, checks signatures, and has moods."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes !!!").decode()


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a message is what the manual says it is: what a receiver does to know who speaks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split())


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered: ``status`` to everything, after ``delay_s``; ``on_message`` hears first."""

    url: str = ""
    status: int = 200
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    on_message: Callable[[str], None] = lambda _id: None
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: int = 0

    def ids(self) -> list[str]:
        """The ids of what was taken, in order."""
        return [headers["webhook-id"] for headers, _ in self.taken]

    def bodies(self) -> list[Any]:
        """What was taken, read."""
        return [orjson.loads(body) for _, body in self.taken]

    def types(self) -> list[str]:
        """`award`, `badge`, …, in order."""
        return [body["type"] for body in self.bodies()]

    async def answer(self, request: web.Request) -> web.Response:
        """Take a message, or not."""
        body = await request.read()
        self.on_message(request.headers["webhook-id"])
        await asyncio.sleep(self.delay_s)
        if self.status == 200:
            self.taken.append(({key.lower(): value for key, value in request.headers.items()}, body))
        else:
            self.refused += 1
        return web.Response(status=self.status, headers=self.headers, text="words that nobody needs")


@asynccontextmanager
async def receiving(**moods: Any) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(**moods)
    app = web.Application()
    app.router.add_post("/{anything:.*}", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/hook/T0K3N"
    try:
        yield receiver
    finally:
        await runner.cleanup()
