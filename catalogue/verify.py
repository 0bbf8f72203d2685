"""Recomputes everything on a second road: chains and wallets from stored bytes, receipts from the catalogue's key."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, books, schema
from catalogue.finance import audit as finance
from catalogue.proof import archived, keys, rejected
from catalogue.redemption import audit as redemptions
from catalogue.statement import pages as statement
from catalogue.store.rows import WalletKey
from catalogue.wallets import audit, carried
from wire import chain, entry, receipt, signing
from wire.batch import digest
from wire.canonical import MalformedError
from wire.keeping import key_of
from wire.signing import Headers, Response, SignatureError

FAULTS_MAX = 100
"""After this many faults the rest is not listed."""


class Report:
    """What was looked at (counts) and what does not agree (``faults``; empty: everything does)."""

    def __init__(self) -> None:
        self.agents = 0
        self.batches = 0
        self.entries = 0
        self.wallets = 0
        self.sums: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        """(campus, day, rule, currency) → how many entries were posted, and how much."""
        self.archived: dict[str, str] = {}
        """By campus: what was not looked at, because it is in the archive alone."""
        self.faults: list[str] = []

    def fault(self, text: str) -> None:
        """Note one disagreement."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(text)


async def verify(conn: AsyncConnection, public: bytes, *, now: int, campus: str | None = None) -> Report:
    """Check one campus or all: ``public`` is the catalogue's key (32 bytes), whose chain holds those of before."""
    report = Report()
    publics = await keys.known(conn, public)
    wanted = select(schema.tenant.c.campus).order_by(schema.tenant.c.campus)
    if campus is not None:
        wanted = wanted.where(schema.tenant.c.campus == campus)
    for name in (await conn.scalars(wanted)).all():
        sums: dict[WalletKey, int] = defaultdict(int)
        begins = await carried.begins(conn, name)
        if begins.no:
            report.archived[name] = begins.told(name)
        rows = await conn.execute(
            select(schema.agent).where(schema.agent.c.campus == name).order_by(schema.agent.c.agent)
        )
        for agent in rows.all():
            later = await rejected.accepted(conn, name, agent.agent, begins.no)
            start = await archived.start(conn, name, agent.agent)
            await _Chain(report, agent, sums, publics=publics, later=later, start=start, now=now).walk(conn)
            for fault in await statement.check(conn, name, agent.agent):
                report.fault(fault)
        report.wallets += await audit.check(conn, name, sums, report.fault)
        await redemptions.check(conn, name, report.fault)
        await finance.check(conn, name, report.fault)
        await acts.check(conn, name, report.fault)
    if campus is None:
        await acts.check(conn, acts.EVERYWHERE, report.fault)
    return report


class _Chain:
    """One agent's batches and entries, walked side by side."""

    def __init__(
        self,
        report: Report,
        agent: Row[Any],
        sums: dict[WalletKey, int],
        *,
        publics: Mapping[str, bytes],
        later: Collection[tuple[int, int]],
        start: archived.Start,
        now: int,
    ) -> None:
        self.report = report
        self.agent = agent
        self.sums = sums
        self.publics = publics
        self.later = later
        self.now = now
        self.start = start
        self.seq = start.seq
        self.head = start.head

    @property
    def name(self) -> str:
        return f"{self.agent.campus} {self.agent.agent}"

    async def walk(self, conn: AsyncConnection) -> None:
        self.report.agents += 1
        await self._kept(conn)
        place = self.agent.agent, self.start.epoch, self.start.seq
        entries = books.entries(conn, self.agent.campus, self.agent.agent, after=place)
        async for batch in _batches(conn, self.agent, self.start.seq):
            self.report.batches += 1
            await self._batch(batch, entries)
        if await anext(entries, None) is not None:
            self.report.fault(f"{self.name}: entries beyond the last batch")
        if (self.seq, self.head) != (self.agent.seq, bytes(self.agent.head)):
            self.report.fault(
                f"{self.name}: stands at {self.agent.seq}, its entries end at {self.seq} or in another hash"
            )

    async def _kept(self, conn: AsyncConnection) -> None:
        """What stayed here of archived batches because it was set aside, and was accepted since."""
        if not self.start.seq:
            return
        async for row in books.entries(conn, self.agent.campus, self.agent.agent):
            if row.seq > self.start.seq:
                return
            if (row.epoch, row.seq) in self.later:
                self._sum(f"{self.name} seq {row.seq}", row.seq, bytes(row.body))

    async def _batch(self, batch: Row[Any], entries: AsyncIterator[Row[Any]]) -> None:
        where = f"{self.name} seq {batch.first_seq} to {batch.last_seq}"
        if batch.first_seq != self.seq + 1 or bytes(batch.previous) != self.head:
            self.report.fault(f"{where}: does not follow {self.seq}")
        bodies: list[bytes] = []
        aside: dict[int, str] = {}
        while self.seq < batch.last_seq:
            row = await anext(entries, None)
            if row is None or row.seq != self.seq + 1:
                self.report.fault(f"{where}: entry {self.seq + 1} is missing")
                self.seq, self.head = batch.last_seq, bytes(batch.head)
                return
            self.seq += 1
            bodies.append(bytes(row.body))
            if row.rejected is not None:
                aside[row.seq] = row.rejected
            if row.rejected is None or (row.epoch, row.seq) in self.later:
                self._sum(where, row.seq, bodies[-1])
        self.report.entries += len(bodies)
        self.head = chain.head(self.head, bodies)
        if self.head != bytes(batch.head):
            self.report.fault(f"{where}: the chain over the stored bytes ends in another hash")
            self.head = bytes(batch.head)
        if digest(b"\n".join([bytes(batch.header), *bodies, b""])) != bytes(batch.digest):
            self.report.fault(f"{where}: the stored bytes are not the batch that was received")
        self._receipt(where, batch, aside)

    def _sum(self, where: str, seq: int, body: bytes) -> None:
        try:
            fields = entry.decode(body)
        except entry.MalformedEntryError as exc:
            self.report.fault(f"{where}: entry {seq} was posted and cannot be read: {exc}")
            return
        self.sums[fields["learner"], fields["currency"]] += fields["amount"]
        key = (self.agent.campus, *key_of(fields))
        count, amount = self.report.sums.get(key, (0, 0))
        self.report.sums[key] = count + 1, amount + fields["amount"]

    def _signer(self, headers: Mapping[str, str]) -> bytes:
        key_id = signing.claimed_key_id(headers)
        if key_id not in self.publics:
            raise SignatureError(f"key {key_id} never signed here")
        return self.publics[key_id]

    def _receipt(self, where: str, batch: Row[Any], aside: dict[int, str]) -> None:
        body = bytes(batch.receipt)
        headers = {"Content-Type": receipt.CONTENT_TYPE} | json.loads(batch.signature)
        answer = Response(status_code=200, headers=Headers(headers.items()))
        try:
            public = self._signer(headers)
            signing.verify_receipt(answer, body, public=public, now=max(self.now, batch.received_at))
            parsed = receipt.parse_receipt(body)
        except (SignatureError, MalformedError) as exc:
            self.report.fault(f"{where}: its receipt is not ours: {exc}")
            return
        if parsed.digest != bytes(batch.digest) or {item.seq: item.reason for item in parsed.rejected} != aside:
            self.report.fault(f"{where}: its receipt says something else than the books")


async def _batches(conn: AsyncConnection, agent: Row[Any], after: int) -> AsyncIterator[Row[Any]]:
    table = schema.batch.c
    mine = (table.campus == agent.campus, table.agent == agent.agent, table.first_seq > after)
    async for row in await conn.stream(select(schema.batch).where(*mine).order_by(table.epoch, table.first_seq)):
        yield row
