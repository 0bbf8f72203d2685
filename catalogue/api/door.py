"""The door for reading: a token in, JSON or CSV of its own campus out."""

from __future__ import annotations

import io
from typing import Any

from aiohttp import web

from catalogue.api import reading
from catalogue.api.document import document
from catalogue.api.guard import FRESH, PATIENCE, Exports, Guard, TooOftenError
from catalogue.errors import RefusedError
from catalogue.rewards.text import quoted
from machine.sheets import Table


class ReadingDoor:
    """Handlers; each is opened by a token that has its scope."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._exports = Exports()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_get("/api/openapi.json", self.document)
        router.add_get("/api/user/points", self.points)
        router.add_get("/api/rewards/ledger", self.ledger)

    async def document(self, _request: web.Request) -> web.Response:
        """What can be asked: OpenAPI 3.1. Needs no token."""
        return web.json_response(document())

    async def points(self, request: web.Request) -> web.Response:
        """What one learner has."""
        try:
            reader = await self._guard.reader(request, "points:read")
        except TooOftenError as exc:
            return exc.answer()
        if set(request.query) - {"user"}:
            raise RefusedError(400, "parameter", "the one parameter of this path is user")
        user = reading.text_of(request.query, "user")
        async with self._guard.store.reading() as conn:
            wallets = await reading.points(conn, reader.campus, user)
        return web.json_response({"user": user, "wallets": wallets}, headers=FRESH)

    async def ledger(self, request: web.Request) -> web.StreamResponse:
        """A page of the ledger, or all of it as CSV, row by row."""
        try:
            reader = await self._guard.reader(request, "ledger:read")
        except TooOftenError as exc:
            return exc.answer()
        asked = reading.wanted(request.query)
        if asked.rows is None:
            with self._exports.one(request, reader.campus):
                return await self._stream(request, reader.campus, asked)
        async with self._guard.store.reading() as conn:
            rows, after = await reading.page(conn, reader.campus, asked)
            archived = await reading.archived(conn, reader.campus, asked)
        if not asked.csv:
            return web.json_response({"rows": rows, "next": after, "archived": archived}, headers=FRESH)
        headers = FRESH | _lacking(archived) | ({} if after is None else {"Next-After": str(after)})
        return web.Response(text=_table(rows), content_type="text/csv", charset="utf-8", headers=headers)

    async def _stream(self, request: web.Request, campus: str, asked: reading.Wanted) -> web.StreamResponse:
        """Page after page in transactions of their own: memory holds one page, and no lock is held while it is sent."""
        async with self._guard.store.reading() as conn:
            lacking = _lacking(await reading.archived(conn, campus, asked))
        answer = web.StreamResponse(headers=FRESH | lacking | {"Content-Type": "text/csv; charset=utf-8"})
        after: int | None = asked.after
        first = True
        while after is not None:
            request[PATIENCE].renew()
            async with self._guard.store.reading() as conn:
                rows, after = await reading.page(conn, campus, asked.following(after))
            if first:
                await answer.prepare(request)
            await answer.write(_table(rows, header=first).encode())
            first = False
        await answer.write_eof()
        return answer


def _lacking(archived: str | None) -> dict[str, str]:
    """The header of a CSV that begins where the archive ends."""
    return {} if archived is None else {"Archived-Until": archived}


def _table(rows: list[dict[str, Any]], *, header: bool = True) -> str:
    """The rows as CSV; a text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    out = io.StringIO()
    table = Table(out, [*reading.COLUMNS, reading.EVENT], heading=header)
    safe = ({name: quoted(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows)
    table.rows(safe)
    return out.getvalue()
