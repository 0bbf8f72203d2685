"""What rooms behind the catalogue's door need of it: who asks, proven, and an answer that is signed."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from catalogue.store import Store
from catalogue.tenants import Sender
from wire.signing import Request


class Proves(Protocol):
    """The door, as a room of its own sees it."""

    store: Store

    def clock(self) -> int:
        """Seconds since 1970, UTC."""
        ...

    async def prove(self, request: web.Request, body: bytes, *, tag: str) -> tuple[Sender, Request]:
        """The agent whose key signed these exact bytes."""
        ...

    def bound(
        self, body: bytes, answered: Request, *, status: int = ..., tag: str = ..., content_type: str = ...
    ) -> web.Response:
        """An answer that is true now: signed, and bound to its request."""
        ...

    def dated(self, body: bytes, *, tag: str, content_type: str) -> web.Response:
        """An answer that names what it is about, so whoever keeps it can prove it: signed, bound to no request."""
        ...
