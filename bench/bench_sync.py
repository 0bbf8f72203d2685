"""Seal, sign, send, post and receive receipts into PostgreSQL on loopback, against bare asyncpg inserting the entries.

The catalogue is a process of its own; the bare side writes the same entry bytes and hashes into one table, in durable
transactions of the same size, without signatures, chains, wallets or HTTP.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg
import psutil

from agent.clock import SystemClock
from agent.demo.stage.place import CAMPUS, Place, free_port
from agent.demo.stage.processes import Catalogue
from agent.ledger import file
from agent.ledger.writer import Writer
from agent.outbox.client import Client
from agent.outbox.client import Place as Address
from agent.outbox.enrol import Wish, enrol
from agent.outbox.sync import Outbox
from bench.bench_ledger import pipeline
from bench.frame import Comparison, Sample, publish
from bench.workload import PAGE_ROWS, RULES, pages, rulebook
from tests.servers import PostgresDatabase, running_postgres
from wire import keys
from wire.batch import BATCH_ENTRIES_MAX

WANTED = 10_000
_TABLE = "CREATE TABLE bare (seq bigint PRIMARY KEY, body bytea NOT NULL, hash bytea NOT NULL)"
_INSERT = "INSERT INTO bare VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


class Bench:
    """A ledger that grows by ``entries`` each time and is delivered each time."""

    def __init__(self, place: Place, database: PostgresDatabase, entries: int) -> None:
        self._place = place
        self._database = database
        self._entries = entries
        self._done = 0

    async def run(self, token: str, *, repeats: int) -> Comparison:
        """Ours and bare by turns."""
        ours: list[Sample] = []
        bare: list[Sample] = []
        connection = await asyncpg.connect(self._database.dsn)
        await connection.execute(_TABLE)
        for n in range(repeats):
            await self._grow()
            bare.append(await self._bare(connection))
            ours.append(await self._deliver(token if n == 0 else ""))
        await connection.close()
        return Comparison(unit="entries", bare=tuple(bare), ours=tuple(ours))

    async def _grow(self) -> None:
        async with pipeline(self._place.data_dir) as made:
            for page in pages(self._done, self._entries, rulebook(RULES).version):
                await made.take(page)
        self._done += self._entries

    async def _bare(self, connection: asyncpg.Connection) -> Sample:
        first = self._done - self._entries
        with closing(file.open_for_reading(self._place.data_dir)) as db:
            rows = db.execute("SELECT seq, body, hash FROM entry WHERE seq > ? ORDER BY seq", (first,)).fetchall()
        started = time.perf_counter()
        for start in range(0, len(rows), BATCH_ENTRIES_MAX):
            async with connection.transaction():
                await connection.executemany(_INSERT, rows[start : start + BATCH_ENTRIES_MAX])
        return Sample(units=len(rows), wall_s=time.perf_counter() - started)

    async def _deliver(self, token: str) -> Sample:
        async with self._outbox(token) as outbox:
            before = psutil.Process().cpu_times()
            started = time.perf_counter()
            assert await outbox.drain(limit_s=30), outbox.status()
            wall = time.perf_counter() - started
            after = psutil.Process().cpu_times()
            assert outbox.counts["entries"] == self._entries, outbox.counts
        return Sample(
            units=self._entries,
            wall_s=wall,
            cpu_s=after.user + after.system - before.user - before.system,
            peak_mb=psutil.Process().memory_info().rss / 1e6,
        )

    @asynccontextmanager
    async def _outbox(self, token: str) -> AsyncIterator[Outbox]:
        clock = SystemClock()
        url = f"http://127.0.0.1:{self._place.port}"
        client = Client(Address(url=url, proxy=None, ca_file=None), key_file=self._key_file(), clock=clock)
        writer = await Writer.open(self._place.data_dir)
        outbox = Outbox(
            writer=writer, data_dir=self._place.data_dir, client=client, environment="production", clock=clock
        )
        try:
            if token:
                wish = Wish(campus=CAMPUS, environment="production", url=url)
                data_dir = self._place.data_dir
                await enrol(token, wish, client=client, writer=writer, data_dir=data_dir, clock=clock)
            yield outbox
        finally:
            await outbox.close()
            await client.close()
            await writer.close()

    def _key_file(self) -> Path:
        path = self._place.directory / "agent.ed25519"
        if not path.exists():
            keys.create(path)
        return path


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` delivers a tenth, once."""
    entries = 10 * PAGE_ROWS if quick else 100 * PAGE_ROWS
    with running_postgres(durable=True) as server, tempfile.TemporaryDirectory(prefix="rewards-bench-sync-") as name:
        database = server.create_database()
        place = Place(directory=Path(name), port=free_port())
        _settings(place, database)
        catalogue = Catalogue(place)
        token = catalogue.prepare()
        catalogue.start()
        try:
            outcome = asyncio.run(Bench(place, database, entries).run(token, repeats=1 if quick else 3))
        finally:
            catalogue.stop()
    body = f"{outcome.table()}\n\nWanted: at least {WANTED:,} entries/s. CPU and memory are the agent's side."
    publish("sync", "Delivery: seal, sign, send, post into PostgreSQL, receipt", body, quick=quick)


def _settings(place: Place, database: PostgresDatabase) -> None:
    for folder in (place.catalogue, place.logs, place.data_dir):
        folder.mkdir(mode=0o700, parents=True)
    (place.catalogue / "catalogue.toml").write_text(
        f'[catalogue]\nlisten = "127.0.0.1:{place.port}"\n[database]\nurl = "{database.dsn}"\n', encoding="utf-8"
    )


if __name__ == "__main__":
    main()
