"""The door for reading: a token in, JSON or CSV of its own campus out."""

from __future__ import annotations

import csv
import io
from typing import Any, Protocol

from aiohttp import web

from catalogue.api import reading, tokens
from catalogue.api.document import document
from catalogue.api.rate import Rate
from catalogue.errors import RefusedError
from catalogue.store import Store

BEARER = "bearer "
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Knows(Protocol):
    """The door, with its books and its clock."""

    store: Store

    @property
    def clock(self) -> Any:
        """Seconds since 1970, UTC."""
        ...


class ReadingDoor:
    """Handlers; each is opened by a token that has its scope."""

    def __init__(self, door: Knows) -> None:
        self._door = door
        self._rate = Rate()

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
        reader = await self._reader(request, "points:read")
        if wait := self._wait(reader):
            return _too_many(wait)
        if set(request.query) - {"user"}:
            raise RefusedError(400, "parameter", "the one parameter of this path is user")
        user = reading.text_of(request.query, "user")
        async with self._door.store.reading() as conn:
            wallets = await reading.points(conn, reader.campus, user)
        return web.json_response({"user": user, "wallets": wallets}, headers=_FRESH)

    async def ledger(self, request: web.Request) -> web.Response:
        """A page of the ledger."""
        reader = await self._reader(request, "ledger:read")
        if wait := self._wait(reader):
            return _too_many(wait)
        asked = reading.wanted(request.query)
        async with self._door.store.reading() as conn:
            rows, after = await reading.page(conn, reader.campus, asked)
        if not asked.csv:
            return web.json_response({"rows": rows, "next": after}, headers=_FRESH)
        headers = _FRESH | ({} if after is None else {"Next-After": str(after)})
        return web.Response(text=_table(rows), content_type="text/csv", charset="utf-8", headers=headers)

    async def _reader(self, request: web.Request, scope: str) -> tokens.Reader:
        said = request.headers.get("Authorization", "")
        if said[: len(BEARER)].lower() != BEARER:
            raise RefusedError(401, "token", "send the header Authorization: Bearer <token>")
        async with self._door.store.reading() as conn:
            reader = await tokens.prove(conn, said[len(BEARER) :], now=self._door.clock())
        if scope not in reader.scopes:
            raise RefusedError(403, "scope", f"this token has no scope {scope}")
        return reader

    def _wait(self, reader: tokens.Reader) -> int:
        return self._rate.wait((reader.campus, reader.name), now=self._door.clock())


_FRESH = {"Cache-Control": "no-store"}


def _too_many(wait: int) -> web.Response:
    told = {"error": "rate", "message": f"too many requests with this token: come back in {wait} s"}
    return web.json_response(told, status=429, headers={"Retry-After": str(wait)})


def _table(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV; a text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(reading.COLUMNS))
    writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
