"""The catalogue's door: HTTP in, signed answers out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, receive, schema, tenants
from catalogue.acts import Act
from catalogue.allowance.door import AllowanceDoor
from catalogue.api import versions
from catalogue.api.door import ReadingDoor
from catalogue.api.guard import PATIENCE, SLOT, Guard, Patience, Slot
from catalogue.api.names import NamesDoor
from catalogue.api.recognition.choosing import ChoosingDoor
from catalogue.api.recognition.given import GivenDoor
from catalogue.api.recognition.remarks import RemarksDoor
from catalogue.api.rewards.labels import LabelsDoor
from catalogue.api.rewards.shelf import ShelfDoor
from catalogue.api.rewards.vouchers import VouchersDoor
from catalogue.errors import ConfigError, IntegrityError, RefusedError
from catalogue.health.counts import NO_ROUTE, Counts
from catalogue.people.door import PeopleDoor
from catalogue.proof.door import KeepingDoor
from catalogue.recognition.agents.door import RecognitionDoor
from catalogue.redemption.door import SpendingDoor
from catalogue.redemption.vault import Vault
from catalogue.statement.door import StatementDoor
from catalogue.store import Store, database_said
from machine.listening.unfinished import Unfinished
from wire import batch, enrolment, receipt, signing
from wire.canonical import NUL, MalformedError
from wire.enrolment import EnrolAnswer, EnrolRequest, Rotation
from wire.keys import Key, fingerprint
from wire.receipt import Stand
from wire.signing import Headers, Request, Response, SignatureError

GONE = 499
"""How a request is counted whose sender went away before its answer; nobody is answered with it."""
REQUEST_S_MAX = 30.0
"""Longest one request may take, its body included, in seconds."""
REQUESTS_IN_FLIGHT_MAX = 32
"""Most requests at once; more are asked to come back. Bounds memory at this many bodies."""
RETRY_AFTER_S = 2
DATA_ERRORS = "22"
"""How PostgreSQL's codes begin for values that cannot be kept as they are."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Clock = Callable[[], int]

log = structlog.get_logger()


def wall_clock() -> int:
    """Seconds since 1970, UTC."""
    return int(time.time())


class Door:
    """What the handlers share: the books, the signing key, the clock."""

    def __init__(
        self,
        *,
        store: Store,
        key: Key | Callable[[], Key],
        vault: Vault | None = None,
        clock: Clock = wall_clock,
        request_s_max: float = REQUEST_S_MAX,
        in_flight_max: int = REQUESTS_IN_FLIGHT_MAX,
        counts: Counts | None = None,
    ) -> None:
        self.store = store
        self._key = key
        self.vault = vault
        self.clock = clock
        self.request_s_max = request_s_max
        self.in_flight_max = in_flight_max
        self.counts = Counts() if counts is None else counts
        self.unfinished = Unfinished()

    @property
    def key(self) -> Key:
        """The key that signs now: it may have been rotated since the last answer."""
        return self._key() if callable(self._key) else self._key

    def app(self) -> web.Application:
        """The web application."""
        app = web.Application(client_max_size=batch.BATCH_BYTES_MAX, middlewares=[_guard(self)])
        app.on_shutdown.append(lambda _: self.unfinished.hang_up())
        app.router.add_get("/livez", self.livez)
        app.router.add_post("/v1/enrol", self.enrol)
        app.router.add_post("/v1/agents/key", self.rotate)
        app.router.add_post("/v1/batches", self.batches)
        app.router.add_get("/v1/stand", self.stand)
        KeepingDoor(self).add_to(app.router)
        PeopleDoor(self).add_to(app.router)
        StatementDoor(self).add_to(app.router)
        RecognitionDoor(self).add_to(app.router)
        guard = Guard(self)
        ReadingDoor(guard).add_to(app.router)
        ShelfDoor(guard).add_to(app.router)
        for made in (LabelsDoor, VouchersDoor, NamesDoor, GivenDoor, RemarksDoor, ChoosingDoor):
            made(guard).add_to(app.router)
        versions.add_to(app.router)
        if self.vault is not None:
            counter = SpendingDoor(self, self.vault)
            counter.add_to(app.router)
            AllowanceDoor(self, counter).add_to(app.router)
        return app

    async def livez(self, _request: web.Request) -> web.Response:
        """Answer while this process lives. It asks no database: whether that answers is what `/readyz` tells."""
        return web.json_response({"ok": True})

    async def batches(self, request: web.Request) -> web.Response:
        """Take one signed batch; answer a signed receipt (200) or a signed stand (409)."""
        body = await request.read()
        sender, proven = await self.prove(request, body, tag=signing.BATCH_TAG)
        sender.check()
        sent = batch.envelope(body)
        result = await receive.receive(self.store, self.key, sender, sent, now=self.clock())
        if isinstance(result, Stand):
            log.warning(
                "request_refused",
                status=409,
                code=result.why,
                campus=sender.campus,
                agent=sender.agent,
                seqs=f"{sent.header.first_seq}-{sent.header.last_seq}",
                stands_at=result.seq,
            )
            return self._stand(result, proven, status=409)
        self.counts.entries(posted=result.posted, aside=result.aside)
        return web.Response(body=result.body, headers={"Content-Type": receipt.CONTENT_TYPE} | result.headers)

    async def stand(self, request: web.Request) -> web.Response:
        """Say, signed, where the asking agent stands."""
        sender, proven = await self.prove(request, await request.read(), tag=signing.ASK_TAG)
        sender.check()
        async with self.store.reading() as conn:
            where = await self.where(conn, sender)
        await receive.hear(self.store, sender, now=self.clock())
        return self._stand(where, proven, status=200)

    async def where(self, conn: AsyncConnection, sender: tenants.Sender) -> Stand:
        """Where an agent stands."""
        return await receive.stand(conn, sender, now=self.clock())

    async def enrol(self, request: web.Request) -> web.Response:
        """Bind a public key, which must have signed the request, to the campus its token is for."""
        body = await self._small(request)
        wish = EnrolRequest.parse(body)
        proven = _seen(request)
        now = self.clock()
        key_id = fingerprint(wish.public)
        signing.verify_request(proven, body, public=wish.public, key_id=key_id, now=now, tag=signing.ENROL_TAG)
        said = Act(campus=wish.campus, by=f"key {key_id}", at=now, act="agent.enrol")
        concerned = [acts.rows(table, campus=wish.campus) for table in (schema.agent_key, schema.enrolment)]
        async with acts.acting(self.store, said, *concerned) as conn:
            agent, epoch = await tenants.enrol(conn, wish, now=now)
        log.info("agent_enrolled", campus=wish.campus, agent=agent, epoch=epoch)
        answer = EnrolAnswer(campus=wish.campus, agent=agent, catalogue_public=self.key.public, epoch=epoch)
        return self.bound(answer.encode(), proven, status=200)

    async def rotate(self, request: web.Request) -> web.Response:
        """Replace the key that signed this request by the one in it."""
        body = await self._small(request)
        sender, proven = await self.prove(request, body, tag=signing.ROTATE_TAG)
        rotation = Rotation.parse(body)
        now, mine = self.clock(), {"campus": sender.campus, "agent": sender.agent}
        said = Act(campus=sender.campus, by=f"agent {sender.agent}", at=now, act="agent.key", about=sender.agent)
        async with acts.acting(self.store, said, acts.rows(schema.agent_key, **mine)) as conn:
            await tenants.rotate(conn, sender, rotation, now=now)
            where = await self.where(conn, sender)
        log.info("key_rotated", campus=sender.campus, agent=sender.agent)
        return self._stand(where, proven, status=200)

    async def _small(self, request: web.Request) -> bytes:
        body = await request.read()
        if len(body) > enrolment.MESSAGE_BYTES_MAX:
            raise RefusedError(413, "too-large", f"more than {enrolment.MESSAGE_BYTES_MAX} bytes")
        return body

    async def prove(self, request: web.Request, body: bytes, *, tag: str) -> tuple[tenants.Sender, Request]:
        """The agent whose key signed these exact bytes.

        Raises:
            RefusedError: nobody known did.
        """
        seen = _seen(request)
        key_id = signing.claimed_key_id(request.headers)
        try:
            campus, agent, key = enrolment.split_key_id(key_id)
        except MalformedError as exc:
            raise SignatureError(str(exc)) from None
        async with self.store.glancing() as conn:
            sender = await tenants.find_sender(conn, campus, agent, key)
        if sender is None:
            raise RefusedError(401, "unknown-key", "this key is not known here: enrol with a token from the operator")
        now = self.clock()
        created = signing.verify_request(seen, body, public=sender.public, key_id=key_id, now=now, tag=tag)
        return replace(sender, skew_s=created - now), seen

    def _stand(self, stand: Stand, answered: Request, *, status: int) -> web.Response:
        return self.bound(receipt.encode_stand(stand), answered, status=status)

    def bound(
        self,
        body: bytes,
        answered: Request,
        *,
        status: int = 200,
        tag: str = signing.STAND_TAG,
        content_type: str = receipt.CONTENT_TYPE,
    ) -> web.Response:
        """An answer that is true now: signed, and bound to its request."""
        headers = {"Content-Type": content_type}
        answer = Response(status_code=status, headers=Headers(headers.items()), request=answered)
        signed = signing.sign_response(answer, body, key=self.key, created=self.clock(), tag=tag)
        return web.Response(status=status, body=body, headers=headers | signed)

    def dated(self, body: bytes, *, tag: str, content_type: str) -> web.Response:
        """An answer that names what it is about, so whoever keeps it can prove it: signed, bound to no request."""
        headers = {"Content-Type": content_type}
        answer = Response(status_code=200, headers=Headers(headers.items()))
        signed = signing.sign_response(answer, body, key=self.key, created=self.clock(), tag=tag)
        return web.Response(body=body, headers=headers | signed)


def _guard(door: Door) -> Middleware:
    """Bounds around every handler, and refusals as answers."""

    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        route, began, status = _route(request), time.monotonic(), HTTPStatus.INTERNAL_SERVER_ERROR.value
        try:
            with structlog.contextvars.bound_contextvars(route=route), door.unfinished.one(request):
                answer = await guarded(request, handler)
            status = answer.status
            return answer
        except asyncio.CancelledError:
            status = GONE
            raise
        finally:
            door.counts.request(route, status, time.monotonic() - began)

    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if NUL in request.path:
            return _refusal(RefusedError(404, "http", "nothing here has a name with the character NUL in it"))
        if door.counts.in_flight >= door.in_flight_max:
            return _refusal(RefusedError(503, "busy", "too many requests at once"))
        request[SLOT] = slot = Slot(door.counts)
        try:
            async with asyncio.timeout(door.request_s_max) as limit:
                request[PATIENCE] = Patience(limit, door.request_s_max)
                return await handler(request)
        except _SAID as exc:
            if isinstance(exc, ConnectionError) and request.transport is None:
                return web.Response(status=GONE)  # of their connection, not of the database's: nobody reads this
            refused = _as_refusal(exc)
            log.warning("request_refused", status=refused.status, code=refused.code, why=refused.message)
            return _refusal(refused)
        finally:
            slot.leave()

    return counted


_SAID = (
    RefusedError,
    SignatureError,
    MalformedError,
    web.HTTPException,
    TimeoutError,
    SQLAlchemyError,
    OSError,
    IntegrityError,
    ConfigError,
)
"""What becomes an answer; anything else is a fault of this program (500, with its trace in the log)."""


def _as_refusal(exc: Exception) -> RefusedError:
    if isinstance(exc, RefusedError):
        return exc
    if isinstance(exc, SignatureError):
        return RefusedError(401, "signature", str(exc))
    if isinstance(exc, MalformedError):
        return RefusedError(400, "malformed", str(exc))
    if isinstance(exc, web.HTTPException):
        return RefusedError(exc.status, "http", exc.reason)
    if isinstance(exc, TimeoutError):
        return RefusedError(503, "slow", "not done in time")
    return _as_failure(exc)


def _as_failure(exc: Exception) -> RefusedError:
    """What is nobody's wish: the operator's turn, a value that no database takes, or the database itself."""
    if isinstance(exc, IntegrityError | ConfigError):
        log.error("operator_needed", said=exc.message, hint=exc.hint)
        return RefusedError(503, "operator", "the catalogue's operator must put something right first")
    if isinstance(exc, DBAPIError) and str(getattr(exc.orig, "sqlstate", None)).startswith(DATA_ERRORS):
        # What the database says of it quotes what was sent.
        return RefusedError(400, "malformed", "something in it cannot be kept: a number too large, or no text")
    log.error("database_failed", kind=type(exc).__name__, said=database_said(exc))
    return RefusedError(503, "database", "the catalogue's database does not answer")


def _route(request: web.Request) -> str:
    """What was asked for, as the router writes it: nobody who is named in an address gets into figures or the log."""
    resource = request.match_info.route.resource
    return NO_ROUTE if resource is None else f"{request.method} {resource.canonical}"


def _seen(request: web.Request) -> Request:
    """The request as signatures look at it; host and scheme belong to whatever proxy stands in front."""
    url = f"http://catalogue{request.rel_url.raw_path_qs}"
    return Request(method=request.method, url=url, headers=Headers(request.headers.items()))


def _refusal(refused: RefusedError) -> web.Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if refused.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    told = {"error": refused.code, "message": refused.message}
    return web.json_response(told, status=refused.status, headers=headers)
