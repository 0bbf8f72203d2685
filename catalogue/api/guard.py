"""Who may come in: a bearer token with the scope that is asked for, and not too often."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from catalogue.api import tokens
from catalogue.api.rate import Rate
from catalogue.errors import RefusedError
from catalogue.store import Store

BEARER = "bearer "
FRESH = {"Cache-Control": "no-store"}
EXPORTS_MAX = 8
"""Most answers that are sent page by page at once, in this process; agents and other requests are not kept waiting."""
EXPORTS_OF_CAMPUS_MAX = 2


class Patience(NamedTuple):
    """How long a request may take; an answer that is sent page by page has as long for each page."""

    limit: asyncio.Timeout
    seconds: float

    def renew(self) -> None:
        """Begin anew."""
        self.limit.reschedule(asyncio.get_running_loop().time() + self.seconds)


PATIENCE = web.RequestKey("patience", Patience)
"""Where a request keeps how long it may still take."""


class Counts(Protocol):
    """Knows how many requests there are at once."""

    in_flight: int


class Slot:
    """One of the requests that may be at once. Whoever is kept by a slow reader leaves it to those who are not."""

    def __init__(self, counts: Counts) -> None:
        self._counts: Counts | None = counts
        counts.in_flight += 1

    def leave(self) -> None:
        """Another may come in; again changes nothing."""
        if self._counts is not None:
            self._counts.in_flight -= 1
            self._counts = None


SLOT = web.RequestKey("slot", Slot)
"""Where a request keeps its slot."""


class Exports:
    """How many answers are being sent page by page: few, because each takes as long as its reader likes."""

    def __init__(self) -> None:
        self._sending: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, request: web.Request, campus: str) -> Iterator[None]:
        """Send one of a campus's, out of the way of other requests.

        Raises:
            RefusedError: (503) as many as may be are being sent.
        """
        if self._sending[campus] >= EXPORTS_OF_CAMPUS_MAX or self._sending.total() >= EXPORTS_MAX:
            raise RefusedError(503, "busy", f"{self._sending[campus]} exports of this campus are being sent already")
        request[SLOT].leave()
        self._sending[campus] += 1
        try:
            yield
        finally:
            self._sending[campus] -= 1
            self._sending += Counter()  # forgets those who have none


class Knows(Protocol):
    """The door, with its books and its clock."""

    store: Store

    @property
    def clock(self) -> Any:
        """Seconds since 1970, UTC."""
        ...


class TooOftenError(Exception):
    """A token that asks too often; it may come back in ``wait_s``."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many requests with this token: come back in {wait_s} s")
        self.wait_s = wait_s

    def answer(self) -> web.Response:
        """What it is told."""
        told = {"error": "rate", "message": str(self)}
        return web.json_response(told, status=429, headers={"Retry-After": str(self.wait_s)})


class Guard:
    """Counts all requests of this process."""

    def __init__(self, door: Knows) -> None:
        self.store = door.store
        self._door = door
        self._rate = Rate()

    def now(self) -> int:
        """Seconds since 1970, UTC."""
        return int(self._door.clock())

    async def reader(self, request: web.Request, scope: str) -> tokens.Reader:
        """Whose token opens this.

        Raises:
            RefusedError: nobody's, or it lacks the scope.
            TooOftenError: it has to wait.
        """
        said = request.headers.get("Authorization", "")
        if said[: len(BEARER)].lower() != BEARER:
            raise RefusedError(401, "token", "send the header Authorization: Bearer <token>")
        async with self.store.reading() as conn:
            reader = await tokens.prove(conn, said[len(BEARER) :], now=self.now())
        if scope not in reader.scopes:
            raise RefusedError(403, "scope", f"this token has no scope {scope}")
        if wait_s := self._rate.wait((reader.campus, reader.name), now=self.now(), most=reader.per_minute):
            raise TooOftenError(wait_s)
        return reader
