"""A live catalogue in memory that has moods: real HTTP, real signatures, all that a real one may do to an agent."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiohttp import web

from wire import batch, chain, enrolment, entry, keys, receipt, signing
from wire.batch import Batch
from wire.canonical import MalformedError
from wire.enrolment import EnrolAnswer, EnrolRequest, Rotation, Token
from wire.keeping import Takeover
from wire.receipt import Receipt, Rejected, Stand
from wire.signing import Headers, Request, Response, SignatureError

Handler = Callable[[bytes, Request], Awaitable[web.Response]]


class Mood(StrEnum):
    """How the fake treats batches (and, where it makes sense, questions)."""

    normal = "normal"
    down = "down"  # hangs up without an answer
    slow = "slow"  # takes the batch, and answers long after everybody has gone
    error = "error"  # 500
    busy = "busy"  # 429 with Retry-After
    half = "half"  # takes the batch, sends half of the receipt, hangs up
    forged = "forged"  # takes nothing, answers a receipt that somebody else signed
    unsigned = "unsigned"  # takes nothing, answers a receipt that nobody signed
    replayed = "replayed"  # takes nothing, answers an old genuine receipt
    mute = "mute"  # takes the batch, hangs up before answering
    foreign = "foreign"  # stands, signed, on a history that is not the agent's


class ManualClock:
    """A clock that a test moves by hand. What the wall shows may be ``wrong`` by so many seconds."""

    def __init__(self, now: int = 1_790_000_000) -> None:
        self.at = float(now)
        self.wrong = 0

    def now(self) -> int:
        """Seconds since 1970, UTC."""
        return int(self.at) + self.wrong

    def running(self) -> float:
        """The same hand moves it."""
        return self.at


class Books:
    """What one fake knows of one agent."""

    def __init__(self, public: bytes) -> None:
        self.keys = {keys.fingerprint(public): public}
        self.replaced: dict[str, str] = {}
        self.active = True
        self.epoch = 1
        self.begins = 1
        self.seq = 0
        self.head = chain.GENESIS
        self.entries: list[bytes] = []
        self.receipts: dict[tuple[int, int], tuple[bytes, web.Response]] = {}

    def take_from(self, other: Books) -> None:
        """Know what ``other`` knows of what was sent."""
        self.epoch, self.seq, self.head = other.epoch, other.seq, other.head
        self.entries = list(other.entries)
        self.receipts = dict(other.receipts)


class RefusedError(Exception):
    """An unsigned no."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status


class FakeCatalogue:
    """One tenant-keeping, receipt-giving catalogue on a loopback port. `start` and `stop` it; set ``mood`` any time."""

    def __init__(self, directory: Path, *, now: Callable[[], int] = lambda: int(time.time())) -> None:
        self.key = keys.create(directory / "fake-catalogue.ed25519")
        self.stranger = keys.create(directory / "stranger.ed25519")
        self.mood = Mood.normal
        self.retry_after = "7"
        self.requests = 0
        self.tenants: dict[str, dict[str, str]] = {}
        self.tokens: dict[tuple[str, bytes], dict[str, str | None]] = {}
        self.books: dict[tuple[str, str], Books] = {}
        self._now = now
        self._runner: web.AppRunner | None = None
        self._lock = asyncio.Lock()
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(client_max_size=batch.BATCH_BYTES_MAX)
        app.router.add_post("/v1/batches", self._guarded(self._batches))
        app.router.add_get("/v1/stand", self._guarded(self._stand))
        app.router.add_post("/v1/enrol", self._guarded(self._enrol))
        app.router.add_post("/v1/agents/key", self._guarded(self._rotate))
        app.router.add_post("/v1/agents/epoch", self._guarded(self._take_over))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Let go of the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def add_tenant(self, campus: str, environment: str = "production", *, agent: str | None = None) -> str:
        """Make a campus known (or ask for a token for a known agent); returns a token."""
        self.tenants.setdefault(campus, {"environment": environment, "state": "active"})
        token = Token.new(self.key.fingerprint)
        self.tokens[campus, token.digest()] = {"agent": agent, "used_by": None}
        return token.text()

    async def set_state(self, campus: str, state: str) -> None:
        """Suspend a campus or let it go on."""
        self.tenants[campus]["state"] = state

    async def revoke(self, campus: str, agent: str) -> None:
        """Take nothing more from an agent."""
        self.books[campus, agent].active = False

    async def wallets(self, campus: str) -> dict[tuple[str, str], int]:
        """(learner, currency) → balance, worked out anew."""
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for (owner, _), books in self.books.items():
            for seq, body in enumerate(books.entries, start=1):
                fields = _readable(body, seq) if owner == campus else None
                if isinstance(fields, dict):
                    sums[fields["learner"], fields["currency"]] += fields["amount"]
        return dict(sums)

    def backup(self) -> dict[tuple[str, str], Books]:
        """What every agent has sent, as it is now."""
        copies = {}
        for name, books in self.books.items():
            copies[name] = Books(next(iter(books.keys.values())))
            copies[name].take_from(books)
        return copies

    def restore(self, backup: dict[tuple[str, str], Books]) -> None:
        """Go back to a backup: agents' keys stay, what they sent since is gone."""
        for name, books in backup.items():
            self.books[name].take_from(books)

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self.requests += 1
            url = f"http://fake{request.rel_url.raw_path_qs}"
            seen = Request(method=request.method, url=url, headers=Headers(request.headers.items()))
            try:
                return await self._in_mood(request, handler, seen)
            except RefusedError as exc:
                return web.json_response({"error": "refused", "message": str(exc)}, status=exc.status)
            except SignatureError as exc:
                return web.json_response({"error": "signature", "message": str(exc)}, status=401)
            except MalformedError as exc:
                return web.json_response({"error": "malformed", "message": str(exc)}, status=400)

        return guarded

    async def _in_mood(self, request: web.Request, handler: Handler, seen: Request) -> web.StreamResponse:
        body = await request.read()
        if self.mood is Mood.down:
            return _hang_up(request)
        if self.mood is Mood.error:
            return web.Response(status=500, text="<h1>Internal Server Error</h1>")
        if self.mood is Mood.busy:
            return web.Response(status=429, headers={"Retry-After": self.retry_after})
        async with self._lock:
            answer = await handler(body, seen)
        if self.mood is Mood.slow:
            await asyncio.sleep(1)
        if self.mood is Mood.mute:
            return _hang_up(request)
        return await _half(request, answer) if self.mood is Mood.half else answer

    async def _batches(self, body: bytes, seen: Request) -> web.Response:
        campus, agent, books = self._prove(seen, body, signing.BATCH_TAG)
        parsed = batch.parse(body)
        header = parsed.header
        if (header.campus, header.agent) != (campus, agent):
            raise RefusedError(403, "not yours")
        if header.environment != self.tenants[campus]["environment"]:
            raise RefusedError(403, "another environment")
        if header.epoch < books.begins:
            if books.epoch < books.begins:
                raise RefusedError(403, "an epoch from before this key")
            return self._bound(self._where(campus, agent, books, "epoch"), seen, 409)
        if self.mood is Mood.foreign:
            return self._bound(self._where(campus, agent, books, "history"), seen, 409)
        if self.mood in {Mood.forged, Mood.unsigned, Mood.replayed}:
            return self._not_a_receipt(books, parsed)
        return self._take(campus, agent, books, parsed, seen)

    def _take(self, campus: str, agent: str, books: Books, parsed: Batch, seen: Request) -> web.Response:
        header = parsed.header
        known = books.receipts.get((header.epoch, header.first_seq))
        if known is not None and known[0] == parsed.digest:
            return _again(known[1])
        why = _why_not(books, parsed, known=known is not None)
        if why:
            return self._bound(self._where(campus, agent, books, why), seen, 409)
        if not books.seq and any(
            (name[0], others.entries[:1]) == (campus, list(parsed.entries[:1]))
            for name, others in self.books.items()
            if others is not books
        ):
            raise RefusedError(403, "this history has another name")
        judged = [_readable(body, seq) for seq, body in enumerate(parsed.entries, start=header.first_seq)]
        rejected = [
            Rejected(seq=seq, reason=what) for seq, what in enumerate(judged, header.first_seq) if isinstance(what, str)
        ]
        answer = self._receipt(parsed, tuple(rejected), self.key)
        books.epoch, books.seq, books.head = header.epoch, header.last_seq, header.head
        books.entries.extend(parsed.entries)
        books.receipts[header.epoch, header.first_seq] = (parsed.digest, answer)
        return _again(answer)

    async def _stand(self, body: bytes, seen: Request) -> web.Response:
        campus, agent, books = self._prove(seen, body, signing.ASK_TAG)
        if self.mood in {Mood.forged, Mood.unsigned, Mood.replayed}:
            return web.Response(body=receipt.encode_stand(self._where(campus, agent, books, "")))
        return self._bound(self._where(campus, agent, books, ""), seen, 200)

    async def _enrol(self, body: bytes, seen: Request) -> web.Response:
        wish = EnrolRequest.parse(body)
        key_id = keys.fingerprint(wish.public)
        now = self._now()
        signing.verify_request(seen, body, public=wish.public, key_id=key_id, now=now, tag=signing.ENROL_TAG)
        digest = Token(secret=wish.secret, catalogue_fingerprint="").digest()
        token = self.tokens.get((wish.campus, digest))
        if token is None or token["used_by"] not in {None, key_id}:
            raise RefusedError(403, "token")
        tenant = self.tenants[wish.campus]
        if tenant["state"] != "active" or tenant["environment"] != wish.environment:
            raise RefusedError(403, "tenant")
        name = token["agent"] or f"agent-{1 + sum(owner == wish.campus for owner, _ in self.books)}"
        books = self.books.setdefault((wish.campus, name), Books(wish.public))
        if token["used_by"] is None:
            if token["agent"] is not None and key_id in {*books.keys, *books.replaced}:
                raise RefusedError(403, "this key was in use before")
            books.begins = 1 if token["agent"] is None else books.epoch + 1
            books.keys = {key_id: wish.public}
            books.active = True
        token.update(agent=name, used_by=key_id)
        answer = EnrolAnswer(campus=wish.campus, agent=name, catalogue_public=self.key.public, epoch=books.begins)
        return self._bound(answer.encode(), seen, 200)

    async def _rotate(self, body: bytes, seen: Request) -> web.Response:
        rotation = Rotation.parse(body)
        books = self.books.get((rotation.campus, rotation.agent))
        _, _, signer = enrolment.split_key_id(signing.claimed_key_id(dict(seen.headers.items())))
        new = keys.fingerprint(rotation.public)
        if books is None or not rotation.proven():
            raise RefusedError(403, "rotation")
        if books.replaced.get(signer) == new:
            return self._bound(self._where(rotation.campus, rotation.agent, books, ""), seen, 200)
        self._prove(seen, body, signing.ROTATE_TAG)
        books.keys = {new: rotation.public}
        books.replaced[signer] = new
        return self._bound(self._where(rotation.campus, rotation.agent, books, ""), seen, 200)

    async def _take_over(self, body: bytes, seen: Request) -> web.Response:
        campus, agent, books = self._prove(seen, body, signing.TAKEOVER_TAG)
        wish = Takeover.parse(body)
        if (wish.seq, wish.head) != (books.seq, books.head) or wish.epoch - books.epoch not in {0, 1}:
            raise RefusedError(409, "elsewhere")
        books.epoch = wish.epoch
        return self._bound(self._where(campus, agent, books, ""), seen, 200)

    def _prove(self, seen: Request, body: bytes, tag: str) -> tuple[str, str, Books]:
        key_id = signing.claimed_key_id(dict(seen.headers.items()))
        try:
            campus, agent, key = enrolment.split_key_id(key_id)
        except MalformedError:
            raise RefusedError(401, "key id") from None
        books = self.books.get((campus, agent))
        if books is None or key not in books.keys:
            raise RefusedError(401, "unknown key")
        signing.verify_request(seen, body, public=books.keys[key], key_id=key_id, now=self._now(), tag=tag)
        if self.tenants[campus]["state"] != "active" or not books.active:
            raise RefusedError(403, "stopped by the operator")
        return campus, agent, books

    def _where(self, campus: str, agent: str, books: Books, why: str) -> Stand:
        head = bytes(byte ^ 1 for byte in books.head) if self.mood is Mood.foreign else books.head
        return Stand(campus=campus, agent=agent, epoch=books.epoch, seq=books.seq, head=head, why=why)

    def _bound(self, said: Stand | bytes, answered: Request, status: int) -> web.Response:
        body = said if isinstance(said, bytes) else receipt.encode_stand(said)
        lines = {"Content-Type": receipt.CONTENT_TYPE}
        answer = Response(status_code=status, headers=Headers(lines.items()), request=answered)
        signed = signing.sign_response(answer, body, key=self.key, created=self._now(), tag=signing.STAND_TAG)
        return web.Response(status=status, body=body, headers=lines | signed)

    def _receipt(self, parsed: Batch, rejected: tuple[Rejected, ...], key: keys.Key) -> web.Response:
        header = parsed.header
        body = receipt.encode_receipt(
            Receipt(
                campus=header.campus,
                agent=header.agent,
                epoch=header.epoch,
                first_seq=header.first_seq,
                last_seq=header.last_seq,
                digest=parsed.digest,
                head=header.head,
                accepted=len(parsed.entries) - len(rejected),
                rejected=rejected,
                received_at=self._now(),
            )
        )
        lines = {"Content-Type": receipt.CONTENT_TYPE}
        answer = Response(status_code=200, headers=Headers(lines.items()))
        signed = signing.sign_response(answer, body, key=key, created=self._now(), tag=signing.RECEIPT_TAG)
        return web.Response(body=body, headers=lines | signed)

    def _not_a_receipt(self, books: Books, parsed: Batch) -> web.Response:
        if self.mood is Mood.replayed and books.receipts:
            return _again(next(iter(books.receipts.values()))[1])
        answer = self._receipt(parsed, (), self.stranger)
        if self.mood is Mood.unsigned:
            return web.Response(body=answer.body, headers={"Content-Type": receipt.CONTENT_TYPE})
        return answer


def _why_not(books: Books, parsed: Batch, *, known: bool) -> str:
    header = parsed.header
    if known:
        return "fork"
    if header.epoch < books.epoch:
        return "epoch"
    if header.first_seq != books.seq + 1:
        return "not-next"
    return "" if header.previous == books.head else "history"


def _readable(body: bytes, seq: int) -> dict[str, Any] | str:
    """An entry's fields, or why it is set aside."""
    try:
        fields = entry.decode(body)
    except entry.MalformedEntryError as exc:
        return str(exc)[:300]
    sound = fields["v"] == 1 and fields["seq"] == seq and fields["entry_id"].endswith(f"-{seq}")
    named = fields["learner"].isprintable() and fields["currency"].isprintable() and fields["learner"]
    known = fields["kind"] in {"award", "adjustment"} or (fields["kind"] == "reversal" and fields["reverses"])
    kept = "\0" not in fields["rule"] + fields["source"] and abs(fields["occurred_at"]) < 2**63
    return fields if sound and named and known and kept else "not an entry for this place"


def _again(answer: web.Response) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = bytes(answer.body) if isinstance(answer.body, bytes) else b""
    stream = web.StreamResponse(status=answer.status, headers={**answer.headers, "Content-Length": str(len(body))})
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return stream
