"""A campus with learners whose wallets a real catalogue keeps: entries of theirs, and what both ends say they have."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from agent.clock import Clock
from agent.ledger import file
from agent.ledger.centre import mirror
from agent.ledger.money import accounts, expiring
from agent.ledger.money.accounts import Holding
from agent.ledger.money.expiring import Wanted
from agent.ledger.verify import verify
from catalogue import books
from tests.contract.catalogues import RealCatalogue
from tests.outboxes import Delivering, delivering
from tests.wire_builders import CAMPUS, an_entry
from wire import chain, entry

LIMIT_S = 60.0
"""A thousand entries take their time on a busy machine."""
LEARNERS = ("ann", "ben", "cem")


class Campus:
    """An agent's delivering half with persons in its ledger. Pseudonyms are the learners' names."""

    def __init__(self, agent: Delivering) -> None:
        self.agent = agent

    async def people(self) -> None:
        """Make the learners known."""

        async def unit(conn: aiosqlite.Connection) -> None:
            await conn.executemany(
                "INSERT OR IGNORE INTO person (person_no, site, lms_user, secret, pseudonym, created_at)"
                " VALUES (?, 'moodle', ?, zeroblob(32), ?, 0)",
                [(number, name, name) for number, name in enumerate(LEARNERS, 1)],
            )

        await self.agent.writer.run(unit)

    async def terms(self, expires_after: int | None, overdraw: str = "owe") -> None:
        """What the rules say of points from here on."""
        wanted = {"points": Wanted(expires_after, overdraw)}

        async def unit(conn: aiosqlite.Connection) -> None:
            await expiring.keep_terms(conn, wanted)

        await self.agent.writer.run(unit)

    async def write(self, learner: str, amount: int = 10, **changes: Any) -> int:
        """Append an entry; its seq."""
        person = LEARNERS.index(learner) + 1
        seqs: list[int] = []

        async def unit(conn: aiosqlite.Connection) -> None:
            async with conn.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1") as cursor:
                seq, head = await cursor.fetchone() or (0, chain.GENESIS)
            body = an_entry(seq + 1, learner=learner, amount=amount, **changes)
            row = (seq + 1, body, chain.step(head, body), person)
            await conn.execute("INSERT INTO entry (seq, body, hash, person_no) VALUES (?, ?, ?, ?)", row)
            seqs.append(seq + 1)

        await self.agent.writer.run(unit)
        return seqs[0]

    async def reverse(self, seq: int) -> int:
        """Take an award back."""
        with contextlib.closing(file.open_for_reading(self.agent.data_dir)) as connection:
            ((body,),) = connection.execute("SELECT body FROM entry WHERE seq = ?", (seq,)).fetchall()
        fields = entry.decode(body)
        learner, amount = fields["learner"], -fields["amount"]
        return await self.write(learner, amount, kind="reversal", reverses=fields["entry_id"], reason="undone")

    async def sync(self) -> bool:
        """Both ways, to the end."""
        return await self.deliver() and await self.hear()

    async def deliver(self) -> bool:
        return await self.agent.outbox.drain(limit_s=LIMIT_S)

    async def hear(self) -> bool:
        return await self.agent.feed.drain(limit_s=LIMIT_S)

    def held(self, learner: str) -> Holding:
        with contextlib.closing(file.open_for_reading(self.agent.data_dir)) as connection:
            return accounts.held(connection, f"moodle:{learner}", "points")

    async def balance_in_a_unit(self, learner: str) -> int:
        """What a correction by hand looks at before it takes."""
        return await self.agent.writer.run(
            lambda connection: accounts.balance_in(connection, f"moodle:{learner}", "points")
        )

    def told(self) -> dict[str, Any]:
        with contextlib.closing(file.open_for_reading(self.agent.data_dir)) as connection:
            return mirror.told(connection)

    def lost(self) -> list[dict[str, Any]]:
        with contextlib.closing(file.open_for_reading(self.agent.data_dir)) as connection:
            return mirror.lost(connection)

    def faults(self) -> list[str]:
        """What `ledger verify` says of the statement."""
        with contextlib.closing(file.open_for_reading(self.agent.data_dir)) as connection:
            return [one.what for one in verify(connection).findings if "statement" in one.what]

    async def must_agree(self, catalogue: RealCatalogue) -> None:
        """What the campus shows is what the catalogue has, to the lot."""
        there = await catalogue.wallets(CAMPUS)
        for learner in LEARNERS:
            held = self.held(learner)
            assert held.balance == there.get((learner, "points"), 0), learner
            assert held.account is not None, learner
            async with catalogue.store.reading() as conn:
                wanted = await books.lots(conn, CAMPUS, learner, "points")
            ours = [(lot.left, lot.expires_at) for lot in held.account.lots]
            assert ours == [(lot["left"], lot["expires_at"]) for lot in wanted["lots"]], learner
            assert held.account.debt == wanted["owed"], learner
        assert self.faults() == []


@asynccontextmanager
async def a_campus(
    directory: Path, catalogue: RealCatalogue, token: str = "", *, clock: Clock | None = None
) -> AsyncIterator[Campus]:
    """The agent over the ledger in ``directory``; enrolled with a ``token``."""
    directory.mkdir(exist_ok=True)
    async with delivering(directory, catalogue.url, token, clock=clock) as agent:
        campus = Campus(agent)
        await campus.people()
        yield campus
