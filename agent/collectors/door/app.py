"""The door itself: authenticate, keep, answer. It decides nothing about what a post is worth.

An unknown path and a wrong credential get the same answer, so that nobody learns from outside which paths there are;
why a post was turned away is counted for the administrator.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from agent.clock import Clock
from agent.collectors.door.addresses import Address, Network, client_of
from agent.collectors.door.credentials import Credentials
from agent.collectors.door.rate import Rate
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.config.kinds import KindTable
from agent.errors import ConfigError, IntegrityError, TransientError
from agent.model import Evidence

BODY_BYTES_MAX = 1_048_576
"""The most that any source can be allowed to post at once."""
BODY_S = 10.0
"""Time to send a body."""
COME_AGAIN_S = 10
"""What a sender is told to wait when we cannot keep a post."""
HEADER_BYTES_MAX = 8_190
SHUTDOWN_S = 10.0
"""How long a post that is under way at the end may take."""
BODIES_MAX = 256
"""Bodies that are read at the same time; beyond it a post waits for its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSource:
    """One source that posts: where, with what credentials, how much, and how its posts are understood."""

    name: str
    site: str
    path: str
    credentials: Credentials
    system: System
    rate_per_s: float
    body_bytes_max: int
    token_in_address: bool = False
    """Whether its bearer token may stand in the address instead, for systems that can send no header."""


class Door:
    """Where systems post, at ``listen`` (host and port; 0 takes any that is free).

    ``kinds`` gives the kind table in force; ``proxies`` are believed about who the client is.
    """

    def __init__(
        self,
        sources: Sequence[DoorSource],
        inbox: Inbox,
        clock: Clock,
        *,
        kinds: Callable[[], KindTable],
        listen: tuple[str, int],
        tls: ssl.SSLContext | None = None,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._sources = {source.path: source for source in sources}
        self._inbox = inbox
        self._clock = clock
        self._kinds = kinds
        self._proxies = tuple(proxies)
        self._listen = listen
        self._tls = tls
        self.port = 0
        """Where it listens, once it does."""
        self._rates = {source.name: Rate(source.rate_per_s, clock.running()) for source in sources}
        self._bodies = asyncio.Semaphore(BODIES_MAX)
        self._runner: web.AppRunner | None = None
        self.counts: Counter[tuple[str, str]] = Counter()
        """(source, what became of a post) → how many since the start; the name is empty where no source was meant."""

    async def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be listened at.
        """
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_S,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
        )
        await runner.setup()
        host, port = self._listen
        site = web.TCPSite(runner, host, port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(
                f"[http] listen = {host}:{port} cannot be listened at: {error.strerror or error}",
                hint="another program may have the port: choose another, or stop it",
            ) from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def close(self) -> None:
        """Take no more, and answer what is under way. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        source = self._sources.get(request.path)
        if source is None or request.method != "POST":
            return self._unknown("")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if source.token_in_address and "authorization" not in headers and "token" in request.query:
            headers["authorization"] = f"Bearer {request.query['token']}"
        client = self._client(request)
        if not source.credentials.before_the_body(headers, client):
            return self._unknown(source.name)
        wait_s = self._rates[source.name].take(self._clock.running())
        if wait_s:
            self.counts[source.name, "too_many"] += 1
            return _answer(HTTPStatus.TOO_MANY_REQUESTS, "too_many", retry_after_s=wait_s)
        body = await self._body(request, source)
        if isinstance(body, web.Response):
            return body
        evidence = source.credentials.evidence(headers, body)
        return self._unknown(source.name) if evidence is None else await self._kept(source, evidence, body)

    async def _body(self, request: web.Request, source: DoorSource) -> bytes | web.Response:
        if (request.content_length or 0) > source.body_bytes_max:
            return self._turned_away(source.name, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
        try:
            async with asyncio.timeout(BODY_S), self._bodies:
                body = await request.read()
        except TimeoutError:
            return self._turned_away(source.name, HTTPStatus.REQUEST_TIMEOUT, "too_slow")
        except web.HTTPRequestEntityTooLarge:
            return self._turned_away(source.name, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
        if len(body) > source.body_bytes_max:
            return self._turned_away(source.name, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
        return body

    async def _kept(self, source: DoorSource, evidence: Evidence, body: bytes) -> web.Response:
        now = self._clock.now()
        arrival = Arrival(source=source.name, site=source.site, number=0, received_at=now, evidence=evidence, body=body)
        try:
            source.system.observations(arrival, self._kinds())
        except RefusedPostError as error:
            self.counts[source.name, error.reason] += 1
            await self._inbox.refuse(source.name, now, error.reason, error.message, body)
            told = {"field": error.name, "message": error.message, "hint": error.hint}
            return _answer(HTTPStatus.BAD_REQUEST, error.reason, {name: text for name, text in told.items() if text})
        try:
            number = await self._inbox.append(source.name, now, evidence, body)
        except (TransientError, IntegrityError):
            self.counts[source.name, "not_kept"] += 1
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "not_kept", retry_after_s=COME_AGAIN_S)
        self.counts[source.name, "kept"] += 1
        return _answer(HTTPStatus.OK, "kept", {"number": number})

    def _client(self, request: web.Request) -> Address | None:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        return client_of(peer[0] if peer else None, request.headers.getall("X-Forwarded-For", ()), self._proxies)

    def _unknown(self, source: str) -> web.Response:
        """One answer for paths that do not exist and for credentials that do not fit."""
        self.counts[source, "not_let_in"] += 1
        return _answer(HTTPStatus.NOT_FOUND, "not_found")

    def _turned_away(self, source: str, status: HTTPStatus, reason: str) -> web.Response:
        self.counts[source, reason] += 1
        answer = _answer(status, reason)
        answer.force_close()
        return answer


def _answer(
    status: HTTPStatus, told: str, more: Mapping[str, Any] | None = None, *, retry_after_s: int = 0
) -> web.Response:
    key = "status" if status is HTTPStatus.OK else "error"
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    return web.json_response({key: told, **(more or {})}, status=status, headers=headers)
