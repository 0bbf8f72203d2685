"""Who only reads sees one moment of the books, locks nothing, and is served by a replica as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalogue import books, tenants
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.operator import CAMPUS, Operator, every_command
from tests.servers import PostgresDatabase
from tests.wire_builders import an_entry, entries

ROUNDS = 8

READS = {
    "agent list": (CAMPUS,),
    "archive list": (),
    "archive verify": (),
    "audit list": (CAMPUS,),
    "award list": (CAMPUS,),
    "award show": (CAMPUS, "1"),
    "budget alerts": (CAMPUS,),
    "budget list": (CAMPUS,),
    "budget policy": (CAMPUS,),
    "budget spent": (CAMPUS,),
    "doctor": (),
    "entry list": (CAMPUS,),
    "finance export": (CAMPUS,),
    "finance liability": (CAMPUS,),
    "finance list": (CAMPUS,),
    "finance show": (CAMPUS,),
    "issue show": (CAMPUS,),
    "key show": (),
    "kudos list": (CAMPUS,),
    "kudos policy": (CAMPUS,),
    "kudos show": (CAMPUS, "1"),
    "kudos stats": (CAMPUS, "ann"),
    "kudos trends": (CAMPUS,),
    "ledger export": (CAMPUS,),
    "ledger movements": (CAMPUS,),
    "partner list": (),
    "redemption list": (CAMPUS,),
    "redemption show": (CAMPUS, "r1"),
    "reward export": (CAMPUS,),
    "reward labels": (CAMPUS,),
    "reward list": (CAMPUS, "--learner", "ann"),
    "site list": (CAMPUS,),
    "tag list": (CAMPUS,),
    "tenant list": (),
    "token list": (CAMPUS,),
    "verify": (),
    "wallet find": (CAMPUS, "ann"),
    "wallet history": (CAMPUS, "ann"),
    "wallet links": (CAMPUS,),
    "wallet show": (CAMPUS, "ann"),
}
"""Commands that only read, and what they are asked."""
NOT_THERE = {"award show", "kudos show", "redemption show"}
"""Those that end with 1 where what they are asked for is not there."""
CHANGES = {
    *(
        "init",
        "serve",
        "backup",
        "restore",
        "redeem",
        "agent add",
        "agent revoke",
        "archive drop",
        "archive load",
        "archive make",
    ),
    *("award catch-up", "award give", "award revoke", "budget remove", "budget set", "codes free", "codes import"),
    *("codes withdraw", "entry accept", "entry release"),
    *("finance close", "issue limit", "issue remove", "key rotate", "kudos choose", "kudos comment", "kudos give"),
    *("kudos hide", "kudos revoke", "kudos unhide", "partner add", "partner pause", "partner reconcile"),
    *("partner resume", "redemption cancel", "redemption refund", "redemption settle", "redemption use"),
    *("reward add", "reward approve", "reward change", "reward import", "reward label", "reward remove"),
    *("site move", "tag block", "tag put", "tag remove", "tenant add", "tenant close", "tenant resume"),
    *("finance all", "scrub", "tenant import", "tenant suspend"),
    *("tenant token", "token add", "token revoke", "wallet link", "wallet rebuild", "wallet unlink"),
}
"""Commands that change something, and need the primary."""


@pytest.fixture
async def real(tmp_path: Path, catalogue_database: PostgresDatabase) -> AsyncIterator[RealCatalogue]:
    async with running_catalogue(tmp_path, catalogue_database.dsn) as made:
        yield made


@pytest.fixture
async def hand(real: RealCatalogue, tmp_path: Path) -> AsyncIterator[Hand]:
    made = Hand(real, tmp_path)
    await made.enrol(await real.add_tenant(CAMPUS))
    await made.deliver(entries(1, 5))
    yield made
    await made.client.close()


async def test_books_verify_while_batches_come_in(real: RealCatalogue, hand: Hand) -> None:
    for _ in range(ROUNDS):
        delivering = hand.deliver([an_entry(hand.seq + number) for number in range(1, 6)])
        faults, *_ = await asyncio.gather(real.faults(), delivering)
        assert faults == []


async def test_an_export_and_the_sums_beside_it_are_of_one_moment(real: RealCatalogue, hand: Hand) -> None:
    async with real.store.reading() as conn:
        first = [row.seq async for row in books.entries(conn, CAMPUS)]
        await hand.deliver(entries(6, 10))
        assert [row.seq async for row in books.entries(conn, CAMPUS)] == first
        assert sum([row["balance"] async for row in books.wallets(conn, CAMPUS)]) == 10 * len(first)


async def test_a_campus_is_suspended_and_resumed_while_it_is_exported(real: RealCatalogue, hand: Hand) -> None:
    async with real.store.reading() as conn:
        await tenants.need_tenant(conn, CAMPUS)
        for state in ("suspended", "active"):
            await real.set_state(CAMPUS, state)
    async with real.store.reading() as conn:
        assert [row["state"] for row in await tenants.tenants(conn)] == ["active"]


async def test_batches_come_in_and_tokens_are_given_while_somebody_holds_their_campus(
    real: RealCatalogue, hand: Hand
) -> None:
    async with real.store.writing() as conn:
        assert await tenants.hold_tenant(conn, CAMPUS) == "active"
        await hand.deliver(entries(6, 10))
        assert await real.add_tenant(CAMPUS)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_database_itself_refuses_a_reader_who_writes(
    kind: str, tmp_path: Path, catalogue_file: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{catalogue_file}" if kind == "sqlite" else request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as made:
        with pytest.raises(DBAPIError, match=r"read-?only"):
            async with made.store.reading() as conn:
                await conn.execute(text("DELETE FROM wallet"))


def test_every_command_that_only_reads_may_ask_a_replica(tmp_path: Path, catalogue_database: PostgresDatabase) -> None:
    operator = Operator(tmp_path)
    settings = f'[catalogue]\n\n[database]\nurl = "{catalogue_database.dsn}"\n'
    (tmp_path / "catalogue.toml").write_text(settings, encoding="utf-8")
    operator.types("init")
    asyncio.run(_delivered(tmp_path, catalogue_database.dsn))
    operator.types("reward", "add", CAMPUS, "tea", "--title", "Tea", "--price", "points=5", "--approve")
    read_only = f'ALTER DATABASE "{catalogue_database.name}" SET default_transaction_read_only = on'
    catalogue_database.execute(read_only)
    for command, asked in READS.items():
        operator.types(*command.split(), *asked, code=1 if command in NOT_THERE else 0)
    assert "give it the primary" in operator.types("tenant", "suspend", CAMPUS, code=1)


def test_every_command_that_only_reads_answers_machines_too() -> None:
    options = {name: {option for param in command.params for option in param.opts} for name, command in every_command()}
    assert [name for name in READS if "--json" not in options[name]] == []


def test_every_command_is_known_to_read_or_to_change() -> None:
    assert {name for name, _ in every_command()} == {*READS, *CHANGES}


async def _delivered(directory: Path, url: str) -> None:
    async with running_catalogue(directory, url) as real:
        hand = Hand(real, directory)
        await hand.enrol(await real.add_tenant(CAMPUS))
        await hand.deliver(entries(1, 5))
        await hand.client.close()
