"""Batches as an agent sends them, the centre that takes them, and bare copies of its tables that take the same rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

import asyncpg

from catalogue import receive, tenants
from catalogue.proof import sites
from catalogue.store import Store
from wire import batch, chain, enrolment, entry, signing
from wire.keys import Key
from wire.money import terms
from wire.money.terms import Change, Currency, Level, Terms
from wire.signing import Headers, Request

CAMPUS, AGENT = "bench", "agent-1"
WALLETS, PRESENT = 100_000, 200
"""Wallets of the campus, and those that one batch moves."""
_FIRST_AT = 1_790_000_000
_TABLES = ("entry", "movement", "wallet", "batch")
_YEAR_S = 365 * 86_400
_SAID = Terms(
    currencies={"points": Currency(title="Points", worth="0.01 GBP", changes=(Change(0, _YEAR_S, "owe"),))},
    levels=(Level("Newcomer", "points", 0), Level("Regular", "points", 1_000)),
)
"""What a campus's agents say of its currencies in every batch."""


def learner(number: int) -> str:
    """A pseudonym, as long as real ones are."""
    return f"learner{number:017d}"


@dataclass(frozen=True, slots=True)
class Signed:
    """A batch on its way: the request that signs it, its bytes, and who moves by how much."""

    request: Request
    body: bytes
    moved: dict[str, int]


class Sender:
    """An agent that seals batches; each moves two hundred learners drawn from all."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._seq = 0
        self._head = chain.GENESIS
        self._key_id = enrolment.agent_key_id(CAMPUS, AGENT, key.fingerprint)

    def next(self) -> Signed:
        """One full batch."""
        first = self._seq + 1
        present = Random(first).sample(range(WALLETS), PRESENT)
        numbers = [present[n % PRESENT] for n in range(batch.BATCH_ENTRIES_MAX)]
        bodies = [_entry(seq, learner(who)) for seq, who in enumerate(numbers, first)]
        previous, self._head = self._head, chain.head(self._head, bodies)
        self._seq += len(bodies)
        header = batch.Header(
            campus=CAMPUS,
            agent=AGENT,
            epoch=1,
            first_seq=first,
            last_seq=self._seq,
            previous=previous,
            head=self._head,
            low_water={"moodle": self._seq},
            environment="production",
            extra={terms.FIELD: terms.encode(_SAID), sites.FIELD: ["moodle"]},
        )
        body = batch.encode(header, bodies)
        request = Request(
            method="POST", url="http://127.0.0.1/v1/batches", headers=Headers([("Content-Type", batch.CONTENT_TYPE)])
        )
        now = int(time.time())
        signing.sign_request(request, body, key=self._key, key_id=self._key_id, created=now, tag=signing.BATCH_TAG)
        moved = {learner(who): 10 * numbers.count(who) for who in set(numbers)}
        return Signed(request, body, moved)


def _entry(seq: int, who: str) -> bytes:
    return entry.encode(
        {
            "v": 1,
            "entry_id": f"1-{seq}",
            "seq": seq,
            "kind": "award",
            "learner": who,
            "currency": "points",
            "amount": 10,
            "rule": "lesson-completed",
            "rules_version": "ab" * 32,
            "source": "moodle",
            "trust": "server_verified",
            "occurred_at": _FIRST_AT + seq,
            "recorded_at": _FIRST_AT + seq + 1,
            "event_ref": "cd" * 16,
            "scope_ref": "ef" * 16,
            "generation": 0,
            "reason": "",
            "reverses": "",
        }
    )


class Centre:
    """The catalogue's own code over one database."""

    def __init__(self, store: Store, key: Key) -> None:
        self.store = store
        self._key = key

    async def take(self, sent: Signed) -> None:
        """What the handler of `/v1/batches` does."""
        key_id = signing.claimed_key_id(dict(sent.request.headers.items()))
        now = int(time.time())
        async with self.store.glancing() as conn:
            sender = await tenants.find_sender(conn, *enrolment.split_key_id(key_id))
        assert sender is not None
        signing.verify_request(
            sent.request, sent.body, public=sender.public, key_id=key_id, now=now, tag=signing.BATCH_TAG
        )
        taken = await receive.receive(self.store, self._key, sender, batch.envelope(sent.body), now=now)
        assert isinstance(taken, receive.StoredReceipt), taken


class Bare:
    """Copies of the tables; takes what a batch would write."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._db = connection
        self._no = 0

    async def begin(self) -> None:
        """Make the copies, with what is there by now."""
        for table in _TABLES:
            await self._db.execute(f"DROP TABLE IF EXISTS bare_{table}")
            await self._db.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
            await self._db.execute(f"INSERT INTO bare_{table} SELECT * FROM {table}")
        await self._db.execute("ANALYZE")
        await self._db.execute("CHECKPOINT")
        self._no = await self._db.fetchval("SELECT coalesce(max(no), 0) FROM bare_movement")

    async def take(self, sent: Signed) -> None:
        """Everything that one batch writes, in one durable transaction."""
        parsed = batch.parse(sent.body)
        header = parsed.header
        seqs = range(header.first_seq, header.last_seq + 1)
        rows = [(CAMPUS, AGENT, 1, seq, body, None, _FIRST_AT) for seq, body in zip(seqs, parsed.entries, strict=True)]
        who = list(sent.moved)
        alike = ("points", "award", 10, 0), (True, "lesson-completed", "moodle", 0, 0)
        lines = [
            (CAMPUS, no, _FIRST_AT, who[seq % len(who)], *alike[0], f"{AGENT}/1-{seq}", "", at, at + _YEAR_S, *alike[1])
            for no, (seq, at) in enumerate(((seq, _FIRST_AT + seq) for seq in seqs), self._no + 1)
        ]
        self._no += len(lines)
        amounts = [sent.moved[name] for name in who]
        kept = (CAMPUS, AGENT, 1, header.first_seq, header.last_seq, parsed.digest, parsed.header_body)
        started = time.perf_counter()
        async with self._db.transaction():
            await self._db.copy_records_to_table("bare_entry", records=rows)
            await self._db.copy_records_to_table("bare_movement", records=lines)
            await self._db.execute(_UPSERT, CAMPUS, who, amounts)
            await self._db.execute(_KEEP, *kept, header.previous, header.head, b"r" * 400, "s" * 600, _FIRST_AT)
        self.last_s = time.perf_counter() - started


_UPSERT = (
    "INSERT INTO bare_wallet SELECT $1, learner, 'points', amount, amount, 1, NULL, 0"
    " FROM unnest($2::text[], $3::bigint[]) AS now (learner, amount) ON CONFLICT (campus, learner, currency)"
    " DO UPDATE SET balance = bare_wallet.balance + excluded.balance, earned = bare_wallet.earned + excluded.earned"
)
_KEEP = "INSERT INTO bare_batch VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)"
