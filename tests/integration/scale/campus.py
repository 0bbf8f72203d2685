"""A campus whose batches, spends and refunds come in when a test says: the centre's own dates are in its hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from catalogue import receive, schema, tenants
from catalogue.receive import StoredReceipt
from catalogue.store import Store
from catalogue.tenants import Sender
from catalogue.verify import Report, verify
from catalogue.wallets import book
from tests.wire_builders import CAMPUS, a_header, an_entry
from wire import batch, chain
from wire.keys import Key
from wire.receipt import Stand

AGENT = "agent-1"


class Campus:
    """One agent that delivers, and the learners' wallets at the centre."""

    def __init__(self, store: Store, key: Key, name: str, agent: str) -> None:
        self.store = store
        self.key = key
        self.name = name
        self.agent = agent
        self.seq = 0
        self.head = chain.GENESIS
        self.sent: list[bytes] = []

    @classmethod
    async def made(cls, store: Store, key: Key, name: str = CAMPUS, agent: str = AGENT) -> Campus:
        """Known at the centre, with nothing posted."""
        async with store.writing() as conn:
            if name not in {row["campus"] for row in await tenants.tenants(conn)}:
                await tenants.add_tenant(conn, name, title="", environment="production", now=1)
            row = {"campus": name, "agent": agent, "state": "active", "epoch": 1, "seq": 0, "head": chain.GENESIS}
            await conn.execute(insert(schema.agent), row | {"created_at": 1})
        return cls(store, key, name, agent)

    async def deliver(self, *entries: dict[str, Any], at: int) -> StoredReceipt | Stand:
        """One batch that comes in at a moment; ``entries`` say what is special about each."""
        bodies = [an_entry(seq, **fields) for seq, fields in enumerate(entries, self.seq + 1)]
        return await self.deliver_bytes(bodies, at=at)

    async def deliver_bytes(self, bodies: list[bytes], *, at: int) -> StoredReceipt | Stand:
        header = a_header(bodies, first=self.seq + 1, previous=self.head, campus=self.name, agent=self.agent)
        body = batch.encode(header, bodies)
        taken = await self.send(body, at=at)
        if isinstance(taken, StoredReceipt):
            self.seq, self.head = header.last_seq, header.head
            self.sent.append(body)
        return taken

    async def send(self, body: bytes, *, at: int) -> StoredReceipt | Stand:
        """The bytes of a batch, as they are."""
        return await receive.receive(self.store, self.key, self.sender(), batch.envelope(body), now=at)

    def sender(self) -> Sender:
        """Whom the centre takes it for."""
        return Sender(
            campus=self.name,
            agent=self.agent,
            environment="production",
            public=bytes(32),
            tenant_state="active",
            agent_state="active",
            key_state="active",
            replaced_by=None,
        )

    async def spend(self, learner: str, amount: int, ref: str, *, at: int) -> None:
        async with self.store.writing() as conn:
            await book.spend(self.store, conn, self.name, (learner, "points"), amount, ref=ref, now=at)

    async def refund(self, learner: str, amount: int, about: str, *, at: int) -> None:
        async with self.store.writing() as conn:
            key, ref = (learner, "points"), f"back:{about}:{at}"
            await book.refund(self.store, conn, self.name, key, amount, ref=ref, about=about, now=at)

    async def verified(self, *, at: int) -> Report:
        async with self.store.reading() as conn:
            return await verify(conn, self.key.public, now=at)
