"""Requests whose body has not come whole: nothing of them has happened, and nobody has to wait for them at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from aiohttp import web

LAST_S = 1.0
"""How long a body may go on to come once we are told to stop. Whoever sent it sends it again."""


class Unfinished:
    """Those of one listener that are under way."""

    def __init__(self) -> None:
        self._under_way: dict[int, web.BaseRequest] = {}

    @contextlib.contextmanager
    def one(self, request: web.BaseRequest) -> Iterator[None]:
        """This one is, while the block lasts."""
        self._under_way[id(request)] = request
        try:
            yield
        finally:
            del self._under_way[id(request)]

    async def hang_up(self) -> None:
        """Wait a moment for bodies that are still coming, then end their connections. Whole ones are left alone."""
        coming = {asyncio.ensure_future(one.content.wait_eof()): one for one in self._under_way.values()}
        if not coming:
            return
        done, late = await asyncio.wait(coming, timeout=LAST_S)
        for body in done:
            body.exception()  # that of who went away, which is told where the body is read
        for body in late:
            body.cancel()
            connection = coming[body].transport
            if connection is not None:
                connection.abort()
