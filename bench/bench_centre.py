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
from pathlib import Path

import asyncpg
import psutil
from sqlalchemy import insert, make_url

from bench.frame import Comparison, Sample, publish
from bench.posting import AGENT, CAMPUS, WALLETS, Bare, Centre, Sender, Signed, learner
from catalogue import schema, tenants
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.store import Store, months
from tests.servers import PostgresDatabase, running_postgres
from wire import batch, chain, keys
from wire.keys import Key

AT_LEAST, GROWTH_MAX, REPLAY_MAX, P99_MAX_MS = 0.4, 1.25, 0.1, 50
MONTHS = 12
"""Over which the entries that are there already were posted, each in its own partition."""
REDEEMED_A_SECOND = 100
OPTIONS = ("shared_buffers=4GB", "max_wal_size=8GB", "checkpoint_timeout=15min")
"""As `docs/ops/scale.md` tells operators to set them."""

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
    postgres = running_postgres(*OPTIONS, durable=True)
    with postgres as server, tempfile.TemporaryDirectory(prefix="rewards-bench-centre-") as name:
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
    body.append(f"PostgreSQL was told {', '.join(OPTIONS)}.")
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
