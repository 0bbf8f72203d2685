"""The door itself: authenticate, keep, answer. It decides nothing about what a post is worth.

An unknown path and a wrong credential get the same answer, so that nobody learns from outside which paths there are;
why a post was turned away is counted for the administrator.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import orjson
from aiohttp import web

from agent import apart
from agent.clock import Clock
from agent.collectors.door.addresses import Address, Network, client_of, read_address, within
from agent.collectors.door.credentials import Credentials, Lacking
from agent.collectors.door.rate import Rate
from agent.collectors.door.recent import Recent
from agent.collectors.door.turns import Turns
from agent.collectors.inbox.readable import require_readable
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.collectors.systems.generic import request_among
from agent.config.kinds import KindTable
from agent.config.secrets import Secret
from agent.errors import IntegrityError, TransientError
from agent.model import Evidence, Observation
from machine.listening.connection import origin_of
from machine.listening.listener import Listener

BODY_BYTES_MAX = 1_048_576
"""The most that any source can be allowed to post at once."""
BODY_S = 10.0
"""Time to send a body."""
COME_AGAIN_S = 10
"""What a sender is told to wait when we cannot keep a post."""
BODIES_MAX = 64
"""Bodies of one source that are read at the same time; beyond it a post waits for its turn."""
LONG_BYTES = 16_384
"""A longer body is understood beside everything else, one of each source at a time: it may tell hundreds of events."""
UNPROVEN_S = 3.0
"""Time to send a body that alone can prove who sends it."""
UNPROVEN_MAX = 4
"""Such bodies that are read at the same time from one address; beyond it they wait for their turn."""


_STATUS: Mapping[str, HTTPStatus] = {
    "kept": HTTPStatus.OK,
    "path": HTTPStatus.NOT_FOUND,
    "address": HTTPStatus.NOT_FOUND,
    "credential": HTTPStatus.NOT_FOUND,
    "method": HTTPStatus.METHOD_NOT_ALLOWED,
    "too_slow": HTTPStatus.REQUEST_TIMEOUT,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "encoded": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "too_many": HTTPStatus.TOO_MANY_REQUESTS,
    "not_kept": HTTPStatus.SERVICE_UNAVAILABLE,
    "closing": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What became of a post → how it was answered; a post refused for any other reason was a bad request."""


_Lacking = Lacking | Literal["path"]
_Refusal = tuple[HTTPStatus, str]
"""How a body that was not read is answered, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSource:
    """One source that posts: where, with what credentials, how much, and how its posts are understood."""

    name: str
    kind: str
    site: str
    path: str
    credentials: Credentials
    system: System
    rate_per_s: float
    body_bytes_max: int
    token_in_address: bool = False
    """Whether its bearer token may stand in the address instead, for systems that can send no header."""
    unwrapped: Callable[[bytes], bytes] = bytes
    """A body → the post that it holds."""


class Door:
    """Where systems post, at ``listen`` (host and port; 0 takes any that is free).

    ``kinds`` gives the kind table in force; ``proxies`` are believed about who the client is. While the ledger is
    ``stuck`` no post is kept: whoever sends it keeps it meanwhile, and the inbox does not take the room that is left.
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
        stuck: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sources = {source.path: source for source in sources}
        self._inbox = inbox
        self._clock = clock
        self._kinds = kinds
        self._proxies = tuple(proxies)
        self._stuck = stuck
        self._listener = Listener(
            self._take, listen, program="rewards-agent", setting="[http] listen", tls=tls, exempt=self._is_ours
        )
        self._rates = {source.name: Rate(source.rate_per_s, clock.running()) for source in sources}
        self._bodies = {source.name: asyncio.Semaphore(BODIES_MAX) for source in sources}
        self._strange = Turns(UNPROVEN_MAX)
        self._long = {source.name: asyncio.Lock() for source in sources}
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="door")
        self._reading: set[asyncio.Timeout] = set()
        self._closing = False
        self._recent = Recent()
        self._nobody = Credentials(tokens=(Secret(secrets.token_urlsafe()),))
        self.counts: Counter[tuple[str, str]] = Counter()
        """(source, what became of a post) → how many since the start; the name is empty where no source was meant."""
        self._strangers: dict[str, str] = {}

    @property
    def sources(self) -> Sequence[DoorSource]:
        """Who may post, and where."""
        return tuple(self._sources.values())

    async def answers(self) -> list[dict[str, Any]]:
        """What was answered since the start, for `doctor`: {source, status, result, count}.

        No source where none was meant; what was refused for its `address` has the newest of these as `from`.
        """
        return [
            {"source": source, "status": int(_STATUS.get(result, HTTPStatus.BAD_REQUEST)), "result": result}
            | {"count": count}
            | ({"from": self._strangers[source]} if result == "address" else {})
            for (source, result), count in self.counts.items()
        ]

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._listener.port

    async def open(self) -> None:
        """Listen.

        Raises:
            CannotListenError: the address is taken, or not ours.
        """
        await self._listener.open()

    async def close(self) -> None:
        """Take no more, and answer what is under way; a body that is not whole yet is to be posted again.

        May be called twice.
        """
        self._closing = True
        for until in (each for each in self._reading if not each.expired()):
            until.reschedule(asyncio.get_running_loop().time())
        await self._listener.close()
        self._beside.shutdown(wait=False)

    async def _take(self, request: web.BaseRequest) -> web.Response:
        headers = _joined(request)
        client = self._client(request)
        source = self._sources.get(request.path) or self._sources.get(request.path.removesuffix("/"))
        if source is None or (request.method != "POST" and source.credentials.proves_by_body):
            self._nobody.before_the_body(headers, client)  # as long as for a path that there is
            return await self._not_let_in(request, headers, client, "", "path")
        if source.token_in_address and "authorization" not in headers and "token" in request.query:
            headers["authorization"] = f"Bearer {request.query['token']}"
        lacking = source.credentials.before_the_body(headers, client)
        if lacking is not None:
            if lacking == "address":
                self._strangers[source.name] = "an address that cannot be read" if client is None else str(client)
            return await self._not_let_in(request, headers, client, source.name, lacking)
        if request.method != "POST":
            return self._turned_away(source.name, HTTPStatus.METHOD_NOT_ALLOWED, "method")
        if source.credentials.proves_by_body:
            return await self._signed(request, source, headers, client)
        return await self._let_in(request, source, headers)

    async def _let_in(self, request: web.BaseRequest, source: DoorSource, headers: Mapping[str, str]) -> web.Response:
        """A post of somebody whose token and address fit."""
        if (wait := self._too_many(source)) is not None:
            return wait
        body = await self._body(request, source, self._bodies[source.name], BODY_S)
        if not isinstance(body, bytes):
            return self._turned_away(source.name, *body)
        evidence = source.credentials.evidence(headers, body)
        return self._unknown(source.name, "credential") if not evidence else await self._kept(source, evidence, body)

    async def _signed(
        self, request: web.BaseRequest, source: DoorSource, headers: Mapping[str, str], client: Address | None
    ) -> web.Response:
        """A post of which only the body can be the proof: until then it uses up nothing of what the source may post."""
        if not source.credentials.may_prove(headers):
            return await self._not_let_in(request, headers, client, source.name, "credential")
        body = await self._unproven(request, source, client)
        if not isinstance(body, bytes):
            return self._unread(source.name, "credential", body)
        evidence = source.credentials.evidence(headers, body)
        if evidence is None:
            return self._unknown(source.name, "credential")
        return self._too_many(source) or await self._kept(source, evidence, body)

    async def _not_let_in(
        self,
        request: web.BaseRequest,
        headers: Mapping[str, str],
        client: Address | None,
        source: str,
        lacking: _Lacking,
    ) -> web.Response:
        """Turn away after as much as where a body could have been the proof: nobody learns where that is."""
        signing = (one for one in self._sources.values() if one.credentials.may_prove(headers))
        like = next(signing, None) if request.method == "POST" else None
        if like is not None:
            body = await self._unproven(request, like, client)
            if not isinstance(body, bytes):
                return self._unread(source, lacking, body)
            like.credentials.evidence(headers, body)
        return self._unknown(source, lacking)

    def _unread(self, source: str, lacking: _Lacking, why: _Refusal) -> web.Response:
        if why[1] == "closing":
            return self._turned_away(source, *why)
        return self._unknown(source, lacking, close=True)

    def _too_many(self, source: DoorSource) -> web.Response | None:
        wait_s = self._rates[source.name].take(self._clock.running())
        if not wait_s:
            return None
        self.counts[source.name, "too_many"] += 1
        return _answer(HTTPStatus.TOO_MANY_REQUESTS, "too_many", retry_after_s=wait_s)

    async def _unproven(self, request: web.BaseRequest, source: DoorSource, client: Address | None) -> bytes | _Refusal:
        """The body of somebody who has shown nothing yet: little time, and few at once from one address."""
        return await self._body(request, source, self._strange.of(origin_of(str(client))), UNPROVEN_S)

    async def _body(
        self, request: web.BaseRequest, source: DoorSource, turn: AbstractAsyncContextManager[object], within_s: float
    ) -> bytes | _Refusal:
        """The body as far as the source may send it, read when it is its ``turn``; else why not."""
        codings = ",".join(request.headers.getall("Content-Encoding", ())).lower().split(",")
        if not {coding.strip() for coding in codings} <= _UNCODED:
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoded"
        body: bytes | None = None
        if (request.content_length or 0) <= source.body_bytes_max:
            try:
                body = await self._read(request, turn, within_s)
            except TimeoutError:
                if self._closing:
                    return HTTPStatus.SERVICE_UNAVAILABLE, "closing"
                return HTTPStatus.REQUEST_TIMEOUT, "too_slow"
            except web.HTTPRequestEntityTooLarge:
                body = None
            except (web.RequestPayloadError, ConnectionError):  # no HTTP, or its sender hung up
                return HTTPStatus.BAD_REQUEST, "broken_body"
        if body is None or len(body) > source.body_bytes_max:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"
        return body

    async def _read(
        self, request: web.BaseRequest, turn: AbstractAsyncContextManager[object], within_s: float
    ) -> bytes:
        if request.content.is_eof():  # it came with its head: nobody waits for it
            return await request.read()
        async with asyncio.timeout(within_s) as until:
            self._reading.add(until)
            try:
                async with turn:
                    await _go_on(request)
                    return await request.read()
            finally:
                self._reading.discard(until)

    async def _kept(self, source: DoorSource, evidence: Evidence, body: bytes) -> web.Response:
        now, body = self._clock.now(), source.unwrapped(body)
        arrival = Arrival(source=source.name, site=source.site, number=0, received_at=now, evidence=evidence, body=body)
        try:
            seen = await self._understood(source, arrival)
        except RefusedPostError as error:
            self.counts[source.name, error.reason] += 1
            await self._inbox.refuse(source.name, now, evidence, error.reason, error.message, body)
            told = {
                "event": error.event,
                "field": error.name,
                "message": error.message,
                "hint": error.hint,
                "request_id": error.request,
            }
            return _answer(HTTPStatus.BAD_REQUEST, error.reason, {name: one for name, one in told.items() if one})
        except Exception as error:
            if not isinstance(error, TransientError) and apart.of_machine(error) is None:
                raise
            return self._not_kept(source)
        try:
            number = 0 if self._stuck() else await self._inbox.append(source.name, now, evidence, body)
        except (TransientError, IntegrityError):
            number = 0
        if not number:
            return self._not_kept(source)
        self.counts[source.name, "kept"] += 1
        more: dict[str, Any] = {
            "dup_of": self._recent.kept(source.name, body, number),
            "request_id": request_among(seen),
        }
        return _answer(HTTPStatus.OK, "kept", {"number": number} | {name: one for name, one in more.items() if one})

    def _not_kept(self, source: DoorSource) -> web.Response:
        self.counts[source.name, "not_kept"] += 1
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "not_kept", retry_after_s=COME_AGAIN_S)

    async def _understood(self, source: DoorSource, arrival: Arrival) -> Sequence[Observation]:
        """As `require_readable`; who posts long lists keeps nobody else waiting, nor another's long list for many."""
        if len(arrival.body) <= LONG_BYTES:
            return require_readable(source.system, arrival, self._kinds())
        async with self._long[source.name]:
            asked = (source.system, arrival, self._kinds())
            return await asyncio.get_running_loop().run_in_executor(self._beside, require_readable, *asked)

    def _client(self, request: web.BaseRequest) -> Address | None:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        return client_of(peer[0] if peer else None, request.headers.getall("X-Forwarded-For", ()), self._proxies)

    def _is_ours(self, address: str) -> bool:
        return within(read_address(address), self._proxies)

    def _unknown(self, source: str, why: _Lacking, *, close: bool = False) -> web.Response:
        """One answer for paths that do not exist, for addresses and for credentials that do not fit."""
        self.counts[source, why] += 1
        answer = _answer(HTTPStatus.NOT_FOUND, "not_found")
        if close:
            answer.force_close()
        return answer

    def _turned_away(self, source: str, status: HTTPStatus, reason: str) -> web.Response:
        self.counts[source, reason] += 1
        retry_after_s = COME_AGAIN_S if status is HTTPStatus.SERVICE_UNAVAILABLE else 0
        answer = _answer(status, reason, retry_after_s=retry_after_s)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = "POST"
        answer.force_close()
        return answer


_UNCODED = frozenset({"", "identity"})
_JSON = {"Content-Type": "application/json; charset=utf-8"}


async def _go_on(request: web.BaseRequest) -> None:
    """Ask for a body whose sender waits to be let in first, as libcurl does with more than a kilobyte."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer's own has not begun


def _joined(request: web.BaseRequest) -> dict[str, str]:
    """Headers in small letters; one that came twice is both values, and so fits nothing."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
    return headers


def _answer(
    status: HTTPStatus, told: str, more: Mapping[str, Any] | None = None, *, retry_after_s: int = 0
) -> web.Response:
    key = "status" if status is HTTPStatus.OK else "error"
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    return web.Response(body=orjson.dumps({key: told, **(more or {})}), status=status, headers=_JSON | headers)
