"""The centre on PostgreSQL: posting batches against bare asyncpg, what size costs, batches sent again, redeeming.

Ours is all that a request costs but HTTP: look up the key, verify the signature, recompute the chain, dedupe, lock and
move the wallets, sign the receipt. The bare side writes the same rows into copies of the same tables by the same kinds
of statements, in durable transactions of the same size, with nothing proven or looked at.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import asyncpg
import psutil
from sqlalchemy import insert, make_url

from bench.frame import Comparison, Sample, publish
from catalogue import receive, schema, tenants
from catalogue.proof import sites
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.store import Store, months
from tests.servers import PostgresDatabase, running_postgres
from wire import batch, chain, enrolment, entry, keys, signing
from wire.keys import Key
from wire.money import terms
from wire.money.terms import Change, Currency, Level, Terms
from wire.signing import Headers, Request

AT_LEAST, GROWTH_MAX, REPLAY_MAX, P99_MAX_MS = 0.4, 1.25, 0.1, 50
CAMPUS, AGENT = "bench", "agent-1"
WALLETS, PRESENT = 100_000, 200
"""Wallets of the campus, and those that one batch moves."""
MONTHS = 12
"""Over which the entries that are there already were posted, each in its own partition."""
REDEEMED_A_SECOND = 100
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

_FILL_ENTRIES = """
INSERT INTO entry (campus, agent, epoch, seq, body, posted_at)
SELECT $1, 'agent-0', 1, n, convert_to('{"amount":10,"currency":"points","entry_id":"1-' || n || '","event_ref":"'
  || md5(n::text) || '","generation":0,"kind":"award","learner":"learner' || lpad((n % $4)::text, 17, '0')
  || '","occurred_at":1790000000,"reason":"","recorded_at":1790000001,"reverses":"","rule":"lesson-completed",'
  || '"rules_version":"' || repeat('ab', 32) || '","scope_ref":"' || md5('s' || n) || '","seq":' || n
  || ',"source":"moodle","trust":"server_verified","v":1}', 'UTF8'), $5::bigint + n * $6::bigint / 1000
FROM generate_series($2::bigint, $3::bigint) n
"""
_FILL_MOVEMENTS = """
INSERT INTO movement
SELECT $1, n, $5::bigint + n * $6::bigint / 1000, 'learner' || lpad((n % $4)::text, 17, '0'), 'points', 'award',
  10, 0, 'agent-0/1-' || n, '', 1790000000, NULL, false, 'lesson-completed', 'moodle', greatest(n - $4, 0),
  CASE WHEN n > $4 THEN $5 + (n - $4) * $6 / 1000 ELSE 0 END
FROM generate_series($2::bigint, $3::bigint) n
"""
_FILL_WALLETS = """
INSERT INTO wallet
SELECT $1, 'learner' || lpad(n::text, 17, '0'), 'points', 10 * had, 10 * had,
  CASE WHEN had = 0 THEN 0 ELSE $2::bigint - ($2 - n) % $3 END, NULL,
  CASE WHEN had = 0 THEN 0 ELSE $4::bigint + ($2 - ($2 - n) % $3) * $5::bigint / 1000 END
FROM (
  SELECT n, $2::bigint / $3 + (n BETWEEN 1 AND $2 % $3)::integer AS had FROM generate_series(0, $3::bigint - 1) n
) counted
ON CONFLICT (campus, learner, currency)
DO UPDATE SET balance = excluded.balance, earned = excluded.earned, last_no = excluded.last_no,
  last_at = excluded.last_at
"""


_BYTES = (
    "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
    " WHERE inhparent IN ('entry'::regclass, 'movement'::regclass) AND inhrelid::regclass::text NOT LIKE '%_pkey'"
)


class Bench:
    """One catalogue that grows, and its copies."""

    def __init__(
        self, centre: Centre, sender: Sender, connection: asyncpg.Connection, *, datadir: Path, most: int
    ) -> None:
        self._server = psutil.Process(int((datadir / "postmaster.pid").read_text(encoding="utf-8").split()[0]))
        self.server_us: list[float] = []
        self._since = int(time.time()) - MONTHS * 30 * 86_400
        self._step_ms = MONTHS * 30 * 86_400_000 // most
        self._centre = centre
        self._sender = sender
        self._db = connection
        self._bare = Bare(connection)
        self._filled = 0

    async def fill(self, entries: int) -> None:
        """Let another agent of the campus have sent ``entries``, by SQL alone, and ours nothing."""
        await self._db.execute("SET synchronous_commit = off")
        async with self._centre.store.writing() as conn:
            past = {months.of(self._since + number * 14 * 86_400) for number in range(2 * MONTHS + 3)}
            await self._centre.store.dialect.make_months(conn, sorted(past))
        # What ours sent at the size before goes, past the triggers that keep a ledger from being shortened.
        await self._db.execute("SET session_replication_role = replica")
        for table in ("entry", "batch", "batch_key"):
            await self._db.execute(f"DELETE FROM {table} WHERE agent = $1", AGENT)
        await self._db.execute("DELETE FROM movement WHERE no > $1", self._filled)
        await self._db.execute("SET session_replication_role = origin")
        span = (CAMPUS, self._filled + 1, entries)
        dates = (self._since, self._step_ms)
        await self._db.execute(_FILL_ENTRIES, *span, WALLETS, *dates)
        await self._db.execute(_FILL_MOVEMENTS, *span, WALLETS, *dates)
        await self._db.execute(_FILL_WALLETS, CAMPUS, entries, WALLETS, *dates)
        await self._db.execute("UPDATE agent SET seq = $1 WHERE agent = 'agent-0'", entries)
        await self._db.execute(
            "INSERT INTO ledger VALUES ($1, $2, $3) ON CONFLICT (campus) DO UPDATE SET no = $2",
            CAMPUS,
            entries,
            self._since,
        )
        await self._db.execute("SET synchronous_commit = on")
        await self._bare.begin()
        self._filled = entries

    async def post(self, *, batches: int, repeats: int) -> tuple[Comparison, list[Signed]]:
        """Ours and bare by turns; and what was sent."""
        ours: list[Sample] = []
        bare: list[Sample] = []
        sent: list[Signed] = []
        for _ in range(repeats):
            made = [self._sender.next() for _ in range(batches)]
            sent += made
            ours.append(await self._taken(made))
            spent = 0.0
            for one in made:
                await self._bare.take(one)
                spent += self._bare.last_s
            bare.append(Sample(units=batches * batch.BATCH_ENTRIES_MAX, wall_s=spent))
        return Comparison(unit="entries", bare=tuple(bare), ours=tuple(ours)), sent

    async def again(self, sent: Sequence[Signed]) -> Sample:
        """The same batches once more."""
        return await self._taken(sent)

    async def _taken(self, sent: Sequence[Signed]) -> Sample:
        served = self._served_s()
        cpu, started = time.process_time(), time.perf_counter()
        for one in sent:
            await self._centre.take(one)
        units = len(sent) * batch.BATCH_ENTRIES_MAX
        self.server_us.append(1e6 * (self._served_s() - served) / units)
        return Sample(units=units, wall_s=time.perf_counter() - started, cpu_s=time.process_time() - cpu)

    def _served_s(self) -> float:
        """CPU seconds that PostgreSQL has used, its connections and its own work."""
        return sum(sum(one.cpu_times()[:2]) for one in (self._server, *self._server.children()))


async def redeem(store: Store, seconds: int) -> tuple[list[float], float]:
    """Seconds that each redemption took that was asked for, a hundred begun in each second by as many learners.

    And the seconds of this process's time that each cost.
    """
    now = int(time.time())
    made = shelf.described({"id": "tea", "title": "Tea", "price": {"points": 5}})
    async with store.writing() as conn:
        await shelf.put(conn, CAMPUS, made, now=now)
        await shelf.approve(conn, CAMPUS, CAMPUS, "tea", approved=True, now=now)
    desk = Desk(store, Vault(bytes(32)))
    took: list[float] = []

    async def one(number: int) -> None:
        wish = Wish(campus=CAMPUS, learner=learner(1 + number % 40_000), reward="tea", key=f"wish-{number}")
        started = time.perf_counter()
        await desk.redeem(wish, now=int(time.time()), by="bench")
        took.append(time.perf_counter() - started)

    begun, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for number in range(seconds * REDEEMED_A_SECOND):
            await asyncio.sleep(max(begun + number / REDEEMED_A_SECOND - time.perf_counter(), 0))
            tasks.create_task(one(number))
    return sorted(took), (time.process_time() - cpu) / len(took)


@asynccontextmanager
async def opened(database: PostgresDatabase, directory: Path) -> AsyncIterator[tuple[Centre, Sender]]:
    """A catalogue with one campus and two agents; the first one has sent all that is filled in."""
    agent, ours = keys.create(directory / "agent.ed25519"), keys.create(directory / "catalogue.ed25519")
    store = await Store.open(make_url(database.dsn), check_schema=False)
    try:
        await store.upgrade()
        async with store.writing() as conn:
            await tenants.add_tenant(conn, CAMPUS, title="", environment="production", now=0)
            for name in ("agent-0", AGENT):
                await conn.execute(insert(schema.agent), _agent(name))
            await conn.execute(insert(schema.agent_key), _key(agent))
        yield Centre(store, ours), Sender(agent)
    finally:
        await store.close()


def _agent(name: str) -> dict[str, object]:
    fixed = {"campus": CAMPUS, "state": "active", "epoch": 1, "seq": 0, "head": chain.GENESIS, "created_at": 0}
    return fixed | {"agent": name}


def _key(key: Key) -> dict[str, object]:
    fixed = {"campus": CAMPUS, "agent": AGENT, "state": "active", "created_at": 0}
    return fixed | {"fingerprint": key.fingerprint, "public": key.public}


async def run(sizes: tuple[int, ...], *, batches: int, repeats: int, seconds: int) -> str:
    """Everything, as the text of its section."""
    body: list[str] = []
    rates: list[float] = []
    with running_postgres(durable=True) as server, tempfile.TemporaryDirectory(prefix="rewards-bench-centre-") as name:
        database = server.create_database()
        async with opened(database, Path(name)) as (centre, sender):
            connection = await asyncpg.connect(database.dsn)
            bench = Bench(centre, sender, connection, datadir=server.datadir, most=sizes[-1])
            replayed = 0.0
            for size in sizes:
                await bench.fill(size)
                outcome, sent = await bench.post(batches=batches, repeats=repeats)
                server_us = statistics.median(bench.server_us[-repeats:])
                rates.append(statistics.median(one.rate for one in outcome.ours))
                replayed = (await bench.again(sent)).rate
                there = f"{size:,} entries of {MONTHS} months and {WALLETS:,} wallets"
                served = f"PostgreSQL itself used {server_us:.0f} CPU µs an entry of ours."
                body.append(f"With {there} already there:\n\n{outcome.table()}\n{served}")
            stored = await connection.fetchval(_BYTES) / await connection.fetchval("SELECT count(*) FROM entry")
            took, cpu_s = await redeem(centre.store, seconds)
            await connection.close()
    p50, p99 = (1e3 * took[int(len(took) * part)] for part in (0.5, 0.99))
    body.append(
        f"An entry costs {rates[0] / rates[-1]:.2f}× at {sizes[-1]:,} entries of what it costs at {sizes[0]:,}; a batch"
        f" that is sent again {rates[-1] / replayed:.3f}× of a new one. Wanted: ratios of at least {AT_LEAST}, growth"
        f" of at most {GROWTH_MAX}×, again at most {REPLAY_MAX}×. An entry with its movement and their indexes takes"
        f" {stored:,.0f} bytes on disk."
    )
    body.append(
        f"Redeeming at {REDEEMED_A_SECOND}/s for {seconds} s, {len(took):,} learners, with those entries there: p50"
        f" {p50:.1f} ms, p99 {p99:.1f} ms, slowest {1e3 * took[-1]:.1f} ms, {1e3 * cpu_s:.1f} ms of the worker each."
        f" Wanted: p99 under {P99_MAX_MS} ms."
    )
    return "\n\n".join(body)


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` stops at 200,000 entries."""
    sizes = (50_000, 200_000) if quick else (50_000, 5_000_000)
    body = asyncio.run(run(sizes, batches=5 if quick else 20, repeats=2 if quick else 5, seconds=3 if quick else 20))
    publish("centre", "The centre: posting, growth, replay and redemption on PostgreSQL", body, quick=quick)


if __name__ == "__main__":
    main()
